"""The endpoints under ``/jobs`` and those about the server, through a real client."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from crackerjack.types import JobId
from crackerjack.web.server import listen
from tests.web.contract import check_body
from tests.web.serving import SECONDS, Served, Writer, decoded, ended_process, serving
from tests.web.waiting import wait_for

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def ended(writer: Writer) -> JobId:
    """A job of 201 events."""
    job_id = writer.job()
    writer.publish(job_id, 200)
    writer.end(job_id)
    return job_id


def events_of(stream: str) -> list[bytes]:
    """The events in a stream of server-sent events."""
    check_body("/jobs/{job_id}/events", "GET", 200, STREAM["Accept"], stream.encode())
    return [
        line.removeprefix("data: ").encode()
        for line in stream.split("\n")
        if line.startswith("data: ")
    ]


class TestPages:
    def test_every_cut_gives_the_rest_of_the_log(
        self, client: httpx.Client, writer: Writer, ended: JobId
    ) -> None:
        log = writer.events(ended)
        for since in range(len(log) + 1):
            answer = client.get(f"/jobs/{ended}/events", params={"since": since, "limit": 1000})
            page = answer.json()
            assert [event["seq"] for event in page["events"]] == list(range(since + 1, 202))
            assert (page["next"], page["head"], page["finished"]) == (201, 201, True)
        assert b"[" + b",".join(log) + b"]" in client.get(f"/jobs/{ended}/events").content

    def test_in_pages_of_any_size(self, client: httpx.Client, ended: JobId) -> None:
        got: list[int] = []
        since, finished = 0, False
        while not finished:
            answer = client.get(f"/jobs/{ended}/events", params={"since": since, "limit": 7})
            page = answer.json()
            assert len(page["events"]) <= 7
            got += [event["seq"] for event in page["events"]]
            since, finished = page["next"], page["finished"]
        assert got == list(range(1, 202))

    def test_types_leave_holes_but_the_position_moves_on(
        self, client: httpx.Client, ended: JobId
    ) -> None:
        page = client.get(f"/jobs/{ended}/events", params={"types": "hook_*"}).json()
        assert {event["event_type"] for event in page["events"]} == {"hook_output"}
        assert (len(page["events"]), page["next"]) == (40, 201)

    def test_who_wants_no_event_waits_for_none(self, client: httpx.Client, writer: Writer) -> None:
        job_id = writer.job()
        writer.publish(job_id, 2)
        asked = {"limit": 0, "wait": SECONDS / 2}
        began = time.monotonic()
        page = client.get(f"/jobs/{job_id}/events", params=asked).json()
        assert (page["events"], page["next"], page["head"]) == ([], 0, 2)
        assert time.monotonic() - began < SECONDS / 3

    @needs_curl
    def test_a_long_poll_ends_with_the_event(
        self, client: httpx.Client, writer: Writer, server: Served
    ) -> None:
        job_id = writer.job()
        writer.publish(job_id, 2)
        empty = client.get(f"/jobs/{job_id}/events", params={"since": 2, "wait": "2e-1"}).json()
        assert (empty["events"], empty["next"], empty["finished"]) == ([], 2, False)
        polling = subprocess.Popen(
            ["curl", "-s", f"{server.http}/jobs/{job_id}/events?since=2&wait=60"],
            stdout=subprocess.PIPE,
        )
        writer.publish(job_id, 1)
        said, _ = polling.communicate(timeout=SECONDS)
        check_body("/jobs/{job_id}/events", "GET", 200, "application/json", said)
        assert [event["seq"] for event in decoded(said)["events"]] == [3]


class TestServerSentEvents:
    def test_every_cut_gives_the_rest_of_the_log(
        self, client: httpx.Client, writer: Writer, ended: JobId
    ) -> None:
        log = writer.events(ended)
        path = f"/jobs/{ended}/events"
        assert events_of(client.get(path, headers=STREAM).text) == log
        for since in range(1, len(log)):
            headers = {**STREAM, "Last-Event-ID": str(since)}
            assert events_of(client.get(path, headers=headers).text) == log[since:]
        caught_up = client.get(path, headers={**STREAM, "Last-Event-ID": "201"})
        assert caught_up.status_code == 204

    @needs_curl
    def test_live_with_curl(self, writer: Writer, server: Served) -> None:
        job_id = writer.job()
        writer.publish(job_id, 3)
        url = f"{server.http}/jobs/{job_id}/events"
        argv = ["curl", "-sN", "-H", "Accept: text/event-stream", url]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as curl:
            assert curl.stdout is not None
            said = curl.stdout.readline()
            assert said == "id: 1\n"
            writer.publish(job_id, 3)
            writer.end(job_id)
            said += curl.stdout.read()
        assert events_of(said) == writer.events(job_id)


class TestJobs:
    def test_the_list(self, client: httpx.Client, writer: Writer, ended: JobId) -> None:
        writer.publish(writer.job("running"))
        answer = client.get("/jobs")
        rows = answer.json()["jobs"]
        assert [(row["job_id"], row["status"]) for row in rows] == [
            ("running", "running"),
            (ended, "completed"),
        ]
        chosen = client.get("/jobs", params={"status": "running", "limit": 1}).json()["jobs"]
        assert [row["job_id"] for row in chosen] == ["running"]
        assert client.get("/jobs", params={"project": "/elsewhere"}).json() == {"jobs": []}

    def test_statistics(self, client: httpx.Client, writer: Writer, ended: JobId) -> None:
        writer.publish(writer.job("running", project="/elsewhere"))
        answer = client.get("/stats")
        found = answer.json()["projects"]
        assert {one["project"]: one["jobs"] for one in found} == {"/elsewhere": 0, "/project": 1}
        only = client.get("/stats", params={"project": "/project", "jobs": 0}).json()["projects"]
        assert [(one["project"], one["jobs"]) for one in only] == [("/project", 0)]
        assert client.get("/stats", params={"jobs": "x"}).status_code == 400

    def test_the_snapshot(self, client: httpx.Client, ended: JobId) -> None:
        snapshot = client.get(f"/jobs/{ended}").json()
        assert snapshot["seq"] == 201
        assert snapshot["data"]["status"] == "completed"
        assert snapshot["data"]["counts"]["findings"] == 160

    def test_findings(self, client: httpx.Client, ended: JobId) -> None:
        path = f"/jobs/{ended}/diagnostics"
        found = client.get(path).json()
        assert len(found["diagnostics"]) == 160
        assert client.get(path, params={"hook": "mypy"}).json()["diagnostics"] == []
        sarif = client.get(path, headers={"Accept": "application/sarif+json"})
        assert sarif.headers["content-type"] == "application/sarif+json"
        assert sarif.json()["version"] == "2.1.0"


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/jobs/unknown", 404, "no job unknown"),
        ("GET", "/jobs/unknown/events", 404, "no job unknown"),
        ("GET", "/jobs/unknown/diagnostics", 404, "no job unknown"),
        ("GET", "/jobs/unknown/output/x", 404, "no job unknown"),
        ("POST", "/jobs/unknown/cancel", 404, "no job unknown"),
        ("POST", "/jobs/job123/cancel", 409, "has ended"),
        ("GET", "/jobs/no.id", 400, "invalid job id"),
        ("GET", "/jobs/job123/events?since=-1", 400, "since is a whole number"),
        ("GET", "/jobs/job123/events?since=202", 410, "none after 202"),
        ("GET", "/jobs/job123/events?wait=x", 400, "wait is a number of seconds"),
        ("GET", "/jobs/job123/events?types=NO", 400, "types are names of events"),
        ("GET", "/jobs/job123/output/", 404, "openapi.json"),
        ("GET", "/jobs/", 404, "openapi.json"),
        ("GET", "/jobs?status=odd", 400, "no status 'odd'"),
        ("GET", "/nothing", 404, "openapi.json"),
        ("DELETE", "/jobs", 405, "method"),
    ],
)
def test_problem_documents(
    client: httpx.Client, ended: JobId, method: str, path: str, status: int, words: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert answer.json()["status"] == status
    assert words in answer.json()["detail"]


class TestStart:
    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        project = tmp_path / "project"
        project.mkdir()
        hook = '[tool.crackerjack.hooks.say]\ncommand = ["echo", "said"]\n'
        (project / "pyproject.toml").write_text(hook)
        return project

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Served]:
        with serving("--project-root", str(tmp_path), own_session=True) as served:
            yield served

    def test_a_run_is_started_and_streams(self, client: httpx.Client, project: Path) -> None:
        options = {"hook": ["say"], "check": True, "timeout": 60}
        body = {"project": str(project), "options": options, "job_id": "first"}
        answer = client.post("/jobs", json=body)
        assert answer.status_code == 201, answer.text
        assert answer.json()["job_id"] == "first"
        assert answer.headers["location"] == "/jobs/first"
        events = events_of(client.get("/jobs/first/events", headers=STREAM).text)
        assert decoded(events[-1])["event_type"] == "workflow_completed"
        assert client.get("/jobs/first/output/say").text == "said\n"
        again = client.post("/jobs", json=body)
        assert (again.status_code, again.json()["status"]) == (409, 409)

    def test_of_runs_that_are_started_with_one_id_only_one_begins(
        self, client: httpx.Client, project: Path
    ) -> None:
        body = {"project": str(project), "options": {"hook": ["say"]}, "job_id": "same"}
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: client.post("/jobs", json=body), range(4)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        assert len(client.get("/jobs").json()["jobs"]) == 1

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
    def test_a_run_outlives_the_server_that_started_it(
        self, client: httpx.Client, server: Served, project: Path, writer: Writer, how: int
    ) -> None:
        waits = 'command = ["sh", "-c", "until [ -e ../go ]; do sleep 0.01; done"]'
        (project / "pyproject.toml").write_text(f"[tool.crackerjack.hooks.say]\n{waits}\n")
        body = {"project": str(project), "options": {"hook": ["say"]}, "job_id": "long"}
        assert client.post("/jobs", json=body).status_code == 201
        os.killpg(server.process.pid, how)  # as Ctrl-C does in a terminal
        server.process.wait(SECONDS)
        job_id = JobId("long")
        assert writer.log.job(job_id).terminal is None
        (project.parent / "go").touch()
        wait_for(lambda: writer.log.job(job_id).terminal is not None)
        assert writer.log.job(job_id).terminal == "workflow_completed"

    def test_cancel(self, client: httpx.Client, project: Path) -> None:
        slow = '[tool.crackerjack.hooks.say]\ncommand = ["sleep", "600"]\n'
        (project / "pyproject.toml").write_text(slow)
        body = {"project": str(project), "options": {"hook": ["say"]}, "job_id": "long"}
        client.post("/jobs", json=body)
        answer = client.post("/jobs/long/cancel")
        assert answer.json()["cancel_requested"] is True
        events = events_of(client.get("/jobs/long/events", headers=STREAM).text)
        assert decoded(events[-1])["data"]["reason"] == "cancelled"

    @pytest.mark.parametrize(
        ("body", "status", "words"),
        [
            ("{", 400, "not JSON"),
            ("[]", 422, "Expected `object`"),
            ('{"project": "/"}', 403, "/ is not below ROOT: see --project-root"),
            ('{"project": "relative"}', 403, "absolute path"),
            ('{"project": "HERE/../.."}', 403, "not below"),
            ('{"project": "HERE/outside"}', 403, "not below"),
            ('{"project": "HERE", "optins": {}}', 422, "optins"),
            ('{"project": "HERE", "options": {"jobs": "many"}}', 422, "options.jobs"),
            ('{"project": "HERE", "options": {"hook": ["--fix"]}}', 400, "no hook '--fix'"),
            ('{"project": "HERE", "workflow": "--help"}', 400, "--help"),
            ('{"project": "HERE", "job_id": "../x"}', 400, "invalid job id"),
            ('{"project": "HERE/gone"}', 400, "gone"),
            ('{"project": "HERE/\\u0000"}', 422, "$.project"),
            ('{"project": "HERE", "workflow": "\\u0000"}', 422, "$.workflow"),
            ('{"project": "HERE", "options": {"hook": ["\\u0000"]}}', 422, "$.options.hook"),
            ('{"project": "HERE", "options": {"since": "\\u0000"}}', 422, "$.options.since"),
            ('{"project": "' + "x" * 70_000 + '"}', 413, "65536 bytes"),
        ],
    )
    def test_refused(
        self, client: httpx.Client, project: Path, body: str, status: int, words: str
    ) -> None:
        (project / "outside").symlink_to("/usr")
        answer = client.post("/jobs", content=body.replace("HERE", str(project)))
        assert (answer.status_code, answer.json()["status"]) == (status, status), answer.text
        assert words.replace("ROOT", str(project.parent.resolve())) in answer.json()["detail"]


class TestTheServer:
    def test_health_and_documents(self, client: httpx.Client) -> None:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.get("/asyncapi.json").json()["asyncapi"] == "3.0.0"
        assert "crackerjack.stream(" in client.get("/client.js").text
        for path in ("/", "/app/live-worker.js", "/jobs"):
            assert "default-src 'none'" in client.get(path).headers["content-security-policy"]
        part = client.get("/app/dom.js").headers
        assert part["x-content-type-options"] == "nosniff"

    def test_metrics(self, client: httpx.Client, writer: Writer, server: Served) -> None:
        job_id = writer.job()
        with server.connect(f"/ws/progress/{job_id}") as connection:
            connection.recv(SECONDS)
            writer.publish(job_id, 5)
            for _ in range(5):
                connection.recv(SECONDS)
            with client.stream("GET", f"/jobs/{job_id}/events", headers=STREAM):
                text = client.get("/metrics").text
        for line in (
            'crackerjack_events_total{event_type="diagnostic_found"} 4.0',
            'crackerjack_connections{stream="job",transport="websocket"} 1.0',
            'crackerjack_connections{stream="all",transport="websocket"} 0.0',
            'crackerjack_connections{stream="job",transport="sse"} 1.0',
            'crackerjack_connections{stream="job",transport="long_poll"} 0.0',
            'crackerjack_lag_events{transport="websocket"} 0.0',
            'crackerjack_jobs{status="running"} 1.0',
            'crackerjack_jobs{status="failed"} 0.0',
        ):
            assert f"{line}\n" in text
        for name in ("commit", "delivery"):
            assert re.search(rf"^crackerjack_{name}_seconds_count [1-9]", text, re.MULTILINE)
        assert job_id not in text
        assert "_created" not in text


class TestToken:
    @pytest.fixture
    def client(self) -> Iterator[httpx.Client]:
        with (
            serving(CRACKERJACK_TOKEN="open-sesame") as served,
            served.client() as client,
        ):
            yield client

    def test_it_is_needed(self, client: httpx.Client) -> None:
        answer = client.get("/jobs")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get("/jobs?token=wrong").status_code == 401
        assert client.get("/jobs", headers={"Authorization": "Basic x"}).status_code == 401
        assert client.get("/metrics").status_code == 401
        assert client.get("/jobs?token=open-sesame").status_code == 200
        bearer = {"Authorization": "Bearer open-sesame"}
        assert client.get("/jobs", headers=bearer).status_code == 200
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Origin": "http://localhost.evil.example"}, "may not ask"),
        ({"Origin": "null"}, "may not ask"),
        ({"Origin": "https://127.0.0.1"}, "may not ask"),
        ({"Host": "evil.example"}, "not 'evil.example'"),
        ({"Host": "127.0.0.1.evil.example"}, "this server is not"),
        ({"Host": ""}, "this server is not"),
        ({"Host": "127.0.0.1:80@evil.example"}, "this server is not"),
        ({"Host": "[::1]evil.example"}, "this server is not"),
        ({"Host": "localhost."}, "this server is not"),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}, "may not ask"),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}, "may not ask"),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "script"}, "may not ask"),
    ],
)
def test_pages_of_other_sites_may_not_ask(
    client: httpx.Client, headers: dict[str, str], words: str
) -> None:
    answer = client.get("/jobs", headers=headers)
    assert answer.status_code == 403
    assert words in answer.json()["detail"]


def test_a_form_of_another_site_may_not_be_sent(client: httpx.Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    assert client.post("/jobs/job123/cancel", headers=headers).status_code == 403


def test_a_page_may_not_add_an_origin_of_ours(client: httpx.Client) -> None:
    ours = str(client.base_url).rstrip("/")
    for origins in (["http://evil.example", ours], [ours, "http://evil.example"]):
        answer = client.get("/jobs", headers=[("Origin", origin) for origin in origins])
        assert answer.status_code == 403


def test_links_may_be_followed_and_pages_of_ours_may_ask(client: httpx.Client) -> None:
    for site, kind in (("cross-site", "document"), ("same-origin", "empty"), ("none", "document")):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": kind}
        assert client.get("/jobs", headers=headers).status_code == 200
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "script"}
    assert client.get("/client.js", headers=embedded).status_code == 200


def test_allowed_sites_may_ask() -> None:
    site = "https://ci.example.org"
    with serving("--allowed-origin", site) as served, served.client() as client:
        preflight = client.options("/jobs", headers={"Origin": site})
        assert preflight.status_code == 204
        answer = client.get("/jobs", headers={"Origin": site})
        assert answer.headers["access-control-allow-origin"] == site
        other = client.get("/jobs", headers={"Origin": f"{site}.evil.example"})
        assert other.status_code == 403
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "without a token anybody"),
        (["--host", "no.such.host.invalid", "--token", "x"], "there is no address"),
        (["--token", "\u00f6ffne-dich"], "ASCII"),
        (["--token", "open sesame"], "without blanks"),
        (["--port", "70000"], "from 0 to 65535"),
        (["--allowed-origin", "example.org"], "is not an origin"),
        (["--project-root", "/no/such/directory"], "is not a directory"),
    ],
)
def test_a_server_that_cannot_be_says_why(arguments: list[str], words: str) -> None:
    argv = [sys.executable, "-m", "crackerjack", "serve", *arguments]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """asyncio sets TCP_NODELAY for sockets that name their protocol; else an answer takes 40 ms."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken(server: Served) -> None:
    argv = [sys.executable, "-m", "crackerjack", "serve", "--port", str(server.port)]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert ran.returncode == 2
    assert f"port {server.port} of 127.0.0.1 is taken" in ran.stderr


def test_the_run_of_a_killed_process_is_ended(client: httpx.Client, writer: Writer) -> None:
    writer.job("lost", owner=ended_process())
    events = events_of(client.get("/jobs/lost/events", headers=STREAM).text)
    assert decoded(events[-1])["data"]["reason"] == "runner_lost"
