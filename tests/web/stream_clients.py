"""Clients that compare what they get with what was published, event by event."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from fnmatch import fnmatchcase
from socket import SHUT_RDWR
from typing import Any, Final, NoReturn

import httpx
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from crackerjack.types import JobId
from tests.web.in_process import InProcess
from tests.web.serving import SECONDS, decoded
from tests.web.stream_events import Event, Model

_CURSOR: Final = re.compile(rb',"cursor":"([0-9a-f]+\.[0-9]+)"}\Z')


class Client:
    """A client over as many connections as it takes: what it wants, and how far it has come.

    Its place in a stream is the number of events before it: a job's `seq`, and the number in the
    cursor of a store, in which every event takes the next one.
    """

    def __init__(
        self, model: Model, job_id: JobId | None, *, types: str = "", jobs: str = ""
    ) -> None:
        self.model = model
        self.job_id = job_id
        self.types = types
        self.jobs = jobs
        self.place = 0
        self._opened = ExitStack()
        self.open = False

    @property
    def stream(self) -> list[Event]:
        """All that there is for it, wanted or not."""
        if self.job_id is None:
            return self.model.everything
        return self.model.jobs.get(self.job_id, [])

    @property
    def job_ended(self) -> bool:
        """Whether nothing can come any more."""
        return self.job_id is not None and self.model.ended(self.job_id)

    def wants(self, event: Event) -> bool:
        """Whether it asked for such an event."""
        return (not self.jobs or event.job_id in self.jobs.split(",")) and (
            not self.types or any(fnmatchcase(event.kind, one) for one in self.types.split(","))
        )

    @property
    def awaited(self) -> list[Event]:
        """What it must still get of what there is."""
        return [one for one in self.stream[self.place :] if self.wants(one) and not one.forgotten]

    def take(self, got: bytes) -> Event:
        """Compare an event with the next one that is wanted; one that was forgotten may be left out."""
        for place in range(self.place, len(self.stream)):
            event = self.stream[place]
            if self.wants(event) and event.json == got:
                self.place = place + 1
                return event
            assert event.forgotten or not self.wants(event), (event.json[:200], got[:200])
        raise AssertionError(f"after place {self.place} nothing was to come, but {got[:200]!r}")

    def move_to(self, place: int) -> None:
        """Believe that everything wanted before this place was sent."""
        assert self.place <= place <= len(self.stream), (self.place, place, len(self.stream))
        skipped = [one for one in self.stream[self.place : place] if self.wants(one)]
        assert all(one.forgotten for one in skipped), skipped[0].json[:200]
        self.place = place

    def catch_up(self) -> None:
        """Read until it has everything; when the job has ended, until the server says so."""
        raise NotImplementedError

    def cut(self, *, abruptly: bool = True) -> None:
        """End the connection, wherever it is."""
        self.open = False
        self._opened.close()


class WebSocketClient(Client):
    """A client of ``/ws/progress/{job}``, or (without a job) of ``/ws/events``."""

    def __init__(
        self,
        model: Model,
        job_id: JobId | None,
        *,
        types: str = "",
        jobs: str = "",
        batch: bool = False,
    ) -> None:
        super().__init__(model, job_id, types=types, jobs=jobs)
        self.batch = batch
        self.cursor = ""
        self.snapshot: dict[str, Any] = {}
        self._begun = False
        self._heard = ""
        self._head = 0
        self._connection: ClientConnection

    def connect(self, server: InProcess, since: int | str | None) -> None:
        """Open a connection."""
        asked = {"since": since, "types": self.types, "jobs": self.jobs}
        query = "&".join(
            f"{name}={value}" for name, value in asked.items() if value not in {"", None}
        )
        path = "/ws/events" if self.job_id is None else f"/ws/progress/{self.job_id}"
        url = f"{path}?{query}&batch={int(self.batch)}"
        self._connection = self._opened.enter_context(server.connect(url))
        self._begun = since is not None
        self.snapshot = {}
        self.open = True
        if since is None:
            while not self._begun:
                self.hear()

    def resume(self, server: InProcess) -> None:
        """Come back with what it has."""
        self.connect(server, (self.cursor or None) if self.job_id is None else self.place)

    def hear(self) -> None:
        """Take one message; raises :exc:`ConnectionClosed`."""
        message = self._connection.recv(SECONDS, decode=False)
        if self.batch and message[:1] == b"[":
            items = msgspec.json.decode(message, type=list[msgspec.Raw])
            assert 1 < len(items) <= 256
            assert len(message) <= 256 * 1024
            for item in items:
                self._hear_one(bytes(item))
        else:
            self._hear_one(message)

    def _hear_one(self, message: bytes) -> None:
        said = decoded(message)
        self._heard = said["event_type"]
        match self._heard:
            case "job_snapshot":
                self._begin(said)
            case "stream_position":
                self._hear_position(said)
            case "pong":
                pass
            case _:
                self._hear_event(message)

    def _begin(self, said: dict[str, Any]) -> None:
        assert not self._begun, "a snapshot comes first, and once"
        self._begun = True
        assert said["data"]["job_id"] == said["job_id"] == self.job_id
        self.place = said["seq"]
        assert self.place <= len(self.stream)
        self.snapshot = said["data"]

    def _hear_position(self, said: dict[str, Any]) -> None:
        if self.job_id is None:
            self.cursor = said["cursor"]
            place = _number(self.cursor)
        else:
            place = said["seq"]
        head = said["data"]["head"]
        assert max(place, self._head) <= head <= len(self.stream), (place, head, self._head)
        self._head = head
        if not self._begun:
            self._begun, self.place = True, place
        self.move_to(place)

    def _hear_event(self, message: bytes) -> None:
        place = None
        if self.job_id is None:
            found = _CURSOR.search(message)
            assert found, message[-100:]
            self.cursor = found[1].decode()
            message = message[: found.start()] + b"}"
            place = _number(self.cursor)
            if not self._begun:
                self._begun, self.place = True, place - 1
        self.take(message)
        assert place in {None, self.place}

    def catch_up(self) -> None:
        if self.job_ended:
            assert self.hear_the_end() == (1000, "job finished")
            assert not self.awaited
            return
        while self.place < len(self.stream):
            self.hear()

    def hear_the_end(self) -> tuple[int, str]:
        """Read until the server closes; the close code and reason."""
        with pytest.raises(ConnectionClosed) as closed:
            self._hear_all()
        self.cut()
        received = closed.value.rcvd
        assert received is not None, "it was told nothing"
        return received.code, received.reason

    def _hear_all(self) -> NoReturn:
        while True:
            self.hear()

    def hear_nothing_more(self) -> None:
        """Be sure that what it was sent is all: a pong comes after everything else."""
        self._connection.send('{"type": "ping"}')
        self._heard = ""
        while self._heard != "pong":
            self.hear()
            assert self.place <= len(self.stream)

    def cut(self, *, abruptly: bool = True) -> None:
        if abruptly and self.open:
            with suppress(OSError):  # the server was faster
                self._connection.socket.shutdown(SHUT_RDWR)
        super().cut()


class EventSource(Client):
    """A client of the server-sent events of a job."""

    def connect(self, http: httpx.Client, *, by_header: bool) -> int:
        """Ask for what follows its place; returns the status."""
        query = {"types": self.types} if self.types else {}
        headers = {"Accept": "text/event-stream"}
        if by_header:
            headers["Last-Event-ID"] = str(self.place)
        else:
            query["since"] = str(self.place)
        self._answer = self._opened.enter_context(
            http.stream("GET", f"/jobs/{self.job_id}/events", params=query, headers=headers)
        )
        self.open = self._answer.status_code == 200
        if not self.open:
            self._opened.close()
        else:
            self._blocks = _blocks(self._answer.iter_raw())
        return self._answer.status_code

    def catch_up(self) -> None:
        while self.job_ended or self.awaited:
            block = next(self._blocks, None)
            if block is None:
                assert self.job_ended
                assert not self.awaited
                self.cut()
                return
            if block != b": ping":
                lines = dict(line.split(b": ", 1) for line in block.split(b"\n"))
                event = self.take(lines[b"data"])
                assert lines[b"id"] == str(event.seq).encode()
                assert lines[b"event"] == event.kind.encode()


def _blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    waiting = b""
    for chunk in chunks:
        *blocks, waiting = (waiting + chunk).split(b"\n\n")
        yield from blocks
    assert not waiting, "the last event is whole"


def _number(cursor: str) -> int:
    return int(cursor.rpartition(".")[2])


def pages(ask: Callable[[int], httpx.Response], reader: Client) -> None:
    """Read page after page until the reader has everything; each page says where the next begins."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        page = msgspec.json.decode(ask(reader.place).content, type=_PageOfEvents)
        for item in page.events:
            reader.take(bytes(item))
        reader.move_to(page.next)
        assert page.next <= page.head <= len(reader.stream)
        if page.next == len(reader.stream):
            assert page.finished == reader.job_ended
            return
        assert not page.finished
    raise AssertionError(f"the server does not come to {len(reader.stream)}")


class _PageOfEvents(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]
    next: int
    head: int
    finished: bool
