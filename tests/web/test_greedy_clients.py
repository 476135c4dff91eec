"""What one client asks for costs the others nothing."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from crackerjack.container import open_container
from crackerjack.server_container import open_web
from crackerjack.types import JobId
from crackerjack.web.admission import Admission
from tests.web.serving import SECONDS, Writer

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
