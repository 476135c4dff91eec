"""Who submits jobs and looks at them, in the test's own process; the workers are others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from crackerjack.config import load_config
from crackerjack.errors import StoreUnavailable
from crackerjack.events.broker_address import broker_address
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.payload import EventType
from crackerjack.fleet.bundle import pack
from crackerjack.fleet.queued_job import QueuedJob
from crackerjack.fleet.submission import submit
from crackerjack.fleet_container import Fleet, open_fleet
from crackerjack.jobs.snapshot import JobSnapshot, fold
from crackerjack.types import JobId
from crackerjack.workflow.options import RunOptions

PATIENCE: Final = 90.0
"""Seconds: a busy machine is no failure."""


def wait_for(condition: Callable[[], Any], what: str, timeout: float = PATIENCE) -> Any:
    """The first true value of the condition; a broker that is away is asked again."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except StoreUnavailable:
            pass
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout:.0f} s: {what}")


class Gates:
    """Hooks that say that they have begun, and wait until they may end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir()

    def hook(self, name: str, *, said: str = "", strategy: str = "fast") -> str:
        """The table of a hook that has to be let through."""
        began, gate = self._directory / f"{name}.began", self._directory / f"{name}.open"
        script = f"echo $$ >> {began}; {said} while [ ! -e {gate} ]; do sleep 0.05; done"
        return _table(name, script, strategy)

    def begun(self, name: str) -> list[int]:
        """The processes of the hook, one for each time that it was begun."""
        try:
            return [int(line) for line in (self._directory / f"{name}.began").read_text().split()]
        except FileNotFoundError:
            return []

    def wait(self, name: str, times: int = 1) -> int:
        """Wait until it has begun so often; the process of the last one."""
        wait_for(lambda: len(self.begun(name)) >= times, f"{name} begins {times} times")
        return self.begun(name)[-1]

    def open(self, name: str) -> None:
        """Let it end, now and whenever it is begun again."""
        (self._directory / f"{name}.open").touch()


def finding_hook(name: str, strategy: str = "fast") -> str:
    """The table of a hook that finds two things at once."""
    script = f"echo {name}.py:1:1: one; echo {name}.py:2:1: two"
    pattern = "^(?P<path>[^: ]+):(?P<line>\\\\d+):(?P<column>\\\\d+): (?P<message>.*)$"
    return _table(name, script, strategy) + f'parser = "regex"\npattern = "{pattern}"\n'


def _table(name: str, script: str, strategy: str) -> str:
    return (
        f"[tool.crackerjack.hooks.{name}]\ncommand = ['sh', '-c', '{script}']\n"
        f'strategy = "{strategy}"\n'
    )


def project_of(directory: Path, *tables: str, settings: str = "") -> Path:
    """A project with these hooks."""
    directory.mkdir(exist_ok=True)
    head = f'[project]\nname = "sample"\nversion = "1"\n[tool.crackerjack]\n{settings}\n'
    (directory / "pyproject.toml").write_text(head + "".join(tables))
    return directory


class Home:
    """A submitter."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet: Final = fleet

    def submit(self, project: Path, *hooks: str, **settings: Any) -> JobId:
        """Queue a run of these hooks that only looks."""
        job = self.job(project, *hooks, **settings)
        submit(self.fleet.log, self.fleet.queue, job, "standard")
        return job.job_id

    def job(self, project: Path, *hooks: str, **settings: Any) -> QueuedJob:
        """What such a run is in the queue."""
        config = load_config(str(project), environment={}, overrides={})
        settings = {"max_attempts": config.fleet.max_attempts, **settings}
        return QueuedJob(
            job_id=JobId(os.urandom(5).hex()),
            project=str(project),
            bundle=pack(str(project), self.fleet.objects, config.bundle).name,
            options=RunOptions(hooks=hooks, skip_cleaning=True),
            overrides={"check": True, "cache": False},
            most_at_once=config.fleet.max_running,
            **settings,
        )

    def events(self, job_id: JobId) -> list[WorkflowEvent]:
        """All events of a job: without a hole, and the last one ends it if one does."""
        events = self.fleet.log.read(job_id, 0, 1_000_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert not any(event.terminal for event in events[:-1])
        return events

    def of_type(self, job_id: JobId, event_type: EventType) -> list[dict[str, Any]]:
        """The data of those events."""
        return [one.data for one in self.events(job_id) if one.event_type == event_type]

    def snapshot(self, job_id: JobId) -> JobSnapshot:
        return fold(self.events(job_id), job_id=job_id)

    def ended(self, job_id: JobId, timeout: float = PATIENCE) -> JobSnapshot:
        """What the job came to, once it and its place in the queue are gone."""
        log, queue = self.fleet.log, self.fleet.queue
        wait_for(lambda: log.job(job_id).terminal, f"job {job_id} ends", timeout)
        wait_for(lambda: queue.find(job_id) is None, f"job {job_id} leaves the queue")
        return self.snapshot(job_id)

    def worker_of(self, job_id: JobId) -> int:
        """The process that has the job."""
        return int(self.fleet.log.job(job_id).header.owner.split(":")[1])


@contextmanager
def home_of(url: str, state: Path) -> Iterator[Home]:
    """Connect to the space of some workers."""
    environment = {**os.environ, "CRACKERJACK_STATE_DIR": str(state)}
    with open_fleet(broker_address(url, {}), environment, role="test") as fleet:
        yield Home(fleet)


def is_running(pid: int) -> bool:
    """Whether a process lives."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False
