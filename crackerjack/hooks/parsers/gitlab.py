"""GitLab's Code Quality report, as ``ty check --output-format=gitlab`` writes it.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

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


class _Begin(msgspec.Struct, frozen=True):
    line: int
    column: int | None = None


class _Positions(msgspec.Struct, frozen=True):
    begin: _Begin


class _Lines(msgspec.Struct, frozen=True):
    begin: int


class _Location(msgspec.Struct, frozen=True):
    path: str
    positions: _Positions | None = None
    lines: _Lines | None = None


class _Finding(msgspec.Struct, frozen=True):
    check_name: str
    description: str
    severity: str
    location: _Location


def parse(hook: str, output: ToolOutput) -> Parsed:
    """A finding without a path is about what was asked for: an error of the tool."""
    findings = decode(output.report or output.stdout, list[_Finding])
    if findings is None:
        return broke(hook, output, "without a readable report")
    paths = ProjectPaths(output.root)
    found = [_diagnostic(hook, one, paths) for one in findings if one.location.path]
    if homeless := [one.description for one in findings if not one.location.path]:
        return broke(hook, output, homeless[0], found)
    return judge(hook, output, found, warnings_pass=True)


def _diagnostic(hook: str, finding: _Finding, paths: ProjectPaths) -> Diagnostic:
    place = finding.location
    begin = place.positions.begin if place.positions else None
    line = begin.line if begin else place.lines.begin if place.lines else None
    return Diagnostic(
        hook=hook,
        path=paths(place.path),
        line=position(line),
        column=position(begin.column) if begin else None,
        code=finding.check_name,
        severity=severity(finding.severity),
        message=finding.description.removeprefix(f"{finding.check_name}: "),
    )
