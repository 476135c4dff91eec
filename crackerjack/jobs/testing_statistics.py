"""The tests of a project over its recent runs: which are slow, and which come and go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Final

import msgspec

from crackerjack.decoding import json_decoder
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.log import EventLog
from crackerjack.events.payload import EventType

_RUNS: Final = 10
"""Runs with tests that are looked at. A job's tests are many events, and no index leads to them."""
_EVENTS: Final = 5000
"""Events of a job that are read, from the collection of its tests on; all of them take 30 ms."""
_PAGE: Final = 1000
_SHOWN: Final = 20
_OUTCOMES: Final = {
    "passed": True,
    "xfailed": True,
    "failed": False,
    "error": False,
    "xpassed": False,
}
"""Outcome -> whether all is well; what was skipped says nothing."""


class SlowTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that takes long."""

    hook: str
    nodeid: str
    runs: int
    median: float
    """Seconds."""


class UnsteadyTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that passed in some of the runs and failed in others.

    The log does not say what the files held, so that a test which was broken and mended is one too:
    `switches` tells them apart as well as can be.
    """

    hook: str
    nodeid: str
    passed: int
    failed: int
    switches: int
    """How often it turned from one to the other: a repair is one; more look like chance."""
    last_outcome: str


class FiguresOfTests(msgspec.Struct, frozen=True, kw_only=True):
    """What the last runs with tests say about them."""

    runs: int
    """That were looked at."""
    complete: bool
    """False when a run had more events than are read: then some of its tests are missing."""
    slowest: list[SlowTest]
    """By their median duration, longest first, at most twenty."""
    unsteady: list[UnsteadyTest]
    """Those with the most switches first, at most twenty."""


class _Test(msgspec.Struct, frozen=True):
    hook: str
    nodeid: str
    outcome: str
    duration: float


def statistics_of_tests(log: EventLog, collections: Iterable[WorkflowEvent]) -> FiguresOfTests:
    """Look at the tests of the jobs with these ``tests_collected`` events, newest first.

    Of a job that collected several times, the first collection is where the reading begins.
    """
    first: dict[str, WorkflowEvent] = {}
    for event in collections:
        if event.job_id in first or len(first) < _RUNS:
            first[event.job_id] = event
    tests: defaultdict[tuple[str, str], list[_Test]] = defaultdict(list)
    complete = True
    for event in first.values():
        run, whole = _tests(log, event)
        complete = complete and whole
        for key, test in run.items():
            tests[key].append(test)
    return FiguresOfTests(
        runs=len(first), complete=complete, slowest=_slowest(tests), unsteady=_unsteady(tests)
    )


def _tests(log: EventLog, collected: WorkflowEvent) -> tuple[dict[tuple[str, str], _Test], bool]:
    """The last result of each test of a job, and whether that is all of them."""
    decoder = json_decoder(_Test)
    found = {}
    since, last = collected.seq, collected.seq + _EVENTS
    while page := log.read(collected.job_id, since, min(_PAGE, last - since)):
        for event in page:
            if event.event_type == EventType.TEST_COMPLETED:
                test = decoder.decode(event.body)
                found[test.hook, test.nodeid] = test
        since = page[-1].seq
        if since >= last:
            return found, page[-1].terminal
    return found, True


def _slowest(tests: dict[tuple[str, str], list[_Test]]) -> list[SlowTest]:
    timed = {
        key: [one.duration for one in runs if one.outcome in _OUTCOMES]
        for key, runs in tests.items()
    }
    slow = [
        SlowTest(hook=hook, nodeid=nodeid, runs=len(durations), median=median(durations))
        for (hook, nodeid), durations in timed.items()
        if durations
    ]
    return sorted(slow, key=lambda one: one.median, reverse=True)[:_SHOWN]


def _unsteady(tests: dict[tuple[str, str], list[_Test]]) -> list[UnsteadyTest]:
    found = [one for key, runs in tests.items() if (one := _if_unsteady(*key, runs)) is not None]
    return sorted(found, key=lambda one: (one.switches, one.failed), reverse=True)[:_SHOWN]


def _if_unsteady(hook: str, nodeid: str, newest_first: Sequence[_Test]) -> UnsteadyTest | None:
    judged = [one for one in newest_first if one.outcome in _OUTCOMES]
    went_well = [_OUTCOMES[one.outcome] for one in judged]
    if len({*went_well}) < 2:
        return None
    return UnsteadyTest(
        hook=hook,
        nodeid=nodeid,
        passed=sum(went_well),
        failed=len(went_well) - sum(went_well),
        switches=sum(one != other for one, other in pairwise(went_well)),
        last_outcome=judged[0].outcome,
    )
