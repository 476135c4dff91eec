"""Whoever reaches a broker may write anything there: what cannot be read stops nobody, and is obeyed by nobody."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crackerjack.errors import ObjectDamaged, ObjectMissing, UnknownJob, UsageError
from crackerjack.events.event import WorkflowEvent, draft
from crackerjack.events.hub import Hub
from crackerjack.events.jetstream import Stream, Write
from crackerjack.events.live_tail import LiveTail
from crackerjack.events.log import JobHeader
from crackerjack.events.nats_log import NatsEventLog
from crackerjack.events.payload import EventType, JobQueued
from crackerjack.fleet.own_directory import own_directory
from crackerjack.fleet.queue_state import queue_state, render_queue
from crackerjack.fleet.queued_job import QUEUE, parse_labels, queued_job
from crackerjack.fleet.submission import submit
from crackerjack.fleet.task_talk import Said, result_of
from crackerjack.types import JobId
from crackerjack.web.feed import Feeds, WentBack
from crackerjack.workflow.options import RunOptions
from tests.broker import connect, nats_server
from tests.fleet.home import PATIENCE, Home, home_of, project_of, wait_for
from tests.fleet.keeping import ObjectsInMemory
from tests.fleet.running import FleetOfTests

GARBAGE = (b"\xff", b"", b"null", b"[]", b'{"z":' + b"[" * 50_000, b"x" * 900_000)


class Attacker:
    """Writes to the streams of a space past all that checks it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.space = home.fleet.broker.address.space

    def write(self, stream: str, subject: str, data: bytes) -> None:
        place = Stream(self._home.fleet.broker, f"{self.space}_{stream}")
        place.write([Write(f"{self.space}.{subject}", data)])


@pytest.fixture
def home(fleet: FleetOfTests, tmp_path: Path) -> Iterator[Home]:
    with home_of(fleet.url, tmp_path / "state") as home:
        yield home


def header(job_id: str, **fields: Any) -> bytes:
    known = {"project": "/p", "workflow": "w", "created": time.time(), "owner": QUEUE}
    return json.dumps(
        {"header": {"job_id": job_id, **known, **fields}, "lease_expires": 0}
    ).encode()


def chunk(job_id: str, *events: tuple[int, str, Any], **about: Any) -> bytes:
    head = {"job_id": job_id, "owner": QUEUE, "head": len(events), "count": len(events), **about}
    body = [
        {"event_type": kind, "data": data, "timestamp": 1.0, "job_id": job_id, "seq": seq}
        for seq, kind, data in events
    ]
    return json.dumps(head).encode() + b"\n" + json.dumps(body).encode()


def begin(log: NatsEventLog, name: str) -> JobId:
    job_id = JobId(name)
    created = time.time()
    log.create_job(
        JobHeader(job_id=job_id, project="/p", workflow="w", created=created, owner=QUEUE), 0
    )
    log.append([draft(job_id, EventType.JOB_QUEUED, JobQueued(reason="first"))], owner=QUEUE)
    return job_id


def test_garbage_everywhere_hides_nothing_that_is_good(home: Home, tmp_path: Path) -> None:
    attacker, fleet = Attacker(home), home.fleet
    good = home.submit(project_of(tmp_path / "project"))
    for number, data in enumerate(GARBAGE):
        attacker.write("queue", f"queue.9.g{number}", data)
        attacker.write("leases", f"running.p.{number}", data)
        attacker.write("leases", f"worker.{number}", data)
        attacker.write("jobs", f"job.g{number}.header", data)
        attacker.write("jobs", f"job.{good}.lease", data)
        attacker.write("events", f"events.g{number}", data)
    for other in ("*", "../..", "other"):
        attacker.write("jobs", "job.named.header", header(other))
        attacker.write("events", f"events.{good}", chunk(other, (1, "job_queued", {})))
    attacker.write("leases", "worker.many", b'{"worker":"w","slots":99999999,"busy":0}')
    attacker.write("leases", "worker.raw", b'{"worker":"\\u001b[2J","slots":1,"busy":0}')
    state = queue_state(fleet.queue, fleet.leases)
    assert ([entry.job_id for entry in state.jobs], state.slots) == ([good], 1)
    assert "\x1b" not in render_queue(state)
    assert len(fleet.queue.unreadable) == len(GARBAGE)
    assert JobId("g0") in fleet.queue.job_ids()  # so nobody takes its job for a lost one
    assert [entry.header.job_id for entry in fleet.log.jobs()] == [good]
    assert fleet.container.jobs.end_lost_jobs() == []
    claim = fleet.queue.claim("worker", {})
    assert claim is not None
    assert claim.job.job_id == good
    fleet.queue.withdraw(JobId("g0"))
    assert JobId("g0") not in fleet.queue.job_ids()


