"""``check-jsonschema -o json``: one document."""

from __future__ import annotations

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import SYNTAX_ERROR, ProjectPaths, broke, decode, judge


class _Match(msgspec.Struct, frozen=True):
    path: str
    message: str


class _Error(msgspec.Struct, frozen=True):
    filename: str
    path: str
    message: str
    best_deep_match: _Match | None = None


class _Unparsable(msgspec.Struct, frozen=True):
    filename: str
    message: str


class _Report(msgspec.Struct, frozen=True):
    status: str
    errors: tuple[_Error, ...] = ()
    parse_errors: tuple[_Unparsable, ...] = ()


def parse(hook: str, output: ToolOutput) -> Parsed:
    """A crash exits with 1, as findings do, but without a report."""
    report = decode(output.stdout, _Report)
    if report is None:
        return broke(hook, output, "without a readable report")
    paths = ProjectPaths(output.root)
    found = [
        *(_diagnostic(hook, paths(one.filename), "schema", _message(one)) for one in report.errors),
        *(
            _diagnostic(hook, paths(one.filename), SYNTAX_ERROR, one.message)
            for one in report.parse_errors
        ),
    ]
    return judge(hook, output, found)


def _message(error: _Error) -> str:
    match = error.best_deep_match or _Match(error.path, error.message)
    return f"{match.path}: {match.message}"


def _diagnostic(hook: str, path: str, code: str, message: str) -> Diagnostic:
    return Diagnostic(
        hook=hook,
        path=path,
        line=None,
        column=None,
        code=code,
        severity=Severity.ERROR,
        message=message,
    )
