"""Leases: a job whose process is gone is ended by another, and no other job ever is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from crackerjack.errors import JobEnded
from crackerjack.events import payload as events
from crackerjack.events.event import draft
from crackerjack.events.log import EventLog
from crackerjack.events.memory_log import MemoryEventLog
from crackerjack.events.payload import EventType, FileFixed, WorkflowEnded
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.jobs import lease as lease_module
from crackerjack.jobs.lease import LEASE_SECONDS, Lease, end_lost_jobs
from crackerjack.jobs.process_identity import identity_of, this_process
from crackerjack.types import JobId
from tests.events.writing import STEP, ended, finding, header, new_job, said, wait_until

ME = this_process()
ELSEWHERE = "another-host:1:1"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = SqliteEventLog(tmp_path / "events.db")
    yield log
    log.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "_LOOK_EVERY", 0.005)
    monkeypatch.setattr(lease_module, "_RENEW_EVERY", 0.01)


class Heard:
    """What a lease called."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.lost = 0

    def on_cancel(self) -> None:
        self.cancelled += 1

    def on_lost(self) -> None:
        self.lost += 1


@contextmanager
def kept(log: EventLog, job: JobId, owner: str = ME) -> Iterator[Heard]:
    heard = Heard()
    with Lease(log, job, owner=owner, on_cancel=heard.on_cancel, on_lost=heard.on_lost):
        yield heard


@contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        try:
            yield child
        finally:
            child.kill()


def name_of(child: subprocess.Popen[bytes]) -> str:
    name = identity_of(child.pid)
    assert name is not None
    return name


# -- keeping


@pytest.mark.usefixtures("quick")
def test_a_lease_is_renewed_while_the_block_runs(log: EventLog) -> None:
    job = JobId("job")
    log.create_job(header(job, owner=ME), 0.0)
    with kept(log, job) as heard:
        wait_until(lambda: log.job(job).lease_expires > time.time() + LEASE_SECONDS / 2)
        first = log.job(job).lease_expires
        wait_until(lambda: log.job(job).lease_expires > first)
    last = log.job(job).lease_expires
    time.sleep(0.05)
    assert log.job(job).lease_expires == last
    assert (heard.cancelled, heard.lost) == (0, 0)


@pytest.mark.usefixtures("quick")
def test_a_cancellation_is_heard_once(log: EventLog) -> None:
    job = new_job(log, owner=ME)
    with kept(log, job) as heard:
        log.request_cancel(job)
        wait_until(lambda: heard.cancelled)
        time.sleep(0.05)
    assert (heard.cancelled, heard.lost) == (1, 0)


def test_a_cancellation_is_heard_within_a_second(log: EventLog) -> None:
    job = new_job(log, owner=ME)
    with kept(log, job) as heard:
        log.request_cancel(job)
        wait_until(lambda: heard.cancelled, timeout=2.0)


@pytest.mark.usefixtures("quick")
def test_a_job_that_was_taken_over_is_lost(log: EventLog) -> None:
    job = new_job(log, owner=ME)
    with kept(log, job) as heard:
        log.take_over(job, old_owner=ME, new_owner=ELSEWHERE, expires=99.0)
        wait_until(lambda: heard.lost)
        time.sleep(0.05)
    assert (heard.cancelled, heard.lost) == (0, 1)
    assert log.job(job).lease_expires == 99.0


@pytest.mark.usefixtures("quick")
def test_a_job_that_was_ended_and_forgotten_is_lost(log: EventLog) -> None:
    job = new_job(log, owner=ME)
    with kept(log, job) as heard:
        log.append([ended(job)], owner=ME)
        log.delete_jobs([job])
        wait_until(lambda: heard.lost)
    assert heard.lost == 1


@pytest.mark.usefixtures("quick")
def test_the_end_of_the_job_itself_is_no_loss(log: EventLog) -> None:
    job = new_job(log, owner=ME)
    with kept(log, job) as heard:
        log.append([ended(job)], owner=ME)
        time.sleep(0.1)
    assert (heard.cancelled, heard.lost) == (0, 0)


