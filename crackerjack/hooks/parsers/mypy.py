"""``mypy --output=json`` (a document a line), or the text of older mypy and of ``zuban check``.

The text is ``path:line: error: message  [code]``, with column and end where they are asked for.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import (
    ProjectPaths,
    decode,
    failed,
    judge,
    position,
    severity,
)
from crackerjack.types import HookStatus

_TEXT: Final = re.compile(
    r"(?P<path>.+?):(?P<line>\d{1,9}):(?:(?P<column>\d{1,9}):)?(?:\d+:\d+:)?"
    r" (?P<severity>error|warning|note): (?P<message>.*?)(?:  \[(?P<code>[a-z-]+)\])?"
)
_SYNTAX: Final = "syntax"


class _Finding(msgspec.Struct, frozen=True):
    file: str
    line: int
    column: int
    """From 0; -1 without one."""
    message: str
    severity: str
    code: str | None = None


def parse(hook: str, output: ToolOutput) -> Parsed:
    """Exit code 2 stands for a syntax error, which is a finding, and for all that keeps mypy from
    checking, such as two modules of one name; with JSON, that may come on stderr. And with JSON, the
    exit code is 1 also for notes alone, which mypy calls a success otherwise.
    """
    paths = ProjectPaths(output.root)
    lines = (output.stdout + "\n" + output.stderr).splitlines()
    found = [one for line in lines if (one := _read(hook, line, paths))]
    if output.exit_code == 2 and found and all(one.code == _SYNTAX for one in found):
        return failed(found)
    if output.exit_code == 2 and found:
        return Parsed((), HookStatus.TOOL_ERROR, f"{hook} cannot check: {_sentence(found[0])}")
    if output.exit_code == 1 and found and all(one.severity is Severity.NOTE for one in found):
        return Parsed(tuple(found), HookStatus.PASSED)
    return judge(hook, output, found, warnings_pass=True)


def _sentence(found: Diagnostic) -> str:
    return f"{found.path}: {found.message}" if found.path else found.message


def _read(hook: str, line: str, paths: ProjectPaths) -> Diagnostic | None:
    finding = decode(line, _Finding) if line.startswith("{") else None
    if finding is not None:
        return Diagnostic(
            hook=hook,
            path=paths(finding.file),
            line=position(finding.line),
            column=position(finding.column, base=0),
            code=finding.code or "",
            severity=severity(finding.severity, Severity.ERROR),
            message=finding.message,
        )
    match = _TEXT.fullmatch(line)
    if match is None:
        return None
    return Diagnostic(
        hook=hook,
        path=paths(match["path"]),
        line=position(int(match["line"])),
        column=position(int(match["column"])) if match["column"] else None,
        code=match["code"] or "",
        severity=severity(match["severity"]),
        message=match["message"],
    )
