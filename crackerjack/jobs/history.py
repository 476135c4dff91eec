"""What earlier runs of a project tell the next one: how long things take, and the best coverage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Final

import msgspec

from crackerjack.decoding import json_decoder
from crackerjack.events.log import EventLog
from crackerjack.events.payload import EventType
from crackerjack.types import HookStatus, JobId
from crackerjack.workflow.run import History

_TOLD: Final = (
    EventType.WORKFLOW_STARTED,
    EventType.HOOK_EXECUTION_COMPLETED,
    EventType.HOOK_EXECUTION_FAILED,
    EventType.QUALITY_PHASE_COMPLETED,
    EventType.QUALITY_PHASE_FAILED,
    EventType.WORKFLOW_COMPLETED,
    EventType.WORKFLOW_FAILED,
)

_EVENTS: Final = 220
"""A dozen runs of a dozen hooks; reading them takes a millisecond."""

_SAMPLES: Final = 5
"""The median of so few follows a project that grows, and forgets one slow run."""

_RAN: Final = frozenset({HookStatus.PASSED, HookStatus.FIXED, HookStatus.FAILED})
"""The others were cut short or never began."""

_WORKFLOW: Final = "workflow"
_NAME_OF_PHASE: Final = {"testing": "tests"}

_MEASUREMENTS: Final = 20
"""Of the coverage."""


class _Ended(msgspec.Struct, frozen=True):
    """What the payloads of the timed events have in common, as far as it matters here."""

    duration: float
    hook: str = ""
    phase: str = ""
    status: str = ""
    cached: bool = False
    rerun: bool = False

    @property
    def name(self) -> str:
        return self.hook or _NAME_OF_PHASE.get(self.phase, self.phase) or _WORKFLOW

    @property
    def tells(self) -> bool:
        """Whether the same hook or phase will take about as long."""
        return self.status in _RAN and not self.cached and not self.rerun


class _Started(msgspec.Struct, frozen=True):
    """What a run was asked to do."""

    workflow: str
    options: tuple[str, ...] = ()


class _Coverage(msgspec.Struct, frozen=True):
    percent: float
    previous: float | None = None
    whole: bool = True

    @property
    def best(self) -> float:
        """The best that is known from it, percent."""
        return max(self.percent if self.whole else 0.0, self.previous or 0.0)


def load_history(
    log: EventLog,
    project: str,
    workflow: str,
    options: Collection[str] = (),
    *,
    tests: bool = True,
) -> History:
    """Return how long hooks, phases and this workflow take in the project, and its best coverage.

    The latter for a run with `tests` only: where none was ever measured, all jobs are looked through.
    A duration is the median of the last few that were neither cached nor cut short; that of the
    workflow, of the last few runs with the same `options` (see :meth:`RunOptions.how_much`).
    """
    wanted = _Started(workflow, tuple(options))
    started, ended = json_decoder(_Started), json_decoder(_Ended)
    samples: defaultdict[str, list[float]] = defaultdict(list)
    whole: dict[JobId, float] = {}
    for event in log.latest(
        project, _TOLD, _EVENTS
    ):  # the newest first: a job's end, then its start
        if event.event_type == EventType.WORKFLOW_STARTED:
            if event.job_id in whole and started.decode(event.body) == wanted:
                samples[_WORKFLOW].append(whole[event.job_id])
            continue
        one = ended.decode(event.body)
        if one.name == _WORKFLOW:
            whole[event.job_id] = one.duration
        elif one.tells:
            samples[one.name].append(one.duration)
    return History(
        expected={name: _median(found[:_SAMPLES]) for name, found in samples.items()},
        best_coverage=_best_coverage(log, project) if tests else None,
    )


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _best_coverage(log: EventLog, project: str) -> float | None:
    """The best of the last measurements; each of them names the best before it."""
    decoder = json_decoder(_Coverage)
    measured = [
        decoder.decode(event.body)
        for event in log.latest(project, [EventType.COVERAGE_MEASURED], _MEASUREMENTS)
    ]
    return max((one.best for one in measured), default=0.0) or None
