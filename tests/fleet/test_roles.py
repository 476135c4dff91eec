"""What each role may do at a broker, with the very permissions that docs/fleet.md gives it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from crackerjack.errors import StoreForbids
from crackerjack.events.broker_address import BrokerAddress
from crackerjack.events.event import draft
from crackerjack.events.log import JobHeader
from crackerjack.events.payload import EventType, JobQueued, WorkflowEnded
from crackerjack.fleet.objects import object_name
from crackerjack.fleet.queue_state import queue_state
from crackerjack.fleet.queued_job import DEFAULT_PRIORITY, QUEUE, TASK_PRIORITY, QueuedJob, Task
from crackerjack.fleet.submission import submit
from crackerjack.fleet_container import Fleet, open_fleet
from crackerjack.jobs.queue_state import WorkerRecord
from crackerjack.types import ExitCode, JobId
from tests.broker import NatsServer, nats_server
from tests.cli.command_line import CommandLine, Project

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "fleet.md"
ROLES: Final = ("administrator", "watcher", "server", "submitter", "worker")
SECRETS: Final = {role: f"s3cret-of-the-{role}" for role in ROLES}
CONTENT: Final = os.urandom(700_000)


@pytest.fixture(scope="module")
def permissions() -> str:
    """The block of the document."""
    (block,) = re.findall(
        r"^```conf\n(authorization \{.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL
    )
    return str(block)


@pytest.fixture(scope="module")
def server(permissions: str) -> Iterator[NatsServer]:
    with with_roles(permissions) as running:
        yield running


@contextmanager
def with_roles(permissions: str) -> Iterator[NatsServer]:
    """A server that knows the roles, whose passwords the block takes from variables."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:
            for role, secret in SECRETS.items():
                environment.setenv(f"CRACKERJACK_{role.upper()}", secret)
            server = stack.enter_context(nats_server(permissions))
        yield server


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    return {"CRACKERJACK_STATE_DIR": str(tmp_path_factory.mktemp("state"))}


def address_of(server: NatsServer, role: str) -> BrokerAddress:
    return BrokerAddress(url=server.url, user=role, password=SECRETS[role])


@pytest.fixture(scope="module")
def fleets(server: NatsServer, state: Mapping[str, str]) -> Iterator[dict[str, Fleet]]:
    """Every role at the broker whose streams the administrator made."""
    with ExitStack() as stack:
        yield {
            role: stack.enter_context(open_fleet(address_of(server, role), state, role=role))
            for role in ROLES
        }


def new_job(priority: int = DEFAULT_PRIORITY) -> QueuedJob:
    job_id = JobId(os.urandom(5).hex())
    return QueuedJob(job_id=job_id, project="/p", bundle="0" * 64, priority=priority)


@pytest.fixture
def job(fleets: dict[str, Fleet]) -> Iterator[QueuedJob]:
    """A job that waits."""
    queued = new_job()
    submit(fleets["submitter"].log, fleets["submitter"].queue, queued, "standard")
    yield queued
    fleets["worker"].queue.remove(queued)


def look(fleet: Fleet, job: QueuedJob) -> None:
    assert job.job_id in {entry.header.job_id for entry in fleet.log.jobs()}
    assert [event.event_type for event in fleet.log.read(job.job_id, 0, 9)] == ["job_queued"]
    assert queue_state(fleet.queue, fleet.leases).depth > 0


def follow(fleet: Fleet, _job: QueuedJob) -> None:
    fleet.log.follow(fleet.container.hub)


def ask_for_a_job(fleet: Fleet, _job: QueuedJob) -> None:
    queued = new_job(priority=1)
    submit(fleet.log, fleet.queue, queued, "standard")
    assert fleet.container.jobs.cancel(queued.job_id)
    assert fleet.log.job(queued.job_id).terminal == EventType.WORKFLOW_INTERRUPTED


def send_files(fleet: Fleet, _job: QueuedJob) -> None:
    fleet.objects.put(object_name(CONTENT), CONTENT)


def fetch_files(fleet: Fleet, _job: QueuedJob) -> None:
    assert fleet.objects.get(object_name(CONTENT)) == CONTENT


def cancel(fleet: Fleet, job: QueuedJob) -> None:
    assert fleet.container.jobs.cancel(job.job_id)
    assert fleet.log.job(job.job_id).cancel_requested


def write_events(fleet: Fleet, job: QueuedJob) -> None:
    waits = draft(job.job_id, EventType.JOB_QUEUED, JobQueued(reason="again"))
    fleet.log.append([waits], owner=QUEUE)


def take_jobs(fleet: Fleet, job: QueuedJob) -> None:
    claim = fleet.queue.claim("host:1:1", {}, lambda _jobs: ())
    assert claim is not None
    assert claim.job.job_id == job.job_id
    fleet.log.take_over(job.job_id, old_owner=QUEUE, new_owner="host:1:1", expires=time.time() + 9)
    assert claim.keep()
    fleet.log.records.keep_result(job.job_id, "x")
    claim.done()
    assert job.job_id not in {waiting.job.job_id for waiting in fleet.queue.jobs()}


def clear_up(fleet: Fleet, _job: QueuedJob) -> None:
    """What the broker keeps to hand out a job goes when the job has ended."""
    answer = fleet.broker.request("$JS.API.CONSUMER.DELETE.crackerjack_queue.5-none")
    assert b"consumer not found" in answer.data


def be_a_worker(fleet: Fleet, _job: QueuedJob) -> None:
    fleet.leases.announce(WorkerRecord(worker="host:1:1", slots=1, busy=0))
    assert [one.worker for one in fleet.leases.workers()] == ["host:1:1"]
    fleet.leases.leave("host:1:1")
    assert fleet.leases.workers() == []


