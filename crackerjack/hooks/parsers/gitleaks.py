"""``gitleaks dir . --report-format json --report-path -``: a list, ``[]`` when clean."""

from __future__ import annotations

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import ProjectPaths, broke, decode, judge, position


class _Finding(msgspec.Struct, frozen=True, rename="pascal"):
    rule_id: str = msgspec.field(name="RuleID")
    description: str
    file: str
    start_line: int
    start_column: int


def parse(hook: str, output: ToolOutput) -> Parsed:
    """A missing path exits with 1, as findings do, but without a report."""
    findings = decode(output.stdout, list[_Finding])
    if findings is None:
        return broke(hook, output, "without a readable report")
    paths = ProjectPaths(output.root)
    found = [
        Diagnostic(
            hook=hook,
            path=paths(one.file),
            line=position(one.start_line),
            column=position(one.start_column),
            code=one.rule_id,
            severity=Severity.ERROR,
            message=one.description,
        )
        for one in findings
    ]
    return judge(hook, output, found)
