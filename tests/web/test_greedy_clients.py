"""What one client asks for costs the others nothing: neither time nor memory without bound."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from crackerjack.container import open_container
from crackerjack.server_container import open_web
from crackerjack.types import JobId
from crackerjack.web.admission import Admission
from tests.web.serving import SECONDS, Served, Writer, received

EVENTS = 10_240
PAGES = EVENTS // 256


@pytest.fixture
def long(writer: Writer) -> JobId:
    """A job with a long log."""
    job_id = writer.job()
    for _ in range(EVENTS // 1024):
        writer.publish(job_id, 1024)
    writer.end(job_id)
    return job_id


@pytest.mark.parametrize("accept", [b"application/json", b"text/event-stream"])
def test_others_have_their_turn_while_a_long_log_is_searched(long: JobId, accept: bytes) -> None:
    async def turns_meanwhile() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": f"/jobs/{long}/events",
            "query_string": b"types=workflow_completed",
            "headers": [(b"host", b"localhost"), (b"accept", accept)],
            "client": ("127.0.0.1", 1),
        }
        answered = b""

        async def send(message: Any) -> None:
            nonlocal answered
            answered += message.get("body", b"")

        async def receive() -> Any:
            await asyncio.sleep(SECONDS)

        with open_container(os.environ) as container, open_web(container, Admission()) as web:
            counting = asyncio.create_task(count())
            await web.app(scope, receive, send)
            counting.cancel()
        assert b'"workflow_completed"' in answered
        return turns

    assert asyncio.run(turns_meanwhile()) >= PAGES


def test_event_types_without_end(server: Served, long: JobId) -> None:
    """Compiled as one pattern, so many names kept the server from everything else for 12 s."""
    many = ",".join(f"{first}_{second}" for first in "abcdefghi" for second in "abcdefgh")
    with server.client() as client:
        path = f"/jobs/{long}/events?limit=1&types="
        assert client.get(path + many).status_code == 400
        assert client.get(path + "diagnostic_found,hook_*," * 900).json()["next"] == 1
    with server.connect(f"/ws/progress/{long}?types={many}") as connection:
        _, code, reason = received(connection)
    assert (code, reason) == (4400, "types are at most 64 names of events")


def test_selections_without_end(server: Served, long: JobId) -> None:
    """Frames are kept for those who ask for the same: each that asked for something else added to them."""
    client_number = iter(range(100))

    def replay() -> None:
        other = f"types={quote('*')},{'x' * (1 + next(client_number))}"
        with server.connect(f"/ws/progress/{long}?since=0&{other}") as connection:
            messages, code, _ = received(connection)
        assert (len(messages), code) == (EVENTS + 1, 1000)

    replay()
    replay()
    before = resident_megabytes(server)
    for _ in range(12):
        replay()
    assert resident_megabytes(server) - before < 15  # each replay is of 4


def resident_megabytes(server: Served) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) // 1024
