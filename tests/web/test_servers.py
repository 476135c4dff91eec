"""Several servers on one store, a poke that is lost, and clients that come and go in every manner."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from crackerjack.web.watcher import POLL_SECONDS
from tests.web.followers import Following
from tests.web.in_process import FRAMING, STOCK, InProcess, in_process
from tests.web.proxy import RESET
from tests.web.serving import (
    SECONDS,
    Served,
    Writer,
    decoded,
    ended_process,
    handshake,
    received,
    serving,
)
from tests.web.waiting import wait_for


@pytest.fixture
def servers() -> Iterator[tuple[Served, Served]]:
    with serving() as first, serving() as second:
        yield first, second


class TestTwoServers:
    """On one store, with one job."""

    def test_both_give_it_live(self, servers: tuple[Served, Served], writer: Writer) -> None:
        job_id = writer.job()

        async def follow() -> list[Following]:
            followings = [Following() for _ in servers]
            async with asyncio.timeout(2 * SECONDS), asyncio.TaskGroup() as group:
                for following, server in zip(followings, servers, strict=True):
                    following.start(group, server.http, job_id)
                await asyncio.to_thread(writer.publish, job_id, 50)
                for following in followings:  # what comes after this is live for all
                    await following.all_have(50)
                for _ in range(10):
                    await asyncio.to_thread(writer.publish, job_id, 5)
                await asyncio.to_thread(writer.end, job_id)
            return followings

        for following in asyncio.run(follow()):
            following.expect(writer.events(job_id))

    def test_a_job_whose_process_is_gone_ends_once(
        self, servers: tuple[Served, Served], writer: Writer
    ) -> None:
        owner = ended_process()
        jobs = [writer.job(f"lost-{number}", owner=owner) for number in range(50)]
        with ExitStack() as stack:
            clients = [
                stack.enter_context(server.connect(f"/ws/progress/{job_id}?since=0"))
                for server in servers
                for job_id in jobs
            ]
            ends = [[m for m in received(client)[0] if b"_position" not in m] for client in clients]
        logs = [writer.events(job_id) for job_id in jobs]
        assert ends == logs * 2
        assert [decoded(only)["data"]["reason"] for (only,) in logs] == ["runner_lost"] * len(jobs)


def test_without_pokes_events_come_within_the_poll_interval(server: Served, writer: Writer) -> None:
    job_id = writer.job()
    pokes = list(Path(os.environ["CRACKERJACK_STATE_DIR"], "pokes").glob("*.poke"))
    delays = []
    with server.connect(f"/ws/progress/{job_id}?since=0") as client:
        assert decoded(client.recv(SECONDS))["event_type"] == "stream_position"
        (poke,) = pokes
        poke.unlink()
        for seq in range(1, 6):
            writer.publish(job_id)
            committed = time.monotonic()
            assert decoded(client.recv(SECONDS))["seq"] == seq
            delays.append(time.monotonic() - committed)
    assert min(delays) < POLL_SECONDS + 0.1  # each of them may be held up by a busy machine


class Visitor:
    """A client that says and does what it likes, without a library that would do it right."""

    def __init__(self, server: InProcess, path: str) -> None:
        self._request = handshake(path)
        self._socket = socket.create_connection(("127.0.0.1", server.port), SECONDS)

    def says_nothing(self) -> None: ...

    def begins_the_handshake(self) -> None:
        self._socket.sendall(self._request[:60])

    def asks(self) -> None:
        self._socket.sendall(self._request)

    def reads(self) -> None:
        self.asks()
        assert self._socket.recv(1000).startswith(b"HTTP/1.1 ")

    def ends_its_half(self) -> None:
        self.reads()
        self._socket.shutdown(socket.SHUT_WR)

    def says_goodbye(self) -> None:
        self.reads()
        self._socket.sendall(b"\x88\x80\0\0\0\0")

    def talks_nonsense(self) -> None:
        self.reads()
        self._socket.sendall(b"\xff\xff\0\0\0\0")

    def pings_without_end(self) -> None:
        self.asks()
        self._socket.sendall(b'\x81\x90\0\0\0\0{"type": "ping"}' * 100)

    def goes(self, *, with_reset: bool = False) -> None:
        if with_reset and self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._socket.close()


MANNERS: Final[list[Callable[[Visitor], None]]] = [
    Visitor.says_nothing,
    Visitor.begins_the_handshake,
    Visitor.asks,
    Visitor.reads,
    Visitor.ends_its_half,
    Visitor.says_goodbye,
    Visitor.talks_nonsense,
    Visitor.pings_without_end,
]
PATHS: Final = (
    "/ws/progress/job123",
    "/ws/progress/job123?since=0",
    "/ws/progress/job123?since=0&types=hook_*&batch=1",
    "/ws/progress/no-such-job",
    "/ws/progress/no%20id",
    "/ws/progress/job123?since=99999",
    "/ws/events",
    "/jobs/job123/events?since=0",
)


@pytest.mark.parametrize("protocol", [FRAMING, STOCK], ids=["framed", "another server"])
def test_nobody_is_left_of_clients_that_come_and_go(
    writer: Writer,
    caplog: pytest.LogCaptureFixture,
    protocol: str,
    seed: str,
    soak: bool,
) -> None:
    moments = random.Random(seed)
    job_id = writer.job()
    writer.publish(job_id, 500)
    with in_process(protocol=protocol) as server:
        with server.connect(f"/ws/progress/{job_id}?since=0") as staying, ExitStack() as stack:
            here: list[Visitor] = []
            for _ in range(5000 if soak else 300):
                visitor = Visitor(server, moments.choice(PATHS))
                stack.callback(visitor.goes)
                moments.choice(MANNERS)(visitor)
                here.append(visitor)
                while here and moments.random() < 0.6:
                    visitor = here.pop(moments.randrange(len(here)))
                    visitor.goes(with_reset=moments.random() < 0.5)
                if moments.random() < 0.1:
                    writer.publish(job_id, 20)
            stack.close()
            # Some that have gone already are let in first: they lie in the backlog.
            wait_for(lambda: (server.connections(), server.jobs_with_clients()) == (1, [job_id]))
            writer.end(job_id)
            messages, _, _ = received(staying)
        wait_for(lambda: (server.connections(), server.jobs_with_clients()) == (0, []))
    assert [m for m in messages if b"stream_position" not in m] == writer.events(job_id)
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
