"""A project, a store with runs of it, a server; and nothing that a test started lives on after it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command_line import Project
from tests.mcp.clients import ERAS
from tests.mcp.store import Store
from tests.web.in_process import InProcess, in_process


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """Clients until 2025-11-25, and from 2026-07-28 on."""
    mode: str = request.param
    return mode


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path.resolve() / "project")


@pytest.fixture
def store(project: Project) -> Iterator[Store]:
    store = Store(project.root)
    yield store
    store.close()


@pytest.fixture
def server(project: Project) -> Iterator[InProcess]:
    with in_process(roots=[str(project.root)]) as served:
        yield served


@pytest.fixture(autouse=True)
def _nothing_lives_on(_own_surroundings: None) -> Iterator[None]:
    yield
    for pid in processes():
        os.kill(pid, signal.SIGKILL)


def processes() -> list[int]:
    """The processes that work on the store of the test: servers, runs, and the tools of these."""
    mark = f"CRACKERJACK_STATE_DIR={os.environ['CRACKERJACK_STATE_DIR']}"
    if not os.path.exists("/proc/self/environ"):
        argv = ["ps", "-A", "-E", "-ww", "-o", "pid=,command="]
        listed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        found = [int(line.split()[0]) for line in listed.splitlines() if mark in line]
    else:
        pids = [int(pid) for pid in os.listdir("/proc") if pid.isdecimal()]
        found = [pid for pid in pids if mark in _environment(pid)]
    return [pid for pid in found if pid != os.getpid()]


def _environment(pid: int) -> list[str]:
    try:
        return Path("/proc", str(pid), "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it ended a moment ago, or is not ours
        return []
