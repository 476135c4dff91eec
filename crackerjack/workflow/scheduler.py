"""Runs tasks on a few threads: what writes files never overlaps anything else that touches them.

Readers run side by side, the longest expected one first, so that no long one is left for the end
(Graham's LPT rule). A waiting writer lets the running readers finish, starts no new ones, and then
runs alone; of several, the one of the lowest rank. Urgent tasks go before all others: they open
steps, and with them the tasks to choose from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import msgspec


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One unit of work; `run` may add further tasks to the scheduler."""

    key: str
    run: Callable[[], None]
    needs: frozenset[str] = frozenset()
    """Keys that must be marked first."""
    writes: bool = False
    rank: int = 0
    """The order of writers."""
    urgent: bool = False
    expected: float = 0.0
    """Seconds; the reader that is expected to take longest starts first."""


class Scheduler:
    """A graph of tasks and the threads that work it off.

    Every method may be called from any thread, also from within a task. A task's key is marked when
    its `run` returns; other keys by :meth:`mark`. `run` must not raise: an exception ends the
    schedule and comes out of :meth:`run`.
    """

    def __init__(self, workers: int) -> None:
        self._workers = max(1, workers)
        self._changed = threading.Condition()
        self._waiting: list[Task] = []
        self._marked: set[str] = set()
        self._readers = 0
        self._writing = False
        self._error: BaseException | None = None

    def add(self, task: Task) -> None:
        """Queue a task; it runs once the keys that it needs are marked."""
        with self._changed:
            self._waiting.append(task)
            self._changed.notify_all()

    def mark(self, key: str) -> None:
        """Say that something which is not a task has come to pass."""
        with self._changed:
            self._marked.add(key)
            self._changed.notify_all()

    def run(self) -> None:
        """Work until nothing waits and nothing runs.

        Raises :exc:`RuntimeError` when tasks are left that need what nobody will mark.
        """
        threads: list[threading.Thread] = []
        for number in range(1, self._workers):
            thread = threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more: those there are do all of it
                break
            threads.append(thread)
        self._work()
        for thread in threads:
            thread.join()
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (task := self._take()) is not None:
            try:
                task.run()
            except BaseException as error:  # noqa: BLE001 - handed to the caller of run()
                self._fail(error)
            self._done(task)

    def _take(self) -> Task | None:
        """Wait for a task that may run now; None when there will be none."""
        with self._changed:
            while True:
                if self._error is not None:
                    return None
                task = self._choose()
                if task is not None:
                    self._waiting.remove(task)
                    if task.writes:
                        self._writing = True
                    else:
                        self._readers += 1
                    return task
                if not self._readers and not self._writing:
                    if self._waiting:
                        self._error = RuntimeError(f"tasks that can never run: {self._stuck()}")
                    self._changed.notify_all()
                    return None
                self._changed.wait()

    def _choose(self) -> Task | None:
        if self._writing:
            return None
        ready = [task for task in self._waiting if task.needs <= self._marked]
        urgent = next((task for task in ready if task.urgent), None)
        if urgent is not None:
            return urgent
        writers = [task for task in ready if task.writes]
        if writers:
            return None if self._readers else min(writers, key=lambda task: task.rank)
        return max(ready, key=lambda task: task.expected, default=None)

    def _done(self, task: Task) -> None:
        with self._changed:
            self._marked.add(task.key)
            if task.writes:
                self._writing = False
            else:
                self._readers -= 1
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def _stuck(self) -> Iterable[str]:
        return sorted(task.key for task in self._waiting)
