"""``crackerjack serve --broker``: replicas of which each serves every job, and a broker that is gone for a while."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from crackerjack.events.nats_log import NatsEventLog
from tests.broker import NatsServer, connect, nats_server
from tests.fleet.running import FleetOfTests
from tests.web.followers import Following
from tests.web.runs import UNTIDY
from tests.web.serving import SECONDS, Served, Writer, decoded, free_port, received, serving
from tests.web.waiting import wait_for

ALL = "/ws/events"


@pytest.fixture
def writer(server: NatsServer, fleet: FleetOfTests) -> Iterator[Writer]:
    with Writer(NatsEventLog(connect(server, fleet.url.rpartition("/")[2]))) as writer:
        yield writer


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    (project / "module.py").write_text(UNTIDY)
    (project / "pyproject.toml").write_text('[project]\nname = "project"\nversion = "1"\n')
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    return project


@pytest.fixture
def replicas(fleet: FleetOfTests) -> Iterator[tuple[Served, Served]]:
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(serving(CRACKERJACK_BROKER=fleet.url)) for _ in range(2)
        )
        yield first, second


def take_cursors(client: ClientConnection, count: int) -> list[tuple[str, bytes]]:
    """The next events of all jobs: cursor, and the event as it stands in its job's stream."""
    found: list[tuple[str, bytes]] = []
    deadline = (
        time.monotonic() + 2 * SECONDS
    )  # also where positions come all the time, and no events
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count}"
        message = decoded(client.recv(SECONDS))
        for event in message if isinstance(message, list) else [message]:
            cursor = event.pop("cursor")
            if "seq" in event:
                found.append((cursor, msgspec.json.encode(event)))
    assert len(found) == count
    return found


class TestReplicas:
    def test_both_give_every_job_live_at_the_same_positions(
        self, replicas: tuple[Served, Served], writer: Writer
    ) -> None:
        jobs = [writer.job(f"job-{number}") for number in range(3)]

        async def follow() -> list[Following]:
            followings = [Following() for _ in replicas]
            async with asyncio.timeout(2 * SECONDS), asyncio.TaskGroup() as group:
                for following, replica in zip(followings, replicas, strict=True):
                    following.start(group, replica.http, jobs[0])
                for number in range(60):
                    await asyncio.to_thread(writer.publish, jobs[number % 3], 1 + number % 4)
                for job_id in jobs:
                    await asyncio.to_thread(writer.end, job_id)
            return followings

        for following in asyncio.run(follow()):
            following.expect(writer.events(jobs[0]))
        total = sum(len(writer.events(job_id)) for job_id in jobs)
        begin = f"{ALL}?since={writer.log.store_id}.0&batch=1"
        with replicas[0].connect(begin) as one, replicas[1].connect(begin) as other:
            found = take_cursors(one, total)
            assert found == take_cursors(other, total)
        for job_id in jobs:
            of_job = [event for _, event in found if decoded(event)["job_id"] == job_id]
            assert of_job == writer.events(job_id)

    def test_who_moves_from_a_killed_one_to_the_other_misses_nothing(
        self, replicas: tuple[Served, Served], writer: Writer
    ) -> None:
        first, second = replicas
        job_id = writer.job()
        got: list[bytes] = []
        with first.connect(f"{ALL}?since={writer.log.store_id}.0") as client:
            for _ in range(20):
                writer.publish(job_id, 3)
            # Ahead of what the other one may have heard of.
            taken = take_cursors(client, 60)
            place = taken[-1][0]
            got += [event for _, event in taken]
            first.stop(signal.SIGKILL)
            writer.publish(job_id, 5)
        with second.connect(f"{ALL}?since={place}") as client:
            writer.publish(job_id, 5)
            writer.end(job_id)
            got += [event for _, event in take_cursors(client, 11)]
        assert got == writer.events(job_id)

    def test_who_follows_a_project_is_given_its_jobs_only(
        self, fleet: FleetOfTests, writer: Writer
    ) -> None:
        mine, other = writer.job("mine"), writer.job("other", project="/elsewhere")
        path = f"{ALL}?projects=/project&since={writer.log.store_id}.0"
        with serving(CRACKERJACK_BROKER=fleet.url) as served, served.connect(path) as one:
            for _ in range(5):
                writer.publish(other)
                writer.publish(mine)
            assert {decoded(event)["job_id"] for _, event in take_cursors(one, 5)} == {mine}


