"""The lock on a project: writers alone, readers together, and nobody waits in silence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from crackerjack.errors import StoreUnavailable
from crackerjack.jobs.project_lock import ProjectLock
from tests.events.writing import wait_until

ROOT = Path(__file__).parents[2]
PROJECT = "/some/project"
LONG = 30.0

HOLD = """
import sys
from crackerjack.jobs.project_lock import ProjectLock
state, project, name, how = sys.argv[1:]
with ProjectLock(state, project) as lock:
    lock.acquire(exclusive=how == "write", holder=name)
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state")


class Waiting:
    """An acquisition on a thread of its own."""

    def __init__(self, state: str, *, exclusive: bool, holder: str = "waiting") -> None:
        self.told: list[str] = []
        self.cancelled = threading.Event()
        self.result: list[bool] = []
        self.lock = ProjectLock(state, PROJECT)
        self.thread = threading.Thread(target=self._acquire, args=(exclusive, holder))
        self.thread.start()

    def _acquire(self, exclusive: bool, holder: str) -> None:
        got = self.lock.acquire(
            exclusive=exclusive,
            holder=holder,
            on_wait=self.told.append,
            cancelled=self.cancelled.is_set,
        )
        self.result.append(got)

    def has_it(self) -> bool:
        self.thread.join(LONG)
        return self.result == [True]

    def release(self) -> None:
        self.lock.release()


@contextmanager
def held(state: str, holder: str, *, exclusive: bool) -> Iterator[ProjectLock]:
    with ProjectLock(state, PROJECT) as lock:
        assert lock.acquire(exclusive=exclusive, holder=holder)
        yield lock


@contextmanager
def held_elsewhere(state: str, holder: str, how: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, state, PROJECT, holder, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("holds", "wants"), [(True, True), (True, False), (False, True)])
def test_who_writes_is_alone_and_others_are_told_for_whom_they_wait(
    state: str, holds: bool, wants: bool
) -> None:
    with held(state, "job-1", exclusive=holds):
        waiting = Waiting(state, exclusive=wants)
        wait_until(lambda: waiting.told)
        assert waiting.told == ["job-1"]
        assert waiting.result == []
    assert waiting.has_it()
    waiting.release()


def test_those_that_only_look_do_so_together(state: str) -> None:
    with ExitStack() as stack:
        for number in range(5):
            stack.enter_context(held(state, f"job-{number}", exclusive=False))


def test_another_project_is_another_lock_and_a_link_is_the_same_project(
    state: str, tmp_path: Path
) -> None:
    project, link = tmp_path / "project", tmp_path / "link"
    project.mkdir()
    link.symlink_to(project)
    with held(state, "job-1", exclusive=True), ProjectLock(state, str(project)) as lock:
        assert lock.acquire(exclusive=True, holder="job-2")
        told: list[str] = []
        with ProjectLock(state, str(link)) as other:
            assert not other.acquire(
                exclusive=True,
                holder="job-3",
                on_wait=told.append,
                cancelled=lambda: bool(told),
            )
        assert told == ["job-2"]


def test_waiting_can_be_cancelled_and_leaves_nothing(state: str) -> None:
    with held(state, "job-1", exclusive=False):
        waiting = Waiting(state, exclusive=True)
        wait_until(lambda: waiting.told)
        waiting.cancelled.set()
        waiting.thread.join(LONG)
        assert waiting.result == [False]
        with held(state, "job-2", exclusive=False):
            pass


def test_a_run_that_was_cancelled_before_takes_nothing(state: str) -> None:
    with ProjectLock(state, PROJECT) as lock:
        assert not lock.acquire(exclusive=True, holder="job-1", cancelled=lambda: True)
        with held(state, "job-2", exclusive=True):
            pass


def test_after_its_writing_a_run_lets_others_look_and_keeps_writers_out(state: str) -> None:
    with held(state, "job-1", exclusive=True) as lock:
        reader = Waiting(state, exclusive=False, holder="job-2")
        wait_until(lambda: reader.told)
        lock.downgrade()
        assert reader.has_it()
        writer = Waiting(state, exclusive=True, holder="job-3")
        wait_until(lambda: writer.told)
        reader.release()
        assert writer.result == []
    assert writer.has_it()
    writer.release()


def test_a_writer_that_waits_cannot_slip_in_where_another_stops_writing(state: str) -> None:
    for _ in range(20):
        with held(state, "job-1", exclusive=True) as lock:
            writer = Waiting(state, exclusive=True)
            wait_until(lambda writer=writer: writer.told)  # type: ignore[misc]
            lock.downgrade()
            assert writer.result == []
            writer.cancelled.set()
            writer.thread.join(LONG)


def test_readers_that_keep_coming_cannot_keep_a_writer_out(state: str) -> None:
    with held(state, "job-1", exclusive=False):
        writer = Waiting(state, exclusive=True, holder="writer")
        wait_until(lambda: writer.told)
        late = Waiting(state, exclusive=False, holder="late")
        wait_until(lambda: late.told)
        assert late.result == []
    assert writer.has_it()
    assert late.result == []
    writer.release()
    assert late.has_it()
    late.release()


def test_the_kernel_frees_the_lock_of_a_process_that_is_killed(state: str) -> None:
    with held_elsewhere(state, "theirs", "write") as process:
        waiting = Waiting(state, exclusive=True)
        wait_until(lambda: waiting.told)
        assert waiting.told == ["theirs"]
        process.send_signal(signal.SIGKILL)
        assert waiting.has_it()
    waiting.release()


def test_a_child_of_the_holder_does_not_inherit_the_lock(state: str) -> None:
    with held(state, "job-1", exclusive=True):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    with child:
        with held(state, "job-2", exclusive=True):
            pass
        child.kill()


def test_who_has_left_is_not_named(state: str) -> None:
    """Of two that look, the later is named; once it has gone, nobody is, rather than a wrong one."""
    with held(state, "early", exclusive=False):
        with held(state, "late", exclusive=False):
            pass
        waiting = Waiting(state, exclusive=True)
        wait_until(lambda: waiting.told)
        assert waiting.told == [""]
    assert waiting.has_it()
    waiting.release()


def test_a_state_directory_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        ProjectLock(str(tmp_path / "file"), PROJECT) as lock,
        pytest.raises(StoreUnavailable, match=r"cannot lock the project \(Not a directory\)"),
    ):
        lock.acquire(exclusive=True, holder="job-1")


def test_only_the_user_can_read_the_lock(state: str) -> None:
    with held(state, "job-1", exclusive=True):
        files = list(Path(state, "locks").iterdir())
        assert len(files) == 2
        assert {oct(os.stat(file).st_mode & 0o777) for file in files} == {"0o600"}
