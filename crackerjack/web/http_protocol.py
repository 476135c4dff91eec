"""uvicorn's HTTP protocol, with an end for clients that take nothing."""

from __future__ import annotations

from asyncio import TimerHandle

from uvicorn.protocols.http.h11_impl import H11Protocol

from crackerjack.web.connection import STALLED_AFTER


class HttpProtocol(H11Protocol):
    """Cuts off a client that takes no byte for :data:`STALLED_AFTER` seconds while data waits for it.

    uvicorn would hold its socket and its buffer for as long as the client does.
    """

    _stalled: TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_looking()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_looking()

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
