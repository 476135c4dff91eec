"""WebSocket frames that are made once and written to many connections: only this module knows how.

An ASGI server frames every message for every client anew, and awaits each. On uvicorn the protocol
class below (see its setting ``ws``) lends the application its transport, as an ASGI extension, so
that bytes framed once are written as they are. On another server :func:`frame_writer` is None, and
messages go out one by one as ASGI has it. Framing is that of RFC 6455, section 5.2: text, unmasked,
in one frame, without extensions (deflate would have to be done for each client).
"""

from __future__ import annotations

import struct
from asyncio import Transport
from http import HTTPStatus
from typing import Final

from starlette.types import Message, Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

EXTENSION: Final = "crackerjack.frames"
_FINAL_TEXT: Final = 0x81
_CLOSE_SECONDS: Final = 2.0
"""How long a client has to answer our close frame; one that stalls is cut off then."""

_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def text_frame(payload: bytes) -> bytes:
    """One text message as a server sends it; `payload` is UTF-8."""
    length = len(payload)
    if length < 126:
        return bytes((_FINAL_TEXT, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", _FINAL_TEXT, 126, length) + payload
    return struct.pack("!BBQ", _FINAL_TEXT, 127, length) + payload


class FrameWriter:
    """Writes frames to one accepted connection, past the ASGI server."""

    __slots__ = ("_protocol", "_transport")

    def __init__(self, protocol: FramingProtocol, transport: Transport) -> None:
        self._protocol = protocol
        self._transport = transport

    def write(self, frames: bytes) -> None:
        """Send whole frames, or keep what the socket does not take: look at `waiting` first."""
        if not (self._protocol.close_sent or self._transport.is_closing()):
            self._transport.write(frames)

    def forget_handshake(self) -> None:
        """Let go of the request and the response: two kilobytes of every idle connection."""
        vars(self._protocol).update(request=None, response=None, scope=None)

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    async def drained(self) -> None:
        """Wait until little is waiting, or the connection is lost."""
        await self._protocol.writable.wait()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame after what waits; whoever does not take it in a moment is cut off.

        Unlike the server's own way to close, it waits for nothing and nobody.
        """
        self._protocol.close_now(code, reason)


class FramingProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol that also offers :data:`EXTENSION`."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        # A handshake that failed has no scope. Of one that did not, the application begins later.
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            extensions: dict[str, object] = self.scope["extensions"]  # type: ignore[assignment]
            extensions[EXTENSION] = FrameWriter(self, self.transport)

    def send_receive_event_to_app(self) -> None:
        """Hand over a message; one of text that is not UTF-8 ends the connection, and is no news.

        uvicorn would write a traceback to the log for each of them, and so for anybody who likes to.
        """
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """What uvicorn does; that a refusal with an answer of its own is over, it does not notice.

        It would write an error to the log for each client that is sent away.
        """
        await super().send(message)  # type: ignore[arg-type]
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # With a body, or headers beyond bounds, it is no request of WebSocket's; uvicorn would not
            # notice, and the client would wait for ever.
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self.transport.close()

    def close_now(self, code: int, reason: str) -> None:
        """What the message ``websocket.close`` does, for a client that may not read."""
        if self.close_sent or self.conn.state is not State.OPEN:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:  # the client's answer must be seen
            self.read_paused = False
            self.transport.resume_reading()
        self._cut_off_later()

    # Of itself uvicorn closes a connection when what waits has been taken, which may be never: then it
    # would hold the socket and the buffer, and after a ping without answer its place among the clients.

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._cut_off_later()

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._cut_off_later()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._cut_off_later()

    def _cut_off_later(self) -> None:
        if self.close_timer is None:  # uvicorn cancels it when the connection is lost
            self.close_timer = self.loop.call_later(_CLOSE_SECONDS, self.transport.abort)


def frame_writer(scope: Scope) -> FrameWriter | None:
    """What the server lends for this accepted connection; None for a server that is not ours."""
    writer = (scope.get("extensions") or {}).get(EXTENSION)
    if not isinstance(writer, FrameWriter):
        return None
    writer.forget_handshake()
    return writer