def share_parts(fleet: Fleet, _job: QueuedJob) -> None:
    task = Task(name="mypy", limit=1.0, limited_by="", answers="crackerjack.part.x.mypy")
    part = new_job(priority=TASK_PRIORITY)
    fleet.queue.put(part)
    fleet.queue.remove(part)
    stop = fleet.broker.subscribe(
        task.answers, lambda message: fleet.broker.answer(message, b"yes")
    )
    assert fleet.broker.ask(task.answers, b"") == b"yes"
    stop()


def make_streams(fleet: Fleet, _job: QueuedJob) -> None:
    for name in ("events", "jobs", "objects", "queue", "leases"):
        fleet.broker.request(f"$JS.API.STREAM.CREATE.crackerjack_{name}", b"{}")


def forget_jobs(fleet: Fleet, job: QueuedJob) -> None:
    fleet.log.delete_jobs([ended_job(fleet)])


def hear_the_answers_to_others(fleet: Fleet, _job: QueuedJob) -> None:
    fleet.broker.subscribe("_INBOX.>", lambda _message: None)


def ended_job(fleet: Fleet) -> JobId:
    """A job that has ended, whoever asks."""
    return next(
        entry.header.job_id for entry in fleet.log.jobs(ended=True) if entry.terminal is not None
    )


ACTIONS: Final[Mapping[Callable[[Fleet, QueuedJob], None], set[str]]] = {
    look: set(ROLES),
    follow: set(ROLES),
    ask_for_a_job: {"submitter"},
    send_files: {"submitter", "worker"},
    fetch_files: {"submitter", "worker"},
    write_events: {"submitter", "worker"},
    cancel: {"submitter", "server", "administrator"},
    take_jobs: {"worker"},
    clear_up: {"worker"},
    be_a_worker: {"worker"},
    share_parts: {"worker"},
    make_streams: {"administrator"},
    forget_jobs: {"administrator"},
    hear_the_answers_to_others: set(),
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_its_work_and_nothing_else(
    role: str, fleets: dict[str, Fleet], job: QueuedJob
) -> None:
    send_files(fleets["submitter"], job)
    end_a_job(fleets["submitter"])
    for action, allowed in ACTIONS.items():
        if role in allowed:
            action(fleets[role], job)
        else:
            told = r"does not let this user use .*docs/fleet\.md"
            with pytest.raises(StoreForbids, match=told):
                action(fleets[role], job)


def end_a_job(submitter: Fleet) -> None:
    now = time.time()
    job_id = JobId(os.urandom(5).hex())
    header = JobHeader(job_id=job_id, project="/p", workflow="standard", created=now, owner=QUEUE)
    submitter.log.create_job(header, now)
    ended = WorkflowEnded(success=False, duration=0.0, exit_code=ExitCode.USAGE, reason="x")
    submitter.log.append([draft(job_id, EventType.WORKFLOW_FAILED, ended)], owner=QUEUE)


def test_who_may_not_end_a_lost_job_shows_it(
    fleets: dict[str, Fleet],
    server: NatsServer,
    state: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A list looks for jobs that nobody will run; for a watcher that is no error."""
    monkeypatch.setattr("crackerjack.fleet.fleet_jobs._UNQUEUED", -60.0)
    job_id = JobId(os.urandom(5).hex())
    now = time.time()
    header = JobHeader(job_id=job_id, project="/p", workflow="standard", created=now, owner=QUEUE)
    fleets["submitter"].log.create_job(header, now)
    for role, ended in (("watcher", False), ("submitter", True)):
        with open_fleet(address_of(server, role), state, role=role) as fleet:
            entries = fleet.container.jobs.entries(project="/p")
        (entry,) = (entry for entry in entries if entry.header.job_id == job_id)
        assert (entry.terminal is not None) == ended


def test_streams_that_are_missing_are_told_of(permissions: str, state: Mapping[str, str]) -> None:
    with with_roles(permissions) as server:
        for role in ("worker", "submitter", "server", "watcher"):
            with (
                pytest.raises(StoreForbids, match=r"has no stream .* `crackerjack queue` once"),
                open_fleet(address_of(server, role), state, role=role),
            ):
                pass


def test_a_session_with_secrets(
    fleets: dict[str, Fleet], server: NatsServer, tmp_path: Path
) -> None:
    """A run by a worker, a cancellation by a server: no secret reaches a tool, an event or a message."""
    project = Project(tmp_path / "project")
    project.write_tool("env; exit 1", 'parser = "exit-code"')
    commands = CommandLine(project.root, tmp_path / "state")

    def as_role(role: str) -> dict[str, str]:
        names = {"CRACKERJACK_BROKER_USER": role, "CRACKERJACK_BROKER_PASSWORD": SECRETS[role]}
        return {"CRACKERJACK_BROKER": server.url, **names}

    worker = commands.start("worker", **as_role("worker"))
    try:
        ran = commands("run", "--check", "--hook", "tool", "--json", **as_role("submitter"))
        assert ran.exit_code == 1, ran
        assert "PATH=" in ran.stdout
        assert "CRACKERJACK_BROKER" not in ran.stdout
        waits = commands("run", "--detach", "--needs", "gpu=1", **as_role("submitter"))
        job_id = waits.stdout.strip()
        assert commands("cancel", job_id, **as_role("server")).exit_code == 0
        followed = commands("events", job_id, "--follow", **as_role("watcher"))
        assert followed.events[-1]["event_type"] == "workflow_interrupted"
        refused = commands("run", "--check", **as_role("watcher"))
        assert refused.exit_code == 2
        assert "does not let this user" in refused.stderr
    finally:
        worker.terminate()
        _, said = worker.communicate(timeout=60)
    for text in (*ran, *waits, *followed, *refused, said):
        assert not any(secret in str(text) for secret in SECRETS.values())
