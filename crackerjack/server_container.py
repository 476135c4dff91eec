"""The composition root of a server: its parts on top of the container's, closed in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from crackerjack.container import Container
from crackerjack.events.poke import PokeBox
from crackerjack.web.admission import Admission
from crackerjack.web.app import create_websocket_app
from crackerjack.web.connection import Limits
from crackerjack.web.event_bridge import EventBusWebSocketBridge
from crackerjack.web.feed import Feeds
from crackerjack.web.metrics import Metrics

if TYPE_CHECKING:
    from crackerjack.mcp.http import HttpEndpoint


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a server."""

    app: Starlette
    bridge: EventBusWebSocketBridge


class LazyAgents:
    """The endpoint ``/mcp``, which is made when the first client comes.

    Importing the SDK takes a second and 60 MB, and most servers never have such a client.
    """

    def __init__(self, container: Container, feeds: Feeds, roots: Sequence[str]) -> None:
        self._container = container
        self._feeds = feeds
        self._roots = roots
        self._serving: asyncio.Task[None] | None = None
        self._app: asyncio.Future[ASGIApp] | None = None
        self._stopped = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer while the block runs."""
        try:
            yield
        finally:
            self._stopped.set()
            if self._serving is not None:
                await self._serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            self._app = asyncio.get_running_loop().create_future()
            self._serving = asyncio.create_task(self._serve(self._app))
        app = await asyncio.shield(self._app)
        await app(scope, receive, send)

    async def _serve(self, app: asyncio.Future[ASGIApp]) -> None:
        # In a task of its own: what the SDK begins must end in the task that began it.
        try:
            endpoint = await asyncio.to_thread(self._build)
            async with endpoint.running():
                app.set_result(endpoint.app)
                await self._stopped.wait()
        except Exception as error:
            if app.done():
                raise
            app.set_exception(error)

    def _build(self) -> HttpEndpoint:
        from crackerjack.mcp.http import HttpEndpoint
        from crackerjack.mcp.server import build_agents

        return HttpEndpoint(
            build_agents(
                log=self._container.log,
                jobs=self._container.jobs,
                feeds=self._feeds,
                state_dir=self._container.state_dir,
                roots=self._roots,
                local=False,
            )
        )


@contextmanager
def open_web(
    container: Container,
    admission: Admission,
    *,
    roots: Sequence[str] = (),
    limits: Limits = Limits(),  # noqa: B008 - immutable
) -> Iterator[Web]:
    """Build the application on an open store; clients may start runs below the `roots`."""
    with PokeBox(container.pokes) as pokes:
        metrics = Metrics()
        feeds = Feeds(container.log, metrics.delivered)
        bridge = EventBusWebSocketBridge(feeds, container.hub, metrics, pokes=pokes, limits=limits)
        app = create_websocket_app(
            log=container.log,
            jobs=container.jobs,
            feeds=feeds,
            bridge=bridge,
            admission=admission,
            metrics=metrics,
            roots=roots,
            agents=LazyAgents(container, feeds, roots) if find_spec("mcp") else None,
        )
        yield Web(app=app, bridge=bridge)
