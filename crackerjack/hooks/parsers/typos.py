"""``typos --format json``: a document a line, nothing when clean."""

from __future__ import annotations

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import ProjectPaths, broke, decode, judge, position


class _Message(msgspec.Struct, frozen=True):
    type: str
    """``typo``, ``error``, or what we need not know, such as ``binary_file``."""
    path: str = ""
    line_num: int | None = None
    """None for a typo in the name of a file."""
    byte_offset: int | None = None
    """Bytes from the start of the line, or of the name."""
    typo: str = ""
    corrections: tuple[str, ...] = ()


def parse(hook: str, output: ToolOutput) -> Parsed:
    """The column counts bytes: behind characters beyond ASCII it is too far to the right."""
    lines = [line for line in output.stdout.splitlines() if line.strip()]
    messages = [decode(line, _Message) for line in lines]
    paths = ProjectPaths(output.root)
    found = [
        _diagnostic(hook, one, paths) for one in messages if one is not None and one.type == "typo"
    ]
    if any(one is None or one.type == "error" for one in messages):
        return broke(hook, output, diagnostics=found)
    return judge(hook, output, found, findings_exit=(2,))


def _diagnostic(hook: str, message: _Message, paths: ProjectPaths) -> Diagnostic:
    in_name = message.line_num is None
    right = ", ".join(message.corrections) or "never right"
    return Diagnostic(
        hook=hook,
        path=paths(message.path),
        line=position(message.line_num),
        column=None if in_name else position(message.byte_offset, base=0),
        code="typo",
        severity=Severity.WARNING,
        message=f"{message.typo} ==> {right}" + (" (in the file's name)" if in_name else ""),
    )
