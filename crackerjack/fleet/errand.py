"""A part of a job that another worker is asked to do, from the side of the one that runs the job."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

from nats.aio.msg import Msg

from crackerjack.errors import StoreUnavailable
from crackerjack.events.broker import Broker
from crackerjack.fleet.queued_job import QueuedJob
from crackerjack.fleet.task_talk import STOP, UNWANTED, WANTED, Said, decode_said
from crackerjack.fleet.work_queue import WorkQueue

_SILENCE: Final = 6.0
"""Seconds without a word after which a worker counts as lost; each says something every second."""


class Errand:
    """Puts the part into the queue while the block runs, and receives what its worker says.

    One thread uses it; what is said comes on the connection's.
    """

    def __init__(self, broker: Broker, queue: WorkQueue, queued: QueuedJob, answers: str) -> None:
        self._broker = broker
        self._queue = queue
        self._queued = queued
        self._answers = answers
        self._lock = threading.Lock()
        self._said: SimpleQueue[Said] = SimpleQueue()
        self._closed = False
        self._unsubscribe: Callable[[], None] = lambda: None
        self._attempt = ""
        self.worker = ""
        """Who does it; empty while nobody has begun."""
        self.began: float = 0.0
        """When the last of them did: seconds of :func:`time.monotonic`."""
        self._heard: float = 0.0
        """When it said something last."""

    def __enter__(self) -> Self:
        self._unsubscribe = self._broker.subscribe(self._answers, self._received)
        try:
            self._queue.remove(self._queued)  # of a run of the same job that was lost
            self._queue.put(self._queued)
        except StoreUnavailable:
            self._unsubscribe()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closed = True
        self._unsubscribe()
        with suppress(StoreUnavailable):
            self._broker.publish(f"{self._answers}.{STOP}", b"")
        with suppress(StoreUnavailable):
            self._queue.remove(self._queued)

    def next(self, timeout: float) -> Said | None:
        """What the worker said next; None when it says nothing for so many seconds."""
        try:
            return self._said.get(timeout=timeout)
        except Empty:
            return None

    @property
    def idle(self) -> bool:
        """Whether nobody does it: nobody has begun, or who has is silent for long."""
        return not self.worker or time.monotonic() - self._heard > _SILENCE

    def withdraw(self) -> bool:
        """Take it back, if nobody does it; the block is then to be left."""
        with self._lock:
            self._closed = self.idle
            return self._closed

    def _received(self, message: Msg) -> None:
        # On the connection's thread.
        said = decode_said(message.data)
        if said is None:
            return
        with self._lock:
            if said.started and not self._closed:
                self._attempt, self.worker = said.attempt, said.worker
                self.began = time.monotonic()
            wanted = said.attempt == self._attempt and not self._closed
            if wanted:
                self._heard = time.monotonic()
                self._said.put(said)
        self._broker.answer(message, WANTED if wanted else UNWANTED)