@pytest.mark.usefixtures("quick")
def test_a_callback_may_leave_the_block(log: EventLog) -> None:
    job = new_job(log, owner=ME)
    left = threading.Event()

    def leave() -> None:
        lease.__exit__(None, None, None)
        left.set()

    lease = Lease(log, job, owner=ME, on_cancel=leave, on_lost=leave)
    with lease:
        log.request_cancel(job)
        assert left.wait(30)


# -- ending lost jobs


def test_a_job_whose_process_was_killed_is_ended_at_once(log: EventLog) -> None:
    with process() as child:
        job = new_job(log, owner=name_of(child))
        log.append([said(job, 1)], owner=name_of(child))
        assert end_lost_jobs(log, now=time.time()) == []
        owner = name_of(child)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert end_lost_jobs(log, now=time.time()) == [job]
    last = log.read(job, 1, 10)
    assert [event.event_type for event in last] == ["workflow_interrupted"]
    payload = last[0].payload
    assert isinstance(payload, WorkflowEnded)
    assert (payload.success, payload.exit_code, payload.reason) == (False, 130, "runner_lost")
    assert payload.duration >= 0
    with pytest.raises(JobEnded):
        log.append([said(job, 2)], owner=owner)
    assert end_lost_jobs(log, now=time.time()) == []


def test_a_lost_job_ends_with_what_it_had_found(log: EventLog) -> None:
    """The numbers of its last event are those of its log, as for any job that ends."""
    job = JobId("theirs")
    log.create_job(header(job, owner=ELSEWHERE), 1_000.0)
    failed = events.TestCompleted(
        step_id=STEP, hook="tests", nodeid="test_it.py::test", outcome="failed", duration=0.1
    )
    fixed = FileFixed(step_id=STEP, hook="ruff-format", path="a.py")
    log.append(
        [
            *(draft(job, EventType.DIAGNOSTIC_FOUND, finding(str(n))) for n in range(1500)),
            draft(job, EventType.TEST_COMPLETED, failed),
            draft(job, EventType.TEST_COMPLETED, msgspec.structs.replace(failed, outcome="error")),
            draft(job, EventType.TEST_COMPLETED, msgspec.structs.replace(failed, outcome="passed")),
            draft(job, EventType.FILE_FIXED, fixed),
        ],
        owner=ELSEWHERE,
    )
    assert end_lost_jobs(log, now=1_001.0) == [job]
    ((event,), head) = log.read(job, 1504, 10), log.job(job).head
    assert head == event.seq == 1505
    payload = event.payload
    assert isinstance(payload, WorkflowEnded)
    assert (payload.findings, payload.tests_failed, payload.fixed) == (1500, 2, 1)


def test_a_process_that_is_stopped_keeps_its_job_whatever_its_lease_says(log: EventLog) -> None:
    with process() as child:
        job = new_job(log, owner=name_of(child))
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        assert end_lost_jobs(log, now=time.time() + 1e6) == []
        assert log.job(job).terminal is None


def test_on_another_host_the_lease_speaks_for_the_process(log: EventLog) -> None:
    job = JobId("theirs")
    log.create_job(header(job, owner=ELSEWHERE), 1_000.0)
    assert end_lost_jobs(log, now=999.0) == []
    assert end_lost_jobs(log, now=1_001.0) == [job]
    assert log.job(job).terminal == "workflow_interrupted"


def test_jobs_that_have_ended_are_left_alone(log: EventLog) -> None:
    job = new_job(log, owner=ELSEWHERE)
    log.append([ended(job)], owner=ELSEWHERE)
    assert end_lost_jobs(log, now=time.time() + 1e6) == []
    assert log.job(job).head == 1


def test_of_many_that_look_one_ends_the_job() -> None:
    log = MemoryEventLog()
    for number in range(20):
        log.create_job(header(JobId(f"job{number}"), owner=ELSEWHERE), 0.0)
    found: list[JobId] = []
    start = threading.Barrier(8)

    def look(name: int) -> None:
        start.wait()
        found.extend(end_lost_jobs(log, now=time.time()))

    threads = [threading.Thread(target=look, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(f"job{number}" for number in range(20))
    assert all(entry.head == 1 for entry in log.jobs())
