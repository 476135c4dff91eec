"""The server: uvicorn around the application, going down without losing anybody's place."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from crackerjack.errors import UsageError
from crackerjack.web.admission import Admission
from crackerjack.web.websocket_handler import LARGEST_FROM_CLIENT

_GRACE: Final = 3
"""Seconds that requests have to end when the server goes down."""
_WAITING: Final = 4096
"""Connections that the system holds until we take them: so many clients may come back at once."""
_TAKEN_AT_ONCE: Final = 16
"""Connections that are taken in one turn of the event loop; it takes some turns to close one."""
_OTHER_FILES: Final = 8 * _TAKEN_AT_ONCE
"""Descriptors that are left for the store, for runs, and for connections that are one too many."""


class Server(uvicorn.Server):
    """Sends clients away with :class:`EventBusWebSocketBridge`'s `drain` before it stops.

    A first SIGTERM or SIGINT drains; a second one ends the process at once.
    """

    def __init__(self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._drain = drain

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # asyncio has one number for how many wait and how many it takes in a row, and where there is no
        # descriptor left, it says so for each of them.
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_WAITING)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._drain()
        await super().shutdown(sockets)


def serve(
    app: ASGIApp,
    listener: socket.socket,
    drain: Callable[[], Awaitable[None]],
) -> None:
    """Serve until a signal ends it."""
    config = uvicorn.Config(
        app,
        ws="crackerjack.web.frames:FramingProtocol",
        ws_per_message_deflate=False,
        ws_max_size=LARGEST_FROM_CLIENT,
        http="crackerjack.web.http_protocol:HttpProtocol",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        log_level="warning",  # what it says of a request has the query in it, and so the token
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_TAKEN_AT_ONCE,
        limit_concurrency=room_for_connections(),
        timeout_graceful_shutdown=_GRACE,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # what uvicorn puts back when it is done
    Server(config, drain).run(sockets=[listener])


def room_for_connections() -> int:
    """How many connections there may be; raises this process's limit of open files where it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = Admission().most_connections + 2 * _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, (wanted if soft == resource.RLIM_INFINITY else soft) - _OTHER_FILES)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises :exc:`UsageError` when the port is taken or the host is not ours."""
    try:
        found = socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise UsageError(f"there is no address for --host {host}: {error.strerror}") from None
    family, kind, protocol, _, address = found[0]
    # With its protocol named: asyncio sets TCP_NODELAY, without which an answer takes 40 ms, only then.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_WAITING)
    except OSError as error:
        listener.close()
        raise UsageError(_why(host, port, error)) from None
    listener.set_inheritable(False)
    return listener


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is taken, maybe by another `crackerjack serve`: "
            "stop that, or choose another --port"
        )
    return f"cannot listen on {host} port {port}: {error.strerror}"
