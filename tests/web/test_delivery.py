"""Every event once and in order, whatever a client does, and whatever its server can."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest
from websockets.sync.client import ClientConnection

from crackerjack.events.log import EventLog
from crackerjack.web.connection import Limits
from crackerjack.web.feed import Feeds
from crackerjack.web.page import Selection
from tests.web.in_process import FRAMING, STOCK, InProcess, in_process
from tests.web.serving import SECONDS, Writer, decoded, handshake, received, stalled_socket
from tests.web.waiting import wait_for


@pytest.fixture(params=[FRAMING, STOCK], ids=["framed", "another server"])
def server(request: pytest.FixtureRequest) -> Iterator[InProcess]:
    with in_process(protocol=request.param) as server:
        yield server


def take(connection: ClientConnection, last: int) -> list[int]:
    """The `seq` of every event up to that one."""
    got: list[int] = []
    while not got or got[-1] < last:
        message = decoded(connection.recv(SECONDS))
        events = message if isinstance(message, list) else [message]
        got += [event["seq"] for event in events if event["event_type"] != "stream_position"]
    return got


def test_every_cut_gives_the_whole_log(server: InProcess, writer: Writer) -> None:
    job_id = writer.job()
    writer.publish(job_id, 199)
    writer.end(job_id)
    for cut in range(1, 200):
        with server.connect(f"/ws/progress/{job_id}?since=0") as first:
            got = take(first, cut)[:cut]
        with server.connect(f"/ws/progress/{job_id}?since={cut}") as second:
            got += take(second, 200)
        assert got == list(range(1, 201))
    wait_for(lambda: server.connections() == 0)


@pytest.mark.parametrize("batch", [0, 1])
def test_pages_of_any_size_and_large_events(server: InProcess, writer: Writer, batch: int) -> None:
    job_id = writer.job()
    writer.publish(job_id, 300, text="x" * 9000)
    writer.publish(job_id, 700)
    writer.end(job_id)
    with server.connect(f"/ws/progress/{job_id}?since=1&batch={batch}") as connection:
        messages, code, _ = received(connection)
    assert max(map(len, messages)) <= 256 * 1024
    seqs = [
        event["seq"]
        for one in map(decoded, messages)
        for event in (one if isinstance(one, list) else [one])
    ]
    assert (seqs, code) == (list(range(2, 1002)), 1000)
    assert len(messages) < 20 if batch else len(messages) == 1000


def test_the_first_event_is_never_missed(server: InProcess, writer: Writer) -> None:
    """Subscribing races with publishing: before, between and after the first events."""
    for number in range(60):
        job_id = writer.job(f"race-{number}")
        publishing = threading.Thread(target=writer.publish, args=(job_id, 3))
        publishing.start()
        with server.connect(f"/ws/progress/{job_id}?since=0") as connection:
            publishing.join()
            assert take(connection, 3) == [1, 2, 3]
            writer.publish(job_id, 1)
            assert take(connection, 4) == [4]


def test_a_page_leads_no_further_than_the_server_has_told(writer: Writer) -> None:
    job_id = writer.job()
    writer.publish(job_id, 2)

    async def read() -> None:
        feeds = Feeds(writer.log)
        feed = await feeds.get(None)
        writer.publish(job_id, 1)  # in the log, and not looked at yet
        page = await feed.page(0)
        assert page is not None
        assert [part.last for part in page.messages(Selection(), 0)] == [1, 2]
        assert (page.last, feed.head) == (2, 2)
        await feeds.look()
        page = await feed.page(2)
        assert page is not None
        assert [part.last for part in page.messages(Selection(), 2)] == [3]

    asyncio.run(read())


class FarAway:
    """A log of another machine, which answers where it stands when it is let."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.asked, self.may_answer = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def recent(self, after: int, limit: int) -> None:
        """Nothing is known without asking."""

    def position(self) -> int:
        position = self._log.position()
        self.asked.set()
        assert self.may_answer.wait(SECONDS)
        return position


def test_what_is_delivered_while_a_feed_asks_where_the_log_stands_is_not_forgotten(
    writer: Writer,
) -> None:
    job_id = writer.job()
    writer.publish(job_id, 2)

    async def follow() -> None:
        log = FarAway(writer.log)
        log.may_answer.set()
        feeds = Feeds(cast("EventLog", log))
        log.asked.clear()
        log.may_answer.clear()
        getting = asyncio.create_task(feeds.get(None))
        await asyncio.to_thread(log.asked.wait, SECONDS)
        writer.publish(job_id, 1)
        await feeds.look()
        log.may_answer.set()
        feed = await getting
        assert feed.head == 3

    asyncio.run(follow())