class TestBroker:
    """What befalls it."""

    def test_while_it_is_stopped_the_server_answers_and_clients_are_told(self) -> None:
        with (
            nats_server() as broker,
            closing(connect(broker, "crackerjack")) as connection,
            Writer(NatsEventLog(connection)) as writer,
            serving(CRACKERJACK_BROKER=broker.url) as server,
            server.client() as http,
        ):
            job_id = writer.job()
            writer.publish(job_id, 3)
            path = f"/ws/progress/{job_id}?since="
            with server.connect(path + "0") as client:
                assert [decoded(client.recv(SECONDS))["seq"] for _ in range(3)] == [1, 2, 3]
                broker.signal(signal.SIGSTOP)
                began = time.monotonic()
                slowest = 0.0
                told = None
                while told is None:
                    assert time.monotonic() - began < SECONDS
                    asked = time.monotonic()
                    assert http.get("/healthz").status_code == 200
                    slowest = max(slowest, time.monotonic() - asked)
                    try:
                        client.recv(0.05)
                    except TimeoutError:
                        continue
                    except ConnectionClosed as closed:
                        told = closed.rcvd
            assert told is not None
            assert (told.code, told.reason) == (1011, "the store cannot be read")
            assert time.monotonic() - began < 15
            assert slowest < 2  # of what is a millisecond: a round trip would be five seconds
            assert http.get("/readyz").status_code == 503
            broker.signal(signal.SIGCONT)
            wait_for(lambda: connection.connected and http.get("/readyz").status_code == 200)
            writer.publish(job_id, 2)
            writer.end(job_id)
            with server.connect(path + "3") as client:
                messages, code, _ = received(client)
            assert code == 1000
            assert [m for m in messages if b"_position" not in m] == writer.events(job_id)[3:]

    def test_events_and_polls_ask_it_nothing(self) -> None:
        monitor = f"127.0.0.1:{free_port()}"
        with (
            nats_server(f"http: {monitor}") as broker,
            Writer(NatsEventLog(connect(broker, "crackerjack"))) as writer,
            serving(CRACKERJACK_BROKER=broker.url) as server,
        ):
            job_id = writer.job()
            writer.publish(job_id, 1)
            with (
                server.connect(f"/ws/progress/{job_id}?since=0") as one,
                server.connect(ALL) as other,
            ):
                one.recv(SECONDS), other.recv(SECONDS)
                before, began = asked_by_servers(monitor), time.monotonic()
                for _ in range(300):
                    writer.publish(job_id, 1)
                writer.end(job_id)
                messages, _, _ = received(one)
                seconds = time.monotonic() - began
                asked = asked_by_servers(monitor) - before
            assert len([m for m in messages if b"_position" not in m]) == 301
            assert asked < 40 + 4 * seconds  # with a look for lost jobs, and not one for an event


def asked_by_servers(monitor: str) -> int:
    """Messages that servers of ours have sent to the broker."""
    with urllib.request.urlopen(f"http://{monitor}/connz", timeout=SECONDS) as answer:
        found: dict[str, Any] = json.load(answer)
    return sum(one["in_msgs"] for one in found["connections"] if one["name"] == "crackerjack serve")


class TestRuns:
    """Those that clients start, and the queue in which they wait."""

    @pytest.fixture
    def serves(self, fleet: FleetOfTests, tmp_path: Path) -> Iterator[Served]:
        home = fleet.environment("home")
        with serving(
            "--project-root",
            str(tmp_path),
            CRACKERJACK_BROKER=fleet.url,
            CRACKERJACK_STATE_DIR=home["CRACKERJACK_STATE_DIR"],
        ) as served:
            yield served

    def test_one_waits_for_a_worker_and_is_cancelled(self, serves: Served, project: Path) -> None:
        with serves.client() as http:
            job = started(http, project, job_id="mine")
            assert (job["job_id"], job["status"]) == ("mine", "queued")
            assert started(http, project, job_id="mine", status=409)
            queue = http.get("/queue").json()
            assert [(one["job_id"], one["worker"]) for one in queue["jobs"]] == [("mine", "")]
            assert (queue["depth"], queue["running"], queue["slots"]) == (1, 0, 0)
            told = http.get("/metrics").text
            assert "\ncrackerjack_queue_depth 1.0\n" in told
            assert "\ncrackerjack_workers 0.0\n" in told
            assert "Waiting: a worker" in http.get("/jobs/mine").text
            assert http.post("/jobs/mine/cancel").status_code == 202
            wait_for(lambda: http.get("/jobs/mine").json()["data"]["status"] == "interrupted")
            wait_for(lambda: not http.get("/queue").json()["jobs"])
            assert http.post("/jobs/mine/cancel").status_code == 409

    def test_what_a_worker_fixes_is_fixed_here_and_can_be_undone(
        self, serves: Served, fleet: FleetOfTests, project: Path
    ) -> None:
        before = (project / "module.py").read_text()
        with fleet.workers(()), serves.client() as http:
            job_id = started(http, project)["job_id"]
            wait_for(lambda: http.get(f"/jobs/{job_id}").json()["data"]["ended"])
            wait_for(lambda: (project / "module.py").read_text() != before)
            wait_for(lambda: http.get(f"/jobs/{job_id}/changes").status_code == 200)
            (changed,) = http.get(f"/jobs/{job_id}/changes").json()["files"]
            assert changed["path"] == "module.py"
            assert http.post(f"/jobs/{job_id}/undo").status_code == 200
        assert (project / "module.py").read_text() == before

    def test_what_was_fixed_on_another_machine_is_not_undone_here(
        self, serves: Served, fleet: FleetOfTests, project: Path, writer: Writer
    ) -> None:
        log = writer.log
        assert isinstance(log, NatsEventLog)
        job_id = writer.job("far", project=str(project))
        log.records.keep_result(job_id, "a patch")
        writer.end(job_id)
        with serves.client() as http:
            for answer in (http.get("/jobs/far/changes"), http.post("/jobs/far/undo")):
                assert answer.status_code == 409
                assert "`crackerjack undo far`" in answer.json()["detail"]


def started(
    http: httpx.Client, project: Path, *, job_id: str = "", status: int = 201
) -> dict[str, Any]:
    body = {"project": str(project), "job_id": job_id, "options": {"skip_hooks": True, "fix": True}}
    answer = http.post("/jobs", json=body, timeout=SECONDS)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found
