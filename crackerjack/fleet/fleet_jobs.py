"""The jobs of a broker: what is asked of them here is done by whichever worker has them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from crackerjack.errors import FilesElsewhere, StoreForbids
from crackerjack.events.event import WorkflowEvent, draft
from crackerjack.events.job_records import JobRecords
from crackerjack.events.log import EventLog, JobEntry, JobHeader
from crackerjack.events.payload import EventType, WorkflowEnded
from crackerjack.fleet.leases import Leases
from crackerjack.fleet.queue_state import queue_state
from crackerjack.fleet.queued_job import QUEUE
from crackerjack.fleet.work_queue import WorkQueue
from crackerjack.hooks.undo import FileChange, UndoOutcome
from crackerjack.jobs.job_manager import JobManager
from crackerjack.jobs.lease import LEASE_SECONDS
from crackerjack.jobs.queue_state import QueueState
from crackerjack.types import ExitCode, JobId

_MOST_ENDS: Final = 2000
"""Terminal events that are kept: lists of jobs show them again and again."""

_UNQUEUED: Final = 60.0
"""Seconds, by the broker's clock, until a job that is neither queued nor run is lost: who submits one
opens its log first."""

_LOOK_EVERY: Final = 10.0
"""Seconds between two looks for them."""


class FleetJobs(JobManager):
    """A :class:`JobManager` on a broker's log."""

    def __init__(self, queue: WorkQueue, leases: Leases, records: JobRecords, **parts: Any) -> None:
        super().__init__(**parts)
        self._queue = queue
        self._leases = leases
        self._records = records
        self._ends: dict[JobHeader, WorkflowEvent] = {}
        self._looked = float("-inf")

    def cancel(self, job_id: JobId) -> bool:
        """Ask a job to stop; one that no worker has ends at once."""
        asked = super().cancel(job_id)
        if asked:
            # A server may ask but not write: then the next worker that looks ends it.
            with suppress(StoreForbids):
                self._withdraw(job_id)
        return asked

    def end_lost_jobs(self) -> list[JobId]:
        """End the jobs that nobody will run: begun a while ago, and not in the queue.

        That of a worker that is gone is there still, and another one takes it.
        """
        if time.monotonic() - self._looked < _LOOK_EVERY:
            return []
        self._looked = time.monotonic()
        begun = self._log.jobs(ended=False, limit=sys.maxsize)
        if not begun:
            return []
        lost = self._lost(begun)
        with suppress(StoreForbids):  # who may not write leaves it to who may
            return [
                entry.header.job_id
                for entry in lost
                if self._end(entry.header.job_id, entry.header.owner, "runner_lost")
            ]
        return []

    def _lost(self, begun: list[JobEntry]) -> list[JobEntry]:
        # In this order: who is not in the queue now was not put there in the meantime.
        queued = self._queue.job_ids()
        oldest = self._queue.now() - _UNQUEUED
        return [
            entry for entry in begun if entry.header.job_id not in queued and entry.updated < oldest
        ]

    def spares(self, entry: JobEntry) -> bool:  # noqa: ARG002
        """Nothing: the worker that ran a job goes on to live, and shows it to nobody."""
        return False

    def queue(self) -> QueueState | None:
        """What waits for workers, and who they are. Raises :exc:`StoreUnavailable`."""
        return queue_state(self._queue, self._leases)

    def terminal_event(self, entry: JobEntry) -> WorkflowEvent | None:
        """The event that ended the job, which the broker is asked for once."""
        end = self._ends.get(entry.header)
        if end is None and (end := super().terminal_event(entry)) is not None:
            self._ends[entry.header] = end
            while len(self._ends) > _MOST_ENDS:
                self._ends.pop(next(iter(self._ends)), None)
        return end

    def undo(self, job_id: JobId, on_wait: Callable[[str], None]) -> list[UndoOutcome]:
        """As where a run was here; raises :exc:`FilesElsewhere` too."""
        self.changes(job_id)
        return super().undo(job_id, on_wait)

    def changes(self, job_id: JobId) -> tuple[FileChange, ...]:
        """What the job changed here. Raises :exc:`FilesElsewhere` where it has done so elsewhere only."""
        found = super().changes(job_id)
        if not found and self.entry(job_id).terminal is not None and self._records.result(job_id):
            raise FilesElsewhere(job_id)
        return found

    def _withdraw(self, job_id: JobId) -> None:
        if self._end(job_id, QUEUE, "cancelled"):
            self._queue.withdraw(job_id)

    def _end(self, job_id: JobId, owner: str, reason: str) -> bool:
        """Write the terminal event of a job if it is still the owner's."""
        log: EventLog = self._log
        taken = log.take_over(
            job_id, old_owner=owner, new_owner=self._owner, expires=time.time() + LEASE_SECONDS
        )
        if taken:
            ended = WorkflowEnded(
                success=False, duration=0.0, exit_code=ExitCode.INTERRUPTED, reason=reason
            )
            log.append([draft(job_id, EventType.WORKFLOW_INTERRUPTED, ended)], owner=self._owner)
        return taken
