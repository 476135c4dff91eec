"""The log between processes: they meet in one file, are killed, and run out of disk."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from crackerjack.errors import StoreUnavailable
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.hub import Hub
from crackerjack.events.payload import EventType
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.events.subscription import Subscription
from crackerjack.types import JobId
from tests.events.writing import OWNER, ended, line, new_job, text_of, wait_until

ROOT = Path(__file__).parents[2]
LONG = 60.0


@contextmanager
def writers(path: Path, names: list[str], count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that begin to write together; those that still run are killed at the end."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.events.writer_process", str(path), name, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for name in names
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_processes_that_begin_together_make_one_store(tmp_path: Path) -> None:
    path = tmp_path / "state" / "events.db"
    names = [f"job{number}" for number in range(6)]
    with writers(path, names, 400) as processes:
        assert [process.wait(LONG) for process in processes] == [0] * len(names)
    log = SqliteEventLog(path)
    expected = [str(number) for number in range(400)] + ["workflow_completed"]
    for name in names:
        events = log.read(JobId(name), 0, 1_000)
        assert [text_of(event) for event in events] == expected
        assert [event.seq for event in events] == list(range(1, 402))
    positions = [position for position, _ in log.read_all(0, 10_000)]
    assert positions == list(range(1, 401 * len(names) + 1))
    log.close()


CREATE = """
import sys, time
from crackerjack.events.sqlite_log import SqliteEventLog
from tests.events.writing import new_job
directory, name, begin = sys.argv[1], sys.argv[2], float(sys.argv[3])
for number in range(100):
    while time.time() < begin + number * 0.015:
        pass
    log = SqliteEventLog(f"{directory}/{number}/events.db")
    new_job(log, name)
    log.close()
"""


def test_a_store_may_be_created_by_many_at_the_same_moment(tmp_path: Path) -> None:
    """A hundred times, because each time but a few go well."""
    begin = str(time.time() + 1.0)
    names = [f"job{number}" for number in range(6)]
    processes = [
        subprocess.Popen([sys.executable, "-c", CREATE, str(tmp_path), name, begin], cwd=ROOT)
        for name in names
    ]
    assert [process.wait(LONG) for process in processes] == [0] * len(names)
    for number in range(100):
        log = SqliteEventLog(tmp_path / str(number) / "events.db")
        assert sorted(entry.header.job_id for entry in log.jobs()) == names
        log.close()


def test_a_job_of_another_process_is_followed_while_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    log, hub = SqliteEventLog(path), Hub()
    with writers(path, ["theirs"], 2_000):
        wait_until(log.jobs)
        events = list(Subscription(log, hub, JobId("theirs"), poll_interval=0.005))
    assert [event.seq for event in events] == list(range(1, 2_002))
    log.close()


def test_a_writer_that_is_killed_leaves_a_log_without_holes(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    job = JobId("victim")
    log = SqliteEventLog(path)
    seen: list[int] = []
    with writers(path, [job], -1) as (process,):
        wait_until(log.jobs)
        for event in Subscription(log, Hub(), job, poll_interval=0.005):
            seen.append(event.seq)
            if event.seq == 1_500:
                process.send_signal(signal.SIGKILL)
                break
        assert process.wait(LONG) == -signal.SIGKILL
    log.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    log = SqliteEventLog(path)
    assert log.take_over(job, old_owner=job, new_owner=OWNER, expires=0.0)
    log.append([ended(job)], owner=OWNER)
    events = list(Subscription(log, Hub(), job))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [text_of(event) for event in events[:-1]] == [str(n) for n in range(len(events) - 1)]
    assert seen == list(range(1, 1_501))
    assert len(events) > 1_500
    log.close()


@contextmanager
def small_disk(directory: Path) -> Iterator[None]:
    """A disk of 2 MiB mounted at `directory`; skips the test where that is not allowed."""
    mount = shutil.which("mount")
    if sys.platform != "linux" or mount is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk, on Linux")
    command = [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(directory)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def fill_up(directory: Path) -> Path:
    """Write a file until the disk is full."""
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return ballast


def test_on_a_full_disk_events_wait_and_all_come_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path):
        log, hub = SqliteEventLog(tmp_path / "events.db"), Hub()
        job = new_job(log)
        bus = WorkflowEventBus(log, hub, owner=OWNER)
        seen: list[str] = []
        bus.subscribe(None, lambda event: seen.append(text_of(event)))
        ballast = fill_up(tmp_path)
        for number in range(1_000):
            bus.publish(job, EventType.HOOK_OUTPUT, line(number))
        wait_until(lambda: bus.trouble)
        assert "disk is full" in str(bus.trouble)
        committed = [text_of(event) for event in log.read(job, 0, 2_000)]
        wait_until(lambda: seen == committed)
        assert hub.head(job) == len(committed) < 1_000
        ballast.unlink()
        wait_until(lambda: bus.trouble is None)
        bus.close()
        assert seen == [str(number) for number in range(1_000)]
        assert [text_of(event) for event in log.read(job, 0, 2_000)] == seen
        log.close()


def test_a_run_that_ends_on_a_full_disk_says_so_and_keeps_what_it_had(tmp_path: Path) -> None:
    with small_disk(tmp_path):
        path = tmp_path / "events.db"
        log = SqliteEventLog(path)
        job = new_job(log)
        bus = WorkflowEventBus(log, Hub(), owner=OWNER)
        bus.publish(job, EventType.HOOK_OUTPUT, line(0))
        bus.flush()
        ballast = fill_up(tmp_path)
        for number in range(1, 1_000):
            bus.publish(job, EventType.HOOK_OUTPUT, line(number))
        bus.close()
        assert "disk is full: free some space" in str(bus.trouble)
        log.close()
        ballast.unlink()
        log = SqliteEventLog(path)
        events = log.read(job, 0, 2_000)
        assert [text_of(event) for event in events] == [str(n) for n in range(len(events))]
        assert 1 <= len(events) < 1_000
        log.close()


def test_a_new_store_on_a_full_disk_is_explained(tmp_path: Path) -> None:
    with small_disk(tmp_path):
        ballast = fill_up(tmp_path)
        with pytest.raises(StoreUnavailable, match="disk is full"):
            SqliteEventLog(tmp_path / "events.db")
        ballast.unlink()
        log = SqliteEventLog(tmp_path / "events.db")
        new_job(log)
        log.close()


def test_at_a_limit_of_the_file_size_events_wait_too(tmp_path: Path) -> None:
    """Like a full disk or a spent quota, where no disk may be mounted: Python ignores SIGXFSZ."""
    log = SqliteEventLog(tmp_path / "events.db")
    job = new_job(log)
    bus = WorkflowEventBus(log, Hub(), owner=OWNER)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        for number in range(4_000):
            bus.publish(job, EventType.HOOK_OUTPUT, line(number))
        wait_until(lambda: bus.trouble)
        assert "cannot be read or written" in str(bus.trouble)
        assert log.job(job).head < 4_000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    bus.close()
    assert bus.trouble is None
    events = log.read(job, 0, 5_000)
    assert [text_of(event) for event in events] == [str(number) for number in range(4_000)]
    log.close()