TASK = {"name": "h", "limit": 1, "limited_by": "", "answers": "s.part.j.h.0123abcd"}


@pytest.mark.parametrize(
    ("subject", "fields"),
    [
        ("s.queue.5.j", {"job_id": "*"}),
        ("s.queue.5.*", {"job_id": "*"}),
        ("s.queue.5.other", {}),
        ("s.queue.9.j", {}),
        ("s.queue.-1.j", {"priority": -1}),
        ("s.queue.10.j", {"priority": 10}),
        ("s.queue.5.j", {"most_at_once": 10**9}),
        ("s.queue.5.j", {"needs": ["a=b"] * 1000}),
        ("s.queue.5.j~h", {"task": TASK}),  # with a priority that submitters may use
        ("s.queue.10.j~h", {"priority": 10, "task": {**TASK, "answers": "$JS.API.STREAM.PURGE.s"}}),
        ("s.queue.10.j~h", {"priority": 10, "task": {**TASK, "answers": "s.part.k.h.0123abcd"}}),
        ("s.queue.10.j~h", {"priority": 10, "task": {**TASK, "answers": "s.part.j.h.>"}}),
        ("s.queue.10.j~A ", {"priority": 10, "task": {**TASK, "name": "A "}}),
        ("s.queue.10.j~h", {"priority": 10, "task": {**TASK, "limit": 1e300}}),
    ],
)
def test_an_entry_of_the_queue_is_what_its_subject_says(
    subject: str, fields: dict[str, Any]
) -> None:
    entry = {"job_id": "j", "project": "/p", "bundle": "b", "priority": 5}
    part = {**entry, "priority": 10, "task": TASK, "of_a_later_version": 1}
    assert queued_job("s.queue.5.j", json.dumps(entry).encode()) is not None
    assert queued_job("s.queue.10.j~h", json.dumps(part).encode()) is not None
    assert queued_job(subject, json.dumps({**entry, **fields}).encode()) is None


def test_what_no_queue_takes_is_refused_before_there_is_a_job(home: Home, tmp_path: Path) -> None:
    job = home.job(project_of(tmp_path / "project"))
    options = RunOptions(paths=tuple(f"{number:0200}" for number in range(5000)))
    with pytest.raises(UsageError, match="name directories"):
        submit(home.fleet.log, home.fleet.queue, msgspec.structs.replace(job, options=options), "w")
    assert home.fleet.log.jobs() == []
    for labels in (["a=1", "a=2"], [f"k{number}=1" for number in range(65)]):
        with pytest.raises(UsageError, match="label"):
            parse_labels(labels)


@pytest.mark.parametrize(
    "forged",
    [
        b"\xff",
        chunk("job", (2, "job_queued", {}), head=1 << 60),
        chunk("job", (1000, "job_queued", {}), head=1000),
        chunk("job", (2, "job_queued", {}), head=2, count=2),
        chunk("job", head=2).replace(b"[]", b"\xff"),
        chunk("job", (2, "job_queued", {}), head=2, terminal="nonsense"),
        chunk("job", (2, "job_queued", {}), head=2).replace(b"1.0", b"1e308"),
    ],
)
def test_a_log_ends_where_it_cannot_be_read(home: Home, forged: bytes) -> None:
    attacker, log = Attacker(home), home.fleet.log
    job_id, other = begin(log, "job"), begin(log, "other")
    attacker.write("events", "events.job", forged)
    assert [event.seq for event in log.read(job_id, 0, 100)] == [1]
    assert {entry.header.job_id for entry in log.jobs()} == {job_id, other}
    second = draft(other, EventType.JOB_QUEUED, JobQueued(reason="second"))
    log.append([second], owner=QUEUE)
    assert [event.job_id for _, event in log.read_all(0, 100)][-1] == other
    if forged == b"\xff":  # what is no chunk at all is written over
        log.append([draft(job_id, EventType.JOB_QUEUED, JobQueued(reason="x"))], owner=QUEUE)
        assert [event.seq for event in log.read(job_id, 0, 100)] == [1, 2]


def test_a_payload_that_is_none_spoils_no_history(home: Home) -> None:
    attacker, log = Attacker(home), home.fleet.log
    begin(log, "good")
    attacker.write("jobs", "job.bad.header", header("bad"))
    attacker.write("jobs", "job.bad.result", b"\xff")
    end = "workflow_completed"
    events: list[tuple[int, str, Any]]
    events = [(1, "workflow_started", [1, 2]), (2, end, {"exit_code": []})]
    attacker.write("events", "events.bad", chunk("bad", *events, terminal=end))
    found = log.latest("/p", ["workflow_started", "workflow_completed", "job_queued"], 100)
    assert [event.job_id for event in found] == ["good"]
    assert log.records.result(JobId("bad")) == ""
    attacker.write("jobs", "job.late.header", header("late", created=1e300))
    with pytest.raises(UnknownJob):
        log.job(JobId("late"))


