"""The report for people and for grep: one line per finding, then what each hook came to."""

from __future__ import annotations

from typing import Final

from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.reports import wording
from crackerjack.reports.style import PLAIN
from crackerjack.reports.summary import ending

_WIDTH: Final = 100  # cells of the table; the lines of findings are as long as they are


def render(job: JobSnapshot) -> str:
    """Every finding, every failing test, the table, the next commands and the verdict."""
    lines = [wording.finding(found) for found in job.diagnostics]
    for test in job.failing_tests:
        lines += wording.failing_test(test)
    lines += ending(job, PLAIN, _WIDTH)
    return "".join(f"{PLAIN.paint(line)}\n" for line in lines).lstrip("\n")
