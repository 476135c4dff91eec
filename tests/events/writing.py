"""What the tests of the log write: jobs, numbered events, and an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from crackerjack.events.event import Draft, WorkflowEvent, draft
from crackerjack.events.log import EventLog, JobHeader
from crackerjack.events.payload import (
    DiagnosticFound,
    EventType,
    HookOutput,
    Payload,
    StrategyStarted,
    WorkflowEnded,
)
from crackerjack.types import JobId

OWNER: Final = "host:1:1"
STEP: Final = "run_fast_hooks_001"
END: Final = WorkflowEnded(success=True, duration=1.5, exit_code=0)


def header(job_id: JobId, *, project: str = "/project", owner: str = OWNER) -> JobHeader:
    return JobHeader(
        job_id=job_id, project=project, workflow="standard", created=time.time(), owner=owner
    )


def new_job(
    log: EventLog, name: str = "job", *, project: str = "/project", owner: str = OWNER
) -> JobId:
    job_id = JobId(name)
    log.create_job(header(job_id, project=project, owner=owner), time.time() + 10)
    return job_id


def line(text: object) -> HookOutput:
    return HookOutput(step_id=STEP, hook="ruff-check", stream="stdout", text=str(text))


def said(job_id: JobId, text: object) -> Draft:
    return draft(job_id, EventType.HOOK_OUTPUT, line(text))


def started(job_id: JobId, strategy: str) -> Draft:
    return draft(
        job_id,
        EventType.HOOK_STRATEGY_STARTED,
        StrategyStarted(step_id=STEP, strategy=strategy),
    )


def finding(message: str) -> DiagnosticFound:
    return DiagnosticFound(
        step_id=STEP,
        hook="ruff-check",
        path="a.py",
        line=1,
        column=None,
        code="E501",
        severity="error",
        message=message,
        fixable=False,
        fingerprint="00",
    )


def ended(job_id: JobId, payload: Payload = END) -> Draft:
    return draft(job_id, EventType.WORKFLOW_COMPLETED, payload)


def text_of(event: WorkflowEvent) -> str:
    """What :func:`said` said; for another event its type."""
    payload = event.payload
    return payload.text if isinstance(payload, HookOutput) else event.event_type


def wait_until(done: Callable[[], object], *, timeout: float = 30.0) -> None:
    """Wait for something that has no event of its own; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen")
        time.sleep(0.002)
