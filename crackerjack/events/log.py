"""The contract of an event log: append-only and ordered; every reader is a cursor."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from crackerjack.events.event import Draft, WorkflowEvent
from crackerjack.events.payload import EventType
from crackerjack.types import JobId, JobStatus

_STATUS: Final[Mapping[str, JobStatus]] = {
    EventType.WORKFLOW_COMPLETED: JobStatus.COMPLETED,
    EventType.WORKFLOW_FAILED: JobStatus.FAILED,
    EventType.WORKFLOW_INTERRUPTED: JobStatus.INTERRUPTED,
}
"""What a job is after its terminal event."""
STORED_STATUSES: Final = tuple(status for status in JobStatus if status is not JobStatus.WAITING)
"""What a job of the log can be."""


class JobHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the log knows of a job beside its events."""

    job_id: JobId
    project: str
    """Absolute path, on the machine where the job was asked for."""
    workflow: str
    created: float
    """Seconds since the epoch."""
    owner: str
    """Who writes this job: a process, ``host:pid:start``, or ``queue`` while it waits for a worker."""


class JobEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the log holds it now."""

    header: JobHeader
    head: int
    """The `seq` of its last event; 0 before the first."""
    terminal: str | None
    """The type of the terminal event, None while the job goes on."""
    updated: float
    """When its last event was committed or its lease renewed, seconds since the epoch by the log's clock."""
    lease_expires: float
    cancel_requested: bool
    queued: bool = False
    """Whether its last event says that it waits for its turn."""

    @property
    def status(self) -> JobStatus:
        """Where the job stands."""
        return status_of(self.terminal, begun=self.head > 0 and not self.queued)


def status_of(terminal: str | None, *, begun: bool) -> JobStatus:
    """The status of a job with this terminal event; `begun`: it has events, and its turn."""
    if terminal is not None:
        return _STATUS[terminal]
    return JobStatus.RUNNING if begun else JobStatus.QUEUED


Recent = Callable[[int, int], list[tuple[int, WorkflowEvent]] | None]
"""What :meth:`EventLog.read_all` would say, given the same; None where the log has to be asked."""


class EventLog(Protocol):
    """Holds the events of every job.

    How far it is shared, and what a crash or the loss of power takes, differs: the log in memory is
    its process's and gone with it, the one in SQLite is shared by the processes of a user, the one in
    a broker by all machines of a space. Each says so itself.

    *Order.* The log gives each event of a job the next `seq`: 1, 2, 3, ... A batch is committed whole
    or not at all, and what :meth:`read` returns was committed.

    *Who serialises.* Every method may be called from any thread. Each job has one writer, its owner;
    another that takes the job over (:meth:`take_over`) fences the first one out, whose next append
    raises :exc:`JobEnded` with the new owner's name. Owners are names: two threads that write one
    job under one name have to agree on the order themselves.

    *Failure.* Every method may raise :exc:`StoreUnavailable`: the disk is full, read-only, locked or
    corrupt, or the broker cannot be reached. On this machine nothing was done then. At a broker what
    was asked for may have been done, or be done later: see :meth:`append`.
    """

    @property
    def recent(self) -> Recent | None:
        """What is known here of a log on another machine, where asking may take seconds.

        None for a log that is on this one.
        """
        ...

    @property
    def store_id(self) -> str:
        """Names this store for ever, so that a position of another store can be told."""
        ...

    def create_job(self, header: JobHeader, lease_expires: float) -> None:
        """Open a log for a new job; raises :exc:`JobExists`."""
        ...

    def append(self, drafts: Sequence[Draft], *, owner: str) -> list[WorkflowEvent]:
        """Commit the drafts, in order, and return the events. Drafts of several jobs may mix.

        After :exc:`StoreUnavailable` they are to be given again, at the beginning of the next append
        to these jobs: a broker's log then finds those that had arrived, and no event comes twice.
        Raises :exc:`UnknownJob`, and :exc:`JobEnded` after the terminal event and to who is not the
        owner; then nothing was written.
        """
        ...

    def read(self, job_id: JobId, after: int, limit: int) -> list[WorkflowEvent]:
        """The next events of a job, at most `limit`, with ``seq > after``; empty at the head.

        Raises :exc:`UnknownJob`.
        """
        ...

    def read_all(self, after: int, limit: int) -> list[tuple[int, WorkflowEvent]]:
        """The next events of every job in the order of commit, each with its position.

        Positions increase and are never reused; start with ``after=0``.
        """
        ...

    def position(self) -> int:
        """The position of the last event committed; 0 for an empty log."""
        ...

    def job(self, job_id: JobId) -> JobEntry:
        """Raises :exc:`UnknownJob`."""
        ...

    def jobs(
        self,
        *,
        project: str | None = None,
        ended: bool | None = None,
        skip: int = 0,
        limit: int = 1000,
    ) -> list[JobEntry]:
        """Newest first, without the newest `skip`; with `ended` only those that have, or have not."""
        ...

    def count_jobs(self) -> dict[JobStatus, int]:
        """How many jobs there are of each status; none is left out."""
        ...

    def latest(self, project: str, event_types: Collection[str], limit: int) -> list[WorkflowEvent]:
        """The last events of these types in the project's jobs: newest job first, then newest event."""
        ...

    def renew_lease(self, job_id: JobId, *, owner: str, expires: float) -> bool:
        """Prolong the lease; False when the job is no longer this owner's, or has ended."""
        ...

    def take_over(self, job_id: JobId, *, old_owner: str, new_owner: str, expires: float) -> bool:
        """Become the owner of a job that goes on and is still `old_owner`'s; False if it is not."""
        ...

    def request_cancel(self, job_id: JobId) -> bool:
        """Ask the owner to stop; False when the job has ended. Raises :exc:`UnknownJob`."""
        ...

    def delete_jobs(self, job_ids: Collection[JobId]) -> int:
        """Forget whole jobs that have ended, with their events; returns how many."""
        ...

    def close(self) -> None:
        """Release files and connections; the log is not used after this."""
        ...
