"""The application as a part of somebody else's, and without its live stream."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from crackerjack.container import Container, open_container
from crackerjack.web.admission import Admission
from crackerjack.web.app import create_websocket_app
from crackerjack.web.feed import Feeds
from crackerjack.web.metrics import Metrics
from tests.test_docs import ROOT, blocks
from tests.web.in_process import FRAMING, STOCK, on_a_thread
from tests.web.serving import Server, Writer, received


@pytest.fixture
def container() -> Iterator[Container]:
    with open_container(os.environ) as container:
        yield container


@pytest.mark.parametrize("protocol", [FRAMING, STOCK])
def test_mounted_as_documented(writer: Writer, protocol: str) -> None:
    job_id = writer.job()
    writer.publish(job_id, 2)
    (code,) = [block for block in blocks(ROOT / "docs/protocol.md", "python") if "Mount(" in block]
    theirs: dict[str, Any] = {}
    exec(code, theirs)
    token = {"Authorization": "Bearer ..."}
    with (
        on_a_thread(theirs["app"], protocol) as (port, _),
        (server := Server(port, "/quality")).client() as http,
    ):
        path = f"/jobs/{job_id}/events"
        assert http.get(path).status_code == 401
        assert http.get(path, headers=token).json()["next"] == 2
        path = f"/ws/progress/{job_id}?since=0"
        with server.connect(path, additional_headers=token) as client:
            writer.publish(job_id, 3)
            writer.end(job_id)
            messages, closed, _ = received(client)
    assert (len([one for one in messages if b"stream_position" not in one]), closed) == (6, 1000)


def test_without_a_bridge_there_is_all_but_the_stream(container: Container, writer: Writer) -> None:
    job_id = writer.job()
    writer.publish(job_id, 2)
    app = create_websocket_app(
        log=container.log,
        jobs=container.jobs,
        feeds=Feeds(container.log),
        bridge=None,
        admission=Admission(),
        metrics=Metrics(),
    )
    with on_a_thread(app, STOCK) as (port, _), (server := Server(port)).client() as client:
        assert client.get(f"/jobs/{job_id}").json()["seq"] == 2
        page = client.get(f"/jobs/{job_id}/events", params={"wait": 60}).json()
        assert [event["seq"] for event in page["events"]] == [1, 2]
        for head in range(3, 20):
            writer.publish(job_id, 1)
            events = client.get(f"/jobs/{job_id}/events", params={"since": head - 1})
            assert events.json()["next"] == head
        stream = client.get(f"/jobs/{job_id}/events", headers={"Accept": "text/event-stream"})
        assert (stream.status_code, stream.headers["content-type"]) == (
            503,
            "application/problem+json",
        )
        for path in (f"/ws/progress/{job_id}", "/ws/events"):
            with (
                pytest.raises(InvalidStatus) as refused,
                server.connect(path),
            ):
                pass
            assert refused.value.response.status_code == 503
            assert b"poll /jobs/{id}/events instead" in refused.value.response.body
