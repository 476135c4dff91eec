"""uvicorn's HTTP protocol, with an end for clients that take nothing, send nothing, or are too many."""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from crackerjack.web.connection import STALLED_AFTER

REQUEST_SECONDS: Final = 15.0
"""For a whole request to arrive, its body too: the largest has 64 KiB."""


class HttpProtocol(H11Protocol):
    """Cuts off a client that takes no byte for :data:`STALLED_AFTER` seconds while data waits for it,
    and one whose request is not there after :data:`REQUEST_SECONDS`.

    uvicorn would hold its socket and its buffer for as long as the client does. Of more connections
    than uvicorn's setting ``limit_concurrency`` each is closed at once: files must be left for the store.
    """

    _stalled: TimerHandle | None = None
    _requesting: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency:
            transport.abort()
        else:
            self._await_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        is_ours = self.transport.get_protocol() is self  # not since it became a WebSocket
        if is_ours and self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self._await_request()
        else:
            self._stop_awaiting()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_looking()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_looking()
        self._stop_awaiting()

    def _await_request(self) -> None:
        # From its first byte, or the connection's beginning; each further byte gives no more time.
        if self._requesting is None:
            self._requesting = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_awaiting(self) -> None:
        if self._requesting is not None:
            self._requesting.cancel()
            self._requesting = None

    def _look_again(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(STALLED_AFTER, self._look, waiting)

    def _look(self, waiting_before: int) -> None:
        # Nothing is written while so much waits: it can only have become less.
        if self.transport.get_write_buffer_size() == waiting_before:
            self.transport.abort()
        else:
            self._look_again()

    def _stop_looking(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
