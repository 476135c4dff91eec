"""The ASGI application: the live stream, and the same log over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from crackerjack.events.log import EventLog
from crackerjack.jobs.job_manager import JobManager
from crackerjack.web.admission import Admission
from crackerjack.web.answers import Roots
from crackerjack.web.event_bridge import ALL_JOBS, EventBusWebSocketBridge
from crackerjack.web.feed import Feeds
from crackerjack.web.guard import Guard
from crackerjack.web.metrics import Metrics
from crackerjack.web.problems import problem
from crackerjack.web.queue_routes import Queue, QueueRoutes
from crackerjack.web.review_routes import ReviewRoutes
from crackerjack.web.routes import JobRoutes
from crackerjack.web.snapshots import Snapshots
from crackerjack.web.status import StatusRoutes
from crackerjack.web.watcher import ending_lost_jobs
from crackerjack.web.websocket_handler import WebSocketHandler, register_websocket_routes

_WORTH_COMPRESSING: Final = 2000  # bytes


class Agents(Protocol):
    """The endpoint of the MCP server; it answers inside `running`."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Entered and left by the application."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, of a client that has been let in."""
        ...


def create_websocket_app(
    *,
    log: EventLog,
    jobs: JobManager,
    feeds: Feeds,
    bridge: EventBusWebSocketBridge | None,
    admission: Admission,
    metrics: Metrics,
    roots: Sequence[str] = (),
    agents: Agents | None = None,
) -> Starlette:
    """Build the application, to be served or mounted in another one.

    Without a bridge it answers all but the live stream, and without `agents` all but ``/mcp``. Clients
    may start runs in projects below the `roots`, and undo what they changed. Its lifespan must run: it
    is what delivers events.
    """
    snapshots = Snapshots(feeds.reading)
    below = Roots(roots)
    review = ReviewRoutes(jobs=jobs, snapshots=snapshots, admission=admission, roots=below)
    routes = JobRoutes(
        log=log,
        jobs=jobs,
        feeds=feeds,
        snapshots=snapshots,
        admission=admission,
        metrics=metrics,
        live=bridge is not None,
        roots=below,
    )
    queue = Queue(jobs)
    app = _Application(
        routes=[
            *routes.routes(),
            *review.routes(),
            *QueueRoutes(queue).routes(),
            *StatusRoutes(log, metrics, queue).routes(),
        ],
        lifespan=_lifespan(bridge, jobs, agents),
        middleware=_middleware(admission, metrics),
        exception_handlers={HTTPException: _problem},
    )
    app.router.routes.append(Route("/mcp", agents or _NoAgents()))
    app.router.redirect_slashes = False  # what is not in the documents is answered with a problem
    if bridge is None:
        app.router.routes.append(WebSocketRoute("/ws/{path:path}", _no_stream))
    else:
        handler = WebSocketHandler(
            bridge, admission, jobs, snapshots.message, on_refusal=metrics.refused
        )
        register_websocket_routes(app, handler)
        _measure(bridge, metrics)
    return app


def _lifespan(
    bridge: EventBusWebSocketBridge | None, jobs: JobManager, agents: Agents | None
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def running(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if bridge is not None:
                await stack.enter_async_context(bridge.running())
            await stack.enter_async_context(ending_lost_jobs(jobs))
            if agents is not None:
                await stack.enter_async_context(agents.running())
            yield

    return running


def _middleware(admission: Admission, metrics: Metrics) -> list[Middleware]:
    return [
        Middleware(Guard, admission=admission, on_refusal=metrics.refused),
        Middleware(GZipMiddleware, minimum_size=_WORTH_COMPRESSING, compresslevel=1),
    ]


def _measure(bridge: EventBusWebSocketBridge, metrics: Metrics) -> None:
    connections = metrics.connections
    connections.labels("websocket", "all").set_function(lambda: bridge.count(ALL_JOBS))
    connections.labels("websocket", "job").set_function(
        lambda: bridge.get_active_connections() - bridge.count(ALL_JOBS)
    )
    metrics.lag.labels("websocket").set_function(bridge.lag)


class _Application(Starlette):
    """Takes WebSocket connections past the middleware, which is for HTTP.

    Each layer would keep a coroutine for as long as a connection lasts; :class:`WebSocketHandler`
    has the same admission.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope["app"] = self
            await self.router(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


async def _problem(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    answer = problem(error.status_code, _SENTENCES.get(error.status_code, error.detail))
    answer.headers.update(error.headers or {})
    return answer


_SENTENCES: Final = {
    404: "there is nothing here; /openapi.json lists what there is",
    405: "this cannot be done here with that method; /openapi.json lists what can",
}


class _NoAgents:
    """Answers for ``/mcp`` where the extra is missing, whatever the method."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sentence = "this server was not installed for agents: pip install 'crackerjack[mcp]'"
        await problem(501, sentence)(scope, receive, send)


async def _no_stream(websocket: WebSocket) -> None:
    await websocket.send_denial_response(
        problem(503, "this server has no live stream: poll /jobs/{id}/events instead")
    )