def test_no_event_of_all_jobs_comes_twice(server: InProcess, writer: Writer) -> None:
    """Who comes while others are there may find more in the log than the server has told them."""
    job_id = writer.job()
    with server.connect("/ws/events") as first:
        first.recv(SECONDS)
        for seq in range(0, 300, 5):
            begin = f"{writer.log.store_id}.{seq}"
            publishing = threading.Thread(target=writer.publish, args=(job_id, 4))
            publishing.start()
            with server.connect(f"/ws/events?since={begin}") as second:
                publishing.join()
                writer.publish(job_id, 1)
                assert take(second, seq + 5) == list(range(seq + 1, seq + 6))
        assert take(first, 300) == list(range(1, 301))


def test_types_are_filtered_and_the_position_is_told(server: InProcess, writer: Writer) -> None:
    job_id = writer.job()
    writer.publish(job_id, 20)
    with server.connect(f"/ws/progress/{job_id}?since=0&types=hook_*") as connection:
        messages = [decoded(connection.recv(SECONDS)) for _ in range(5)]
        assert [one["seq"] for one in messages] == [5, 10, 15, 20, 20]
        assert messages[-1]["event_type"] == "stream_position"
        assert messages[-1]["data"]["head"] == 20
        writer.publish(job_id, 5)
        assert decoded(connection.recv(SECONDS))["seq"] == 25


@pytest.mark.parametrize("protocol", [FRAMING, STOCK])
def test_an_idle_client_is_told_its_position(writer: Writer, protocol: str) -> None:
    job_id = writer.job()
    writer.publish(job_id, 2)
    limits = Limits(position_every=0.05, look_every=0.02)
    with (
        in_process(limits=limits, protocol=protocol) as server,
        server.connect(f"/ws/progress/{job_id}") as client,
    ):
        client.recv(SECONDS)
        positions = [decoded(client.recv(SECONDS)) for _ in range(2)]
    assert [one["event_type"] for one in positions] == ["stream_position"] * 2
    assert [one["seq"] for one in positions] == [2, 2]


def test_all_jobs_in_one_stream(server: InProcess, writer: Writer) -> None:
    first, second = writer.job("first"), writer.job("second", project="/other")
    writer.publish(first, 3)
    with server.connect("/ws/events") as connection:
        assert decoded(connection.recv(SECONDS))["event_type"] == "stream_position"
        writer.publish(second, 2)
        writer.publish(first, 1)
        live = [decoded(connection.recv(SECONDS)) for _ in range(3)]
    assert [(one["job_id"], one["seq"]) for one in live] == [
        ("second", 1),
        ("second", 2),
        ("first", 4),
    ]
    with server.connect(f"/ws/events?since={live[0]['cursor']}") as connection:
        assert [decoded(connection.recv(SECONDS))["seq"] for _ in range(2)] == [2, 4]
    with server.connect(f"/ws/events?jobs=first&since={live[0]['cursor']}") as connection:
        assert decoded(connection.recv(SECONDS))["seq"] == 4


@pytest.mark.parametrize(
    ("query", "code", "reason"),
    [
        ("since=elsewhere.3", 4410, "the cursor is of another store"),
        ("since=x", 4400, "since is a cursor that came with an event"),
        ("since=" + "%C3%A4" * 80, 4400, "since is a cursor that came with an event"),
        ("projects=/project,relative", 4400, "projects are absolute paths of directories"),
        ("types=hook_*,NO", 4400, "types are names of events, such as hook_*"),
    ],
)
def test_a_stream_of_all_jobs_that_cannot_be(
    server: InProcess, query: str, code: int, reason: str
) -> None:
    with server.connect(f"/ws/events?{query}") as connection:
        assert received(connection) == ([], code, reason)


def events_up_to(connection: ClientConnection, position: int) -> list[tuple[str, int]]:
    """The job and `seq` of every event until the client is told that this is all up to a position."""
    got = []
    while True:
        message = decoded(connection.recv(SECONDS))
        if message["event_type"] != "stream_position":
            got.append((message["job_id"], message["seq"]))
        elif int(message["cursor"].rpartition(".")[2]) >= position:
            return got


