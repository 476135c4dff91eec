"""A store as a list of events: what was published, and so what every client must get."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from crackerjack.events.payload import (
    TERMINAL_TYPES,
    EventType,
    HookOutput,
    HookStarted,
    Payload,
    PhaseStarted,
    TestCompleted,
    WorkflowEnded,
)
from crackerjack.types import JobId
from tests.web.serving import STEP, finding

KINDS: Final = (
    EventType.HOOK_OUTPUT,
    EventType.DIAGNOSTIC_FOUND,
    EventType.TEST_COMPLETED,
    EventType.QUALITY_PHASE_STARTED,
    EventType.HOOK_EXECUTION_STARTED,
)


@dataclass(eq=False)
class Event:
    """One event as every client must get it."""

    job_id: JobId
    seq: int
    kind: str
    json: bytes
    forgotten: bool = False


@dataclass
class Model:
    """What was published: the stream of the store, and those of its jobs."""

    everything: list[Event] = field(default_factory=list)
    jobs: dict[JobId, list[Event]] = field(default_factory=dict)

    def add(self, job_id: JobId, kind: EventType, payload: Payload) -> None:
        """Note that the event was published."""
        job = self.jobs[job_id]
        seq = len(job) + 1
        body = {
            "event_type": kind.value,
            "data": payload,
            "timestamp": payload.timestamp,
            "job_id": job_id,
            "seq": seq,
        }
        event = Event(job_id, seq, kind.value, msgspec.json.encode(body))
        job.append(event)
        self.everything.append(event)

    def ended(self, job_id: JobId) -> bool:
        """Whether the job's terminal event was published."""
        last = self.jobs.get(job_id, [])[-1:]
        return any(EventType(event.kind) in TERMINAL_TYPES for event in last)

    def forget(self, job_id: JobId) -> None:
        """Note that the job was pruned."""
        for event in self.jobs.pop(job_id):
            event.forgotten = True


def payload(kind: EventType, words: str, number: int) -> Payload:
    """What such an event says."""
    match kind:
        case EventType.HOOK_OUTPUT:
            return HookOutput(step_id=STEP, hook="ruff-check", stream="stdout", text=words)
        case EventType.TEST_COMPLETED:
            return TestCompleted(
                step_id=STEP,
                hook="pytest",
                nodeid=f"a.py::test[{number}]",
                outcome="failed",
                duration=number / 7,
                message=words,
            )
        case EventType.QUALITY_PHASE_STARTED:
            return PhaseStarted(step_id=STEP, phase="cleaning")
        case EventType.HOOK_EXECUTION_STARTED:
            return HookStarted(step_id=STEP, hook="ruff-check", expected=number / 3)
        case EventType.WORKFLOW_COMPLETED:
            return WorkflowEnded(success=True, duration=1.5, exit_code=0, reason=words)
        case _:
            return finding(words, number)
