"""One WebSocket client of a feed: a position, and how events get to it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import msgspec
from starlette.websockets import WebSocketDisconnect

from crackerjack.errors import StoreError, UnknownJob
from crackerjack.web.feed import Feed
from crackerjack.web.frames import FrameWriter, frame_writer, text_frame
from crackerjack.web.page import LARGEST_MESSAGE, Page, Selection

STALLED_AFTER: Final = 30.0
"""Seconds without taking a byte while data waits, after which a client is dropped."""
_FULL: Final = LARGEST_MESSAGE
"""Bytes waiting for a client; with more, it reads on from the log when it has taken them."""
UNREADABLE: Final = "the store cannot be read"
"""The reason of a close with 1011: the client comes back, and so hears when it can be read again."""
GONE: Final = (OSError, RuntimeError, WebSocketDisconnect)
"""What ASGI servers and starlette raise when the client is gone."""
_LOGGER: Final = logging.getLogger("crackerjack.web")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long things may take, in seconds."""

    position_every: float = 20.0
    """Without a message for so long, a client is told where it stands."""
    stalled_after: float = STALLED_AFTER
    wait_for_job: float = 300.0
    """A client waits for so long for its job to begin."""
    look_every: float = 1.0
    """Between looks at each connection, by which the others are kept."""


class WebSocket(Protocol):
    """An accepted connection: starlette's `WebSocket` is one."""

    @property
    def scope(self) -> Any:
        """The ASGI scope."""
        ...

    def send_text(self, data: str) -> Awaitable[None]:
        """Send a text message."""
        ...

    def close(self, code: int = 1000, reason: str | None = None) -> Awaitable[None]:
        """Close the connection."""
        ...


