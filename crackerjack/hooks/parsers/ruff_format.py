"""``ruff format``: JSON with ``--check --output-format=json`` (ruff 0.16), else text.

The text is ``Would reformat: PATH`` (up to 0.15) and, in either mode, a summary of how many files
were looked at; without one of these nothing was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import (
    ProjectPaths,
    broke,
    decode,
    failed,
    judge,
    passed,
    plain,
)
from crackerjack.hooks.parsers.ruff import Finding

UNFORMATTED: Final = "unformatted"
_WOULD: Final = "Would reformat: "
_SUMMARY: Final = re.compile(
    r"^\d+ files? (?:already formatted|left unchanged|(?:would be )?reformatted)", re.MULTILINE
)
_NOTHING_TO_DO: Final = "No Python files found under the given path"
_FAILED_TO_PARSE: Final = re.compile(
    r"^error: Failed to parse (?P<path>.+?):(?P<row>\d{1,9}):(?P<column>\d{1,9}): (?P<message>.*)$",
    re.MULTILINE,
)


def parse(hook: str, output: ToolOutput) -> Parsed:
    """Exit code 2 stands for a file that cannot be parsed, and for every error of ruff's own."""
    findings = decode(output.stdout, list[Finding])
    if findings is None:
        return _parse_text(hook, output)
    paths = ProjectPaths(output.root)
    found = [_diagnostic(hook, one, paths) for one in findings if not one.unreachable]
    if unreachable := [one.filename for one in findings if one.unreachable]:
        return broke(hook, output, f"and did not find {unreachable[0]}", found)
    return judge(hook, output, found, findings_exit=(1, 2))


def _diagnostic(hook: str, finding: Finding, paths: ProjectPaths) -> Diagnostic:
    found = finding.diagnostic(hook, paths)
    if found.code != UNFORMATTED:
        return found
    return _unformatted(hook, found.path, found.line)


def _unformatted(hook: str, path: str, line: int | None) -> Diagnostic:
    return Diagnostic(
        hook=hook,
        path=path,
        line=line,
        column=None,
        code=UNFORMATTED,
        severity=Severity.ERROR,
        message="File would be reformatted",
        fixable=True,
    )


def _parse_text(hook: str, output: ToolOutput) -> Parsed:
    found = list(_text_findings(hook, output))
    errors = [line for line in plain(output.stderr).splitlines() if line.startswith("error: ")]
    unparsable = [one for one in found if one.code != UNFORMATTED]
    if output.exit_code in {1, 2} and found and len(errors) == len(unparsable):
        return failed(found)
    looked = _SUMMARY.search(output.stdout) or _NOTHING_TO_DO in output.stderr
    if output.exit_code == 0 and looked and not found:
        return passed()
    return broke(hook, output, diagnostics=found)


def _text_findings(hook: str, output: ToolOutput) -> Iterator[Diagnostic]:
    paths = ProjectPaths(output.root)
    # Not split into lines: the name of a file may hold a newline.
    for piece in ("\n" + output.stdout).split("\n" + _WOULD)[1:]:
        yield _unformatted(hook, paths(_SUMMARY.split(piece, 1)[0].rstrip("\n")), None)
    for match in _FAILED_TO_PARSE.finditer(plain(output.stderr)):
        yield Diagnostic(
            hook=hook,
            path=paths(match["path"]),
            line=int(match["row"]),
            column=int(match["column"]),
            code="invalid-syntax",
            severity=Severity.ERROR,
            message=match["message"],
        )
