"""``rumdl check --output-format json``: a list, ``[]`` when clean."""

from __future__ import annotations

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import (
    ProjectPaths,
    broke,
    decode,
    judge,
    position,
    severity,
)


class _Finding(msgspec.Struct, frozen=True):
    file: str
    message: str
    severity: str
    line: int | None = None
    column: int | None = None
    rule: str | None = None
    fixable: bool = False


def parse(hook: str, output: ToolOutput) -> Parsed:
    """Exit codes: 0, 1 for findings, 2 for errors of its own."""
    findings = decode(output.stdout, list[_Finding])
    if findings is None:
        return broke(hook, output, "without a readable report")
    paths = ProjectPaths(output.root)
    found = [
        Diagnostic(
            hook=hook,
            path=paths(one.file),
            line=position(one.line),
            column=position(one.column),
            code=one.rule or "",
            severity=severity(one.severity),
            message=one.message,
            fixable=one.fixable,
        )
        for one in findings
    ]
    return judge(hook, output, found, warnings_pass=True)
