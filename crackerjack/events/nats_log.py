"""The event log in a NATS server: the same events, in order, on many machines."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from nats.aio.msg import Msg

from crackerjack.errors import JobEnded, StoreUnavailable, UnknownJob
from crackerjack.events.batch import numbered, taken_over, tally
from crackerjack.events.broker import Broker
from crackerjack.events.chunk import (
    Chunk,
    ChunkHead,
    about,
    encode_chunk,
    encode_handover,
    in_chunks,
    number_after,
    position_of,
)
from crackerjack.events.event import Draft, WorkflowEvent
from crackerjack.events.hub import Hub
from crackerjack.events.jetstream import Stream, Write, WrongSequence, stored_message
from crackerjack.events.job_records import JobRecords
from crackerjack.events.live_tail import LiveTail
from crackerjack.events.log import STORED_STATUSES, JobEntry, JobHeader
from crackerjack.events.schema import BULK_TYPES
from crackerjack.types import JobId, JobStatus

_CHECK_EVERY: Final = 1.0
"""Seconds between questions for the last number: how late a chunk is seen whose announcement was lost."""
_MOST_PLACES: Final = 4096
"""Cursors whose place in the stream is remembered."""
_MOST_MILESTONES: Final = 256
"""Ended jobs whose few important events are kept."""
_BULK: Final = frozenset(map(str, BULK_TYPES))


class _Last(msgspec.Struct, frozen=True):
    """How a job's subject ends, as far as this writer knows."""

    head: ChunkHead | None
    number: int