@pytest.mark.parametrize("protocol", [FRAMING, STOCK])
def test_the_jobs_of_some_projects_also_jobs_that_come_later(writer: Writer, protocol: str) -> None:
    here, there = writer.job("here"), writer.job("there", project="/other")
    writer.publish(here, 2)
    writer.publish(there, 2)
    begin = f"/ws/events?since={writer.log.store_id}.0"
    queries = {
        "one": "projects=/project",
        "two": "projects=/third,/other",
        "both": "projects=/project,/third&jobs=later,there",
        "none": "projects=/proj,/project/",
    }
    limits = Limits(position_every=0.05, look_every=0.02)
    with in_process(limits=limits, protocol=protocol) as server, ExitStack() as stack:
        clients = {
            name: stack.enter_context(server.connect(f"{begin}&{query}"))
            for name, query in queries.items()
        }
        later, below = writer.job("later"), writer.job("below", project="/project/below")
        third = writer.job("third", project="/third")
        for job_id in (later, below, third, here, there):
            writer.publish(job_id)
        got = {name: events_up_to(client, 9) for name, client in clients.items()}
    assert got == {
        "one": [("here", 1), ("here", 2), ("later", 1), ("here", 3)],
        "two": [("there", 1), ("there", 2), ("third", 1), ("there", 3)],
        "both": [("later", 1)],
        "none": [],
    }


def test_answers_too_say_where_to_come_back(server: InProcess, writer: Writer) -> None:
    job_id = writer.job()
    writer.publish(job_id, 2)
    with server.connect(f"/ws/events?since={writer.log.store_id}.0") as connection:
        events = [decoded(connection.recv(SECONDS)) for _ in range(3)]
        connection.send('{"type": "ping"}')
        pong = decoded(connection.recv(SECONDS))
    assert pong["event_type"] == "pong"
    assert pong["cursor"] == events[1]["cursor"] == events[2]["cursor"]
    writer.publish(job_id, 1)
    with server.connect(f"/ws/events?since={pong['cursor']}") as connection:
        assert decoded(connection.recv(SECONDS))["seq"] == 3


@pytest.mark.parametrize("protocol", [FRAMING, STOCK])
def test_a_client_that_takes_nothing_is_dropped_and_hurts_nobody(
    writer: Writer, protocol: str
) -> None:
    job_id = writer.job()
    limits = Limits(stalled_after=0.5, look_every=0.05)
    with in_process(limits=limits, protocol=protocol) as server:
        with (
            stalled_socket(server.port, job_id),
            server.connect(f"/ws/progress/{job_id}?since=0&batch=1") as other,
        ):
            wait_for(lambda: server.connections() == 2)
            writer.publish(job_id, 3000, text="x" * 5000)
            assert take(other, 3000) == list(range(1, 3001))
            wait_for(lambda: server.connections() == 1)
        wait_for(lambda: server.connections() == 0)


@pytest.mark.parametrize("path", ["/ws/progress/job123?since=", "/ws/events?since="])
def test_who_is_dropped_is_told_where_to_come_back(writer: Writer, path: str) -> None:
    job_id = writer.job()
    start = "0" if "progress" in path else f"{writer.log.store_id}.0"
    limits = Limits(stalled_after=0.5, look_every=0.05)
    with (
        in_process(limits=limits) as server,
        socket.create_connection(("127.0.0.1", server.port), SECONDS) as client,
    ):
        client.sendall(handshake(path + start))
        wait_for(lambda: server.connections() == 1)
        writer.publish(job_id, 3000, text="x" * 5000)
        wait_for(lambda: server.connections() == 0)
        said = bytearray()
        while not (told := re.search(rb"resume with since=([0-9a-f.]+)$", said[-100:])):
            took = client.recv(1 << 20)
            assert took, said[-200:]
            said += took
        with server.connect(path + told[1].decode()) as again:
            first = decoded(again.recv(SECONDS))
    assert first["seq"] == int(re.findall(rb'"seq":(\d+)', said)[-1]) + 1


def test_a_job_that_never_comes(writer: Writer) -> None:
    limits = Limits(wait_for_job=0.1, look_every=0.02)
    with in_process(limits=limits) as server, server.connect("/ws/progress/never") as connection:
        connection.recv(SECONDS)
        _, code, reason = received(connection)
    assert (code, reason) == (4404, "no such job within 0 s")
