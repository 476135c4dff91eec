"""Handing a job to the fleet, and following it as if it ran here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from crackerjack.errors import StoreError
from crackerjack.events.event import WorkflowEvent, draft
from crackerjack.events.log import EventLog, JobHeader
from crackerjack.events.payload import EventType, JobQueued, WorkflowEnded
from crackerjack.fleet.queued_job import QUEUE, QueuedJob, check_size, never
from crackerjack.fleet.work_queue import WorkQueue
from crackerjack.hooks.process import Cancellation
from crackerjack.types import ExitCode, JobId


def submit(log: EventLog, queue: WorkQueue, job: QueuedJob, workflow: str) -> None:
    """Open the job's log and queue it. Raises :exc:`JobExists`, :exc:`UsageError` and :exc:`StoreUnavailable`."""
    check_size(job)
    now = time.time()
    header = JobHeader(
        job_id=job.job_id, project=job.project, workflow=workflow, created=now, owner=QUEUE
    )
    log.create_job(header, never())
    waits = JobQueued(reason=waiting_for(job), project=job.project)
    log.append([draft(job.job_id, EventType.JOB_QUEUED, waits)], owner=QUEUE)
    queue.put(job)


def waiting_for(job: QueuedJob) -> str:
    """What a job waits for, in words."""
    who = f"a worker with {', '.join(job.needs)}" if job.needs else "a worker"
    most = job.most_at_once
    runs = "1 run of the project goes" if most == 1 else f"{most} runs of the project go"
    return f"{who}; at most {runs} on at a time" if most else who


def _exit_code(event: WorkflowEvent) -> ExitCode:
    """What the terminal event says; where it makes no sense, that the run has no result."""
    with suppress(ValueError):
        if isinstance(ended := event.payload, WorkflowEnded):
            return ExitCode(ended.exit_code)
    return ExitCode.USAGE


class RemoteJob:
    """A job that a worker runs, for whoever asked for it here."""

    trouble: StoreError | None = None
    elsewhere = True
    note = ""

    def __init__(self, job_id: JobId, cancel: Callable[[JobId], object]) -> None:
        self.job_id: Final = job_id
        self.cancellation: Final = Cancellation()
        self._ask_to_stop = cancel
        self._exit_code: ExitCode | None = None

    def handle(self, event: WorkflowEvent) -> None:
        """Take in an event of the job."""
        if event.terminal:
            self._exit_code = _exit_code(event)

    def wait(self, timeout: float | None = None) -> ExitCode | None:  # noqa: ARG002 - as of a job here
        """The exit code, once the terminal event was handled."""
        return self._exit_code

    def stop(self, why: str) -> None:
        """Ask the worker to stop. May be called by a signal's handler."""
        self.cancellation.cancel(why)
        threading.Thread(target=self._cancel, name="crackerjack-cancel", daemon=True).start()

    def stop_now(self) -> None:
        """Nothing runs here that could be ended."""

    def _cancel(self) -> None:
        while self._exit_code is None:
            with suppress(StoreError):
                self._ask_to_stop(self.job_id)
                return
            time.sleep(0.5)
