"""A server on a thread of the tests, to set what the command line does not, and to look inside."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from websockets.sync.client import ClientConnection

from crackerjack.container import open_container
from crackerjack.server_container import open_web
from crackerjack.types import JobId
from crackerjack.web.admission import Admission
from crackerjack.web.connection import Limits
from crackerjack.web.event_bridge import EventBusWebSocketBridge
from crackerjack.web.server import listen
from crackerjack.web.websocket_handler import LARGEST_FROM_CLIENT
from tests.web.contract import CheckedClient
from tests.web.serving import SECONDS, checked_connection

FRAMING = "crackerjack.web.frames:FramingProtocol"
STOCK = "websockets-sansio"
"""uvicorn's own protocol: what any ASGI server offers."""


class InProcess:
    """A server in this process."""

    def __init__(
        self,
        port: int,
        app: Starlette,
        bridge: EventBusWebSocketBridge,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.port = port
        self.http = f"http://127.0.0.1:{port}"
        self.app = app
        self._bridge = bridge
        self._loop = loop

    def connect(self, path: str, **options: Any) -> ClientConnection:
        """Open a WebSocket."""
        url = f"ws://127.0.0.1:{self.port}{path}"
        return checked_connection(url, compression=None, **options)

    def client(self, **options: Any) -> CheckedClient:
        """An HTTP client, to be closed."""
        return CheckedClient(base_url=self.http, timeout=SECONDS, **options)

    def connections(self) -> int:
        """How many clients are registered."""

        async def count() -> int:
            return self._bridge.get_active_connections()

        return asyncio.run_coroutine_threadsafe(count(), self._loop).result(SECONDS)

    def jobs_with_clients(self) -> list[JobId]:
        """The jobs of which a client is registered."""

        async def jobs() -> list[JobId]:
            return self._bridge.get_jobs_with_clients()

        return asyncio.run_coroutine_threadsafe(jobs(), self._loop).result(SECONDS)


@contextmanager
def in_process(
    *,
    admission: Admission = Admission(),  # noqa: B008 - immutable
    limits: Limits = Limits(),  # noqa: B008 - immutable
    protocol: str = FRAMING,
    ping_seconds: float = 20.0,
) -> Iterator[InProcess]:
    """Serve the store of ``CRACKERJACK_STATE_DIR`` while the block runs.

    A WebSocket client has `ping_seconds` to answer a ping, which it gets as often.
    """
    ready = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    with (
        open_container(os.environ) as container,
        listen("127.0.0.1", 0) as listener,
        open_web(container, admission, limits=limits) as web,
    ):
        config = uvicorn.Config(
            web.app,
            ws=protocol,
            http="crackerjack.web.http_protocol:HttpProtocol",
            ws_max_size=LARGEST_FROM_CLIENT,
            ws_ping_interval=ping_seconds,
            ws_ping_timeout=ping_seconds,
            lifespan="on",
            log_config=None,
        )
        server = uvicorn.Server(config)

        async def run() -> None:
            loops.append(asyncio.get_running_loop())
            ready.set()
            await server.serve(sockets=[listener])

        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        assert ready.wait(SECONDS)
        try:
            yield InProcess(listener.getsockname()[1], web.app, web.bridge, loops[0])
        finally:
            server.should_exit = True
            thread.join(SECONDS)
