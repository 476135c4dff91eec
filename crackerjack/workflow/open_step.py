"""A step that is going on: it counts its tasks and ends with the last of them."""

from __future__ import annotations

import abc
import threading
import time
from collections.abc import Collection
from typing import Final

from crackerjack.workflow.run import Run, ended, settled
from crackerjack.workflow.scheduler import Task
from crackerjack.workflow.workflow import Step


class OpenStep(abc.ABC):
    """One step of a run, from :meth:`open` to :meth:`finish`.

    `open` publishes that the step has started, queues its tasks, and ends with :meth:`opened`. Every
    task ends with :meth:`task_ended`. The last one publishes how the step ended, through
    :meth:`finish`.
    """

    def __init__(self, run: Run, step: Step) -> None:
        self.run: Final = run
        self.step: Final = step
        self.started = time.monotonic()
        self._lock = threading.Lock()
        self._open_tasks = 1  # `open` itself, until `opened`
        self._open_writers = 1
        self._ok = True

    @abc.abstractmethod
    def open(self) -> None:
        """Publish the start of the step and queue its tasks."""

    @abc.abstractmethod
    def finish(self, *, success: bool, duration: float, reason: str) -> None:
        """Publish how the step ended; `reason` says why it was broken off, if it was."""

    def begin(self) -> None:
        """Open the step; the scheduler calls this once what it needs is settled."""
        self.started = time.monotonic()
        self.open()

    def queue(self, task: Task) -> None:
        """Add a task to the step; it must end with :meth:`task_ended`."""
        with self._lock:
            self._open_tasks += 1
            self._open_writers += task.writes
        if task.writes:
            self.run.staleness.writer_queued()
        self.run.scheduler.add(task)

    def opened(self) -> None:
        """Say that all tasks are queued."""
        self._ended(writer=True)

    def task_ended(self, *, ok: bool, wrote: Collection[str] | None = None) -> None:
        """Say that a task is done; `wrote`, for one that writes, are the files that it changed."""
        if not ok:
            self._ok = False
        if wrote is not None:
            for look in self.run.staleness.writer_ended(wrote):
                look.again(self)
        self._ended(writer=wrote is not None)

    def _ended(self, *, writer: bool) -> None:
        with self._lock:
            self._open_writers -= writer
            self._open_tasks -= 1
            is_settled = writer and not self._open_writers
            is_last = not self._open_tasks
        if is_last:
            self.finish(
                success=self._ok,
                duration=time.monotonic() - self.started,
                reason=self.run.why_stopped(),
            )
            self.run.scheduler.mark(ended(self.step.name))
        if is_settled:
            self.run.scheduler.mark(settled(self.step.name))