class NatsEventLog:
    """An :class:`crackerjack.events.log.EventLog` in a broker's streams, which are made if need be.

    A job has a subject, and what one :meth:`append` gives it is one message there: it is stored whole or
    not at all, also together with those of other jobs. A writer states which message must be the last of
    the subject, so one that was fenced out cannot write; and one that does not know whether a write
    arrived finds it there by its digest.

    How safe "stored" is, the server's settings say: by default it syncs to the disk every two minutes,
    also the terminal event. Raises :exc:`StoreUnavailable`.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        space = broker.address.space
        self._subjects: Final = f"{space}.events"
        self._live: Final = f"{space}.live"
        self._events = Stream(broker, f"{space}_events")
        self.records: Final = JobRecords(broker, space)
        """What is known of the jobs beside their events."""
        self._tail = LiveTail()
        self._following: list[Callable[[], None]] = []
        self._checked = float("-inf")
        self._writing = threading.Lock()
        self._lasts: dict[JobId, _Last] = {}
        self._unsure: dict[JobId, int] = {}
        """The heads before a write of which nobody knows whether it arrived."""
        self._placing = threading.Lock()
        self._places: dict[tuple[JobId, int], int] = {}
        self._milestones: dict[JobId, list[WorkflowEvent]] = {}
        self._create_streams()
        broker.on_reconnect(self._tail.lose)

    @property
    def store_id(self) -> str:
        return self._store_id

    def follow(self, hub: Hub, job_id: JobId | None = None) -> None:
        """Announce to the hub whatever any process commits from now on; of one job, or of all.

        With all of them, who reads near the head is served from memory.
        """

        def received(message: Msg) -> None:
            stored = stored_message(message)
            if stored is None:
                return
            chunk = Chunk(stored)
            if job_id is None:
                self._tail.add(chunk)
            if chunk.about.head:
                hub.advance(chunk.about.job_id, chunk.about.head)
            hub.advance_position(position_of(chunk.number))

        self._following.append(self._broker.subscribe(f"{self._live}.{job_id or '*'}", received))
        if job_id is None:
            self._tail.begin(self._events.last_number())

    def create_job(self, header: JobHeader, lease_expires: float) -> None:
        self.records.create(header, lease_expires)

    def append(self, drafts: Sequence[Draft], *, owner: str) -> list[WorkflowEvent]:
        jobs = tally(drafts)
        if not jobs:
            return []
        with self._writing:
            if arrived := self._arrived(drafts, jobs, owner):
                return arrived
            while True:
                lasts = {job_id: self._writable(job_id, owner) for job_id in jobs}
                heads = {
                    job_id: last.head.head if last.head else 0 for job_id, last in lasts.items()
                }
                events = numbered(drafts, heads)
                with suppress(WrongSequence):
                    self._write(_encoded(events, owner), lasts, heads)
                    return events
                self._forget(jobs)

    def read(self, job_id: JobId, after: int, limit: int) -> list[WorkflowEvent]:
        chunks: Iterable[Chunk] | None = self._tail.of_job(job_id, after)
        if chunks is None:
            chunks = self._chunks_after(job_id, after)
        events: list[WorkflowEvent] = []
        for chunk in chunks:
            events += chunk.events[max(0, after + 1 - chunk.first) :]
            if len(events) >= limit:
                self._remember(job_id, events[limit - 1].seq, chunk)
                return events[:limit]
            self._remember(job_id, chunk.about.head, chunk)
        return events

    def read_all(self, after: int, limit: int) -> list[tuple[int, WorkflowEvent]]:
        number = number_after(after)
        self._check_tail()
        chunks: Iterable[Chunk] | None = self._tail.since(number)
        if chunks is None:
            chunks = map(Chunk, self._events.read_on(f"{self._subjects}.*", number))
        events: list[tuple[int, WorkflowEvent]] = []
        for chunk in chunks:
            events += [item for item in chunk.positioned() if item[0] > after]
            if len(events) >= limit:
                return events[:limit]
        return events

    def position(self) -> int:
        self._check_tail()
        number = self._tail.number
        return position_of(number if number >= 0 else self._events.last_number())

    def job(self, job_id: JobId) -> JobEntry:
        entries = self.records.entries([job_id], self._last_chunks([job_id]))
        if not entries:
            raise UnknownJob(job_id)
        return entries[0]

    def jobs(
        self,
        *,
        project: str | None = None,
        ended: bool | None = None,
        skip: int = 0,
        limit: int = 1000,
    ) -> list[JobEntry]:
        found: list[JobEntry] = []
        for entry in self._newest_first(project):
            if len(found) >= skip + limit:
                break
            if ended is None or ended == (entry.terminal is not None):
                found.append(entry)
        return found[skip:]

    def count_jobs(self) -> dict[JobStatus, int]:
        counts: dict[JobStatus, int] = dict.fromkeys(STORED_STATUSES, 0)
        for entry in self._newest_first(None):
            counts[entry.status] += 1
        return counts

    def latest(self, project: str, event_types: Collection[str], limit: int) -> list[WorkflowEvent]:
        found: list[WorkflowEvent] = []
        for entry in self._newest_first(project):
            if len(found) >= limit or not event_types:
                break
            events = self._events_of(entry, bulk=not _BULK.isdisjoint(event_types))
            found += [event for event in reversed(events) if event.event_type in event_types]
        return found[:limit]

    def renew_lease(self, job_id: JobId, *, owner: str, expires: float) -> bool:
        with suppress(UnknownJob):
            entry = self.job(job_id)
            if entry.header.owner == owner and entry.terminal is None:
                self.records.renew(job_id, owner, expires)
                return True
        return False

    def take_over(self, job_id: JobId, *, old_owner: str, new_owner: str, expires: float) -> bool:
        with self._writing:
            try:
                last = self._look_up(job_id, old_owner)
                message = encode_handover(last.head, job_id, new_owner)
                self._events.write([Write(f"{self._subjects}.{job_id}", message, last.number)])
            except (JobEnded, UnknownJob, WrongSequence):
                return False
            self._lasts.pop(job_id, None)
        self.records.renew(job_id, new_owner, expires)
        return True

    def request_cancel(self, job_id: JobId) -> bool:
        if self.job(job_id).terminal is not None:
            return False
        self.records.cancel(job_id)
        return True

    def delete_jobs(self, job_ids: Collection[JobId]) -> int:
        deleted = 0
        for job_id in job_ids:
            with suppress(UnknownJob):
                if self.job(job_id).terminal is not None:
                    self._delete(job_id)
                    deleted += 1
        return deleted

    def close(self) -> None:
        for stop in self._following:
            stop()
        self._broker.close()

    def _create_streams(self) -> None:
        self._events.create(
            {
                "subjects": [f"{self._subjects}.*"],
                "discard": "new",
                "allow_direct": True,
                "allow_atomic": True,
                "republish": {
                    "src": f"{self._subjects}.*",
                    "dest": self._live + ".{{wildcard(1)}}",
                },
                "metadata": {"store": os.urandom(16).hex()},
            }
        )
        self.records.create_stream()
        info: dict[str, Any] = self._events.info() or {}
        config = info.get("config", {})
        if not config.get("allow_atomic") or not config.get("republish"):
            raise StoreUnavailable(
                self._broker.address.shown,
                f"has a stream {self._events.name} with other settings than crackerjack gives it",
                "use a NATS server of version 2.12 or newer, or another space: nats://host/space",
            )
        self._store_id = str(config.get("metadata", {}).get("store", self._events.name))

    # Writing; under the lock.

    def _write(
        self,
        parts: list[tuple[JobId, bytes]],
        lasts: dict[JobId, _Last],
        heads: dict[JobId, int],
    ) -> None:
        seen: set[JobId] = set()
        writes: list[Write] = []
        for job_id, data in parts:
            # The second message of a job follows the first one of the same batch by itself.
            expected = None if job_id in seen else lasts[job_id].number
            writes.append(Write(f"{self._subjects}.{job_id}", data, expected))
            seen.add(job_id)
        try:
            numbers = self._events.write(writes)
        except StoreUnavailable:
            self._forget(lasts)
            self._unsure.update(heads)
            raise
        for (job_id, data), number in zip(parts, numbers, strict=True):
            self._lasts[job_id] = _Last(about(data), number)

    def _arrived(
        self, drafts: Sequence[Draft], jobs: Collection[JobId], owner: str
    ) -> list[WorkflowEvent]:
        """The drafts as events, where a write that seemed to fail has stored them; else nothing."""
        unsure = {job_id: self._unsure[job_id] for job_id in jobs if job_id in self._unsure}
        if len(unsure) == len(jobs):
            events = numbered(drafts, unsure)
            ends = {job_id: about(data).digest for job_id, data in _encoded(events, owner)}
            chunks = self._last_chunks(list(jobs))
            if all(job in chunks and chunks[job].about.digest == end for job, end in ends.items()):
                self._unsure = {}
                return events
        for job_id in unsure:
            del self._unsure[job_id]
        return []

    def _writable(self, job_id: JobId, owner: str) -> _Last:
        last = self._lasts.get(job_id)
        if last is None or last.head is None or last.head.owner != owner:
            last = self._lasts[job_id] = self._look_up(job_id, owner)
        if last.head is not None and last.head.terminal:
            raise JobEnded(job_id, last.head.terminal)
        return last

    def _look_up(self, job_id: JobId, owner: str) -> _Last:
        """The last message of a job that goes on and is `owner`'s."""
        chunk = self._last_chunks([job_id]).get(job_id)
        head = chunk.about if chunk else None
        owned_by = head.owner if head else self.records.header(job_id).owner
        if head is not None and head.terminal:
            raise JobEnded(job_id, head.terminal)
        if owned_by != owner:
            raise taken_over(job_id, owned_by)
        return _Last(head, chunk.number if chunk else 0)

    def _forget(self, job_ids: Iterable[JobId]) -> None:
        for job_id in job_ids:
            self._lasts.pop(job_id, None)

    # Reading.

    def _check_tail(self) -> None:
        """Look now and then whether something was stored that nobody told us of."""
        if self._following and time.monotonic() - self._checked > _CHECK_EVERY:
            self._checked = time.monotonic()
            self._tail.begin(self._events.last_number())

    def _last_chunks(self, job_ids: Sequence[JobId]) -> dict[JobId, Chunk]:
        found = self._events.last_of_each([f"{self._subjects}.{job_id}" for job_id in job_ids])
        chunks = map(Chunk, found.values())
        return {chunk.about.job_id: chunk for chunk in chunks}

    def _chunks_after(self, job_id: JobId, after: int) -> Iterator[Chunk]:
        subject = f"{self._subjects}.{job_id}"
        start = self._places.get((job_id, after), 0)
        if not start and after:
            last = self._last_chunks([job_id]).get(job_id)
            start = self._place(subject, after + 1, last) if last is not None else 0
        empty = True
        for message in self._events.read_on(subject, start):
            empty = False
            chunk = Chunk(message)
            if chunk.about.head > after:
                yield chunk
        if empty and not start:
            self.records.header(job_id)

    def _place(self, subject: str, seq: int, last: Chunk) -> int:
        """The number of a chunk at or before the one with this event, by bisection of the stream."""
        if last.first <= seq:
            return last.number
        low, high = 1, last.number
        while high - low > 256:
            middle = (low + high) // 2
            found = self._events.read(subject, middle, 1)
            if not found or Chunk(found[0]).first > seq:
                high = middle
            else:
                low = found[0].number
        return low

    def _remember(self, job_id: JobId, seq: int, chunk: Chunk) -> None:
        """Where to read on after this event."""
        with self._placing:
            whole = seq == chunk.about.head
            self._places[job_id, seq] = chunk.number + whole
            while len(self._places) > _MOST_PLACES:
                del self._places[next(iter(self._places))]

    def _newest_first(self, project: str | None) -> Iterator[JobEntry]:
        return self.records.newest_first(project, self._last_chunks)

    def _events_of(self, entry: JobEntry, *, bulk: bool) -> list[WorkflowEvent]:
        """A job's events; without those that it may have by the thousand, unless `bulk`."""
        job_id = entry.header.job_id
        kept = self._milestones.get(job_id)
        if kept is not None and not bulk and kept and kept[-1].seq == entry.head:
            return kept
        events = [event for chunk in self._chunks_after(job_id, 0) for event in chunk.events]
        if bulk:
            return events
        few = [event for event in events if event.event_type not in _BULK]
        if entry.terminal is not None:
            self._milestones[job_id] = few
            while len(self._milestones) > _MOST_MILESTONES:
                self._milestones.pop(next(iter(self._milestones)), None)
        return few

    def _delete(self, job_id: JobId) -> None:
        # In this order a deletion that breaks off leaves a job that has ended, and can be deleted.
        self._events.purge(f"{self._subjects}.{job_id}", keep=1)
        self.records.delete(job_id)
        self._events.purge(f"{self._subjects}.{job_id}")


def _encoded(events: Sequence[WorkflowEvent], owner: str) -> list[tuple[JobId, bytes]]:
    return [(part[0].job_id, encode_chunk(owner, part)) for part in in_chunks(events)]
