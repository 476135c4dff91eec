"""The tests of a project over its recent runs: which are slow, and which are flaky."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import ClassVar, Final

import msgspec

from crackerjack.events.event import WorkflowEvent
from crackerjack.events.log import EventLog
from crackerjack.jobs.tested_runs import EndedTest, TestedRun, ended_tests, runs_with_tests
from crackerjack.workflow.outcomes import WENT_WELL

_SLOWEST: Final = 20
_FLAKY: Final = 100
_RECENT: Final = 20
"""Results of a flaky test; a run has several where it is repeated."""


class SlowTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that takes long."""

    hook: str
    nodeid: str
    runs: int
    median: float
    """Seconds."""


class TestSample(msgspec.Struct, frozen=True, kw_only=True):
    """How a test ended in one run."""

    __test__: ClassVar[bool] = False  # pytest takes every class named Test... for tests

    job_id: str
    timestamp: float
    """When the tests of the run were collected, seconds since the epoch."""
    outcome: str
    reruns: int
    """How often it had failed before in that run."""
    content: str
    """What the run's tests ran against, see ``tests_collected``; empty when that cannot be told."""


class FlakyTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that has both passed and failed at the same content."""

    hook: str
    nodeid: str
    passed: int
    """How often, at the contents at which it did both."""
    failed: int
    """The same; an attempt that a re-run in the same run made good is one."""
    recent: list[TestSample]
    """How it ended in the runs that were looked at, the newest first, at most twenty."""


class FiguresOfTests(msgspec.Struct, frozen=True, kw_only=True):
    """What the last runs with tests say about them."""

    runs: int
    """That were looked at."""
    complete: bool
    """False when a run had more events than are read: then some of its tests are missing."""
    slowest: list[SlowTest]
    """By their median duration, longest first, at most twenty."""
    flaky: list[FlakyTest]
    """Those that failed most often first, at most a hundred."""


_Results = list[tuple[TestedRun, EndedTest]]


def statistics_of_tests(log: EventLog, told: Iterable[WorkflowEvent]) -> FiguresOfTests:
    """Look at the tests of the jobs that these events tell of, the newest first; see :func:`runs_with_tests`."""
    runs = runs_with_tests(told)
    tests: defaultdict[tuple[str, str], _Results] = defaultdict(list)
    complete = True
    for run in runs:
        found, whole = ended_tests(log, run)
        complete = complete and whole
        for test in reversed(found):
            if test.outcome in WENT_WELL:
                tests[test.hook, test.nodeid].append((run, test))
    return FiguresOfTests(
        runs=len(runs), complete=complete, slowest=_slowest(tests), flaky=_flaky(tests)
    )


def _slowest(tests: dict[tuple[str, str], _Results]) -> list[SlowTest]:
    slow = []
    for (hook, nodeid), results in tests.items():
        last = {run.job_id: test.duration for run, test in reversed(results)}
        one = SlowTest(hook=hook, nodeid=nodeid, runs=len(last), median=median(last.values()))
        slow.append(one)
    return sorted(slow, key=lambda one: one.median, reverse=True)[:_SLOWEST]


def _flaky(tests: dict[tuple[str, str], _Results]) -> list[FlakyTest]:
    found = [one for key, results in tests.items() if (one := _if_flaky(*key, results)) is not None]
    return sorted(found, key=lambda one: one.failed, reverse=True)[:_FLAKY]


def _if_flaky(hook: str, nodeid: str, newest_first: _Results) -> FlakyTest | None:
    counts: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for run, test in newest_first:
        if run.content:
            passed, failed = counts[run.content]
            well = WENT_WELL[test.outcome]
            counts[run.content] = passed + well, failed + (not well) + test.reruns
    both = [(passed, failed) for passed, failed in counts.values() if passed and failed]
    if not both:
        return None
    return FlakyTest(
        hook=hook,
        nodeid=nodeid,
        passed=sum(passed for passed, _ in both),
        failed=sum(failed for _, failed in both),
        recent=[_sample(run, test) for run, test in newest_first][:_RECENT],
    )


def _sample(run: TestedRun, test: EndedTest) -> TestSample:
    return TestSample(
        job_id=run.job_id,
        timestamp=run.timestamp,
        outcome=test.outcome,
        reruns=test.reruns,
        content=run.content,
    )
