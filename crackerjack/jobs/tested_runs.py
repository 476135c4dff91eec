"""The recent runs of a project's tests: what each ran against, and how its tests ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

import msgspec

from crackerjack.decoding import decoded, json_decoder
from crackerjack.errors import StoreUnavailable
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.log import EventLog
from crackerjack.events.payload import EventType
from crackerjack.types import JobId
from crackerjack.workflow.outcomes import Outcomes

RUNS: Final = 10
"""Runs with tests that are looked at. A job's tests are many events, and no index leads to them."""
TOLD: Final = (
    EventType.TESTS_COLLECTED,
    EventType.QUALITY_PHASE_COMPLETED,
    EventType.QUALITY_PHASE_FAILED,
)
"""The events that tell of a run of the tests, the tests aside."""
_EVENTS: Final = 5000
"""Events of a job that are read, from the collection of its tests on; all of them take 30 ms."""
_PAGE: Final = 1000
_EVENTS_OF_A_RUN: Final = 8
"""Of the types above: mostly two, the collection and the end, and two of the cleaning."""


class TestedRun(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of one job."""

    __test__: ClassVar[bool] = False  # pytest takes every class named Test... for tests

    job_id: JobId
    begins: int
    """The `seq` of their first collection."""
    timestamp: float
    """Of that, seconds since the epoch."""
    content: str
    """What they ran against, from the first collection to their end; empty when that changed, or
    cannot be told."""


class EndedTest(msgspec.Struct, frozen=True):
    """How a test ended."""

    hook: str
    nodeid: str
    outcome: str
    duration: float
    reruns: int = 0


class _Told(msgspec.Struct, frozen=True):
    content: str = ""
    phase: str = ""


def runs_with_tests(newest_first: Iterable[WorkflowEvent]) -> list[TestedRun]:
    """The runs that these events tell of (:data:`TOLD`), the newest first, at most :data:`RUNS`."""
    decoder = json_decoder(_Told)
    ended: dict[JobId, str] = {}
    runs: dict[JobId, TestedRun] = {}
    for event in newest_first:
        told = decoder.decode(event.body)
        job_id = event.job_id
        if event.event_type != EventType.TESTS_COLLECTED:
            if told.phase == "testing":
                ended[job_id] = told.content
        elif job_id in runs or len(runs) < RUNS:
            later = runs[job_id].content if job_id in runs else ended.get(job_id, "")
            runs[job_id] = TestedRun(
                job_id=job_id,
                begins=event.seq,
                timestamp=event.timestamp,
                content=told.content if told.content == later else "",
            )
    return list(runs.values())


def ended_tests(log: EventLog, run: TestedRun) -> tuple[list[EndedTest], bool]:
    """Every result of the run's tests, in order, and whether that is all of them.

    Raises :exc:`StoreUnavailable`.
    """
    found: list[EndedTest] = []
    since, last = run.begins, run.begins + _EVENTS
    while page := log.read(run.job_id, since, min(_PAGE, last - since)):
        told = (
            decoded(event.body, EndedTest)
            for event in page
            if event.event_type == EventType.TEST_COMPLETED
        )
        found += [test for test in told if test is not None]
        since = page[-1].seq
        if since >= last:
            return found, page[-1].terminal
    return found, True


def outcomes_at(log: EventLog, project: str, content: str) -> Outcomes:
    """How the tests ended in those of the project's recent runs that ran against this content.

    Of a store that cannot be read, nothing is known: a run goes on without.
    """
    outcomes = Outcomes()
    if not content:
        return outcomes
    try:
        for run in runs_with_tests(log.latest(project, TOLD, RUNS * _EVENTS_OF_A_RUN)):
            if run.content == content:
                for test in ended_tests(log, run)[0]:
                    outcomes.add(test.hook, test.nodeid, test.outcome, test.reruns)
    except StoreUnavailable:
        return Outcomes()
    return outcomes
