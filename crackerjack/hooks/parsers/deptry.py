"""``deptry . --json-output {report}``: a list, ``[]`` when clean."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import (
    SYNTAX_ERROR,
    ProjectPaths,
    broke,
    decode,
    judge,
    plain,
    position,
)
from crackerjack.types import HookStatus

_SKIPPED: Final = re.compile(
    r"Skipping processing of (?P<path>.+?) because of the following error: \"?(?P<message>.*?)\"?\.?$",
    re.MULTILINE,
)

_NO_REQUIREMENTS: Final = "DependencySpecificationNotFoundError"


class _Error(msgspec.Struct, frozen=True):
    code: str
    message: str


class _Location(msgspec.Struct, frozen=True):
    file: str
    line: int | None = None
    column: int | None = None


class _Finding(msgspec.Struct, frozen=True):
    error: _Error
    location: _Location


def parse(hook: str, output: ToolOutput) -> Parsed:
    """A file that cannot be parsed is skipped with a warning, and may leave exit code 0."""
    findings = decode(output.report, list[_Finding])
    if findings is None and _NO_REQUIREMENTS in output.stderr:
        reason = f"{hook} found no list of dependencies in pyproject.toml or requirements.txt"
        return Parsed((), HookStatus.INCONCLUSIVE, reason)
    if findings is None:
        return broke(hook, output, "without a readable report")
    paths = ProjectPaths(output.root)
    found = [_diagnostic(hook, one, paths) for one in findings]
    skipped = [
        Diagnostic(
            hook=hook,
            path=paths(match["path"]),
            line=None,
            column=None,
            code=SYNTAX_ERROR,
            severity=Severity.ERROR,
            message=match["message"],
        )
        for match in _SKIPPED.finditer(plain(output.stderr))
    ]
    return judge(hook, output, found + skipped)


def _diagnostic(hook: str, finding: _Finding, paths: ProjectPaths) -> Diagnostic:
    return Diagnostic(
        hook=hook,
        path=paths(finding.location.file),
        line=position(finding.location.line),
        column=position(finding.location.column),
        code=finding.error.code,
        severity=Severity.ERROR,
        message=finding.error.message,
    )
