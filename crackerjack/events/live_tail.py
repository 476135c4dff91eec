"""The last chunks of a stream, as the broker publishes them again once they are stored."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from crackerjack.events.chunk import Chunk, first_events, number_after
from crackerjack.events.event import WorkflowEvent
from crackerjack.types import JobId

_FRESH: Final = 1.0
"""Seconds between questions for the last number: how late a chunk is seen whose announcement was lost."""
_MOST_BYTES: Final = 8 * 1024 * 1024
"""Of encoded chunks: who lags further behind reads from the broker."""


class LiveTail:
    """Holds what was stored lately, without a hole, so that who is near the head need not ask.

    What the broker publishes again can be lost on its way. A hole is seen with the next chunk, or when
    the broker is asked for its last number (:meth:`expect`); then the tail begins anew behind it.
    Every method may be called from any thread, and none waits for the broker.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chunks: deque[Chunk] = deque()
        self._of_job: dict[JobId, deque[Chunk]] = {}
        self._bytes = 0
        self._after = -1
        """The number behind which the chunks begin that are here."""
        self._number = -1
        """That of the last one; -1 before :meth:`expect`, and when everything was lost."""
        self._expected = -1
        """What :meth:`expect` was told the last time."""
        self._asked = float("-inf")
        """When that was."""

    @property
    def number(self) -> int:
        """The number of the last chunk; -1 before :meth:`expect`."""
        return self._number

    @property
    def is_fresh(self) -> bool:
        """Whether the broker was asked for its last number a moment ago."""
        return time.monotonic() - self._asked <= _FRESH

    def expect(self, number: int, reached: int = -1) -> None:
        """Take in what the broker says to be its last number; the first time the tail begins there.

        `reached` is where the tail was when the stream was asked: what is not there was never stored.
        What was stored a moment ago may still be on its way: it is missed if it has not come by the
        next call.
        """
        with self._lock:
            self._asked = time.monotonic()
            if self._number < 0 or reached > number:
                self._restart(number)
            elif self._expected > self._number:
                self._restart(self._expected)
            self._expected = number

    def reach(self, number: int) -> None:
        """Take in that somebody was told of a chunk, if the tail has begun: what was told can be read."""
        with self._lock:
            if 0 <= self._number < number:
                self._restart(number)

    def lose(self) -> None:
        """Forget everything until the next :meth:`expect`: what comes next may not be what follows."""
        with self._lock:
            self._restart(-1)

    def add(self, chunk: Chunk) -> None:
        """Take in a chunk that was stored just now."""
        with self._lock:
            if self._number < 0 or chunk.number <= self._number:
                return
            if chunk.number > self._number + 1:
                self._restart(chunk.number - 1)
            self._number = chunk.number
            self._chunks.append(chunk)
            if chunk.first == 1 and chunk.about.count:
                self._of_job.pop(chunk.about.job_id, None)  # of a deleted job with the same id
            self._of_job.setdefault(chunk.about.job_id, deque()).append(chunk)
            self._bytes += chunk.size
            while self._bytes > _MOST_BYTES:
                self._drop()

    def recent(self, after: int, limit: int) -> list[tuple[int, WorkflowEvent]] | None:
        """The events after a position, with theirs; None where the broker has to be asked."""
        chunks = self.since(number_after(after)) if self.is_fresh else None
        return None if chunks is None else first_events(chunks, after, limit)

    def since(self, number: int) -> list[Chunk] | None:
        """The chunks from this number on; None where the tail does not reach back so far."""
        with self._lock:
            if self._number < 0 or number <= self._after:
                return None
            behind = self._number - number + 1
            if behind <= 0:
                return []
            return [
                self._chunks[place]
                for place in range(len(self._chunks) - behind, len(self._chunks))
            ]

    def of_job(self, job_id: JobId, after: int) -> list[Chunk] | None:
        """The chunks of a job with events after this `seq`; None where the tail cannot say."""
        with self._lock:
            chunks = self._of_job.get(job_id)
            if not chunks or chunks[0].first > after + 1:
                return None
            wanted: list[Chunk] = []
            for chunk in reversed(chunks):
                if chunk.about.head <= after:
                    break
                wanted.append(chunk)
            return wanted[::-1]

    def last(self, job_id: JobId) -> Chunk | None:
        """The last chunk of a job; None where it is not here."""
        with self._lock:
            chunks = self._of_job.get(job_id)
            return chunks[-1] if chunks else None

    def forget(self, job_id: JobId) -> None:
        """A job was deleted."""
        with self._lock:
            self._of_job.pop(job_id, None)

    def _restart(self, number: int) -> None:
        self._chunks.clear()
        self._of_job.clear()
        self._bytes = 0
        self._after = self._number = number

    def _drop(self) -> None:
        dropped = self._chunks.popleft()
        self._after = dropped.number
        self._bytes -= dropped.size
        of_job = self._of_job.get(dropped.about.job_id)
        if of_job and of_job[0] is dropped:
            of_job.popleft()
            if not of_job:
                del self._of_job[dropped.about.job_id]
