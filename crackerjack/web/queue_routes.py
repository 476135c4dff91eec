"""What waits for workers: ``/queue``, and the same as metrics."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crackerjack.jobs.job_manager import JobManager
from crackerjack.jobs.queue_state import QueueState
from crackerjack.web.answers import as_json, explaining
from crackerjack.web.problems import problem

_FRESH: Final = 0.5
"""Seconds for which an answer of the broker does for everybody who asks."""


class Queue:
    """The queue, asked for once however many look at it. Belongs to the event loop's thread."""

    def __init__(self, jobs: JobManager) -> None:
        self._jobs = jobs
        self._turn = asyncio.Lock()
        self._state: QueueState | None = None
        self._asked = float("-inf")

    async def state(self) -> QueueState | None:
        """How it is now; None where jobs need no workers. Raises :exc:`StoreUnavailable`."""
        async with self._turn:
            if time.monotonic() - self._asked > _FRESH:
                self._state = await asyncio.to_thread(self._jobs.queue)
                self._asked = time.monotonic()
            return self._state


class QueueRoutes:
    """Answers requests about the queue."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def routes(self) -> list[Route]:
        """All of them, for an application."""
        return [Route("/queue", explaining(self.queue), methods=["GET"])]

    async def queue(self, _request: Request) -> Response:
        """``GET /queue``: the jobs that wait or run, and the workers."""
        state = await self._queue.state()
        if state is None:
            sentence = (
                "this server has no queue: its runs begin at once, on its machine. "
                "`crackerjack serve --broker` serves those of a broker's workers"
            )
            return problem(404, sentence)
        return as_json(msgspec.to_builtins(state))
