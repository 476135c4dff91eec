"""``ruff check --output-format=json``: a list, ``[]`` when clean."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import (
    ProjectPaths,
    broke,
    decode,
    judge,
    plain,
    position,
    severity,
)

_UNREAD: Final = re.compile(
    r"^warning: (?:Failed to lint (?P<path>(?s:.+?))|Encountered error): (?P<message>.+)$",
    re.MULTILINE,
)
"""All that it says, with exit code 0, of what it could not read when E902 is not among its rules."""


class Location(msgspec.Struct, frozen=True):
    row: int
    column: int


class Fix(msgspec.Struct, frozen=True):
    applicability: str


class Finding(msgspec.Struct, frozen=True):
    """One finding, of the linter or, with fewer fields, of the formatter."""

    filename: str
    message: str
    code: str | None = None
    location: Location | None = None
    fix: Fix | None = None
    severity: str = "error"
    cell: int | None = None
    """The notebook's cell, that the rows count from."""

    @property
    def unreachable(self) -> bool:
        """Whether it says that the file is not there: no finding about the project.

        A file that is there and is not text, or may not be read, *is* a finding.
        """
        return self.code in {"E902", "io"} and not os.path.lexists(self.filename)

    def diagnostic(self, hook: str, paths: ProjectPaths) -> Diagnostic:
        """The finding in our shape."""
        cell = "" if self.cell is None else f"cell {self.cell}: "
        return Diagnostic(
            hook=hook,
            path=paths(self.filename),
            line=position(self.location.row) if self.location else None,
            column=position(self.location.column) if self.location else None,
            code=self.code or "invalid-syntax",  # which older versions give no code
            severity=severity(self.severity, Severity.ERROR),
            message=cell + self.message,
            fixable=self.fix is not None and self.fix.applicability == "safe",
        )


def parse(hook: str, output: ToolOutput) -> Parsed:
    """A missing path is a finding E902 to ruff, with exit code 1: to us it is an error."""
    listed = decode(output.stdout, list[Finding])
    if listed is None:
        return broke(hook, output, "without a readable report")
    paths = ProjectPaths(output.root)
    told = {paths(one.filename) for one in listed if one.code == "E902"}
    findings = [*listed, *(one for one in _unread(output) if paths(one.filename) not in told)]
    found = [one.diagnostic(hook, paths) for one in findings if not one.unreachable]
    if unreachable := [one.filename for one in findings if one.unreachable]:
        return broke(hook, output, f"and did not find {unreachable[0]}", found)
    return judge(hook, output, found)


def _unread(output: ToolOutput) -> Iterator[Finding]:
    """What ruff only warns of: it has not looked, so it has not passed."""
    for match in _UNREAD.finditer(plain(output.stderr)):
        filename = os.path.join(output.root, match["path"] or "")
        yield Finding(filename=filename, message=match["message"], code="E902")
