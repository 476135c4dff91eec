"""How the runs of a project went, hook by hook and step by step: what ``GET /stats`` answers."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

import msgspec

from crackerjack.decoding import json_decoder
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.log import EventLog, status_of
from crackerjack.events.payload import TERMINAL_TYPES, EventType
from crackerjack.jobs.tested_runs import TOLD
from crackerjack.jobs.testing_statistics import FiguresOfTests, statistics_of_tests
from crackerjack.types import HookStatus, JobStatus

_HOOKS: Final = (EventType.HOOK_EXECUTION_COMPLETED, EventType.HOOK_EXECUTION_FAILED)
_STEPS: Final = (
    EventType.CONFIG_PHASE_COMPLETED,
    EventType.HOOK_STRATEGY_COMPLETED,
    EventType.HOOK_STRATEGY_FAILED,
    EventType.QUALITY_PHASE_COMPLETED,
    EventType.QUALITY_PHASE_FAILED,
    EventType.COMMIT_PHASE_COMPLETED,
    EventType.COMMIT_PHASE_FAILED,
    EventType.PUBLISH_PHASE_COMPLETED,
    EventType.PUBLISH_PHASE_FAILED,
)
_EVENTS_OF_A_JOB: Final = 40
"""Of the types above; a job with more shortens the look back, and does no other harm."""

_PASSED: Final = frozenset({HookStatus.PASSED, HookStatus.FIXED, JobStatus.COMPLETED})
_RAN: Final = _PASSED | {HookStatus.FAILED, JobStatus.FAILED}
"""What looked at the files: the time of the others says nothing about the next run."""
_TREND_OF: Final = 6
"""Timed runs; fewer make no trend."""
_RECENT: Final = 20


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a hook, a step or a workflow."""

    job_id: str
    ended: float
    """Seconds since the epoch."""
    status: str
    success: bool
    duration: float
    """Seconds."""
    cached: bool = False


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a hook, a step or a workflow did in the jobs that were looked at."""

    name: str
    runs: int
    """One a job at most; what was skipped is none."""
    passed: int
    """Runs with evidence that all is well: not those that could not look, or were cut short."""
    pass_rate: float | None
    """`passed` / `runs`; None without a run."""
    cached: int
    """Runs whose result was known from an earlier one."""
    statuses: dict[str, int]
    """How many runs ended in which way, the skipped ones too."""
    p50: float | None
    p95: float | None
    """Seconds of the runs that were neither cached nor cut short; None without one."""
    trend: float | None
    """Median of the newer half of those runs / that of the older half: 2.0 is twice as slow as before.

    None for fewer than six.
    """
    recent: list[Sample]
    """The newest runs, newest first, at most twenty."""


class CoverageSample(msgspec.Struct, frozen=True, kw_only=True):
    """The coverage of one job."""

    job_id: str
    timestamp: float
    """Seconds since the epoch."""
    percent: float
    whole: bool
    """False when tests failed or did not run."""


class ProjectStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one project's last jobs."""

    project: str
    """Absolute path."""
    jobs: int
    """Ended jobs that were looked at."""
    workflows: list[Figures]
    steps: list[Figures]
    """By action, such as ``run_fast_hooks``."""
    hooks: list[Figures]
    """Where the time goes: in the order of their median duration, longest first."""
    coverage: list[CoverageSample] = []
    """The newest measurements, newest first, one a job."""
    tests: FiguresOfTests | None = None
    """None where it was not asked for: it takes reading the tests of whole jobs."""


class _Ended(msgspec.Struct, frozen=True):
    """What the payloads of the ends have in common, as far as it matters here."""

    duration: float
    success: bool = False
    step_id: str = ""
    hook: str = ""
    status: str = ""
    skipped: bool = False
    cached: bool = False
    rerun: bool = False


class _Measured(msgspec.Struct, frozen=True):
    percent: float
    whole: bool = True


class _Started(msgspec.Struct, frozen=True):
    workflow: str


def project_statistics(
    log: EventLog, project: str, *, jobs: int, tests: bool = False
) -> ProjectStatistics:
    """The figures of the project's last ended `jobs`, with `tests` those of its tests too.

    Raises :exc:`StoreUnavailable`.
    """
    types = (
        EventType.WORKFLOW_STARTED,
        *_HOOKS,
        *_STEPS,
        EventType.TESTS_COLLECTED,
        EventType.COVERAGE_MEASURED,
        *TERMINAL_TYPES,
    )
    by_job: dict[str, list[WorkflowEvent]] = {}
    for event in log.latest(project, types, jobs * _EVENTS_OF_A_JOB):
        by_job.setdefault(event.job_id, []).append(event)
    ended = [events for events in by_job.values() if events[0].terminal][:jobs]
    gathered = _Gathered()
    for events in ended:
        gathered.take(events)
    return ProjectStatistics(
        project=project,
        jobs=len(ended),
        workflows=gathered.workflows.figures(),
        steps=gathered.steps.figures(),
        hooks=sorted(gathered.hooks.figures(), key=lambda one: one.p50 or 0.0, reverse=True),
        coverage=[*gathered.coverage.values()],
        tests=statistics_of_tests(log, gathered.of_tests) if tests else None,
    )