def test_an_announcement_of_what_was_never_stored_ends_no_tail(home: Home) -> None:
    log, broker = home.fleet.log, home.fleet.broker
    log.follow(Hub())
    job_id = begin(log, "job")
    forged = {"Nats-Subject": "x.events.job", "Nats-Time-Stamp": "2026-01-01T00:00:00Z"}
    live = f"{broker.address.space}.live.job"
    for number in ("abc", "99999999999"):
        broker.publish(live, chunk("job", head=5), {**forged, "Nats-Sequence": number})
    log.append([draft(job_id, EventType.JOB_QUEUED, JobQueued(reason="second"))], owner=QUEUE)
    wait_for(lambda: len(log.read_all(0, 100)) == 2, "the tail finds back to what is stored")
    tail = LiveTail()
    tail.expect(99)
    tail.expect(5, reached=99)
    assert tail.number == 5


def test_objects_that_are_none(home: Home) -> None:
    attacker, objects = Attacker(home), home.fleet.objects
    name = "a" * 64
    for parts, error in (
        (b"\xff", ObjectMissing),
        (b"3", ObjectMissing),
        (b"9" * 9, ObjectDamaged),
    ):
        attacker.write("objects", f"object.{name}.parts", parts)
        attacker.write("objects", f"object.{name}.0", b"x")
        with pytest.raises(error):
            objects.get(name)
    for wild in ("*", ">", "../.."):
        with pytest.raises(ObjectMissing):
            objects.get(wild)
    said = Said(worker="w", attempt="a", whole=b"\xff")
    assert "cannot be read" in result_of(said, ObjectsInMemory()).error


def test_a_broker_that_comes_back_with_nothing_is_used_as_a_new_one(tmp_path: Path) -> None:
    with nats_server() as server:
        broker = connect(server)
        log = NatsEventLog(broker)
        log.follow(Hub())
        for number in range(3):
            begin(log, f"job{number}")
        told: list[WorkflowEvent] = []
        before, feeds = log.store_id, Feeds(log, lambda events, _: told.extend(events))
        server.stop()
        shutil.rmtree(server.store)
        server.start()
        wait_for(lambda: broker.connected, "the connection comes back")
        assert wait_for(lambda: begin(log, "after"), "it is stored in new streams") == "after"
        assert [entry.header.job_id for entry in log.jobs()] == ["after"]
        wait_for(lambda: log.read_all(0, 10) and log.store_id != before, "it is another store")

        async def look() -> None:
            with pytest.raises(WentBack):
                await feeds.look()
            begin(log, "later")
            deadline = time.monotonic() + PATIENCE
            while not told and time.monotonic() < deadline:
                await feeds.look()

        asyncio.run(look())
        assert [event.job_id for event in told] == ["later"]
        log.close()


def test_workers_that_share_a_state_directory_have_projects_of_their_own(tmp_path: Path) -> None:
    parent = str(tmp_path / "fleet")
    with own_directory(parent) as one:
        with own_directory(parent) as two:
            assert one != two
        with own_directory(parent) as again:
            assert again == two
    (tmp_path / "file").touch()
    with (
        pytest.raises(UsageError, match="CRACKERJACK_STATE_DIR"),
        own_directory(str(tmp_path / "file" / "fleet")),
    ):
        pass


def test_a_job_goes_elsewhere_from_a_worker_that_cannot_write(
    fleet: FleetOfTests, home: Home, tmp_path: Path
) -> None:
    project = project_of(tmp_path / "project", "[tool.crackerjack.hooks.h]\ncommand=['true']\n")
    job = home.job(project, "h")
    broken = Path(fleet.environment("worker1")["CRACKERJACK_STATE_DIR"]) / "fleet" / "projects"
    broken.mkdir(parents=True)
    (broken / job.project_key).touch()
    with fleet.workers(()):
        home.submit(project, "h")
        wait_for(lambda: "make the project ready: " in str(home_events(home)), "it is given back")
        with fleet.workers(()):
            (entry,) = home.fleet.log.jobs()
            assert home.ended(entry.header.job_id).status == "completed"


def home_events(home: Home) -> list[Any]:
    """The data of all events of the space."""
    return [event.data for _, event in home.fleet.log.read_all(0, 1000)]
