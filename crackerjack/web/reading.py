"""How an event loop reads a log: at once where that is on this machine, else on threads of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from crackerjack.errors import UnknownJob
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.log import EventLog
from crackerjack.types import JobId

_THREADS: Final = 4
"""For clients that read what is past; what is new has one of its own."""
_BEHIND: Final = 0.05
"""Seconds after which a broker that did not have all that was announced is asked once more."""
_MOST_PROJECTS: Final = 10_000
"""Jobs of which it is known where their project is."""

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


class Reading:
    """Asks a log for an event loop, which must not wait for a network. Raises :exc:`StoreUnavailable`."""

    def __init__(self, log: EventLog) -> None:
        self.log: Final = log
        self._recent = log.recent
        self._threads = ThreadPoolExecutor(_THREADS, "crackerjack-read")
        self._watching = ThreadPoolExecutor(1, "crackerjack-watch")
        self._projects = _Projects(log)

    async def ask(
        self, question: Callable[Asked, Answer], *args: Asked.args, **kwargs: Asked.kwargs
    ) -> Answer:
        """What the log answers."""
        return await self._ask(self._threads, question, *args, **kwargs)

    async def events(self, job_id: JobId, after: int, limit: int) -> list[WorkflowEvent]:
        """See :meth:`EventLog.read`."""
        return await self.ask(self.log.read, job_id, after, limit)

    async def all_events(
        self, after: int, limit: int, head: int
    ) -> list[tuple[int, WorkflowEvent]]:
        """See :meth:`EventLog.read_all`; all that is up to `head`, which somebody was told of."""
        return await self._ask(self._threads, self._read_up_to, after, limit, head)

    async def news(self, after: int, limit: int) -> list[tuple[int, WorkflowEvent]]:
        """The same for what comes now, which does not wait for clients that read what is past."""
        if self._recent is not None:
            known = self._recent(after, limit)
            if known is not None and self._projects.knows(event for _, event in known):
                return known
        return await self._ask(self._watching, self._read_all, after, limit)

    def project_of(self, job_id: JobId) -> str:
        """The directory of a job's project; empty for a job that was forgotten meanwhile."""
        return self._projects.of(job_id)

    def _read_up_to(self, after: int, limit: int, head: int) -> list[tuple[int, WorkflowEvent]]:
        found = self._read_all(after, limit)
        if self._recent and len(found) < limit and (not found or found[-1][0] < head):
            # A hole, or one of the servers of a broker that is behind the others for a moment.
            time.sleep(_BEHIND)
            found = self._read_all(after, limit)
        return found

    def _read_all(self, after: int, limit: int) -> list[tuple[int, WorkflowEvent]]:
        found = self.log.read_all(after, limit)
        if self._recent:
            self._projects.learn(event for _, event in found)
        return found

    async def _ask(
        self,
        threads: ThreadPoolExecutor,
        question: Callable[Asked, Answer],
        *args: Asked.args,
        **kwargs: Asked.kwargs,
    ) -> Answer:
        if self._recent is None:
            return question(*args, **kwargs)
        future = threads.submit(question, *args, **kwargs)
        return await asyncio.wrap_future(future)


class _Projects:
    """Where the projects of jobs are; learnt where events are read, so that nobody asks who sends them."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._known: dict[JobId, str] = {}

    def of(self, job_id: JobId) -> str:
        known = self._known.get(job_id)
        return self._look_up(job_id) if known is None else known

    def knows(self, events: Iterable[WorkflowEvent]) -> bool:
        return not self._unknown(events)

    def learn(self, events: Iterable[WorkflowEvent]) -> None:
        for job_id in self._unknown(events):
            project = self._look_up(job_id)
            with self._lock:
                self._known[job_id] = project
                while len(self._known) > _MOST_PROJECTS:
                    del self._known[next(iter(self._known))]

    def _unknown(self, events: Iterable[WorkflowEvent]) -> set[JobId]:
        # With its first event it may be another job, which has the id of one that was forgotten.
        return {one.job_id for one in events if one.seq == 1 or one.job_id not in self._known}

    def _look_up(self, job_id: JobId) -> str:
        try:
            return self._log.job(job_id).header.project
        except UnknownJob:
            return ""
