"""The event log in a NATS server, shared by many machines."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from nats.aio.msg import Msg

from crackerjack.errors import UnknownJob
from crackerjack.events.broker import Broker
from crackerjack.events.chunk import (
    Chunk,
    chunk_of,
    first_events,
    number_after,
    number_of,
    position_of,
)
from crackerjack.events.chunk_reader import ChunkReader
from crackerjack.events.chunk_writer import ChunkWriter
from crackerjack.events.event import Draft, WorkflowEvent
from crackerjack.events.hub import Hub
from crackerjack.events.jetstream import Stream, stored_message
from crackerjack.events.job_records import JobRecords
from crackerjack.events.live_tail import LiveTail
from crackerjack.events.log import STORED_STATUSES, JobEntry, JobHeader, Recent
from crackerjack.events.schema import BULK_TYPES
from crackerjack.types import JobId, JobStatus

_MOST_MILESTONES: Final = 256
"""Ended jobs whose few important events are kept."""
_BULK: Final = frozenset(map(str, BULK_TYPES))


class NatsEventLog:
    """An :class:`crackerjack.events.log.EventLog` in a broker's streams, which are made if need be.

    A job has a subject, and what one :meth:`append` gives it is one message there: it is stored whole or
    not at all, also together with those of other jobs. A writer states which message must be the last of
    the subject, so one that was fenced out cannot write; and one that does not know whether a write
    arrived finds it there by its digest.

    A crash of our process or of the server's loses nothing that was stored. What the loss of power
    takes, the server's settings say: by default it syncs to the disk every two minutes, also the
    terminal event. Raises :exc:`StoreUnavailable`.
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
        self._reader = ChunkReader(self._events, self._subjects)
        self._writer = ChunkWriter(self._events, self._subjects, self._reader, self.records)
        self._milestones: dict[JobHeader, list[WorkflowEvent]] = {}
        self._open_streams()
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
            chunk = chunk_of(stored) if stored else None
            if chunk is None:
                return
            if job_id is None:
                self._tail.add(chunk)
            if chunk.about.head:
                hub.advance(chunk.about.job_id, chunk.about.head)
            hub.advance_position(position_of(chunk.number))

        self._following.append(self._broker.subscribe(f"{self._live}.{job_id or '*'}", received))
        if job_id is None:
            self._ask_where_it_ends()

    def create_job(self, header: JobHeader, lease_expires: float) -> None:
        self.records.create(header, lease_expires)
        last = self._reader.last_chunks([header.job_id]).get(header.job_id)
        if last is not None and last.about.terminal:  # left by a deletion that broke off
            self._events.purge(f"{self._subjects}.{header.job_id}")

    def append(self, drafts: Sequence[Draft], *, owner: str) -> list[WorkflowEvent]:
        return self._writer.append(drafts, owner)

    def read(self, job_id: JobId, after: int, limit: int) -> list[WorkflowEvent]:
        self._check_tail()
        chunks: Iterable[Chunk] | None = self._tail.of_job(job_id, after)
        if chunks is None:
            chunks = self._chunks_after(job_id, after, limit)
        events: list[WorkflowEvent] = []
        for chunk in chunks:
            reached = after + len(events)
            new = chunk.events[max(0, reached + 1 - chunk.first) :]
            if chunk.about.head > reached and (not new or new[0].seq != reached + 1):
                break  # a log ends where it has a hole
            events += new
            if len(events) >= limit:
                self._reader.remember(job_id, events[limit - 1].seq, chunk)
                return events[:limit]
            self._reader.remember(job_id, chunk.about.head, chunk)
        return events

    def read_all(self, after: int, limit: int) -> list[tuple[int, WorkflowEvent]]:
        self._check_tail()
        found = self._tail.recent(after, limit)
        if found is None:
            chunks = self._reader.read_on("*", number_after(after), limit)
            found = first_events(chunks, after, limit)
            # Who was told of it must be able to read it again: its announcement may come later.
            if found:
                self._tail.reach(number_of(found[-1][0]))
        return found

    @property
    def recent(self) -> Recent:
        return self._tail.recent

    def position(self) -> int:
        number = self._events.last_number()
        self._tail.reach(number)
        return position_of(number)

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
        taken = self._writer.take_over(job_id, old_owner, new_owner)
        if taken:
            self.records.renew(job_id, new_owner, expires)
        return taken

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

    def _open_streams(self) -> None:
        config = self._events.open(
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
        self.records.open_stream()
        self._store_id = self._id_of(config)

    def _check_tail(self) -> None:
        """Look now and then whether something was stored that nobody told us of."""
        if self._following and not self._tail.is_fresh:
            self._ask_where_it_ends()

    def _ask_where_it_ends(self) -> None:
        reached = self._tail.number
        info = self._events.info() or self._events.made_again()
        self._store_id = self._id_of(info["config"])
        self._tail.expect(int(info["state"]["last_seq"]), reached)

    def _id_of(self, config: dict[str, Any]) -> str:
        return str(config.get("metadata", {}).get("store", self._events.name))

    def _last_chunks(self, job_ids: Sequence[JobId]) -> dict[JobId, Chunk]:
        chunks = self._reader.last_chunks(job_ids)
        self._tail.reach(max((chunk.number for chunk in chunks.values()), default=0))
        for job_id in job_ids:  # a replica that answers may be behind what we have been told
            seen, found = self._tail.last(job_id), chunks.get(job_id)
            if seen is not None and (found is None or found.number < seen.number):
                chunks[job_id] = seen
        return chunks

    def _chunks_after(self, job_id: JobId, after: int, limit: int | None = None) -> Iterator[Chunk]:
        empty = True
        for chunk in self._reader.after(job_id, after, limit):
            empty = False
            yield chunk
        if empty:
            self.records.header(job_id)

    def _newest_first(self, project: str | None) -> Iterator[JobEntry]:
        return self.records.newest_first(project, self._last_chunks)

    def _events_of(self, entry: JobEntry, *, bulk: bool) -> list[WorkflowEvent]:
        """A job's events; without those that it may have by the thousand, unless `bulk`."""
        kept = self._milestones.get(entry.header)
        if kept is not None and not bulk and kept and kept[-1].seq == entry.head:
            return kept
        chunks = self._chunks_after(entry.header.job_id, 0)
        events = [event for chunk in chunks for event in chunk.events]
        if bulk:
            return [event for event in events if event.readable]
        few = [event for event in events if event.event_type not in _BULK and event.readable]
        if entry.terminal is not None:
            self._milestones[entry.header] = few
            while len(self._milestones) > _MOST_MILESTONES:
                self._milestones.pop(next(iter(self._milestones)), None)
        return few

    def _delete(self, job_id: JobId) -> None:
        # In this order a deletion that breaks off leaves a job that has ended, and can be deleted.
        self._events.purge(f"{self._subjects}.{job_id}", keep=1)
        self.records.delete(job_id)
        self._events.purge(f"{self._subjects}.{job_id}")
        self._writer.forget(job_id)
        self._tail.forget(job_id)
