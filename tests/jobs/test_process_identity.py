"""A process has a name that no other ever has, and the system knows whether it lives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crackerjack.jobs import process_identity
from crackerjack.jobs.process_identity import identity_of, is_alive, this_process


@pytest.fixture(params=["proc", "ps"], autouse=True)
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to ask, where the system has them."""
    if request.param == "proc" and not os.path.exists("/proc/self/stat"):
        pytest.skip("this system has no /proc")
    if request.param == "ps":
        if shutil.which("ps") is None:
            pytest.skip("this system has no ps")
        monkeypatch.setattr(process_identity, "_start", process_identity._start_by_ps)


@contextmanager
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_this_process_lives_and_keeps_its_name() -> None:
    assert this_process() == this_process()
    assert is_alive(this_process()) is True
    host, pid, start = this_process().split(":")
    assert (host, pid) == (os.uname().nodename, str(os.getpid()))
    assert start


def test_a_process_that_ended_is_dead_also_while_nobody_asked_how() -> None:
    with child() as process:
        name = identity_of(process.pid)
        assert name is not None
        assert is_alive(name) is True
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_alive(name) is False
        process.wait()
        assert is_alive(name) is False
        assert identity_of(process.pid) is None


def test_a_process_that_is_stopped_lives() -> None:
    with child() as process:
        name = identity_of(process.pid)
        assert name is not None
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert is_alive(name) is True


def test_another_process_with_the_same_number_is_another() -> None:
    host, pid, start = this_process().split(":")
    assert is_alive(f"{host}:{pid}:{start}0") is False


@pytest.mark.parametrize("name", ["elsewhere:1:1", "", "nonsense", "elsewhere:x:1"])
def test_of_another_host_nothing_can_be_told(name: str) -> None:
    assert is_alive(name) is None
