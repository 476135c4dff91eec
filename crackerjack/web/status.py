"""How the server is, and what it is: health, metrics, documents, and the dashboard."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crackerjack.errors import StoreError
from crackerjack.events.log import EventLog
from crackerjack.web.asyncapi import asyncapi
from crackerjack.web.metrics import MEDIA_TYPE, Metrics
from crackerjack.web.openapi import openapi
from crackerjack.web.problems import problem
from crackerjack.web.queue_routes import Queue
from crackerjack.web.static_files import static_routes


class StatusRoutes:
    """Answers what is asked about the server itself."""

    def __init__(self, log: EventLog, metrics: Metrics, queue: Queue) -> None:
        self._log = log
        self._metrics = metrics
        self._queue = queue

    def routes(self) -> list[Route]:
        """All of them, for an application."""
        return [
            Route("/healthz", self.healthz, methods=["GET"]),
            Route("/readyz", self.readyz, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/openapi.json", _document(openapi()), methods=["GET"]),
            Route("/asyncapi.json", _document(asyncapi()), methods=["GET"]),
            *static_routes(with_queue=self._log.recent is not None),
        ]

    async def healthz(self, _request: Request) -> Response:
        """The process answers."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def readyz(self, _request: Request) -> Response:
        """The store can be read."""
        try:
            await asyncio.to_thread(self._log.position)
        except StoreError as error:
            return problem(503, str(error))
        return Response(b'{"status":"ready"}', media_type="application/json")

    async def metrics(self, _request: Request) -> Response:
        """Counters and histograms in Prometheus's text format."""
        try:
            jobs = await asyncio.to_thread(self._log.count_jobs)
            queue = await self._queue.state()
        except StoreError as error:
            return problem(503, str(error))
        return Response(self._metrics.text(jobs, queue), media_type=MEDIA_TYPE)


def _document(content: dict[str, Any]) -> Any:
    encoded = msgspec.json.encode(content)

    async def answer(_request: Request) -> Response:
        return Response(encoded, media_type="application/json")

    return answer
