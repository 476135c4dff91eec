"""What earlier runs of a project tell the next one: how long things take, and the best coverage."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import msgspec

from crackerjack.decoding import json_decoder
from crackerjack.events.log import EventLog
from crackerjack.events.payload import EventType
from crackerjack.types import HookStatus
from crackerjack.workflow.run import History

_TIMED: Final = (
    EventType.HOOK_EXECUTION_COMPLETED,
    EventType.HOOK_EXECUTION_FAILED,
    EventType.QUALITY_PHASE_COMPLETED,
    EventType.QUALITY_PHASE_FAILED,
    EventType.WORKFLOW_COMPLETED,
    EventType.WORKFLOW_FAILED,
)

_RUNS: Final = 100
_EVENTS: Final = 200
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
        """Whether the same will take about as long; of a workflow, nothing more is known."""
        ran = self.status in _RAN or self.name == _WORKFLOW
        return ran and not self.cached and not self.rerun


class _Coverage(msgspec.Struct, frozen=True):
    percent: float
    previous: float | None = None
    whole: bool = True

    @property
    def best(self) -> float:
        """The best that is known from it, percent."""
        return max(self.percent if self.whole else 0.0, self.previous or 0.0)


def load_history(log: EventLog, project: str, workflow: str) -> History:
    """Return how long hooks, phases and this workflow take in the project, and its best coverage.

    A duration is the median of the last few that were neither cached nor cut short.
    """
    alike = {
        entry.header.job_id
        for entry in log.jobs(project=project, limit=_RUNS)
        if entry.header.workflow == workflow
    }
    decoder = json_decoder(_Ended)
    samples: defaultdict[str, list[float]] = defaultdict(list)
    for event in log.latest(project, _TIMED, _EVENTS):
        ended = decoder.decode(event.body)
        if ended.tells and (ended.name != _WORKFLOW or event.job_id in alike):
            samples[ended.name].append(ended.duration)
    return History(
        expected={name: _median(found[:_SAMPLES]) for name, found in samples.items()},
        best_coverage=_best_coverage(log, project),
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
