"""Writes jobs' chunks to the stream: fenced by the number of a job's last one, each of them once."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from crackerjack.errors import JobEnded, StoreUnavailable, UnknownJob
from crackerjack.events.batch import numbered, taken_over, tally
from crackerjack.events.chunk import (
    ChunkHead,
    decode_head,
    encode_chunk,
    encode_handover,
    in_chunks,
)
from crackerjack.events.chunk_reader import ChunkReader
from crackerjack.events.event import Draft, WorkflowEvent
from crackerjack.events.jetstream import Stream, Write, WrongSequence
from crackerjack.events.job_records import JobRecords
from crackerjack.types import JobId


class _Last(msgspec.Struct, frozen=True):
    """How a job's subject ends, as far as this writer knows."""

    about: ChunkHead | None
    """Of its last chunk; None before the first."""
    number: int
    """Of that chunk in the stream; 0 before the first."""


class ChunkWriter:
    """The only one of a process that writes to the stream. Raises :exc:`StoreUnavailable`.

    After that error a write may arrive all the same, also later: what was sent can wait in the buffers
    of a connection. So the events of a job that follow the last one that was sure are compared with
    what is to be written, until a write of the job has succeeded; then the other cannot any more.
    """

    def __init__(
        self, stream: Stream, subjects: str, reader: ChunkReader, records: JobRecords
    ) -> None:
        self._stream = stream
        self._subjects: Final = subjects
        self._reader = reader
        self._records = records
        self._lock = threading.Lock()
        self._lasts: dict[JobId, _Last] = {}
        self._unsure: dict[JobId, int] = {}
        """The last `seq` that was sure before a write of which nobody knows whether it arrived."""
        self._handed: dict[JobId, str] = {}
        """To whom a job was handed over in such a write."""

    def append(self, drafts: Sequence[Draft], owner: str) -> list[WorkflowEvent]:
        """As :meth:`crackerjack.events.log.EventLog.append`."""
        jobs = tally(drafts)
        if not jobs:
            return []
        with self._lock:
            while True:
                there = self._arrived(drafts)
                rest = [draft for place, draft in enumerate(drafts) if place not in there]
                lasts = {
                    job_id: self._writable(job_id, owner)
                    for job_id in dict.fromkeys(draft.job_id for draft in rest)
                }
                heads = {
                    job_id: last.about.head if last.about else 0 for job_id, last in lasts.items()
                }
                new = numbered(rest, heads)
                with suppress(WrongSequence):
                    self._write(new, owner, lasts, heads)
                    for job_id in jobs:
                        self._unsure.pop(job_id, None)
                    written = iter(new)
                    return [there.get(place) or next(written) for place in range(len(drafts))]
                for job_id in jobs:
                    self._lasts.pop(job_id, None)

    def take_over(self, job_id: JobId, old_owner: str, new_owner: str) -> bool:
        """As :meth:`crackerjack.events.log.EventLog.take_over`, but for the lease."""
        with self._lock:
            try:
                last = self._look_up(job_id, old_owner)
                message = encode_handover(last.about, job_id, new_owner)
                self._stream.write([Write(f"{self._subjects}.{job_id}", message, last.number)])
            except (JobEnded, UnknownJob, WrongSequence):
                if self._handed.pop(job_id, None) != new_owner:
                    return False
                return self._is_owner(job_id, new_owner)
            except StoreUnavailable:
                self._handed[job_id] = new_owner
                raise
            self._lasts.pop(job_id, None)
            self._handed.pop(job_id, None)
            return True

    def forget(self, job_id: JobId) -> None:
        """The job is deleted: another may have its id."""
        with self._lock:
            self._lasts.pop(job_id, None)
            self._unsure.pop(job_id, None)

    # What follows is under the lock.

    def _write(
        self,
        events: Sequence[WorkflowEvent],
        owner: str,
        lasts: Mapping[JobId, _Last],
        heads: Mapping[JobId, int],
    ) -> None:
        if not events:
            return
        parts = [(part[0].job_id, encode_chunk(owner, part)) for part in in_chunks(events)]
        seen: set[JobId] = set()
        writes: list[Write] = []
        for job_id, data in parts:
            # The second message of a job follows the first one of the same batch by itself.
            expected = None if job_id in seen else lasts[job_id].number
            writes.append(Write(f"{self._subjects}.{job_id}", data, expected))
            seen.add(job_id)
        try:
            numbers = self._stream.write(writes)
        except StoreUnavailable:
            for job_id, head in heads.items():
                self._lasts.pop(job_id, None)
                self._unsure.setdefault(job_id, head)
            raise
        for (job_id, data), number in zip(parts, numbers, strict=True):
            about = decode_head(data)
            self._lasts[job_id] = _Last(about, number)
            if about.terminal:
                del self._lasts[job_id]

    def _arrived(self, drafts: Sequence[Draft]) -> dict[int, WorkflowEvent]:
        """Those of the drafts, by their place, that a write which seemed to fail has stored."""
        found: dict[int, WorkflowEvent] = {}
        for job_id in {draft.job_id for draft in drafts} & self._unsure.keys():
            own = [(place, draft) for place, draft in enumerate(drafts) if draft.job_id == job_id]
            chunks = self._reader.after(job_id, self._unsure[job_id])
            stored = [event for chunk in chunks for event in chunk.events]
            first = next((at for at, event in enumerate(stored) if _is(own[0][1], event)), 0)
            for (place, draft), event in zip(own, stored[first:], strict=False):
                if not _is(draft, event):
                    break
                found[place] = event
        return found

    def _writable(self, job_id: JobId, owner: str) -> _Last:
        last = self._lasts.get(job_id)
        if last is None or last.about is None or last.about.owner != owner or last.about.terminal:
            last = self._lasts[job_id] = self._look_up(job_id, owner)
        return last

    def _look_up(self, job_id: JobId, owner: str) -> _Last:
        """The last message of a job that goes on and is `owner`'s."""
        chunk, number = self._reader.end_of(job_id)
        about = chunk.about if chunk else None
        owned_by = about.owner if about else self._records.header(job_id).owner
        if about is not None and about.terminal:
            raise JobEnded(job_id, about.terminal)
        if owned_by != owner:
            raise taken_over(job_id, owned_by)
        return _Last(about, number)

    def _is_owner(self, job_id: JobId, owner: str) -> bool:
        with suppress(JobEnded, UnknownJob):
            self._look_up(job_id, owner)
            return True
        return False


def _is(draft: Draft, event: WorkflowEvent) -> bool:
    """Whether this is the event that the draft became."""
    same = event.timestamp == draft.timestamp and event.event_type == draft.event_type.value
    return same and bytes(event.body) == bytes(draft.body)
