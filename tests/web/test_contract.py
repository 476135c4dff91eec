"""That nothing which the tests receive goes past the documents, and that what strays from them is noticed."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from websockets.sync.server import ServerConnection, serve

from tests.web.contract import PROBLEM, CheckedClient
from tests.web.serving import SECONDS, Server

HERE = Path(__file__).parent
OTHER_WAYS = re.compile(
    r"\bhttpx\.(?:\w*Client|get|head|post|options|request|stream)\(|\bimport .*\bconnect\b"
)

PAST = {
    "browser.py",  # speaks with Chromium
    "followers.py",  # holds every byte against the log
    "test_stream_model.py",  # the same
    "test_forgotten_jobs.py",  # asks for what is not there any more
}


def test_there_is_no_other_way_in() -> None:
    past = {path.name for path in HERE.glob("*.py") if OTHER_WAYS.search(path.read_text())}
    assert past - PAST == {"serving.py"}, "use Server.client and Server.connect"


def answering(status: int = 200, **content: object) -> CheckedClient:
    """A client of a server that gives this answer to everything."""
    answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(  # noqa: E731
        status,
        **content,  # type: ignore[arg-type]
    )
    return CheckedClient(base_url="http://127.0.0.1", transport=httpx.MockTransport(answer))


JOB = {
    "job_id": "job123",
    "project": "/project",
    "workflow": "standard",
    "status": "running",
    "created": 1730804130.5,
    "ended": None,
}
REFUSAL = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no job job123"}


def test_answers_as_described_are_taken() -> None:
    with answering(json={"jobs": [JOB]}) as client:
        client.get("/jobs")
    with answering(404, json=REFUSAL, headers={"Content-Type": PROBLEM}) as client:
        client.get("/jobs/job123")
        client.get("/no/such/path")
    with answering(204) as client:
        client.get("/jobs/job123/events")


@pytest.mark.parametrize(
    ("path", "status", "content"),
    [
        ("/jobs", 200, {"json": {"jobs": [JOB | {"status": "odd"}]}}),
        ("/jobs", 200, {"json": {"jobs": [JOB | {"undocumented": 1}]}}),
        ("/jobs", 200, {"json": {"jobs": [{"job_id": "job123"}]}}),
        ("/jobs", 200, {"json": {"jobs": []}, "headers": {"Content-Type": "text/plain"}}),
        ("/jobs", 418, {"json": {"jobs": []}}),
        ("/jobs", 500, {"json": REFUSAL, "headers": {"Content-Type": PROBLEM}}),
        ("/jobs", 400, {"json": REFUSAL, "headers": {"Content-Type": PROBLEM}}),
        ("/jobs/job123", 404, {"json": REFUSAL}),
        ("/jobs/job123/events", 204, {"text": "x"}),
        ("/jobs/job123/events", 410, {"json": REFUSAL, "headers": {"Content-Type": PROBLEM}}),
        (
            "/jobs/job123/events",
            200,
            {"text": 'data: {"seq":1}\n\n', "headers": {"Content-Type": "text/event-stream"}},
        ),
        ("/no/such/path", 200, {"json": {}}),
    ],
)
def test_answers_that_are_not_as_described_are_noticed(
    path: str, status: int, content: dict[str, object]
) -> None:
    with answering(status, **content) as client, pytest.raises(AssertionError):
        client.get(path)


def test_a_header_that_is_missing_is_noticed() -> None:
    body = {"json": REFUSAL | {"status": 401}, "headers": {"Content-Type": PROBLEM}}
    with answering(401, **body) as client, pytest.raises(AssertionError, match="WWW-Authenticate"):
        client.get("/jobs")


def test_messages_that_are_not_as_described_are_noticed() -> None:
    def greet(connection: ServerConnection) -> None:
        connection.send('{"event_type": "pong", "data": {}}')

    with serve(greet, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with (
            Server(port).connect("/ws/progress/job123") as connection,
            pytest.raises(AssertionError, match="pong"),
        ):
            connection.recv(SECONDS)
        server.shutdown()
        thread.join(SECONDS)
