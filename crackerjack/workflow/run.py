"""What the steps of one run share: the project, the clock, the log's pen, and what was found."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from crackerjack.config import Config
from crackerjack.events.payload import EventType, Payload
from crackerjack.hooks.process import Cancellation
from crackerjack.hooks.project import Project
from crackerjack.types import JobId
from crackerjack.workflow.options import RunOptions
from crackerjack.workflow.outcomes import Outcomes
from crackerjack.workflow.scheduler import Scheduler
from crackerjack.workflow.staleness import Staleness
from crackerjack.workflow.verdict import GOOD, Part
from crackerjack.workflow.work import Work
from crackerjack.workflow.workflow import Step, Workflow

Publish = Callable[[EventType, Payload], None]


class Limit(msgspec.Struct, frozen=True):
    """How long something may take, and who says so."""

    seconds: float
    said_by: str


class History(msgspec.Struct, frozen=True):
    """What earlier runs of the project tell this one."""

    expected: Mapping[str, float] = {}
    """Hook, or phase, or ``workflow`` for all of the run -> seconds."""
    best_coverage: float | None = None
    """Percent."""


class Run:
    """One run of one workflow on one project; its steps and their tasks all hold it."""

    def __init__(
        self,
        *,
        job_id: JobId,
        path: str,
        config: Config,
        options: RunOptions,
        workflow: Workflow,
        history: History,
        publish: Publish,
        project: Project,
        work: Work,
        cancel: Cancellation,
        outcomes_at: Callable[[str], Outcomes],
    ) -> None:
        self.job_id: Final = job_id
        self.path: Final = path
        """The project, where the run was asked for; it may be here at another path."""
        self.config: Final = config
        self.options: Final = options
        self.workflow: Final = workflow
        self.history: Final = history
        self.publish: Final = publish
        self.project: Final = project
        self.work: Final = work
        self.cancel: Final = cancel
        self.outcomes_at: Final = outcomes_at
        """How tests ended in recent runs at this content; see :class:`TestsCollected`."""
        self.scheduler: Final = Scheduler(work.hands)
        self.started: Final = time.monotonic()
        self.staleness: Final = Staleness[Any]()
        self._parts: dict[tuple[str, str], Part] = {}
        self._lock: Final = threading.Lock()

    def add_part(self, part: Part) -> None:
        """Keep how something ended; the last word on a name in a step counts."""
        with self._lock:
            self._parts[part.step_id, part.name] = part

    def part(self, step_id: str, name: str) -> Part | None:
        """How this ended in that step, None while it has not."""
        with self._lock:
            return self._parts.get((step_id, name))

    def parts(self) -> list[Part]:
        """How everything ended that has."""
        with self._lock:
            return list(self._parts.values())

    def why_stopped(self) -> str:
        """Why what has not begun shall not begin; empty while the run goes on."""
        if self.cancel.is_set:
            return "interrupted"
        if self.config.fail_fast:
            failed = next((part.name for part in self.parts() if part.status not in GOOD), "")
            if failed:
                return f"--fail-fast: {failed} failed"
        return ""

    def limit(self, step: Step, step_started: float, own: Limit) -> Limit:
        """The nearest of the run's, the workflow's, the step's and one's own limit."""
        limits = [own, self._whole_limit()]
        if step.timeout is not None:
            left = step_started + step.timeout - time.monotonic()
            limits.append(Limit(left, f"step {step.name}"))
        return min(limits, key=lambda limit: limit.seconds)

    def out_of_time(self) -> str:
        """Whose time is over, the run's or the workflow's; empty while there is some left."""
        limit = self._whole_limit()
        return limit.said_by if limit.seconds <= 0 else ""

    def _whole_limit(self) -> Limit:
        spent = time.monotonic() - self.started
        limits = [Limit(self.config.timeout - spent, "the run")]
        if self.workflow.timeout is not None:
            limits.append(Limit(self.workflow.timeout - spent, "the workflow"))
        return min(limits, key=lambda limit: limit.seconds)

    def expected(self, name: str) -> float | None:
        """Seconds that this hook or phase will take, None without a history."""
        return self.history.expected.get(name)


def settled(step: str) -> str:
    """The key that is marked when this step will write no more."""
    return f"settled:{step}"


def ended(step: str) -> str:
    """The key that is marked when this step has ended."""
    return f"ended:{step}"
