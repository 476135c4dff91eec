"""Clients that connect and do not ask, or ask for ever, take no place from those who do."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from crackerjack.web import http_protocol
from tests.web.in_process import InProcess, in_process
from tests.web.serving import SECONDS, Served, Writer, decoded, serving
from tests.web.waiting import wait_for

HOST = b"Host: 127.0.0.1\r\n"
UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
PROGRESS = b"GET /ws/progress/job123 HTTP/1.1\r\n" + HOST + UPGRADE
WHOLE = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    """A server that waits for a request for a moment only."""
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.3)
    with in_process() as server:
        yield server


def until_closed(client: socket.socket) -> bytes:
    """What the server says until it closes."""
    client.settimeout(SECONDS)
    said = b""
    try:
        while part := client.recv(65536):
            said += part
    except ConnectionResetError:
        pass
    return said


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: 127",
        b"POST /jobs HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n{",
        b"POST /jobs HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        PROGRESS,
        WHOLE + b"GET /he",
    ],
    ids=["nothing", "half a head", "half a body", "a chunk", "half a handshake", "half a second"],
)
def test_a_request_that_does_not_come(hasty: InProcess, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port)) as client:
        client.sendall(sent)
        assert until_closed(client).count(b"HTTP/1.1 200 OK") == sent.count(WHOLE)


def test_a_request_that_comes_byte_by_byte(hasty: InProcess) -> None:
    """Each byte that comes gives no more time."""
    with socket.create_connection(("127.0.0.1", hasty.port)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n")
        deadline = time.monotonic() + SECONDS
        while not is_closed(client):
            assert time.monotonic() < deadline, "it goes on for ever"


def is_closed(client: socket.socket) -> bool:
    """Whether the server has closed the connection; sends a little more if not."""
    client.settimeout(0.02)
    try:
        client.sendall(b"A: b\r\n")
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_who_has_asked_may_wait(hasty: InProcess, writer: Writer) -> None:
    job_id = writer.job()
    with hasty.client() as client, hasty.connect(f"/ws/progress/{job_id}?since=0") as connection:
        assert decoded(connection.recv(SECONDS))["event_type"] == "stream_position"
        page = client.get(f"/jobs/{job_id}/events?wait=1.0").json()
        assert page["events"] == []
        writer.publish(job_id)
        assert decoded(connection.recv(SECONDS))["seq"] == 1


@pytest.mark.parametrize(
    "request_head",
    [
        PROGRESS + b"Content-Length: 4\r\n\r\nbody",
        PROGRESS + b"A: b\r\n" * 300 + b"\r\n",
        PROGRESS + b"A: " + b"b" * 20_000 + b"\r\n\r\n",
        PROGRESS.replace(b" HTTP", b"?types=" + b"a," * 9000 + b" HTTP") + b"\r\n",
    ],
    ids=["a body", "many headers", "a long header", "a long query"],
)
def test_a_handshake_beyond_bounds_is_answered(hasty: InProcess, request_head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port)) as client:
        client.sendall(request_head)
        assert until_closed(client).startswith(b"HTTP/1.1 4")


def test_more_connections_than_files(writer: Writer) -> None:
    """Without descriptors asyncio said so thousands of times a second, and nobody was let in."""
    job_id = writer.job()
    few = ("sh", "-c", 'ulimit -n 300 && exec "$@"', "sh")
    with (
        serving(prefix=few) as server,
        server.connect(f"/ws/progress/{job_id}?since=0") as connection,
    ):
        assert decoded(connection.recv(SECONDS))["event_type"] == "stream_position"
        with ExitStack() as stack:
            address = ("127.0.0.1", server.port)
            many = [stack.enter_context(socket.create_connection(address)) for _ in range(400)]
            assert until_closed(many[-1]) == b""  # too many: it is closed, and does not wait
            writer.publish(job_id)
            assert decoded(connection.recv(SECONDS))["seq"] == 1
        wait_for(lambda: answers(server))
        server.stop()
        assert server.process.stderr is not None
        assert "Too many open files" not in server.process.stderr.read()


def answers(server: Served) -> bool:
    with suppress(httpx.TransportError), server.client() as client:
        return client.get("/jobs").status_code == 200
    return False
