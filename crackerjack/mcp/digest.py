"""From a job to the few words that an agent needs: what is new, grouped, bounded and made inert."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from crackerjack.events.payload import DiagnosticFound, TestCompleted
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.jobs.states import RUNNING, STOPPED, WAITING, HookState
from crackerjack.mcp.models import Counts, Digest, FailingTest, Group, HookResult, Place
from crackerjack.mcp.story import Story, Until
from crackerjack.reports.safe_text import inert, inert_lines
from crackerjack.types import HookStatus

_TESTS: Final = 5
"""Failing tests of a digest: who wants more asks for them by name."""
_FILES: Final = 10
"""Changed files of a digest."""
_ROOM: Final = 3000
"""Characters that the groups of findings of a digest may take; the rest is counted."""
_ROOM_BESIDE_A_TEST: Final = 300
"""While the job runs, a failing test is what matters, and findings can wait."""
_KEPT: Final = 32  # digests
_MESSAGE: Final = 300  # characters
_SHORT: Final = 160  # characters
_SOURCE: Final = 120  # characters
_EXAMPLES: Final = 3
_QUIET: Final = frozenset({HookStatus.PASSED, HookStatus.SKIPPED, WAITING, RUNNING})

SourceLine = Callable[[str, int], str]
"""Gives the text of a line of a file: see :class:`crackerjack.hooks.source_lines.SourceLines`."""


class Digests:
    """Makes a digest once for all who are told the same at the same time."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, int, int, Until, int], Digest] = OrderedDict()

    def of(self, story: Story, since: int, until: Until) -> Digest:
        """:func:`digest`, maybe of a moment ago."""
        job = story.snapshot
        # The second is in it, because the time that remains is in a digest.
        key = (job.job_id, job.seq, since, until, int(time.time()))
        made = self._last.get(key)
        if made is None:
            made = self._last[key] = digest(story, since, until)
        if len(self._last) > _KEPT:
            self._last.popitem(last=False)
        return made


def digest(story: Story, since: int, until: Until = Until.DECISIVE) -> Digest:
    """What is new in a job after that event, for who has waited for that."""
    job = story.snapshot
    mark = story.first_mark(since, until)
    tests = [
        test
        for test in job.failing_tests
        if story.failed_at.get((test.hook, test.nodeid), 0) > since
    ]
    groups = grouped(
        found
        for found in job.diagnostics
        if story.found_at.get((found.hook, found.fingerprint), 0) > since
    )
    room = _ROOM_BESIDE_A_TEST if tests and not job.finished else _ROOM
    shown = _that_fit(groups, room)
    hooks = _told_hooks(story, since)
    changed = [path for path, seq in story.changed_at.items() if seq > since]
    left = job.remaining(time.time())
    return Digest(
        job_id=job.job_id,
        status=job.status.value,
        finished=job.finished,
        next=job.seq,
        woken_by=shortened(mark.why, _SHORT) if mark is not None else "",
        message=shortened(job.message, _MESSAGE),
        progress=job.overall_progress,
        remaining_s=None if left is None else round(left),
        counts=counts(job),
        failing_tests=[failing_test(test) for test in tests[:_TESTS]],
        more_failing_tests=max(0, len(tests) - _TESTS),
        findings=shown,
        more_findings=sum(map(len, groups[len(shown) :])),
        hooks=hooks,
        changed_files=[shortened(path, _MESSAGE) for path in changed[:_FILES]],
        more_changed_files=max(0, len(changed) - _FILES),
        running=[hook.name for hook in job.hooks.values() if hook.running],
        do_next=_do_next(job, to_fix=bool(tests or groups or any(map(_is_bad, hooks)))),
    )


def _told_hooks(story: Story, since: int) -> list[HookResult]:
    return [
        hook_result(hook)
        for hook in story.snapshot.hooks.values()
        if hook.status not in _QUIET and story.ended_at.get(hook.name, 0) > since
    ]


