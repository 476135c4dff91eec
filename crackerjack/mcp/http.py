"""The MCP server over Streamable HTTP: an ASGI endpoint for any number of clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from crackerjack.mcp.server import Agents

_IDLE: Final = 1800.0  # seconds until a session without a request is forgotten
_SESSIONS: Final = 1000
_LARGEST: Final = 1024 * 1024  # bytes of a request


class HttpEndpoint:
    """Serves inside :meth:`running`. Who may ask is decided before: its own checks are off."""

    def __init__(self, agents: Agents) -> None:
        self._resources = agents.resources
        self._manager = StreamableHTTPSessionManager(
            agents.server,
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
            session_idle_timeout=_IDLE,
            max_sessions=_SESSIONS,
            max_request_body_size=_LARGEST,
        )
        self.app: Final = StreamableHTTPASGIApp(self._manager)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer while the block runs."""
        async with self._manager.run(), self._resources.running():
            yield
