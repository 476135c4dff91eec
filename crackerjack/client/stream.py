"""Following a job over WebSocket, coming back with its position whenever the connection is lost."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
)

from crackerjack.client.address import websocket_address
from crackerjack.client.problem import detail_of
from crackerjack.decoding import json_decoder
from crackerjack.errors import ServerRefused, ServerUnreachable, StreamBroken, UsageError
from crackerjack.events.event import WorkflowEvent
from crackerjack.types import parse_job_id

_CONTROL: Final = frozenset(
    {"job_snapshot", "stream_position", "pong", "error", "cancel_requested"}
)
"""Messages that are not in the log."""
_FINISHED: Final = 1000
_UNSUPPORTED: Final = 1007
"""RFC 6455, section 7.4.1: a message that is not what it should be."""
_FINAL: Final = frozenset({1003, 1007, 1008, 1009, *range(4400, 4500)}) - {4408}
"""Close codes that say "don't come back"; 1012, 1013 and 4408 say "come back with `since`"."""
_DELAYS: Final = (0.1, 10.0)
"""Seconds before coming back: first, and at most. Each failure doubles it."""
_OPEN_TIMEOUT: Final = 15.0
"""Seconds for the handshake, and for a snapshot."""
_LONGEST_TOLD: Final = 60.0
"""Seconds that a server may keep us away; ours says 5 at most."""
_UNREACHABLE: Final = (OSError, InvalidHandshake, EOFError)
"""No connection, or a lost one, without a word from the server."""


class State(NamedTuple):
    """Where a stream stands; for people."""

    connected: bool
    reason: str
    """Why the connection was lost."""
    retry_in: float
    """Seconds until the next attempt."""


async def stream(
    url: str,
    job_id: str,
    since: int = 0,
    *,
    types: Collection[str] = (),
    token: str = "",
    on_state: Callable[[State], object] = lambda _: None,
) -> AsyncIterator[WorkflowEvent]:
    """Yield every event of a job after `since`, once and in order, until the job has ended.

    `url` is the server's, such as ``http://127.0.0.1:8675``; `types` names the wanted event types
    (``hook_*``), all when empty. A lost connection is made again, for ever once there was one;
    `on_state` is told. Raises :exc:`ServerUnreachable` when the first attempt fails,
    :exc:`ServerRefused`, also when it says what is no event, :exc:`StreamBroken` when an event is missing,
    and :exc:`UsageError`.
    """
    follower = _Follower(url, job_id, since, types, token)
    failures = 0
    while not follower.finished:
        reason = ""
        try:
            # After a failure in small messages: of a large one that is cut off, nothing would be left.
            async with follower.connection(batch=not failures) as socket:
                on_state(State(connected=True, reason="", retry_in=0.0))
                async for message in socket:
                    for event in follower.take(message):
                        failures = 0
                        yield event
            follower.ended(socket.close_code, socket.close_reason or "")
            reason = socket.close_reason or "the server closed the connection"
        except ConnectionClosed as closed:
            received = closed.rcvd
            if received is not None:
                follower.ended(received.code, received.reason)
            reason = (received and received.reason) or "the connection was lost"
        except InvalidStatus as error:
            follower.refused(error)
            reason = f"HTTP status {error.response.status_code}"
        except _UNREACHABLE as error:
            reason = str(error) or type(error).__name__
            if not follower.was_connected:
                raise ServerUnreachable(url, reason) from None
        if not follower.finished:
            delay = _delay(reason, failures)
            failures += 1
            on_state(State(connected=False, reason=reason, retry_in=delay))
            await asyncio.sleep(delay)


async def snapshot(url: str, job_id: str, *, token: str = "") -> dict[str, Any]:
    """What the job is now: the `data` of the message ``job_snapshot``. Raises as :func:`stream`."""
    follower = _Follower(url, job_id, None, (), token)
    try:
        async with follower.connection(batch=False) as socket:
            async with asyncio.timeout(_OPEN_TIMEOUT):
                message = await socket.recv()
    except ConnectionClosed as closed:
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "lost")
        raise ServerRefused(url, code, reason) from None
    except InvalidStatus as error:
        raise ServerRefused(url, error.response.status_code, _detail(error)) from None
    except _UNREACHABLE as error:
        raise ServerUnreachable(url, str(error) or type(error).__name__) from None
    try:
        return json_decoder(_Snapshot).decode(message).data
    except (msgspec.MsgspecError, RecursionError) as error:
        raise follower.not_ours(error) from None


class _Follower:
    """The cursor of one stream, and what messages and closures mean for it."""

    def __init__(
        self, url: str, job_id: str, since: int | None, types: Collection[str], token: str
    ) -> None:
        self.finished = False
        self.was_connected = False
        self._url = url
        self._job_id = parse_job_id(job_id)
        self._cursor = since
        self._types = types
        self._token = token
        self._base = websocket_address(url)

    def connection(self, *, batch: bool) -> connect:
        """A connection from where the stream is, made when it is entered. Raises :exc:`UsageError`."""
        query: dict[str, object] = {"batch": int(batch)}
        if self._cursor is not None:
            query["since"] = self._cursor
        if self._types:
            query["types"] = ",".join(self._types)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else None
        try:
            return connect(
                f"{self._base}/ws/progress/{quote(self._job_id)}?{urlencode(query)}",
                additional_headers=headers,
                compression=None,
                max_size=None,
                open_timeout=_OPEN_TIMEOUT,
            )
        except InvalidURI as error:
            raise UsageError(f"--url {self._url}: {error}") from None

    def take(self, message: str | bytes) -> Iterator[WorkflowEvent]:
        """The new events in a message, in order; moves the cursor over each before it is given out."""
        try:
            yield from self._take(message)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise self.not_ours(error) from None

    def not_ours(self, error: Exception) -> ServerRefused:
        """What to raise for a message that no server of ours sends."""
        return ServerRefused(self._url, _UNSUPPORTED, f"what it says is not an event: {error}")

    def _take(self, message: str | bytes) -> Iterator[WorkflowEvent]:
        self.was_connected = True
        is_batch = message[:1] in {"[", b"["}
        for item in json_decoder(list[msgspec.Raw]).decode(message) if is_batch else [message]:
            kind = json_decoder(_Message).decode(item)
            if kind.event_type in _CONTROL or kind.seq <= (self._cursor or 0):
                continue
            event = json_decoder(WorkflowEvent).decode(item)
            if event.job_id != self._job_id:
                raise msgspec.ValidationError(f"it is of job {event.job_id[:64]!r}")
            expected = (self._cursor or 0) + 1
            if not self._types and event.seq != expected:
                raise StreamBroken(self._job_id, expected - 1, event.seq)
            self._cursor = event.seq
            self.finished = self.finished or event.terminal
            yield event

    def ended(self, code: int | None, reason: str) -> None:
        """Take in how the connection was closed; raises :exc:`ServerRefused` when for good."""
        self.was_connected = True
        if code == _FINISHED:
            self.finished = True
        elif code in _FINAL and not self.finished:
            raise ServerRefused(self._url, code or 0, reason)

    def refused(self, error: InvalidStatus) -> None:
        """Take in an answer that is no WebSocket; raises :exc:`ServerRefused` unless it may pass."""
        status = error.response.status_code
        if status < 500 or not self.was_connected:
            raise ServerRefused(self._url, status, _detail(error)) from None


class _Snapshot(msgspec.Struct):
    """The message ``job_snapshot``."""

    data: dict[str, Any]


class _Message(msgspec.Struct):
    """What tells an event from a control message."""

    event_type: str
    seq: int = 0


def _detail(error: InvalidStatus) -> str:
    return detail_of(error.response.body or b"", error.response.reason_phrase)


def _delay(reason: str, failures: int) -> float:
    if found := re.search(r"retry in ([0-9]{1,9}(?:\.[0-9]{1,9})?)", reason):
        return min(float(found[1]), _LONGEST_TOLD)
    first, most = _DELAYS
    spread: float = random.uniform(0.5, 1.0)  # noqa: S311 - so that clients don't come at once
    return min(most, first * 2.0 ** min(failures, 16)) * spread
