"""``bandit -q -f json``: one document."""

from __future__ import annotations

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import (
    SYNTAX_ERROR,
    ProjectPaths,
    broke,
    decode,
    judge,
    position,
    severity,
)


class _Finding(msgspec.Struct, frozen=True):
    filename: str
    line_number: int
    test_id: str
    issue_text: str
    issue_severity: str
    col_offset: int | None = None
    """From 0."""


class _Error(msgspec.Struct, frozen=True):
    filename: str
    reason: str


class _Report(msgspec.Struct, frozen=True):
    results: tuple[_Finding, ...]
    errors: tuple[_Error, ...]


def parse(hook: str, output: ToolOutput) -> Parsed:
    """Exit code 0 also when files are missing or cannot be parsed: `errors` tells."""
    report = decode(output.stdout, _Report)
    if report is None:
        return broke(hook, output, "without a readable report")
    paths = ProjectPaths(output.root)
    found = [_diagnostic(hook, one, paths) for one in report.results]
    found += [_unparsable(hook, one, paths) for one in report.errors if _is_syntax(one)]
    if broken := [one for one in report.errors if not _is_syntax(one)]:
        why = f"unable to look at {broken[0].filename} ({broken[0].reason})"
        return broke(hook, output, why, found)
    return judge(hook, output, found)


def _is_syntax(error: _Error) -> bool:
    return "syntax error" in error.reason


def _diagnostic(hook: str, finding: _Finding, paths: ProjectPaths) -> Diagnostic:
    return Diagnostic(
        hook=hook,
        path=paths(finding.filename),
        line=position(finding.line_number),
        column=position(finding.col_offset, base=0),
        code=finding.test_id,
        severity=severity(finding.issue_severity),
        message=finding.issue_text,
    )


def _unparsable(hook: str, error: _Error, paths: ProjectPaths) -> Diagnostic:
    return Diagnostic(
        hook=hook,
        path=paths(error.filename),
        line=None,
        column=None,
        code=SYNTAX_ERROR,
        severity=Severity.ERROR,
        message=error.reason,
    )