def _that_fit(groups: Iterable[list[DiagnosticFound]], room: int) -> list[Group]:
    """The first groups, of those that take at most so many characters together."""
    fitting: list[Group] = []
    for findings in groups:
        one = group(findings, examples=1)
        room -= len(one.model_dump_json(exclude_defaults=True))
        if room < 0:
            break
        fitting.append(one)
    return fitting


def _is_bad(hook: HookResult) -> bool:
    return hook.status != HookStatus.FIXED


def _do_next(job: JobSnapshot, *, to_fix: bool) -> str:
    """What to call now, in a sentence."""
    name = job.job_id
    if not job.finished:
        return f"{'fix this, then ' * to_fix}wait(job_id={name!r}, since={job.seq})"
    if job.exit_code == 0:
        return ""
    if any(hook.findings for hook in job.hooks.values()):
        return f"findings(job_id={name!r}) has every place; after the fix, run_checks again and compare"
    if sum(1 for _ in job.failing_tests) > _TESTS:
        return (
            f"findings(job_id={name!r}) has more tests; after the fix, run_checks again and compare"
        )
    return "after the fix, run_checks again and compare"


def counts(job: JobSnapshot) -> Counts:
    """The sums over a job."""
    sums = job.counts()
    outcomes = sums["tests"]
    return Counts(
        findings=sums["findings"],
        errors=sums["errors"],
        fixed=sums["fixed"],
        tests=outcomes["collected"],
        tests_passed=outcomes["passed"],
        tests_failed=outcomes["failed"] + outcomes["error"],
    )


def failing_test(test: TestCompleted) -> FailingTest:
    """A failing test, its message cut to what tells why."""
    return FailingTest(
        nodeid=shortened(test.nodeid, _MESSAGE),
        path=shortened(test.path, _MESSAGE),
        line=test.line,
        message=shortened_lines(test.message, _MESSAGE),
        flaky=test.flaky,
    )


def hook_result(hook: HookState) -> HookResult:
    """How a hook ended."""
    return HookResult(
        hook=hook.name,
        status="interrupted" if hook.status == STOPPED else str(hook.status),
        seconds=None if hook.duration is None else round(hook.duration, 1),
        findings=hook.findings,
        fixed=hook.fixed,
        reason=shortened(hook.reason, _MESSAGE),
    )


def grouped(findings: Iterable[DiagnosticFound]) -> list[list[DiagnosticFound]]:
    """The findings by hook, rule and severity: errors first, then the rule with the most."""
    groups: dict[tuple[str, str, str], list[DiagnosticFound]] = {}
    for found in findings:
        groups.setdefault((found.hook, found.code, found.severity), []).append(found)
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(groups.values(), key=lambda group: (order.get(group[0].severity, 3), -len(group)))


def group(
    findings: list[DiagnosticFound],
    source: SourceLine = lambda _path, _line: "",
    *,
    examples: int = _EXAMPLES,
) -> Group:
    """The findings of one rule, with the first few in full."""
    first = findings[0]
    return Group(
        hook=first.hook,
        code=shortened(first.code, _SHORT),
        severity=first.severity,
        message=shortened(first.message, _SHORT if examples == 1 else _MESSAGE),
        count=len(findings),
        fixable=sum(found.fixable for found in findings),
        examples=[_place(found, first.message, source) for found in findings[:examples]],
    )


def _place(found: DiagnosticFound, told: str, source: SourceLine) -> Place:
    line = "" if found.line is None else source(found.path, found.line)
    return Place(
        path=shortened(found.path, _MESSAGE),
        line=found.line,
        message="" if found.message == told else shortened(found.message, _SHORT),
        source=shortened(line.strip(), _SOURCE),
    )


def shortened(text: str, most: int) -> str:
    """One inert line of at most so many characters."""
    line = inert(text[: 2 * most])
    return line if len(line) <= most else f"{line[: most - 3]}..."


def shortened_lines(text: str, most: int) -> str:
    """The beginning of a text in lines, inert, of at most so many characters."""
    lines = "\n".join(inert_lines(text[: 2 * most]))
    return lines if len(lines) <= most else f"{lines[: most - 3]}..."
