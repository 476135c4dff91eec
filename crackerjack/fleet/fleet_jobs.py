"""The jobs of a broker: what is asked of them here is done by whichever worker has them."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from crackerjack.errors import StoreForbids
from crackerjack.events.event import draft
from crackerjack.events.log import EventLog
from crackerjack.events.payload import EventType, WorkflowEnded
from crackerjack.fleet.queued_job import QUEUE
from crackerjack.fleet.work_queue import WorkQueue
from crackerjack.jobs.job_manager import JobManager
from crackerjack.jobs.lease import LEASE_SECONDS
from crackerjack.types import ExitCode, JobId


class FleetJobs(JobManager):
    """A :class:`JobManager` on a broker's log."""

    def __init__(self, queue: WorkQueue, **parts: Any) -> None:
        super().__init__(**parts)
        self._queue = queue

    def cancel(self, job_id: JobId) -> bool:
        """Ask a job to stop; one that no worker has ends at once."""
        asked = super().cancel(job_id)
        if asked:
            # A server may ask but not write: then the next worker that looks ends it.
            with suppress(StoreForbids):
                self._withdraw(job_id)
        return asked

    def end_lost_jobs(self) -> list[JobId]:
        """Nothing: the queue gives a job whose worker is gone to another one."""
        return []

    def _withdraw(self, job_id: JobId) -> None:
        log: EventLog = self._log
        if log.take_over(
            job_id,
            old_owner=QUEUE,
            new_owner=self._owner,
            expires=time.time() + LEASE_SECONDS,
        ):
            ended = WorkflowEnded(
                success=False,
                duration=0.0,
                exit_code=ExitCode.INTERRUPTED,
                reason="cancelled",
            )
            log.append([draft(job_id, EventType.WORKFLOW_INTERRUPTED, ended)], owner=self._owner)
            self._queue.remove(job_id)
