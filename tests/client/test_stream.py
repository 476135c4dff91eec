"""The Python client, the command line's and the JavaScript one, across everything that can happen."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from websockets.sync.server import ServerConnection, serve

from crackerjack.client import State, latest_job, snapshot, stream
from crackerjack.errors import ServerRefused, ServerUnreachable, StreamBroken, UsageError
from crackerjack.events.event import WorkflowEvent
from tests.web.serving import SECONDS, Writer, free_port, serving
from tests.web.waiting import until, wait_for

README = Path(__file__).parents[2] / "README.md"
CLIENT_JS = Path(__file__).parents[2] / "crackerjack" / "web" / "static" / "client.js"


def collected(url: str, job_id: str, since: int = 0, **options: object) -> list[WorkflowEvent]:
    """Every event of the stream; it must end."""

    async def collect() -> list[WorkflowEvent]:
        async with asyncio.timeout(SECONDS):
            return [event async for event in stream(url, job_id, since, **options)]  # type: ignore[arg-type]

    return asyncio.run(collect())


def test_the_program_in_the_readme(writer: Writer) -> None:
    """As it stands, but for the port: whoever pastes it into a file can run it."""
    program = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)[0]
    job_id = writer.job("nightly")
    writer.publish(job_id, 3)
    writer.end(job_id)
    with serving() as server:
        assert ":8675" in program
        program = program.replace(":8675", f":{server.port}")
        ran = subprocess.run(
            [sys.executable, "-c", program],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert ran.stderr == ""
    assert [line.split()[:2] for line in ran.stdout.splitlines()] == [
        [str(seq), event.event_type] for seq, event in enumerate(writer.log.read(job_id, 0, 9), 1)
    ]


def test_the_whole_log_and_the_rest_of_it(writer: Writer) -> None:
    job_id = writer.job()
    writer.publish(job_id, 700)
    writer.end(job_id)
    with serving() as server:
        events = collected(server.http, job_id)
        assert [event.to_json() for event in events] == writer.events(job_id)
        assert [event.seq for event in collected(server.http, job_id, 699)] == [700, 701]
        only = collected(server.http, job_id, types=["hook_*"])
        assert {event.event_type for event in only} == {"hook_output"}
        assert asyncio.run(snapshot(server.http, job_id))["status"] == "completed"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_is_restarted_loses_nothing(writer: Writer, how: int) -> None:
    job_id = writer.job()
    writer.publish(job_id, 5)
    port = free_port()
    states: list[State] = []
    got: list[WorkflowEvent] = []

    async def follow(reached: dict[int, threading.Event]) -> None:
        async with asyncio.timeout(2 * SECONDS):
            url = f"http://127.0.0.1:{port}"
            async for event in stream(url, job_id, on_state=states.append):
                got.append(event)
                if event.seq in reached:
                    reached[event.seq].set()

    reached = {5: threading.Event(), 10: threading.Event()}
    with serving(port=port) as first:
        following = threading.Thread(target=lambda: asyncio.run(follow(reached)))
        following.start()
        assert reached[5].wait(SECONDS)
        first.stop(how)
    writer.publish(job_id, 5)
    with serving(port=port):
        assert reached[10].wait(SECONDS)
        writer.end(job_id)
        following.join()
    assert [event.to_json() for event in got] == writer.events(job_id)
    assert [state.connected for state in states][0 :: len(states) - 1] == [True, True]
    assert not all(state.connected for state in states)


@contextmanager
def telling(*messages: str | bytes, code: int = 1000, reason: str = "told") -> Iterator[str]:
    """A server that tells each client the same, right or wrong."""

    def tell(connection: ServerConnection) -> None:
        for message in messages:
            connection.send(message)
        connection.close(code, reason)

    with serve(tell, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def told(seq: int, event_type: str = "workflow_session_ready") -> str:
    return json.dumps(
        {
            "event_type": event_type,
            "data": {"timestamp": 1.0},
            "timestamp": 1.0,
            "job_id": "job123",
            "seq": seq,
        }
    )


def test_a_hole_is_never_passed_over() -> None:
    with telling(told(1), told(3)) as url, pytest.raises(StreamBroken) as broken:
        collected(url, "job123")
    assert (broken.value.seq, broken.value.found) == (1, 3)


def test_what_came_before_does_not_come_again() -> None:
    snapshot_message = told(9, "job_snapshot")
    with telling(snapshot_message, told(1), f"[{told(1)},{told(2)}]", told(2), told(3)) as url:
        assert [event.seq for event in collected(url, "job123")] == [1, 2, 3]


@pytest.mark.parametrize("code", [1008, 4400, 4404, 4410])
def test_refused_for_good(code: int) -> None:
    with telling(code=code) as url, pytest.raises(ServerRefused) as refused:
        collected(url, "job123")
    assert refused.value.code == code


NO_EVENTS: list[str | bytes] = [
    "hello",
    "",
    "1",
    "[1]",
    "[[]]",
    "{}",
    b"\xff\xfe",
    "[" * 100_000,
    told(1).replace("1.0", "NaN"),
    '{"event_type": "workflow_started", "seq": 1}',
    told(1).replace('"seq": 1', '"seq": "1"'),
]


@pytest.mark.parametrize("message", [*NO_EVENTS, told(1).replace("job123", "other")])
def test_what_is_no_event_ends_the_stream(message: str | bytes) -> None:
    with telling(message) as url, pytest.raises(ServerRefused, match=r"not an event"):
        collected(url, "job123")


@pytest.mark.parametrize("message", NO_EVENTS[:8])
def test_what_is_no_snapshot(message: str | bytes) -> None:
    with telling(message) as url, pytest.raises(ServerRefused, match=r"not an event"):
        asyncio.run(snapshot(url, "job123"))


@pytest.mark.parametrize(
    ("reason", "least", "most"),
    [("retry in 1.2.3", 1.2, 1.2), ("retry in 99999999", 60, 60), ("retry in .", 0, 0.1)],
)
def test_when_to_come_back_is_no_order(reason: str, least: float, most: float) -> None:
    """A server may neither keep its clients away for years nor end them with what is no number."""
    states: list[State] = []

    async def listen(url: str) -> None:
        async for _ in stream(url, "job123", on_state=states.append):
            pytest.fail("there is no event")

    async def until_lost(url: str) -> None:
        listening = asyncio.create_task(listen(url))
        await until(lambda: listening.done() or (states and not states[-1].connected))
        assert not listening.done(), listening.exception()
        listening.cancel()

    with telling(code=1012, reason=reason) as url:
        asyncio.run(until_lost(url))
    assert least <= states[-1].retry_in <= most


def test_no_token_goes_where_a_server_redirects() -> None:
    got: list[str | None] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            got.append(self.headers["Authorization"])
            if len(got) == 1:
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{server.server_port}/")
                self.end_headers()
            else:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"jobs": [{"job_id": "job123"}]}')

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        found = latest_job(f"http://127.0.0.1:{server.server_port}", token="sesame")
        server.shutdown()
        thread.join()
    assert (found, got) == ("job123", ["Bearer sesame", None])


def test_addresses_where_no_server_is() -> None:
    with pytest.raises(ServerUnreachable):
        collected(f"http://127.0.0.1:{free_port()}", "job123")
    for url in ("ftp://127.0.0.1", "http://", "nonsense://"):
        with pytest.raises(UsageError):
            collected(url, "job123")
    with serving(CRACKERJACK_TOKEN="sesame") as server:
        with pytest.raises(ServerRefused, match="CRACKERJACK_TOKEN"):
            collected(server.http, "job123")
        with pytest.raises(ServerRefused, match="401"):
            collected(server.http, "job123", token="wrong")


NODE_WS = "import m from 'node:module'; globalThis.WebSocket = m.createRequire('/')('ws');"
NODE = """
const { stream } = require(process.argv[2]);
const [url, job] = process.argv.slice(3);
stream(url, job, {
  onEvent: (event) => console.log(event.seq),
  onState: (state) => console.error(JSON.stringify(state)),
  onEnd: (error) => { console.log(error ? String(error) : 'ended'); process.exit(0); },
});
"""


def node() -> list[str]:
    """Node.js with a WebSocket: its own from version 22 on, or the package `ws` where it is found."""
    found = shutil.which("node")
    has = "process.exit(typeof WebSocket === 'undefined' ? 1 : 0)"
    ws = "globalThis.WebSocket = require('ws')"
    if found is None:
        pytest.skip("no node here")
    if not subprocess.run([found, "-e", has], check=False).returncode:
        return [found]
    if subprocess.run([found, "-e", ws], check=False, capture_output=True).returncode:
        pytest.skip("node has no WebSocket, and the package ws is not found (see NODE_PATH)")
    return [found, "--import", f"data:text/javascript,{quote(NODE_WS)}"]


def test_javascript_across_a_restart(writer: Writer, tmp_path: Path) -> None:
    script = tmp_path / "follow.js"
    script.write_text(NODE)
    job_id = writer.job()
    writer.publish(job_id, 3)
    port = free_port()
    argv = [*node(), str(script), str(CLIENT_JS), f"http://127.0.0.1:{port}", job_id]
    with serving(port=port) as first:
        following = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert following.stdout is not None
        said = [following.stdout.readline() for _ in range(3)]
        first.stop(signal.SIGKILL)
    writer.publish(job_id, 3)
    with following, serving(port=port):
        said += [following.stdout.readline() for _ in range(3)]
        writer.end(job_id)
        said += following.stdout.readlines()
    assert said == [*(f"{seq}\n" for seq in range(1, 8)), "ended\n"]


@pytest.mark.parametrize(
    ("message", "reason", "said"),
    [
        ("hello", "told", "Error: what the server says is not an event"),
        ("[null]", "told", "Error: what the server says is not an event"),
        (told(1), "retry in 1.2.3", "1"),
    ],
)
def test_javascript_with_a_hostile_server(
    tmp_path: Path, message: str, reason: str, said: str
) -> None:
    script = tmp_path / "follow.js"
    script.write_text(NODE)
    with telling(message, code=1012, reason=reason) as url:
        argv = [*node(), str(script), str(CLIENT_JS), url, "job123"]
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as following:
            assert following.stdout is not None
            assert following.stderr is not None
            assert following.stdout.readline() == f"{said}\n"
            following.stderr.readline()  # connected
            lost = following.stderr.readline()
            following.kill()
    if reason != "told":
        assert json.loads(lost)["retryAfter"] == 1.2


def test_breaking_off_closes_the_connection(writer: Writer) -> None:
    job_id = writer.job()
    writer.publish(job_id, 3)

    async def first(url: str) -> int:
        events = stream(url, job_id)
        async for event in events:
            await events.aclose()  # type: ignore[attr-defined]
            return event.seq
        return 0

    with serving() as server:
        assert asyncio.run(first(server.http)) == 1
        gone = 'stream="job",transport="websocket"} 0.0'
        with server.client() as http:
            wait_for(lambda: gone in http.get("/metrics").text)
