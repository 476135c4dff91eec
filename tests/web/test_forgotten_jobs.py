"""A job that was forgotten is gone for every client, and its id is free for another one."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator

import httpx
import pytest

from crackerjack.types import JobId
from tests.web.in_process import FRAMING, STOCK, InProcess, in_process
from tests.web.serving import SECONDS, Writer, decoded, handshake, received, stalled_socket
from tests.web.waiting import wait_for


@pytest.fixture(params=[FRAMING, STOCK], ids=["framed", "another server"])
def server(request: pytest.FixtureRequest) -> Iterator[InProcess]:
    with in_process(protocol=request.param) as server:
        yield server


@pytest.fixture
def http(server: InProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def run(count: int, text: str) -> list[bytes]:
    """A whole run of ``job123`` by a process of its own; its log."""
    with Writer() as writer:
        job_id = writer.job()
        writer.publish(job_id, count, text=text)
        writer.end(job_id)
        return writer.events(job_id)


def test_its_id_may_be_used_again(server: InProcess, http: httpx.Client, writer: Writer) -> None:
    for count in (5, 3, 300):
        log = run(count, f"one of {count}")
        with server.connect("/ws/progress/job123?since=0") as client:
            assert received(client) == (log, 1000, "job finished")
        with server.connect("/ws/progress/job123") as client:
            messages, code, _ = received(client)
        assert (len(messages), decoded(messages[0])["seq"], code) == (1, count + 1, 1000)
        assert b"[" + b",".join(log) + b"]" in http.get("/jobs/job123/events?limit=1000").content
        assert writer.log.delete_jobs([JobId("job123")]) == 1
        assert http.get("/jobs/job123/events").status_code == 404
        assert http.get("/jobs/job123").status_code == 404


def test_also_while_a_client_of_the_earlier_job_has_not_taken_everything(
    server: InProcess, writer: Writer
) -> None:
    job_id = writer.job()
    writer.publish(job_id, 3000, text="x" * 5000)
    with stalled_socket(server.port, job_id):
        wait_for(lambda: server.connections() == 1)
        writer.end(job_id)
        assert writer.log.delete_jobs([job_id]) == 1
        with server.connect(f"/ws/progress/{job_id}?since=7") as client:
            assert received(client) == ([], 4410, "future cursor, head=0")
        log = run(3, "later")
        with server.connect(f"/ws/progress/{job_id}?since=0") as client:
            assert received(client) == (log, 1000, "job finished")


def test_who_still_reads_it_is_told(server: InProcess, writer: Writer) -> None:
    job_id = writer.job()
    writer.publish(job_id, 3000, text="x" * 5000)
    end = struct.pack("!H", 4404) + b"the job was forgotten"
    # It reads nothing for now, and all that the system keeps for it is less than what there is.
    with socket.create_connection(("127.0.0.1", server.port), SECONDS) as client:
        client.sendall(handshake("/ws/progress/job123?since=0"))
        wait_for(lambda: server.connections() == 1)
        writer.end(job_id)
        assert writer.log.delete_jobs([job_id]) == 1
        got = bytearray()
        while not got.endswith(end):
            data = client.recv(1 << 20)
            assert data, got[-100:]
            got += data
    seqs = [int(seq) for seq in re.findall(rb'"seq":([0-9]+)}', got)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) < 3000


def test_a_job_without_events_is_there_also_while_somebody_waits_for_it(
    server: InProcess, http: httpx.Client, writer: Writer
) -> None:
    with server.connect("/ws/progress/job123") as client:
        assert decoded(client.recv(SECONDS))["data"]["status"] == "waiting"
        assert http.get("/jobs/job123/events").status_code == 404
        job_id = writer.job()
        page = http.get(f"/jobs/{job_id}/events").json()
        assert page == {"events": [], "next": 0, "head": 0, "finished": False}
        writer.publish(job_id, 1)
        assert decoded(client.recv(SECONDS))["seq"] == 1
