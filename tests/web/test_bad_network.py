"""Between clients and the server lies a network that delays, cuts, resets, and goes away in silence."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from pathlib import Path
from typing import Final

import pytest

from crackerjack.types import JobId
from crackerjack.web import http_protocol
from crackerjack.web.connection import Limits
from tests.web.followers import Following
from tests.web.in_process import InProcess, in_process
from tests.web.proxy import BadNetwork
from tests.web.serving import SECONDS, Served, Writer, stalled_socket
from tests.web.waiting import until, wait_for

NEVER_CUT: Final = 1 << 40
_ESTABLISHED: Final = "01"


async def publish_at_random(writer: Writer, job_id: JobId, moments: random.Random) -> None:
    """Publish some hundreds of events, of all sizes, while others read them."""
    for _ in range(20):
        text = "x" * moments.choice([1, 100, 3000])
        await asyncio.to_thread(writer.publish, job_id, moments.randint(1, 15), text=text)
        await asyncio.sleep(moments.uniform(0, 0.05))
    await asyncio.to_thread(writer.end, job_id)


def test_the_sequence_is_exact_for_every_client(
    server: Served, writer: Writer, seed: str, soak: bool
) -> None:
    async def follow(number: int) -> Following:
        moments = random.Random(f"{seed}/{number}")
        following = Following()
        network = BadNetwork(server.port, moments, cut_after=40_000)
        async with (
            asyncio.timeout(4 * SECONDS),
            network.running() as url,
            asyncio.TaskGroup() as group,
        ):
            following.start(group, url, job_id)
            group.create_task(publish_at_random(writer, job_id, moments))
        assert network.cuts > 5
        return following

    for number in range(30 if soak else 1):
        print(f"round {number}")
        job_id = writer.job(f"round-{number}")
        asyncio.run(follow(number)).expect(writer.events(job_id))


def established(port: int) -> int:
    """How many connections to this port the kernel holds for the server."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("the kernel's connections can be seen on Linux only")
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    ours = f":{port:04X}"
    return sum(row[1].endswith(ours) and row[3] == _ESTABLISHED for row in rows)


async def vanish(server: InProcess, writer: Writer, *, while_data_waits: bool) -> None:
    """Connect through a network that falls silent, and wait until the server has let go."""
    job_id = writer.job()
    network = BadNetwork(server.port, random.Random(0), cut_after=NEVER_CUT)
    async with network.running():
        client = await asyncio.to_thread(stalled_socket, network.port, job_id)
        with client:
            await until(lambda: server.connections() == 1)
            network.fall_silent()
        assert (server.connections(), established(server.port)) == (1, 1)
        if while_data_waits:
            await asyncio.to_thread(writer.publish, job_id, 3000, text="x" * 5000)
        await until(lambda: server.connections() == 0)
        assert server.jobs_with_clients() == []
        await until(lambda: established(server.port) == 0)


class TestAClientThatVanishes:
    """Without FIN or RST: to the server its connection looks like one that is idle."""

    def test_it_does_not_answer_pings(self, writer: Writer) -> None:
        with in_process(ping_seconds=0.2) as server:
            asyncio.run(vanish(server, writer, while_data_waits=False))

    def test_it_does_not_answer_pings_while_data_waits(self, writer: Writer) -> None:
        with in_process(ping_seconds=0.5) as server:
            asyncio.run(vanish(server, writer, while_data_waits=True))

    def test_it_takes_nothing(self, writer: Writer) -> None:
        with in_process(limits=Limits(stalled_after=0.5, look_every=0.05)) as server:
            asyncio.run(vanish(server, writer, while_data_waits=True))

    @pytest.mark.parametrize(
        "last_words",
        [b"\x88\x80\0\0\0\0", b"\xff\xff\0\0\0\0"],
        ids=["a close frame", "what is no frame"],
    )
    def test_it_says_something_and_takes_nothing(self, writer: Writer, last_words: bytes) -> None:
        job_id = writer.job()
        with in_process() as server, stalled_socket(server.port, job_id) as client:
            wait_for(lambda: server.connections() == 1)
            writer.publish(job_id, 3000, text="x" * 5000)
            client.sendall(last_words)
            wait_for(lambda: server.connections() == 0)
            wait_for(lambda: established(server.port) == 0)


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
def test_an_answer_that_nobody_takes(
    writer: Writer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    accept: str,
) -> None:
    monkeypatch.setattr(http_protocol, "STALLED_AFTER", 0.5)
    job_id = writer.job()
    writer.publish(job_id, 1500, text="x" * 10_000)
    with in_process() as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(
            f"GET /jobs/{job_id}/events?limit=1000 HTTP/1.1\r\nHost: localhost\r\n"
            f"Accept: {accept}\r\n\r\n".encode()
        )
        assert client.recv(1) == b"H"
        assert established(server.port) == 1
        wait_for(lambda: established(server.port) == 0)
    assert [one.message for one in caplog.records if one.levelno > logging.INFO] == []
