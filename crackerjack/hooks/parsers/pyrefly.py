"""``pyrefly check --output-format=json``: one document, ``{"errors": []}`` when clean."""

from __future__ import annotations

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic, Severity
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
    path: str
    line: int
    column: int
    name: str
    description: str
    severity: str = "error"


class _Report(msgspec.Struct, frozen=True):
    errors: tuple[_Finding, ...]


def parse(hook: str, output: ToolOutput) -> Parsed:
    """A missing path exits with 1, as findings do, but without a report."""
    report = decode(output.stdout, _Report)
    if report is None:
        return broke(hook, output, "without a readable report")
    paths = ProjectPaths(output.root)
    found = [
        Diagnostic(
            hook=hook,
            path=paths(one.path),
            line=position(one.line),
            column=position(one.column),
            code=one.name,
            severity=severity(one.severity, Severity.ERROR),
            message=one.description,
        )
        for one in report.errors
    ]
    return judge(hook, output, found, warnings_pass=True)
