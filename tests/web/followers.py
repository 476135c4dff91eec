"""Clients that follow a job to its end by every door, and come back by themselves with what they have.

What comes is kept as it comes, byte for byte: nothing is put in order, and nothing that comes twice
is dropped. The position to come back with is the number of events so far, since a log begins at 1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import httpx
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage

from crackerjack.client import stream
from crackerjack.errors import ServerUnreachable
from tests.web.serving import SECONDS, decoded
from tests.web.waiting import until

Got = list[bytes]
"""Every event that a client was given, as it was on the wire."""
Follow = Callable[[str, str, Got], Coroutine[Any, Any, None]]
"""Follows a job of the server at a URL until it has ended, and adds to what it was given."""

_PAUSE: Final = 0.02  # seconds before coming back
_CUT: Final = (OSError, TimeoutError, EOFError, InvalidMessage)
_COME_BACK: Final = {1012, 1013, 4408}
"""Close codes after which a client comes back; it does so too where there was none."""


async def by_client(url: str, job_id: str, got: Got) -> None:
    """With the Python client, which must reach the server once."""
    while True:
        try:
            async for event in stream(url, job_id, len(got)):
                got.append(event.to_json())
            return
        except ServerUnreachable:
            await asyncio.sleep(_PAUSE)


async def by_websocket(url: str, job_id: str, got: Got) -> None:
    """With a bare WebSocket and ``since``."""
    base = url.replace("http", "ws", 1)
    while True:
        try:
            async with connect(
                f"{base}/ws/progress/{job_id}?since={len(got)}",
                open_timeout=SECONDS,
                compression=None,
                max_size=None,
            ) as socket:
                async for message in socket:
                    if decoded(message)["event_type"] != "stream_position":
                        got.append(message.encode() if isinstance(message, str) else message)
            assert (socket.close_code, socket.close_reason) == (1000, "job finished")
            return
        except ConnectionClosed as closed:
            if closed.rcvd is not None and closed.rcvd.code not in _COME_BACK:
                raise
        except _CUT:
            pass
        await asyncio.sleep(_PAUSE)


async def by_server_sent_events(url: str, job_id: str, got: Got) -> None:
    """With ``EventSource``'s protocol and ``Last-Event-ID``."""
    async with httpx.AsyncClient(base_url=url, timeout=SECONDS) as client:
        while True:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": str(len(got))}
            try:
                async with client.stream(
                    "GET", f"/jobs/{job_id}/events", headers=headers
                ) as answer:
                    if answer.status_code == 204:
                        return
                    assert answer.status_code in {200, 404}, answer.status_code
                    if answer.status_code == 200:
                        await _take_stream(answer, got)
            except httpx.TransportError:
                pass
            await asyncio.sleep(_PAUSE)


async def _take_stream(answer: httpx.Response, got: Got) -> None:
    rest = b""
    async for chunk in answer.aiter_raw():
        *whole, rest = (rest + chunk).split(b"\n\n")
        for block in whole:
            fields = dict(line.partition(b": ")[::2] for line in block.split(b"\n"))
            if b"data" in fields:
                got.append(fields[b"data"])
                assert fields[b"id"] == str(len(got)).encode()


class _Page(msgspec.Struct):
    events: list[msgspec.Raw]
    next: int
    head: int
    finished: bool


async def by_pages(url: str, job_id: str, got: Got) -> None:
    """With a long poll for pages."""
    async with httpx.AsyncClient(base_url=url, timeout=SECONDS) as client:
        while True:
            query: dict[str, Any] = {"since": len(got), "limit": 5, "wait": 5}
            try:
                answer = await client.get(f"/jobs/{job_id}/events", params=query)
            except httpx.TransportError:
                await asyncio.sleep(_PAUSE)
                continue
            if answer.status_code == 404:  # it does not wait for a job to begin
                await asyncio.sleep(_PAUSE)
                continue
            page = msgspec.json.decode(answer.content, type=_Page)
            got += map(bytes, page.events)
            assert page.next == len(got)
            if page.finished and page.next == page.head:
                return


FOLLOWERS: Final[dict[str, Follow]] = {
    "client": by_client,
    "websocket": by_websocket,
    "server-sent events": by_server_sent_events,
    "pages": by_pages,
}


class Following:
    """One client of each kind, all after the same job."""

    def __init__(self) -> None:
        self._got: dict[str, Got] = {name: [] for name in FOLLOWERS}

    def start(self, group: asyncio.TaskGroup, url: str, job_id: str) -> None:
        """Follow the job in tasks of the group, which end with it."""
        for name, got in self._got.items():
            group.create_task(FOLLOWERS[name](url, job_id, got))

    async def all_have(self, count: int) -> None:
        """Wait until each client has so many events."""
        await until(lambda: min(map(len, self._got.values())) >= count)

    def expect(self, log: list[bytes]) -> None:
        """Every client was given the whole log, each event once, in order, byte for byte."""
        for name, got in self._got.items():
            # In numbers first: a difference of them reads better than one of their events.
            assert list(map(_seq, got)) == list(range(1, len(log) + 1)), name
            assert got == log, name


def _seq(event: bytes) -> int:
    seq: int = decoded(event)["seq"]
    return seq
