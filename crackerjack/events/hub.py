"""The hub: wakes who waits for events of a job, and remembers what it announced."""

from __future__ import annotations

import threading
from collections.abc import Callable

from crackerjack.types import JobId

Waker = Callable[[JobId, int], None]
"""Told of each new head ``(job_id, seq)`` on the thread that announces it: must not block."""


class Hub:
    """Knows the last announced `seq` of every job, and the last announced position of the store.

    Announce only what is committed. Who waits says what it has seen (`after`), and the hub compares
    under its lock: an announcement between a reader's look at the log and its wait is not lost.
    Every method may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heads: dict[JobId | None, int] = {}  # None: the position of the store
        self._waiting: dict[JobId | None, _Waiting] = {}
        self._wakers: tuple[Waker, ...] = ()

    def advance(self, job_id: JobId, seq: int) -> None:
        """Announce that the job's events up to `seq` are committed."""
        self._announce(job_id, seq)
        for waker in self._wakers:
            try:
                waker(job_id, seq)
            except RuntimeError:  # its event loop is closed
                self.remove_waker(waker)

    def advance_position(self, position: int) -> None:
        """Announce that everything up to this position of the store is committed."""
        self._announce(None, position)

    def head(self, job_id: JobId) -> int:
        """The last announced `seq` of the job; 0 when none was."""
        with self._lock:
            return self._heads.get(job_id, 0)

    @property
    def position(self) -> int:
        """The last announced position of the store; 0 when none was."""
        with self._lock:
            return self._heads.get(None, 0)

    def wait(
        self, job_id: JobId, after: int, timeout: float, *, stop: Callable[[], bool] = lambda: False
    ) -> bool:
        """Wait until a `seq` above `after` was announced, and say whether it was.

        Returns earlier when `stop` is true; who makes it so calls :meth:`wake`. `timeout` is in
        seconds. `stop` is called under the lock: it must not call the hub.
        """
        return self._wait(job_id, after, timeout, stop)

    def wait_position(
        self, after: int, timeout: float, *, stop: Callable[[], bool] = lambda: False
    ) -> bool:
        """The same for the position of the store, so for the events of all jobs."""
        return self._wait(None, after, timeout, stop)

    def wake(self, job_id: JobId | None) -> None:
        """Let who waits for the job (None: for the store) look at its `stop` again."""
        with self._lock:
            self._notify(job_id)

    def add_waker(self, waker: Waker) -> None:
        """Call `waker` at each announcement, say to reach an event loop (``call_soon_threadsafe``)."""
        with self._lock:
            self._wakers = (*self._wakers, waker)

    def remove_waker(self, waker: Waker) -> None:
        """Undo :meth:`add_waker`; a call that has begun may still come."""
        with self._lock:
            self._wakers = tuple(other for other in self._wakers if other != waker)

    def _announce(self, key: JobId | None, head: int) -> None:
        with self._lock:
            if head > self._heads.get(key, 0):
                self._heads[key] = head
                self._notify(key)

    def _notify(self, key: JobId | None) -> None:
        if waiting := self._waiting.get(key):
            waiting.condition.notify_all()

    def _wait(
        self, key: JobId | None, after: int, timeout: float, stop: Callable[[], bool]
    ) -> bool:
        with self._lock:
            waiting = self._waiting.setdefault(key, _Waiting(self._lock))
            waiting.count += 1
            try:
                waiting.condition.wait_for(
                    lambda: self._heads.get(key, 0) > after or stop(), timeout
                )
                return self._heads.get(key, 0) > after
            finally:
                waiting.count -= 1
                if not waiting.count:
                    del self._waiting[key]


class _Waiting:
    """Who waits for one job; dropped with the last of them."""

    def __init__(self, lock: threading.Lock) -> None:
        self.condition = threading.Condition(lock)
        self.count = 0
