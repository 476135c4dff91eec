"""``pyright --outputjson`` and ``basedpyright --outputjson``: one document, positions from 0."""

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
from crackerjack.types import HookStatus


class _Position(msgspec.Struct, frozen=True):
    line: int
    character: int


class _Range(msgspec.Struct, frozen=True):
    start: _Position


class _Finding(msgspec.Struct, frozen=True):
    file: str
    severity: str
    message: str
    rule: str = ""
    range: _Range | None = None


class _Summary(msgspec.Struct, frozen=True, rename="camel"):
    files_analyzed: int


class _Report(msgspec.Struct, frozen=True, rename="camel"):
    general_diagnostics: tuple[_Finding, ...]
    summary: _Summary


def parse(hook: str, output: ToolOutput) -> Parsed:
    """A report about no file is inconclusive: nothing was checked."""
    report = decode(output.stdout, _Report)
    if report is None:
        return broke(hook, output, "without a readable report")
    paths = ProjectPaths(output.root)
    found = [_diagnostic(hook, one, paths) for one in report.general_diagnostics]
    if output.exit_code == 0 and not report.summary.files_analyzed:
        return Parsed(tuple(found), HookStatus.INCONCLUSIVE, f"{hook} looked at no file")
    return judge(hook, output, found, warnings_pass=True)


def _diagnostic(hook: str, finding: _Finding, paths: ProjectPaths) -> Diagnostic:
    start = finding.range.start if finding.range else None
    return Diagnostic(
        hook=hook,
        path=paths(finding.file),
        line=position(start.line, base=0) if start else None,
        column=position(start.character, base=0) if start else None,
        code=finding.rule,
        severity=severity(finding.severity, Severity.ERROR),
        message=finding.message,
    )
