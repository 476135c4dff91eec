"""Workers that are killed, stopped, drained and cut off: a job ends once, with all its events."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crackerjack.events.event import draft
from crackerjack.events.log import JobHeader
from crackerjack.events.payload import EventType, JobQueued
from crackerjack.fleet.queued_job import QUEUE
from crackerjack.types import JobId, JobStatus
from tests.broker import nats_server
from tests.fleet.home import (
    Gates,
    Home,
    finding_hook,
    home_of,
    is_running,
    project_of,
    wait_for,
)
from tests.fleet.running import FleetOfTests

# The client library leaves a connection to the garbage collector that is cut while it is made.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function StreamWriter.__del__:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture
def home(fleet: FleetOfTests, tmp_path: Path) -> Iterator[Home]:
    with home_of(fleet.url, tmp_path / "machines") as home:
        yield home


@pytest.fixture
def gates(tmp_path: Path) -> Gates:
    return Gates(tmp_path / "gates")


@pytest.fixture
def project(gates: Gates, tmp_path: Path) -> Path:
    """A hook that finds something at once, and some that wait; hands for all of them."""
    tables = (finding_hook("finds"), gates.hook("waits"), gates.hook("also-waits"))
    return project_of(tmp_path / "project", *tables, settings="jobs = 4")


@pytest.fixture
def narrow(gates: Gates, tmp_path: Path) -> Path:
    """Hooks that wait, and one hand: what others have hands for, they do."""
    said = "echo line of attempt $$;"
    tables = (gates.hook("here"), gates.hook("there", said=said), finding_hook("finds"))
    return project_of(tmp_path / "narrow", *tables, settings="jobs = 1")


def test_a_job_whose_worker_is_killed_runs_again_elsewhere(
    fleet: FleetOfTests, home: Home, gates: Gates, project: Path
) -> None:
    with fleet.workers((), ()):
        job = home.submit(project, "finds", "waits")
        tool = gates.wait("waits")
        wait_for(lambda: home.of_type(job, EventType.DIAGNOSTIC_FOUND), "it found something")
        lost, killed = home.worker_of(job), time.monotonic()
        os.kill(lost, signal.SIGKILL)
        wait_for(lambda: not is_running(tool), "its tools end too")
        gates.wait("waits", 2)
        assert time.monotonic() - killed < 20  # 10 on an idle machine
        (requeued,) = home.of_type(job, EventType.JOB_REQUEUED)
        assert requeued["attempt"] == 2
        assert requeued["reason"].endswith(f":{lost} was lost")
        gates.open("waits")
        ended = home.ended(job)
        assert (ended.status, ended.counts()["findings"]) == (JobStatus.FAILED, 2)
        assert home.worker_of(job) != lost
        # What its workers had to say of it to the broker is forgotten too.
        info = home.fleet.broker.request(
            f"$JS.API.CONSUMER.NAMES.{home.fleet.broker.address.space}_queue"
        )
        assert job.encode() not in info.data


def of_part(home: Home, job: JobId) -> list[str]:
    """Who does parts of the job now."""
    running = home.fleet.leases.running()
    return [one.worker for one in running if one.key.startswith(f"{job}~")]


def test_a_part_whose_worker_is_killed_is_done_elsewhere(
    fleet: FleetOfTests, home: Home, gates: Gates, narrow: Path
) -> None:
    with fleet.workers((), ()):
        job = home.submit(narrow, "here", "there")
        gates.wait("here")
        tool = gates.wait("there")
        runner = home.worker_of(job)
        (other,) = of_part(home, job)
        # Which of the two hooks stayed is the runner's affair.
        os.kill(int(other.split(":")[1]), signal.SIGKILL)
        away = "there" if is_lost(tool) else "here"
        gates.open("here" if away == "there" else "there")
        # There is no other worker by now: the runner does it once it has a hand free.
        gates.wait(away, 2)
        gates.open(away)
        ended = home.ended(job)
        assert ended.status is JobStatus.COMPLETED
        assert home.worker_of(job) == runner
        (requeued,) = home.of_type(job, EventType.JOB_REQUEUED)
        assert (requeued["part"], requeued["attempt"]) == (away, 2)
        assert "was lost" in requeued["reason"]
        begun = home.of_type(job, EventType.HOOK_EXECUTION_STARTED)
        assert sorted(one["hook"] for one in begun) == sorted(["here", "there", away])


def test_a_runner_is_killed_while_parts_of_its_job_run_elsewhere(
    fleet: FleetOfTests, home: Home, gates: Gates, narrow: Path
) -> None:
    with fleet.workers((), ()):
        job = home.submit(narrow, "here", "there", "finds")
        tools = [gates.wait("here"), gates.wait("there")]
        wait_for(lambda: of_part(home, job), "one of them is a part")
        killed = time.monotonic()
        os.kill(home.worker_of(job), signal.SIGKILL)
        # The worker with the part hears that nobody wants it, and takes the job itself.
        wait_for(lambda: not any(map(is_running, tools)), "both end")
        for name in ("here", "there"):
            gates.open(name)
        ended = home.ended(job)
        assert time.monotonic() - killed < 25
        assert (ended.status, ended.counts()["findings"]) == (JobStatus.FAILED, 2)
        assert len(home.of_type(job, EventType.JOB_REQUEUED)) == 1


def test_cancelling_ends_the_parts_too(
    fleet: FleetOfTests, home: Home, gates: Gates, narrow: Path
) -> None:
    with fleet.workers((), ()):
        job = home.submit(narrow, "here", "there")
        tools = [gates.wait("here"), gates.wait("there")]
        home.fleet.container.jobs.cancel(job)
        assert home.ended(job).status is JobStatus.INTERRUPTED
        wait_for(lambda: not any(map(is_running, tools)), "both end")
        wait_for(lambda: home.fleet.leases.running() == [], "both workers are free")
        assert list(home.fleet.queue.jobs()) == []


def is_lost(tool: int) -> bool:
    """Whether the process ends: its worker was killed."""
    deadline = time.monotonic() + 3
    while is_running(tool) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(tool)


def test_a_worker_that_goes_down_gives_its_job_back(
    fleet: FleetOfTests, home: Home, gates: Gates, project: Path
) -> None:
    with fleet.workers((), ()) as workers:
        job = home.submit(project, "waits")
        tool = gates.wait("waits")
        first, asked = home.worker_of(job), time.monotonic()
        os.kill(first, signal.SIGTERM)
        gates.wait("waits", 2)
        assert time.monotonic() - asked < 10  # at once: nobody waits for silence
        wait_for(lambda: not is_running(tool), "its tools end")
        (one,) = [worker for worker in workers if worker.pid == first]
        assert one.wait(30) == 0
        gates.open("waits")
        assert home.ended(job).status is JobStatus.COMPLETED
        (requeued,) = home.of_type(job, EventType.JOB_REQUEUED)
        assert (requeued["attempt"], "SIGTERM" in requeued["reason"]) == (1, True)


def test_a_worker_that_was_stopped_for_long_is_fenced_out(
    fleet: FleetOfTests, home: Home, gates: Gates, project: Path, soak: bool
) -> None:
    with fleet.workers((), ()) as workers:
        job = home.submit(project, "waits")
        gates.wait("waits")
        first = home.worker_of(job)
        os.kill(first, signal.SIGSTOP)
        gates.wait("waits", 2)
        second = home.worker_of(job)
        assert second != first
        before = len(home.events(job))
        os.kill(first, signal.SIGCONT)
        # It learns that it was fenced out, and is free for another job: that one is not lost by it.
        other = home.submit(project, "also-waits")
        gates.wait("also-waits")
        assert home.worker_of(other) == first
        assert len(home.events(job)) == before
        gates.open("also-waits")
        home.ended(other)
        assert home.fleet.queue.find(job) is not None
        if soak:  # Now the second one is lost, and the first takes what it had before.
            os.kill(second, signal.SIGKILL)
            gates.wait("waits", 3)
        gates.open("waits")
        assert home.ended(job).status is JobStatus.COMPLETED
        assert home.worker_of(job) == (first if soak else second)
        attempts = [one["attempt"] for one in home.of_type(job, EventType.JOB_REQUEUED)]
        assert attempts == ([2, 3] if soak else [2])
        assert [worker.poll() for worker in workers].count(None) == (1 if soak else 2)


def test_cancelling_ends_a_job_that_runs_and_one_that_waits(
    fleet: FleetOfTests, home: Home, gates: Gates, project: Path
) -> None:
    waiting = home.submit(project, "waits")
    assert home.fleet.container.jobs.cancel(waiting)
    assert home.ended(waiting).status is JobStatus.INTERRUPTED
    with fleet.workers(()):
        job = home.submit(project, "waits")
        tool = gates.wait("waits")
        assert home.fleet.container.jobs.cancel(job)
        ended = home.ended(job)
        assert (ended.status, ended.reason) == (JobStatus.INTERRUPTED, "cancelled")
        assert not is_running(tool)
        assert len(gates.begun("waits")) == 1


def test_interrupting_who_waits_for_a_worker_ends_the_job(
    fleet: FleetOfTests, home: Home, project: Path
) -> None:
    environment = fleet.environment("home")
    argv = [sys.executable, "-m", "crackerjack", "run", "--check", "--json", "--hook", "finds"]
    with subprocess.Popen(argv, cwd=project, env=environment, stdout=subprocess.PIPE) as run:
        (entry,) = wait_for(home.fleet.log.jobs, "it is there")
        job = entry.header.job_id
        wait_for(lambda: home.fleet.queue.find(job), "it is queued")
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        assert run.returncode == 130
    assert home.ended(job).status is JobStatus.INTERRUPTED


def test_a_job_whose_submitter_was_killed(
    fleet: FleetOfTests, home: Home, gates: Gates, project: Path
) -> None:
    """Once it is queued it runs; before that nobody else knows what to run."""
    argv = [sys.executable, "-m", "crackerjack", "run", "--check", "--json", "--hook", "waits"]
    environment = fleet.environment("home")
    with subprocess.Popen(argv, cwd=project, env=environment, stdout=subprocess.PIPE) as run:
        (entry,) = wait_for(home.fleet.log.jobs, "it is there")
        job = entry.header.job_id
        wait_for(lambda: home.fleet.queue.find(job), "it is queued")
        run.kill()
    gates.open("waits")
    with fleet.workers(()):
        assert home.ended(job).status is JobStatus.COMPLETED


def test_a_job_that_was_never_queued_is_ended(
    fleet: FleetOfTests, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, log = JobId("halfway"), home.fleet.log
    log.create_job(
        JobHeader(job_id=job, project="/p", workflow="w", created=time.time(), owner=QUEUE),
        time.time() + 1e9,
    )
    log.append([draft(job, EventType.JOB_QUEUED, JobQueued())], owner=QUEUE)
    assert home.fleet.container.jobs.end_lost_jobs() == []  # it may be about to be queued
    monkeypatch.setattr("crackerjack.fleet.fleet_jobs._UNQUEUED", 0.5)
    monkeypatch.setattr("crackerjack.fleet.fleet_jobs._LOOK_EVERY", 0.0)
    assert wait_for(home.fleet.container.jobs.end_lost_jobs, "it is found") == [job]
    assert home.ended(job).reason == "runner_lost"


def test_workers_share_jobs_by_priority_age_labels_and_limit(
    fleet: FleetOfTests, home: Home, gates: Gates, tmp_path: Path
) -> None:
    names = [f"waits-{number}" for number in range(5)]
    limited = project_of(
        tmp_path / "limited",
        *map(gates.hook, names[:3]),
        settings="[tool.crackerjack.fleet]\nmax_running = 2",
    )
    other = project_of(tmp_path / "other", *map(gates.hook, names[3:]))
    first = home.submit(limited, names[0], priority=3)
    second = home.submit(limited, names[1], priority=9)
    third = home.submit(limited, names[2], priority=3)
    special = home.submit(other, names[3], needs=("gpu=1",))
    plain = home.submit(other, names[4], priority=1)
    with fleet.workers((), (), ()):
        for name in (names[0], names[1], names[4]):
            gates.wait(name)
        # A slot's worth of jobs of that project waits, and so does the one that nobody suits.
        owners = {job: home.fleet.log.job(job).header.owner for job in (first, second, plain)}
        assert len(set(owners.values())) == 3
        assert gates.begun(names[2]) == gates.begun(names[3]) == []
        gates.open(names[4])
        home.ended(plain)
        with fleet.workers(("--label", "gpu=1")):
            gates.wait(names[3])
            assert gates.begun(names[2]) == []
            gates.open(names[1])
            gates.wait(names[2])
            for name in names:
                gates.open(name)
            for job in (first, second, third, special):
                assert home.ended(job).status is JobStatus.COMPLETED
    assert all(len(gates.begun(name)) == 1 for name in names)


def quick_projects(directory: Path, count: int) -> list[Path]:
    """Projects whose one hook says a few lines in a second or so, and finds two things."""
    script = "for n in 1 2 3 4 5 6 7 8; do echo said $n; sleep 0.1; done"
    talks = (
        f"[tool.crackerjack.hooks.talks]\ncommand = ['sh', '-c', '{script}']\nstrategy = 'fast'\n"
    )
    return [
        project_of(directory / f"p{number}", talks, finding_hook("finds"), settings="jobs = 2")
        for number in range(count)
    ]


def check_each_ended_once(home: Home, jobs: list[JobId]) -> None:
    for job in jobs:
        ended = home.ended(job, timeout=240)
        assert (ended.status, ended.counts()["findings"]) == (JobStatus.FAILED, 2), ended.reason
        types = [event.event_type for event in home.events(job)]
        assert types.count("workflow_failed") == 1
        # Each attempt begins once, and only a lost or returned one is followed by another.
        assert types.count("workflow_started") <= types.count("job_requeued") + 1


def who_runs(
    home: Home, jobs: list[JobId], workers: list[subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes] | None:
    """A worker that has one of the jobs."""
    entries = [home.fleet.log.job(job) for job in jobs]
    owners = {entry.header.owner for entry in entries if entry.terminal is None}
    having = {int(owner.split(":")[1]) for owner in owners - {QUEUE}}
    return next((one for one in workers if one.poll() is None and one.pid in having), None)


def poisonous_project(directory: Path) -> Path:
    """A project whose hook kills the worker, which is the parent of its shell."""
    command = "['sh', '-c', 'kill -9 $PPID; sleep 60']"
    return project_of(directory, f"[tool.crackerjack.hooks.poison]\ncommand = {command}\n")


def test_jobs_end_although_workers_are_killed_all_the_time(
    fleet: FleetOfTests, home: Home, tmp_path: Path, soak: bool
) -> None:
    """By somebody, and by a job that has to be stopped before it has killed all of them."""
    count, kills, every, most = (30, 15, 4.0, 2) if soak else (8, 1, 1.0, 1)
    projects = quick_projects(tmp_path, count)
    poison = home.submit(poisonous_project(tmp_path / "poison"), "poison", max_attempts=most)
    workers = [fleet.worker() for _ in range(3)]
    try:
        jobs = [home.submit(project, "talks", "finds", max_attempts=20) for project in projects]
        for _ in range(kills):
            victim = wait_for(lambda: who_runs(home, jobs, workers), "one of them has a job")
            victim.kill()
            victim.wait()
            workers.append(fleet.worker())
            time.sleep(every)
        check_each_ended_once(home, jobs)
        requeued = [len(home.of_type(job, EventType.JOB_REQUEUED)) for job in jobs]
        assert sum(requeued) > 0
        stopped = home.ended(poison)
        assert stopped.status is JobStatus.FAILED
        assert stopped.reason.startswith(f"{most} worker")
        attempts = [one["attempt"] for one in home.of_type(poison, EventType.JOB_REQUEUED)]
        assert attempts == list(range(2, most + 1))
        assert [worker.poll() for worker in workers].count(None) == len(workers) - kills - most
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def test_jobs_end_although_the_broker_is_killed_and_comes_back(tmp_path: Path, soak: bool) -> None:
    (tmp_path / "machines").mkdir()
    with nats_server() as server:
        fleet = FleetOfTests(server, tmp_path / "machines")
        projects = quick_projects(tmp_path, 10 if soak else 4)
        with home_of(fleet.url, tmp_path / "machines") as home, fleet.workers((), ()):
            jobs = [home.submit(project, "talks", "finds") for project in projects]
            environment = fleet.environment("home")
            argv = [sys.executable, "-m", "crackerjack", "watch", jobs[-1]]
            with subprocess.Popen(
                argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as watching:
                assert watching.stdout is not None
                first = watching.stdout.readline()  # it has found its job
                for number in range(10 if soak else 2):
                    wait_for(lambda: some_run(home, jobs), "some of them run")
                    server.stop(signal.SIGKILL)
                    time.sleep(0.5 * (number % 4))  # how long it is away
                    server.start()
                check_each_ended_once(home, jobs)
                said = first + watching.communicate(timeout=60)[0]
            assert watching.returncode == 1, said
            # Nobody lost a job by that: who has it says so before another looks for what to do.
            requeued = [one for job in jobs for one in home.of_type(job, EventType.JOB_REQUEUED)]
            assert {one["reason"] for one in requeued} <= {"the broker was away"}
            assert {one["attempt"] for one in requeued} <= {1}


def some_run(home: Home, jobs: list[JobId]) -> bool:
    """Whether a worker has one of the jobs, or none is left to have."""
    over = all(home.fleet.log.job(job).terminal for job in jobs)
    return over or bool(home.fleet.leases.running())
