"""A job's events as server-sent events (WHATWG HTML, section 9.2): for ``EventSource`` and curl."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from crackerjack.errors import StoreError
from crackerjack.web.connection import STALLED_AFTER
from crackerjack.web.feed import Feed
from crackerjack.web.page import Page, Selection

PING_SECONDS: Final = 15.0
_PING: Final = b": ping\n\n"
_PIECE: Final = 64 * 1024
"""Bytes that are given to the server at once: what waits for a client is not much more."""
_GIVE_UP: Final = 2 * STALLED_AFTER
"""Seconds for a piece. Our own server cuts off who takes nothing before, and does not complain."""


class EventStream(Response):
    """Streams a feed after `since` until the job ends or the client goes: a cursor like any other."""

    media_type = "text/event-stream"

    def __init__(
        self, feed: Feed, since: int, selection: Selection, open_streams: set[EventStream]
    ) -> None:
        super().__init__(
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            media_type=self.media_type,
        )
        del self.headers["content-length"]
        self._feed = feed
        self._cursor = since
        self._selection = selection
        self._open_streams = open_streams

    @property
    def lag(self) -> int:
        """How many events the client is behind."""
        return self._feed.head - self._cursor

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self._open_streams.add(self)
        streaming = asyncio.create_task(self._stream(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({streaming, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open_streams.discard(self)
            for task in (streaming, leaving):
                task.cancel()
            await asyncio.gather(streaming, leaving, return_exceptions=True)

    async def _stream(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async for chunk in self._chunks():
            # A client that takes nothing for so long comes back, with Last-Event-ID.
            async with asyncio.timeout(_GIVE_UP):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            while True:
                page = await self._feed.page(self._cursor)
                if page is not None:
                    for last, text in self._pieces(page):
                        yield text
                        self._cursor = last
                    await asyncio.sleep(0)  # others have a turn: a send need not wait for anything
                elif self._feed.ended:
                    return
                elif not await self._feed.wait(self._cursor, PING_SECONDS):
                    await self._feed.check_readable()
                    yield _PING
        except StoreError:
            return  # the client comes back, and is told

    def _pieces(self, page: Page) -> Iterator[tuple[int, bytes]]:
        """What is wanted of the page as text, in pieces; each with the position that it reaches."""
        text, after = bytearray(), self._cursor
        for event, position, item in zip(page.events, page.positions, page.items, strict=True):
            if position > after and self._selection.wants(event):
                text += b"id: %d\nevent: %b\ndata: %b\n\n" % (
                    position,
                    event.event_type.encode(),
                    item,
                )
            if len(text) >= _PIECE:
                yield position, bytes(text)
                text.clear()
        yield page.last, bytes(text)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
