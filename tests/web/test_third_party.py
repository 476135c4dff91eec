"""Clients that others wrote: the package ``ws`` of Node.js, and curl."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import pytest

from tests.web.serving import SECONDS, Served, Writer, serving

WS: Final = """
const WebSocket = require('ws');
const [url, token] = process.argv.slice(2);
const ws = new WebSocket(url, token ? { headers: { Authorization: `Bearer ${token}` } } : {});
const say = (kind, value) => console.log(JSON.stringify([kind, value]));
ws.on('message', (data) => say('message', String(data)));
ws.on('error', (error) => say('error', error.message));
ws.on('close', (code, reason) => say('close', [code, String(reason)]));
"""


@functools.cache
def node_with_ws() -> str:
    """Node.js that finds the package ``ws``; skips without."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here")
    found = subprocess.run([node, "-e", "require('ws')"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip("node does not find the package ws (see NODE_PATH)")
    return node


@contextmanager
def running(*argv: str) -> Iterator[IO[str]]:
    """What a client prints; it is ended with the block, or when that takes too long."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        too_long = threading.Timer(SECONDS, process.kill)
        too_long.start()
        try:
            yield process.stdout
        finally:
            too_long.cancel()
            process.kill()


class TestNodeWs:
    @pytest.fixture
    def ws(self, tmp_path: Path) -> list[str]:
        script = tmp_path / "ws.js"
        script.write_text(WS)
        return [node_with_ws(), str(script)]

    def test_the_whole_log_then_live_then_the_end(
        self, ws: list[str], server: Served, writer: Writer
    ) -> None:
        job_id = writer.job()
        writer.publish(job_id, 300, text="a finding, \N{GREEK SMALL LETTER LAMDA} " + 100 * "-")
        with running(*ws, f"{server.ws}/ws/progress/{job_id}?since=0") as client:
            said = [json.loads(client.readline()) for _ in range(301)]
            assert '"stream_position"' in said.pop()[1]
            writer.publish(job_id, 3)
            writer.end(job_id)
            said += [json.loads(each) for each in client.read().splitlines()]
        log = [["message", event.decode()] for event in writer.events(job_id)]
        assert said == [*log, ["close", [1000, "job finished"]]]

    def test_who_only_listens_begins_with_the_snapshot(
        self, ws: list[str], server: Served, writer: Writer
    ) -> None:
        job_id = writer.job()
        writer.publish(job_id, 4)
        writer.end(job_id)
        with running(*ws, f"{server.ws}/ws/progress/{job_id}") as client:
            (_, snapshot), end = map(json.loads, client.read().splitlines())
        told = json.loads(snapshot)
        assert (told["event_type"], told["seq"]) == ("job_snapshot", 5)
        assert end == ["close", [1000, "job finished"]]

    def test_a_token_in_the_header(self, ws: list[str], writer: Writer) -> None:
        job_id = writer.job()
        writer.end(job_id)
        with serving(CRACKERJACK_TOKEN="sesame") as server:
            url = f"{server.ws}/ws/progress/{job_id}"
            with running(*ws, url, "sesame") as client:
                assert '"job_snapshot"' in json.loads(client.readline())[1]
            with running(*ws, url, "wrong") as client:
                assert json.loads(client.readline()) == ["error", "Unexpected server response: 401"]


class TestCurl:
    @pytest.fixture
    def curl(self) -> list[str]:
        found = shutil.which("curl")
        if found is None:
            pytest.skip("no curl here")
        return [found, "-sN", "-H", "Accept: text/event-stream"]

    def test_comes_back_with_the_last_event_id(
        self, curl: list[str], server: Served, writer: Writer
    ) -> None:
        """Cut after two events, then after two more; the last time it stays to the end."""
        job_id = writer.job()
        writer.publish(job_id, 6)
        url = f"{server.http}/jobs/{job_id}/events"
        got: list[tuple[int, bytes]] = []
        for count in (2, 2):
            last = got[-1][0] if got else 0
            with running(*curl, "-H", f"Last-Event-ID: {last}", url) as client:
                got += [event(client.readline() for _ in range(4)) for _ in range(count)]
        with running(*curl, "-H", f"Last-Event-ID: {got[-1][0]}", url) as client:
            got += [event(client.readline() for _ in range(4)) for _ in range(2)]
            writer.publish(job_id, 2)
            writer.end(job_id)
            got += [
                event(f"{each}\n".splitlines(True)) for each in client.read().split("\n\n")[:-1]
            ]
        assert got == list(enumerate(writer.events(job_id), 1))
        asked = [*curl, "-w", "%{http_code}", "-H", f"Last-Event-ID: {got[-1][0]}", url]
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=SECONDS)
        assert done.stdout == "204"


def event(lines: Iterable[str]) -> tuple[int, bytes]:
    """One server-sent event: its id, and its data, an event of the job."""
    fields = dict(each.rstrip("\n").split(": ", 1) for each in lines if each != "\n")
    data = json.loads(fields["data"])
    assert (fields["event"], int(fields["id"])) == (data["event_type"], data["seq"])
    return int(fields["id"]), fields["data"].encode()
