"""The event log in memory: for tests, and for programs that want a bus without a store."""

from __future__ import annotations

import bisect
import os
import threading
import time
from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from crackerjack.errors import JobEnded, JobExists, UnknownJob
from crackerjack.events.batch import Tally, numbered, taken_over, tally
from crackerjack.events.event import Draft, WorkflowEvent
from crackerjack.events.log import STORED_STATUSES, JobEntry, JobHeader
from crackerjack.types import JobId, JobStatus


class MemoryEventLog:
    """An :class:`crackerjack.events.log.EventLog` that lives as long as its process, which alone sees it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._store_id = os.urandom(16).hex()
        self._entries: dict[JobId, JobEntry] = {}
        self._events: dict[JobId, list[WorkflowEvent]] = {}
        self._all: list[tuple[int, WorkflowEvent]] = []
        self._position = 0

    @property
    def recent(self) -> None:
        return None

    @property
    def store_id(self) -> str:
        return self._store_id

    def create_job(self, header: JobHeader, lease_expires: float) -> None:
        with self._lock:
            if header.job_id in self._entries:
                raise JobExists(header.job_id)
            self._events[header.job_id] = []
            self._entries[header.job_id] = JobEntry(
                header=header,
                head=0,
                terminal=None,
                updated=time.time(),
                lease_expires=lease_expires,
                cancel_requested=False,
            )

    def append(self, drafts: Sequence[Draft], *, owner: str) -> list[WorkflowEvent]:
        tallies = tally(drafts)
        with self._lock:
            heads = {job_id: self._writable(job_id, owner).head for job_id in tallies}
            events = numbered(drafts, heads)
            for event in events:
                self._position += 1
                self._all.append((self._position, event))
                self._events[event.job_id].append(event)
            for job_id, added in tallies.items():
                self._advance(job_id, added)
        return events

    def read(self, job_id: JobId, after: int, limit: int) -> list[WorkflowEvent]:
        with self._lock:
            self._entry(job_id)
            return self._events[job_id][after : after + limit]

    def read_all(self, after: int, limit: int) -> list[tuple[int, WorkflowEvent]]:
        with self._lock:
            start = bisect.bisect_right(self._all, after, key=lambda item: item[0])
            return self._all[start : start + limit]

    def position(self) -> int:
        with self._lock:
            return self._position

    def job(self, job_id: JobId) -> JobEntry:
        with self._lock:
            return self._entry(job_id)

    def jobs(
        self,
        *,
        project: str | None = None,
        ended: bool | None = None,
        skip: int = 0,
        limit: int = 1000,
    ) -> list[JobEntry]:
        with self._lock:
            newest_first = reversed(self._entries.values())
            found = [
                entry
                for entry in newest_first
                if project in {None, entry.header.project}
                and ended in {None, entry.terminal is not None}
            ]
        return found[skip : skip + limit]

    def count_jobs(self) -> dict[JobStatus, int]:
        with self._lock:
            counted = Counter(entry.status for entry in self._entries.values())
        return {status: counted[status] for status in STORED_STATUSES}

    def latest(self, project: str, event_types: Collection[str], limit: int) -> list[WorkflowEvent]:
        with self._lock:
            found = [
                event
                for entry in reversed(self._entries.values())
                if entry.header.project == project
                for event in reversed(self._events[entry.header.job_id])
                if event.event_type in event_types
            ]
        return found[:limit]

    def renew_lease(self, job_id: JobId, *, owner: str, expires: float) -> bool:
        with self._lock:
            entry = self._entries.get(job_id)
            if entry is None or entry.terminal or entry.header.owner != owner:
                return False
            self._change(entry, lease_expires=expires, updated=time.time())
            return True

    def take_over(self, job_id: JobId, *, old_owner: str, new_owner: str, expires: float) -> bool:
        with self._lock:
            entry = self._entries.get(job_id)
            if entry is None or entry.terminal or entry.header.owner != old_owner:
                return False
            header = msgspec.structs.replace(entry.header, owner=new_owner)
            self._change(entry, header=header, lease_expires=expires)
            return True

    def request_cancel(self, job_id: JobId) -> bool:
        with self._lock:
            entry = self._entry(job_id)
            if entry.terminal:
                return False
            self._change(entry, cancel_requested=True)
            return True

    def delete_jobs(self, job_ids: Collection[JobId]) -> int:
        with self._lock:
            ended = {
                job_id
                for job_id in job_ids
                if job_id in self._entries and self._entries[job_id].terminal
            }
            for job_id in ended:
                del self._entries[job_id], self._events[job_id]
            self._all = [item for item in self._all if item[1].job_id not in ended]
            return len(ended)

    def close(self) -> None:
        """Nothing to release."""

    def _entry(self, job_id: JobId) -> JobEntry:
        try:
            return self._entries[job_id]
        except KeyError:
            raise UnknownJob(job_id) from None

    def _writable(self, job_id: JobId, owner: str) -> JobEntry:
        entry = self._entry(job_id)
        if entry.terminal:
            raise JobEnded(job_id, entry.terminal)
        if entry.header.owner != owner:
            raise taken_over(job_id, entry.header.owner)
        return entry

    def _advance(self, job_id: JobId, added: Tally) -> None:
        entry = self._entries[job_id]
        self._change(
            entry,
            head=entry.head + added.count,
            terminal=added.terminal,
            queued=added.queued,
            updated=time.time(),
        )

    def _change(self, entry: JobEntry, **changes: object) -> None:
        self._entries[entry.header.job_id] = msgspec.structs.replace(entry, **changes)
