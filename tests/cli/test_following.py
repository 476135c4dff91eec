"""How ``run`` follows its job, where no output would show the difference."""

from __future__ import annotations

import threading
from contextlib import closing
from types import SimpleNamespace
from typing import Any

from crackerjack.cli import run_command
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.hub import Hub
from crackerjack.events.memory_log import MemoryEventLog
from crackerjack.events.payload import EventType, WorkflowEnded
from crackerjack.events.subscription import Subscription
from crackerjack.jobs.job_manager import Job
from crackerjack.types import ExitCode
from tests.events.writing import OWNER, new_job


class CountingView:
    """Counts how often it is called; the last event starts what ends the job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.ticks = 0

    def handle(self, event: WorkflowEvent) -> None:
        if event.terminal:
            threading.Timer(0.25, self._job.end, [ExitCode.PASSED]).start()

    def tick(self) -> None:
        self.ticks += 1

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


def test_who_has_seen_the_last_event_leaves_the_processor_to_the_job() -> None:
    log, hub = MemoryEventLog(), Hub()
    job = Job(new_job(log))
    with closing(WorkflowEventBus(log, hub, owner=OWNER)) as bus:
        jobs = SimpleNamespace(subscribe=lambda job_id: Subscription(log, hub, job_id))
        container: Any = SimpleNamespace(jobs=jobs, bus=bus)
        view = CountingView(job)
        ended = WorkflowEnded(success=True, duration=0.0, exit_code=0)
        bus.publish(job.job_id, EventType.WORKFLOW_COMPLETED, ended)
        assert run_command._follow(container, job, [view.handle], view) == ExitCode.PASSED
    assert view.ticks < 100
