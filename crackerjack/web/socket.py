"""One WebSocket connection as ASGI has it, without a framework around it.

A server holds thousands of them, most of them idle: each layer that a framework puts between a
connection and its handler stays in memory for as long as the connection does.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send


class Socket:
    """Implements :class:`crackerjack.web.connection.WebSocket`, and what a handler needs beside it."""

    __slots__ = ("_receive", "_send", "scope")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope: Final = scope
        self._receive = receive
        self._send = send

    async def accept(self, subprotocol: str | None) -> None:
        """Complete the handshake."""
        await self._receive()  # websocket.connect
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol})

    async def deny(self, response: Response) -> None:
        """Answer the handshake with a response, or with 403 where the server can only that."""
        if "websocket.http.response" not in (self.scope.get("extensions") or {}):
            await self._send({"type": "websocket.close"})
            return
        headers = response.raw_headers
        kind = "websocket.http.response"
        await self._send(
            {"type": f"{kind}.start", "status": response.status_code, "headers": headers}
        )
        await self._send({"type": f"{kind}.body", "body": response.body})

    def forget_handshake(self) -> None:
        """Let go of what the handshake brought: the scope is empty after this."""
        self.scope.clear()

    def receive(self) -> Awaitable[Message]:
        """The next message: ``websocket.receive`` or ``websocket.disconnect``."""
        return self._receive()

    async def send_text(self, data: str) -> None:
        """Send a text message."""
        message: Message = {"type": "websocket.send", "text": data}
        await self._send(message)

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the connection."""
        await self._send({"type": "websocket.close", "code": code, "reason": reason or ""})
