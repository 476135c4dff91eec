"""A comparison of two runs in few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crackerjack.events.payload import DiagnosticFound, TestCompleted
from crackerjack.hooks.source_lines import SourceLines
from crackerjack.jobs.comparison import Comparison
from crackerjack.mcp import models
from crackerjack.mcp.digest import failing_test, group, grouped, shortened
from crackerjack.reports.safe_text import inert

_TESTS: Final = 20
_GROUPS: Final = 10


def compared(comparison: Comparison, source: SourceLines) -> models.Compared:
    """What an agent is told of a comparison; `source` gives the lines."""

    def changed(
        findings: Sequence[DiagnosticFound], tests: Sequence[TestCompleted]
    ) -> models.Changed:
        return models.Changed(
            count=len(findings) + len(tests),
            findings=[group(one, source, examples=2) for one in grouped(findings)[:_GROUPS]],
            tests=[failing_test(one) for one in tests[:_TESTS]],
        )

    new = changed(comparison.new, comparison.new_tests)
    remaining = len(comparison.remaining) + len(comparison.remaining_tests)
    return models.Compared(
        job_id=comparison.job,
        base=comparison.base,
        new=new,
        fixed=changed(comparison.fixed, comparison.fixed_tests),
        remaining=models.Changed(count=remaining),
        unseen=changed(comparison.unseen, comparison.unseen_tests),
        not_compared={
            inert(name): shortened(why, 200) for name, why in comparison.not_compared.items()
        },
        do_next=f"findings(job_id={comparison.job!r}) has every place; after the fix, run_checks again"
        if new.count or remaining
        else "",
    )
