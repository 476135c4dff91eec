"""A worker: takes jobs from the queue, as many at a time as it has slots, until it is drained."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from crackerjack import __version__
from crackerjack.errors import StoreUnavailable
from crackerjack.events.broker import Broker
from crackerjack.fleet.assignment import Assignment, Parts
from crackerjack.fleet.leases import Leases
from crackerjack.fleet.task_run import TaskRun
from crackerjack.fleet.work_queue import Claim, WorkQueue
from crackerjack.jobs.queue_state import WorkerRecord

_LOOK_EVERY: Final = 0.5
"""Seconds between looks at the queue when nobody says that a job has come."""
_ANNOUNCE_EVERY: Final = 2.0
_GRACE: Final = 3.0
"""Seconds after a lost connection came back in which nothing is taken: whoever has a job tells the broker
so first."""
_REST: Final = 5.0
"""Seconds in which nothing is taken by a worker that could not write to its disk: others may have room."""
_MOST_PROJECTS: Final = 20
"""Projects of which copies are kept that nobody works on."""
_LOGGER: Final = logging.getLogger("crackerjack.worker")


class Worker:
    """Runs jobs of the queue on threads of its own. :meth:`run` is called once."""

    def __init__(
        self,
        broker: Broker,
        queue: WorkQueue,
        leases: Leases,
        parts: Parts,
        *,
        directory: str,
        slots: int,
        labels: Mapping[str, str],
    ) -> None:
        self._broker = broker
        self._queue = queue
        self._leases = leases
        self._parts = parts
        self._directory = directory
        self._slots = slots
        self._labels = dict(labels)
        self._lock = threading.Lock()
        self._busy: dict[int, Assignment | TaskRun] = {}
        self._wake = threading.Event()
        self._draining = threading.Event()
        self._back_since = float("-inf")
        self._announced = float("-inf")
        self._said = ""
        self._unfit_until = float("-inf")

    def run(self) -> None:
        """Work until :meth:`drain` was called and all jobs have been given back or have ended."""

        def came_back() -> None:
            self._back_since = time.monotonic()

        self._broker.on_reconnect(came_back)
        stop = self._broker.subscribe(
            f"{self._queue.subjects}.>", lambda _message: self._wake.set()
        )
        try:
            while not self._draining.is_set() or self._busy:
                self._wake.clear()
                try:
                    self._announce()
                    if self._take_one():
                        continue
                    self._parts.jobs.end_lost_jobs()
                    self._said = ""
                except StoreUnavailable as error:
                    self._say(str(error))
                self._wake.wait(_LOOK_EVERY)
        finally:
            stop()
            self._leases.leave(self._parts.owner)

    def drain(self, reason: str) -> None:
        """Take no more jobs, and give back those that run. May be called from any thread."""
        self._draining.set()
        with self._lock:
            assignments = list(self._busy.values())
        for assignment in assignments:
            assignment.give_back(reason)
        self._wake.set()

    def _take_one(self) -> bool:
        now = time.monotonic()
        if self._draining.is_set() or now - self._back_since < _GRACE or now < self._unfit_until:
            return False
        with self._lock:
            slot = next((slot for slot in range(self._slots) if slot not in self._busy), None)
        if slot is None:
            return False
        with self._lock:
            having = {assignment.queued.key for assignment in self._busy.values()}
        claim = self._queue.claim(self._parts.owner, self._labels, self._parts.cancelled, having)
        if claim is None:
            return False
        self._begin(slot, claim)
        return True

    def _say(self, problem: str) -> None:
        """Log it, not each time that it is there."""
        if problem != self._said:
            _LOGGER.warning("%s", problem)
        self._said = problem

    def _begin(self, slot: int, claim: Claim) -> None:
        # A path that a project has again the next time keeps what tools cache by it.
        directory = os.path.join(self._directory, claim.job.project_key, str(slot))
        assignment = self._assignment(claim, directory)
        with self._lock:
            self._busy[slot] = assignment
        _LOGGER.info("job %s of %s", claim.job.key, claim.job.project)
        threading.Thread(
            target=self._run, args=(slot, assignment), name=f"slot-{slot}", daemon=True
        ).start()

    def _assignment(self, claim: Claim, directory: str) -> Assignment | TaskRun:
        if claim.job.task is None:
            return Assignment(claim, self._parts, directory)
        return TaskRun(claim, claim.job.task, self._parts, self._broker, directory)

    def _run(self, slot: int, assignment: Assignment | TaskRun) -> None:
        try:
            assignment.run()
            if assignment.unfit:
                self._unfit_until = time.monotonic() + _REST
        except Exception:  # a door: what others ask for may fail in any way, and others wait
            _LOGGER.exception("job %s", assignment.queued.key)
            assignment.abandon()
        finally:
            with self._lock:
                del self._busy[slot]
            self._forget_projects()
            self._announced = float("-inf")
            self._wake.set()

    def _forget_projects(self) -> None:
        """Keep the copies of the projects that were worked on last."""
        with self._lock, suppress(OSError):
            busy = {assignment.queued.project_key for assignment in self._busy.values()}
            with os.scandir(self._directory) as found:
                idle = [entry for entry in found if entry.name not in busy]
            idle.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
            for entry in idle[_MOST_PROJECTS:]:
                shutil.rmtree(entry.path, ignore_errors=True)

    def _announce(self) -> None:
        now = time.monotonic()
        if now - self._announced < _ANNOUNCE_EVERY:
            return
        self._announced = now
        self._leases.announce(
            WorkerRecord(
                worker=self._parts.owner,
                slots=self._slots,
                busy=len(self._busy),
                labels=self._labels,
                draining=self._draining.is_set(),
                version=__version__,
            )
        )
