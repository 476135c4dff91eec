"""What the parsers share: paths, positions, severities, and the verdict."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Collection, Iterable
from typing import Any, Final, TypeVar

import msgspec

from crackerjack.decoding import json_decoder
from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.types import HookStatus

SYNTAX_ERROR: Final = "syntax-error"
"""The code of a finding by a tool that cannot parse a file and has no code of its own for that."""

_WORDS: Final = 1000
"""Characters of a tool's own words in a reason: enough for a message, not for a traceback."""
_ESCAPES: Final = r"\x1b\[[0-9;?]*[ -/]*[@-~]"
_SEVERITIES: Final = {
    **dict.fromkeys(("blocker", "critical", "error", "fatal", "high", "major"), Severity.ERROR),
    **dict.fromkeys(("medium", "minor", "moderate", "warn", "warning"), Severity.WARNING),
    **dict.fromkeys(
        ("convention", "hint", "info", "information", "low", "none", "note", "refactor"),
        Severity.NOTE,
    ),
}

T = TypeVar("T")


class ProjectPaths:
    """Turns the paths that a tool prints into paths relative to the project, with ``/``.

    A tool may print the project's directory with its links resolved or not; both are understood. A
    file outside the project is ``../...``.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._known: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._relative(path)
        return known

    def _relative(self, path: str) -> str:
        if not path or "\0" in path:
            return path.replace("\0", "")
        absolute = os.path.normpath(os.path.join(self._root, path))
        if absolute.startswith(self._root.rstrip("/") + "/"):
            return os.path.relpath(absolute, self._root)
        # The last part is left as it is: a link in the project is a file of the project.
        directory, name = os.path.split(absolute)
        real = os.path.join(os.path.realpath(directory), name)
        relative = os.path.relpath(real, os.path.realpath(self._root))
        return "" if relative == "." else relative


def severity(word: str, default: Severity = Severity.WARNING) -> Severity:
    """The severity that a tool's own word for it means."""
    return _SEVERITIES.get(word.lower(), default)


def position(number: int | None, *, base: int = 1) -> int | None:
    """A row or column that counts from `base`, counted from 1; None where the tool gives none."""
    if number is None or number < base:
        return None
    return number + 1 - base


def plain(text: str) -> str:
    """The text without the escape sequences that colour it."""
    return re.sub(_ESCAPES, "", text) if "\x1b" in text else text


def decode(text: str, shape: type[T]) -> T | None:
    """JSON of this shape; None when it is not."""
    try:
        return json_decoder(shape).decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return None


def decode_any(text: str) -> Any:
    """JSON of any shape, or one JSON document a line as a list; None when it is neither."""
    document: Any = decode(text, object)
    if document is not None:
        return document
    lines = [line for line in text.splitlines() if line.strip()]
    documents = [decode(line, object) for line in lines]
    return None if not lines or None in documents else documents


def passed() -> Parsed:
    """The tool looked and found nothing."""
    return Parsed((), HookStatus.PASSED)


def failed(diagnostics: Iterable[Diagnostic]) -> Parsed:
    """The tool found something."""
    return Parsed(tuple(diagnostics), HookStatus.FAILED)


def broke(
    hook: str, output: ToolOutput, why: str = "", diagnostics: Iterable[Diagnostic] = ()
) -> Parsed:
    """The tool crashed, was misconfigured, or cannot be read: its words, or `why` before them."""
    said = words(output)
    sentence = f"{hook} {_exited(output.exit_code)}"
    if why:
        sentence += f", {why}"
    reason = f"{sentence}: {said}" if said else f"{sentence} and said nothing"
    return Parsed(tuple(diagnostics), HookStatus.TOOL_ERROR, reason)


def words(output: ToolOutput) -> str:
    """What the tool said, on stderr if it said anything there; of much, the start and the end."""
    said = plain(output.stderr).strip() or plain(output.stdout).strip()
    if len(said) <= _WORDS:
        return said
    return f"{said[: _WORDS // 2]} [...] {said[-_WORDS // 2 :]}"


def judge(
    hook: str,
    output: ToolOutput,
    diagnostics: Iterable[Diagnostic],
    *,
    findings_exit: Collection[int] = (1,),
    warnings_pass: bool = False,
) -> Parsed:
    """The verdict of a tool that exits with 0 when it is content and with `findings_exit` when not.

    Findings count also when it exits with 0, unless `warnings_pass` and none of them is an error.
    """
    found = tuple(diagnostics)
    if output.exit_code == 0:
        fails = any(not warnings_pass or one.severity is Severity.ERROR for one in found)
        return Parsed(found, HookStatus.FAILED if fails else HookStatus.PASSED)
    if output.exit_code not in findings_exit:
        return broke(hook, output, diagnostics=found)
    if not found:
        return broke(hook, output, "but no finding can be read")
    return failed(found)


def missing_inputs(output: ToolOutput) -> tuple[str, ...]:
    """The files that the tool was given and that are not there, for tools that pass these over."""
    return tuple(
        path for path in output.files if not os.path.lexists(os.path.join(output.root, path))
    )


def _exited(code: int) -> str:
    if code >= 0:
        return f"exited with {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
