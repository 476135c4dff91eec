"""Reads a job's chunks from the stream: from any event on, without reading what is before it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from crackerjack.events.chunk import Chunk, chunk_of
from crackerjack.events.jetstream import PAGE_BYTES, Message, Stream
from crackerjack.types import JobId

_MOST_PLACES: Final = 4096
"""Cursors whose place in the stream is remembered."""
_BYTES: Final = 1024
"""Asked for at once for each event that is wanted, more than most have."""
_NEAR: Final = 256
"""Messages that are read sooner than the place among them is looked for."""


class ChunkReader:
    """The chunks of a stream with a subject per job, ``SUBJECTS.JOB``.

    Messages that are no chunks are passed over. Raises :exc:`StoreUnavailable`.
    """

    def __init__(self, stream: Stream, subjects: str) -> None:
        self._stream = stream
        self._subjects = subjects
        self._lock = threading.Lock()
        self._places: dict[tuple[JobId, int], int] = {}
        self._last: Chunk | None = None

    def last_chunks(self, job_ids: Sequence[JobId]) -> dict[JobId, Chunk]:
        """The last chunk of each job that has one."""
        found = self._stream.last_of_each([f"{self._subjects}.{job_id}" for job_id in job_ids])
        chunks = map(self._last_of, found.values())
        return {chunk.about.job_id: chunk for chunk in chunks if chunk is not None}

    def end_of(self, job_id: JobId) -> tuple[Chunk | None, int]:
        """The last chunk of a job, and the number of its last message; None and 0 without one."""
        found = self._stream.last_of_each([f"{self._subjects}.{job_id}"])
        for message in found.values():
            return self._last_of(message), message.number
        return None, 0

    def read_on(self, job_id: str, start: int, events: int | None = None) -> Iterator[Chunk]:
        """The chunks of a job (``*``: of all) from this number on, of which so many events are wanted."""
        most_bytes = PAGE_BYTES if events is None else events * _BYTES
        for message in self._stream.read_on(f"{self._subjects}.{job_id}", start, most_bytes):
            chunk = self._last  # who reads on from the middle of one need not decode it again
            if chunk is None or (chunk.number, chunk.stored) != (message.number, message.stored):
                if (chunk := chunk_of(message)) is None:
                    continue
                self._last = chunk
            yield chunk

    def after(self, job_id: JobId, seq: int, events: int | None = None) -> Iterator[Chunk]:
        """The chunks of a job with events after this one, of which so many are wanted."""
        start = self._places.get((job_id, seq), 0)
        if not start and seq:
            last = self.last_chunks([job_id]).get(job_id)
            start = self._place(job_id, seq + 1, last) if last is not None else 0
        for chunk in self.read_on(job_id, start, events):
            if chunk.about.head > seq:
                yield chunk

    def remember(self, job_id: JobId, seq: int, chunk: Chunk) -> None:
        """Read on behind this event, which is in that chunk, without looking for the place."""
        with self._lock:
            whole = seq == chunk.about.head
            self._places[job_id, seq] = chunk.number + whole
            while len(self._places) > _MOST_PLACES:
                del self._places[next(iter(self._places))]

    def _last_of(self, message: Message) -> Chunk | None:
        """The last chunk of a job whose last message is this one."""
        chunk = chunk_of(message)
        if chunk is None:  # which nobody writes who means well
            readable = deque(self.read_on(message.subject.rpartition(".")[2], 1), maxlen=1)
            return readable[0] if readable else None
        return chunk

    def _place(self, job_id: JobId, seq: int, last: Chunk) -> int:
        """The number of a chunk at or before the one with this event, by bisection of the stream."""
        if last.first <= seq:
            return last.number
        low, high = 1, last.number
        while high - low > _NEAR:
            middle = (low + high) // 2
            found = self._stream.read(f"{self._subjects}.{job_id}", middle, 1)
            chunk = chunk_of(found[0]) if found else None
            if chunk is None or chunk.first > seq:
                high = middle
            else:
                low = found[0].number
        return low
