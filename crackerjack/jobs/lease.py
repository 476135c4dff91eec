"""A lease says that the process of a job lives, and ends the jobs of those that do not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final

from crackerjack.errors import JobEnded, StoreUnavailable, UnknownJob
from crackerjack.events.event import WorkflowEvent, draft
from crackerjack.events.log import EventLog, JobEntry
from crackerjack.events.payload import EventType, WorkflowEnded
from crackerjack.jobs.process_identity import is_alive
from crackerjack.jobs.snapshot import fold
from crackerjack.jobs.states import FAILING
from crackerjack.types import ExitCode, JobId

LEASE_SECONDS: Final = 10.0
"""How long a job of another host counts as alive without a word from it."""

_RENEW_EVERY: Final = 3.0
"""Seconds; two renewals may fail before the lease runs out."""

_LOOK_EVERY: Final = 0.5
"""Seconds between looks at the job: how soon a cancellation from another process is heard."""

_PAGE: Final = 1000  # events read at once


class Lease:
    """Keeps a job's lease while the block runs, and watches for what others do to the job.

    Calls `on_cancel` once when a cancellation was asked for, and `on_lost` once when another process
    took the job over, or has ended and forgotten it; both on the keeper's own thread, neither after the
    block. That another has only ended it, the writer hears from the log, which refuses what follows.
    """

    def __init__(
        self,
        log: EventLog,
        job_id: JobId,
        *,
        owner: str,
        on_cancel: Callable[[], object],
        on_lost: Callable[[], object],
    ) -> None:
        self._log = log
        self._job_id = job_id
        self._owner = owner
        self._on_cancel = on_cancel
        self._on_lost = on_lost
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{job_id}", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _keep(self) -> None:
        told = False
        renewal = time.monotonic() + _RENEW_EVERY
        while not self._over.wait(_LOOK_EVERY):
            try:
                entry = self._log.job(self._job_id)
                if entry.header.owner == self._owner and time.monotonic() >= renewal:
                    self._renew()
                    renewal = time.monotonic() + _RENEW_EVERY
            except StoreUnavailable:
                continue  # the bus says so; the store may come back before the lease runs out
            except UnknownJob:
                self._on_lost()
                return
            if entry.header.owner != self._owner:
                self._on_lost()
                return
            if entry.cancel_requested and not told:
                told = True
                self._on_cancel()

    def _renew(self) -> None:
        self._log.renew_lease(self._job_id, owner=self._owner, expires=time.time() + LEASE_SECONDS)


def end_lost_jobs(log: EventLog, *, now: float) -> list[JobId]:
    """Write the terminal event of every job whose process is gone; return those jobs.

    On this host a process is asked for itself: one that is merely stopped keeps its job for ever. On
    another host its lease (`now` is in seconds since the epoch) must speak for it.
    """
    return [
        entry.header.job_id
        for entry in log.jobs(ended=False)
        if _is_lost(entry, now) and _end(log, entry)
    ]


def _is_lost(entry: JobEntry, now: float) -> bool:
    alive = is_alive(entry.header.owner)
    return entry.lease_expires < now if alive is None else not alive


def _end(log: EventLog, entry: JobEntry) -> bool:
    """End the job in its owner's name, in one step; False when another process was faster."""
    header = entry.header
    try:
        counts = fold(_events(log, header.job_id), job_id=header.job_id).counts()
        interrupted = WorkflowEnded(
            success=False,
            duration=max(0.0, entry.updated - header.created),
            exit_code=ExitCode.INTERRUPTED,
            reason="runner_lost",
            findings=counts["findings"],
            fixed=counts["fixed"],
            tests_failed=sum(counts["tests"][outcome] for outcome in FAILING),
        )
        last = draft(header.job_id, EventType.WORKFLOW_INTERRUPTED, interrupted)
        log.append([last], owner=header.owner)
    except (JobEnded, UnknownJob):
        return False
    return True


def _events(log: EventLog, job_id: JobId) -> Iterator[WorkflowEvent]:
    """What the job came to, which nobody else can say any more."""
    since = 0
    while page := log.read(job_id, since, _PAGE):
        yield from page
        since = page[-1].seq