class _Gathered:
    """The runs of everything, taken in job by job, the newest first."""

    def __init__(self) -> None:
        self.workflows = _Runs()
        self.steps = _Runs()
        self.hooks = _Runs()
        self.coverage: dict[str, CoverageSample] = {}
        self.of_tests: list[WorkflowEvent] = []
        """What tells of the runs of the tests, the newest first."""

    def take(self, newest_first: Sequence[WorkflowEvent]) -> None:
        """All events of one job."""
        decoder = json_decoder(_Ended)
        for event in newest_first:
            if event.event_type == EventType.WORKFLOW_STARTED:
                workflow = json_decoder(_Started).decode(event.body).workflow
                end = newest_first[0]
                ended = decoder.decode(end.body)
                self.workflows.add(workflow, end, ended, status_of(end.event_type, begun=True))
                continue
            if event.terminal:
                continue
            if event.event_type in TOLD:
                self.of_tests.append(event)
            if event.event_type == EventType.TESTS_COLLECTED:
                continue
            if event.event_type == EventType.COVERAGE_MEASURED:
                self._take_coverage(event)
                continue
            ended = decoder.decode(event.body)
            if event.event_type in _HOOKS:
                self.hooks.add(ended.hook, event, ended, ended.status)
            else:
                self.steps.add(ended.step_id.rpartition("_")[0], event, ended, _status(ended))

    def _take_coverage(self, event: WorkflowEvent) -> None:
        if event.job_id not in self.coverage:
            measured = json_decoder(_Measured).decode(event.body)
            self.coverage[event.job_id] = CoverageSample(
                job_id=event.job_id,
                timestamp=event.timestamp,
                percent=measured.percent,
                whole=measured.whole,
            )


class _Runs:
    """The runs of each hook, step or workflow, by name."""

    def __init__(self) -> None:
        self._samples: defaultdict[str, list[Sample]] = defaultdict(list)
        self._timed: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, name: str, event: WorkflowEvent, ended: _Ended, status: str) -> None:
        """Take in the end of one; of several in one job the last one, which comes first, counts."""
        if status in _RAN and not ended.cached and not ended.rerun:
            self._timed[name].append(ended.duration)
        samples = self._samples[name]
        if samples and samples[-1].job_id == event.job_id:
            if (samples[-1].status, status) == (HookStatus.PASSED, HookStatus.FIXED):
                # The clean re-run says that the fix was good: that is what `fixed` means.
                samples[-1] = msgspec.structs.replace(samples[-1], status=status)
            return
        samples.append(
            Sample(
                job_id=event.job_id,
                ended=event.timestamp,
                status=status,
                success=ended.success,
                duration=ended.duration,
                cached=ended.cached,
            )
        )

    def figures(self) -> list[Figures]:
        """Of each name, in the order of first appearance."""
        return [
            _figures(name, samples, self._timed[name]) for name, samples in self._samples.items()
        ]


def _figures(name: str, samples: Sequence[Sample], timed: Sequence[float]) -> Figures:
    """`samples` and `timed` are newest first."""
    ran = [one for one in samples if one.status != HookStatus.SKIPPED]
    passed = sum(one.success and one.status in _PASSED for one in ran)
    half = len(timed) // 2
    older = median(timed[half:]) if len(timed) >= _TREND_OF else 0.0
    return Figures(
        name=name,
        runs=len(ran),
        passed=passed,
        pass_rate=passed / len(ran) if ran else None,
        cached=sum(one.cached for one in ran),
        statuses=dict(Counter(str(one.status) for one in samples)),
        p50=_percentile(timed, 0.5),
        p95=_percentile(timed, 0.95),
        trend=median(timed[:half]) / older if older else None,
        recent=list(samples[:_RECENT]),
    )


def _status(ended: _Ended) -> str:
    if ended.skipped:
        return HookStatus.SKIPPED
    return ended.status or (HookStatus.PASSED if ended.success else HookStatus.FAILED)


def _percentile(values: Iterable[float], share: float) -> float | None:
    """By nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
