"""``kill -9`` of the runner and of the server at random moments: no client misses an event."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from crackerjack.errors import UnknownJob
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.log import JobEntry
from crackerjack.types import JobId
from tests.web.followers import Following
from tests.web.serving import SECONDS, Writer, free_port, serving
from tests.web.waiting import until

LOST_WITHIN: Final = 15.0
"""Seconds after which a killed run must have ended for its clients, and its processes too."""
MARK: Final = "CRACKERJACK_TEST_ROUND"
"""In the environment of a run, and so in that of every process it starts."""

HOOKS: Final = {
    # One says little and often, one says much at once, and one has a child that outlives it.
    "chatty": 'for n in $(seq 60); do echo "line $n"; sleep 0.01; done',
    "burst": "for n in 1 2 3 4; do seq 20000 20999; sleep 0.2; done",
    "slow": "trap '' TERM; sleep 300 & sleep 0.8; kill $!",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    text = '[project]\nname = "sample"\nversion = "1"\n'
    for hook, script in HOOKS.items():
        (project / f"{hook}.sh").write_text(script)
        table = f"[tool.crackerjack.hooks.{hook}]"
        text += f'{table}\ncommand = ["sh", "{hook}.sh"]\nstrategy = "fast"\n'
    (project / "pyproject.toml").write_text(text)
    return project


class MortalServer:
    """A server that is killed, and started again on its port."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.kills = 0
        self._port = port
        self._stack = ExitStack()

    def start(self) -> None:
        self._served = self._stack.enter_context(serving(port=self._port))

    def kill(self) -> None:
        process = self._served.process
        assert process.poll() is None, "the server ended by itself"
        process.kill()
        process.wait()
        assert process.stderr is not None
        said = process.stderr.read()
        self._stack.close()
        assert said == ""  # such as a traceback
        self.kills += 1

    async def kill_at_random(self, moments: random.Random, times: int) -> None:
        """Kill it so many times, each time for a short while."""
        for _ in range(times):
            await asyncio.sleep(moments.uniform(0, 0.5))
            self.kill()
            await asyncio.sleep(moments.uniform(0, 0.3))
            await asyncio.to_thread(self.start)


@pytest.fixture
def server() -> Iterator[MortalServer]:
    server = MortalServer(free_port())
    server.start()
    yield server
    server.kill()


class Run:
    """A ``crackerjack run`` in a process of its own."""

    def __init__(self, project: Path, job_id: JobId, said: Path) -> None:
        self.job_id = job_id
        self.killed_at: float | None = None
        self.processes_when_killed = 0
        self._said = said
        argv = [sys.executable, "-m", "crackerjack", "run", "--check", "--no-cache"]
        argv += ["--job-id", job_id, *(f"--hook={hook}" for hook in HOOKS)]
        self._mark = f"{project}:{job_id}"
        with said.open("w") as out:
            self._process = subprocess.Popen(
                argv,
                cwd=project,
                env={**os.environ, MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    async def kill(self, log: Writer, after: float) -> None:
        """Kill it some time after the job has begun, and wait for what others make of that."""
        await until(lambda: entry_of(log, self.job_id) is not None)
        await asyncio.sleep(after)
        self.processes_when_killed = len(self.processes())
        self.killed_at = time.time()
        self._process.kill()
        await until(lambda: self.ended(log), LOST_WITHIN)

    async def wait(self, log: Writer) -> None:
        """Wait until it has ended by itself."""
        await until(lambda: self._process.poll() is not None and self.ended(log))

    def ended(self, log: Writer) -> bool:
        """Whether the log says so, and nothing of it lives."""
        self._process.poll()
        entry = entry_of(log, self.job_id)
        return entry is not None and entry.terminal is not None and not self.processes()

    def processes(self) -> list[str]:
        """The process ids of the run and of all that it started, directly or not."""
        mark = f"{MARK}={self._mark}"
        if not os.path.exists("/proc/self/environ"):
            argv = ["ps", "-A", "-E", "-ww", "-o", "pid=,command="]
            listed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
            return [line.split()[0] for line in listed.splitlines() if mark in line]
        return [pid for pid in os.listdir("/proc") if pid.isdecimal() and mark in environment(pid)]

    def check_end(self, last: WorkflowEvent) -> bool:
        """See that the last event says what happened; returns whether the run was lost."""
        data = last.data
        code = self._process.wait()
        assert "Traceback" not in self._said.read_text()
        if last.event_type == "workflow_interrupted":
            assert (code, data["reason"]) == (-signal.SIGKILL, "runner_lost")
            return True
        assert last.event_type == "workflow_completed", data
        assert code in {0, -signal.SIGKILL}
        assert self.killed_at is None or last.timestamp <= self.killed_at
        return False


def environment(pid: str) -> list[str]:
    try:
        return Path("/proc", pid, "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it ended a moment ago, or is not ours
        return []


def entry_of(log: Writer, job_id: JobId) -> JobEntry | None:
    try:
        return log.log.job(job_id)
    except UnknownJob:
        return None


async def one_round(
    server: MortalServer, run: Run, log: Writer, moments: random.Random, killed: str
) -> Following:
    """Follow the run while it or the server is killed, or both are; until all clients have its end."""
    following = Following()
    async with asyncio.timeout(3 * SECONDS), asyncio.TaskGroup() as group:
        following.start(group, server.url, run.job_id)
        if "server" in killed:
            group.create_task(server.kill_at_random(moments, moments.randint(1, 2)))
        if "runner" in killed:
            group.create_task(run.kill(log, moments.uniform(0, 0.8)))
        else:
            group.create_task(run.wait(log))
    return following


def test_who_is_killed_costs_no_client_an_event(
    project: Path, server: MortalServer, writer: Writer, tmp_path: Path, seed: str, soak: bool
) -> None:
    runs, lost = [], 0
    for number in range(50 if soak else 3):
        killed = ("runner", "server", "runner and server")[number % 3]
        print(f"round {number}: {killed}")
        run = Run(project, JobId(f"round-{number}"), tmp_path / "said")
        runs.append(run)
        moments = random.Random(f"{seed}/{number}")
        following = asyncio.run(one_round(server, run, writer, moments, killed))
        events = writer.log.read(run.job_id, 0, 1_000_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.seq for event in events if event.terminal] == [len(events)]
        lost += run.check_end(events[-1])
        following.expect(writer.events(run.job_id))
    assert lost
    assert server.kills
    # The runner, its guardian and two processes of a hook at least: else their end shows nothing.
    assert max(run.processes_when_killed for run in runs) >= 4
