"""A server on a thread of the tests, to set what the command line does not, and to look inside."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp
from websockets.sync.client import ClientConnection

from crackerjack.container import open_container
from crackerjack.server_container import Web, open_web
from crackerjack.types import JobId
from crackerjack.web.admission import Admission
from crackerjack.web.connection import Limits
from crackerjack.web.server import listen
from crackerjack.web.websocket_handler import LARGEST_FROM_CLIENT
from tests.web.serving import SECONDS, Server

T = TypeVar("T")

FRAMING = "crackerjack.web.frames:FramingProtocol"
STOCK = "websockets-sansio"
"""uvicorn's own protocol: what any ASGI server offers."""


@contextmanager
def on_a_thread(
    app: ASGIApp, protocol: str, **settings: Any
) -> Iterator[tuple[int, asyncio.AbstractEventLoop]]:
    """Serve any application with uvicorn while the block runs; gives the port and the event loop."""
    loop: Future[asyncio.AbstractEventLoop] = Future()
    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, ws=protocol, log_config=None, **settings))

        async def run() -> None:
            loop.set_result(asyncio.get_running_loop())
            await server.serve(sockets=[listener])

        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        try:
            yield listener.getsockname()[1], loop.result(SECONDS)
        finally:
            server.should_exit = True
            thread.join(SECONDS)


class InProcess(Server):
    """A server in this process."""

    def __init__(self, port: int, web: Web, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(port)
        self.app = web.app
        self._bridge = web.bridge
        self._loop = loop

    def connect(self, path: str, **options: Any) -> ClientConnection:
        # uvicorn's own protocol would compress, which takes long and is not what is tested.
        return super().connect(path, compression=None, **options)

    def connections(self) -> int:
        """How many clients are registered."""
        return self._ask(self._bridge.get_active_connections)

    def jobs_with_clients(self) -> list[JobId]:
        """The jobs of which a client is registered."""
        return self._ask(self._bridge.get_jobs_with_clients)

    def _ask(self, question: Callable[[], T]) -> T:
        """The answer of what belongs to the event loop's thread."""

        async def answer() -> T:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(SECONDS)


@contextmanager
def in_process(
    *,
    admission: Admission = Admission(),  # noqa: B008 - immutable
    limits: Limits = Limits(),  # noqa: B008 - immutable
    protocol: str = FRAMING,
    ping_seconds: float = 20.0,
    roots: Sequence[str] = (),
) -> Iterator[InProcess]:
    """Serve the store of ``CRACKERJACK_STATE_DIR``, and projects below the `roots`, while the block runs.

    A WebSocket client has `ping_seconds` to answer a ping, which it gets as often.
    """
    with (
        open_container(os.environ) as container,
        open_web(container, admission, roots=roots, limits=limits) as web,
        on_a_thread(
            web.app,
            protocol,
            http="crackerjack.web.http_protocol:HttpProtocol",
            ws_max_size=LARGEST_FROM_CLIENT,
            ws_ping_interval=ping_seconds,
            ws_ping_timeout=ping_seconds,
            lifespan="on",
        ) as (port, loop),
    ):
        yield InProcess(port, web, loop)