class Connection:
    """Delivers a feed to one client after its position: each event once, in order.

    At the head it is pushed what is new, as bytes framed once for all. When the client does not take
    them fast enough, and at the beginning, a task of its own reads on from the log: such a client
    only lags. The task is also how a client is served whose ASGI server lends no :class:`FrameWriter`.
    """

    __slots__ = (
        "_closed",
        "_limits",
        "_on_end",
        "_progress_at",
        "_reading",
        "_registered_at",
        "_sending",
        "_sent_at",
        "_taken",
        "_tell_position",
        "_writer",
        "_written",
        "feed",
        "position",
        "selection",
        "websocket",
    )

    def __init__(
        self,
        websocket: WebSocket,
        feed: Feed,
        *,
        since: int,
        selection: Selection,
        limits: Limits,
        on_end: Callable[[Connection, int], object],
    ) -> None:
        self.feed: Final = feed
        self.selection: Final = selection
        self.position = since
        """The position up to which everything wanted was sent."""
        self._registered_at: Final = time.monotonic()
        self.websocket: Final = websocket
        self._writer: FrameWriter | None = frame_writer(websocket.scope)
        self._limits: Final = limits
        self._on_end: Final = on_end
        self._sent_at = self._progress_at = self._registered_at
        self._written = self._taken = 0  # bytes: by us, and of these by the client
        self._sending = False
        self._tell_position = False
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it is over: nothing will be sent any more."""
        return self._closed

    def start(self, *, tell_position: bool) -> None:
        """Begin to deliver; `tell_position`: say so when all that there is has been delivered."""
        self._tell_position = tell_position
        self._read_on()

    async def say(self, message: dict[str, object]) -> None:
        """Send an answer; in the stream of all jobs with the `cursor` to come back with after it."""
        await self._drained()  # before the position is looked up: events may be pushed meanwhile
        if self.feed.job_id is None:
            message["cursor"] = self.feed.cursor(self.position)
        await self.send(msgspec.json.encode(message))

    async def send(self, message: bytes) -> None:
        """Send a control message: one JSON object."""
        if not self._closed:
            self._sent_at = time.monotonic()
            await self._send(message)

    def push(self, page: Page) -> bool:
        """Take a page at the head; False when it cannot be written now, and the log must do."""
        writer = self._writer
        if writer is None or self._closed or page.after != self.position:
            return self._read_on()
        try:
            parts = page.parts(self.selection, self.position)
        except StoreError:  # nobody else's concern: the task meets it too, and says so
            return self._read_on()
        for part in parts:
            if writer.waiting > _FULL:
                return self._read_on()
            self._write(writer, part.data)
            self.position = part.last
        return self._read_on() if self.feed.ended else True

    def look_after(self, now: float) -> None:
        """Called now and then: tell an idle client its position, drop one that waits or stalls too long."""
        if self._closed:
            return
        waited = now - self._registered_at
        if not self.feed.exists and waited > self._limits.wait_for_job:
            self.close(4404, f"no such job within {self._limits.wait_for_job:.0f} s")
        elif self._stalled(now):
            self.close(4408, f"slow; resume with since={self._since()}")
        elif self in self.feed.live and self._silent_for(now) >= self._limits.position_every:
            self._write_position()

    def close(self, code: int, reason: str) -> None:
        """End the connection; what waits is still sent, for as long as the client takes it."""
        if self._closed:
            return
        self.stop()
        if self._writer is not None:
            self._writer.close(code, reason)
        else:
            # Kept by the loop through the server's own write; nothing is left to do with its result.
            self._reading = asyncio.create_task(self._close(code, reason))
        self._on_end(self, code)

    def stop(self) -> None:
        """Deliver nothing more: the connection is gone."""
        self._closed = True
        self.feed.live.discard(self)
        if self._reading is not None and self._reading is not asyncio.current_task():
            self._reading.cancel()
        self._reading = None

    def _read_on(self) -> bool:
        """Let the task read from the log; returns False, as :meth:`push` does then."""
        if self._reading is None and not self._closed:
            self._reading = asyncio.create_task(self._read())
        return False

    async def _read(self) -> None:
        try:
            await self._catch_up()
        except UnknownJob:
            self.close(4404, "the job was forgotten")
        except StoreError as error:
            _LOGGER.warning("a client could not be served: %s", error)
            self.close(1011, UNREADABLE)
        except GONE:
            self.stop()

    async def _catch_up(self) -> None:
        """Send what the log has after the position; return at the head, to be pushed what comes."""
        while True:
            page = await self.feed.page(self.position)
            if page is not None:
                await self._send_page(page)
                # Others have a turn, also where nothing had to be waited for.
                await asyncio.sleep(0)
            elif self.feed.ended:
                await self._drained()
                self.close(1000, "job finished")
                return
            elif self._writer is not None:
                self._reading = None
                # Nobody had a turn since the look at the feed: no page falls between.
                self.feed.live.add(self)
                if self._tell_position:
                    self._tell_position = False
                    self._write_position()
                return
            else:
                await self._told_position()
                await self._wait()

    async def _send_page(self, page: Page) -> None:
        if self._writer is not None:
            for part in page.parts(self.selection, self.position):
                await self._drained()
                self._write(self._writer, part.data)
                self.position = part.last
            return
        for part in page.messages(self.selection, self.position):
            self.position = part.last  # before others have a turn: what they say comes after this
            await self._send(part.data)
        self.position = page.last

    async def _wait(self) -> None:
        every = self._limits.position_every
        await self.feed.wait(self.position, max(0.0, every - self._silent_for(time.monotonic())))
        self._tell_position = self._silent_for(time.monotonic()) >= every

    async def _told_position(self) -> None:
        if self._tell_position:
            self._tell_position = False
            await self.send(self._position_message())

    async def _send(self, message: bytes) -> None:
        if self._writer is not None:
            await self._drained()
            self._write(self._writer, text_frame(message))
            return
        self._sending = True
        await self.websocket.send_text(message.decode())
        self._sending = False
        self._sent_at = self._progress_at = time.monotonic()

    async def _drained(self) -> None:
        if self._writer is not None:
            await self._writer.drained()

    async def _close(self, code: int, reason: str) -> None:
        try:
            await self.websocket.close(code, reason)
        except GONE:
            _LOGGER.debug("the client was gone before it was told %d", code)

    def _write(self, writer: FrameWriter, frames: bytes) -> None:
        if frames:
            writer.write(frames)
            self._written += len(frames)
            self._sent_at = time.monotonic()

    def _write_position(self) -> None:
        if self._writer is not None:
            self._write(self._writer, text_frame(self._position_message()))

    def _position_message(self) -> bytes:
        """The message ``stream_position``: everything up to `seq` was delivered, or is not wanted."""
        now = time.time()
        message: dict[str, object] = {
            "event_type": "stream_position",
            # A page of the log may have led past what the feed was told.
            "data": {"head": max(self.feed.head, self.position), "timestamp": now},
            "timestamp": now,
        }
        if self.feed.job_id is not None:
            message |= {"job_id": self.feed.job_id, "seq": self.position}
        else:
            message |= {"cursor": self.feed.cursor(self.position)}
        return msgspec.json.encode(message)

    def _since(self) -> str:
        """Where a client is to come back: what it sends as `since`."""
        if self.feed.job_id is not None:
            return str(self.position)
        return self.feed.cursor(self.position)

    def _silent_for(self, now: float) -> float:
        return now - self._sent_at

    def _stalled(self, now: float) -> bool:
        """Whether data has waited too long; also notes what was taken since the last look."""
        if self._writer is None:
            return self._sending and now - self._progress_at > self._limits.stalled_after
        waiting = self._writer.waiting
        taken = self._written - waiting
        if taken != self._taken or not waiting:
            self._taken, self._progress_at = taken, now
        return now - self._progress_at > self._limits.stalled_after
