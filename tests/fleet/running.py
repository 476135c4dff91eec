"""Workers and submitters as processes of their own, each as if on a machine of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.broker import NatsServer

CRACKERJACK = str(Path(sys.executable).with_name("crackerjack"))


class FleetOfTests:
    """A space of a broker, and the directories of the machines that work for it."""

    def __init__(self, server: NatsServer, directory: Path) -> None:
        self.url = f"{server.url}/t{os.urandom(6).hex()}"
        self._directory = directory
        self._machines = 0

    def environment(self, machine: str) -> dict[str, str]:
        """Of a process on that machine."""
        directory = self._directory / machine
        directory.mkdir(exist_ok=True)
        inherited = {key: value for key, value in os.environ.items() if key != "CI"}
        return {
            **inherited,
            "CRACKERJACK_STATE_DIR": str(directory),
            "CRACKERJACK_BROKER": self.url,
        }

    def crackerjack(
        self, *arguments: str, cwd: Path | None = None, check: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command at home; with `check`, it must end with this exit code."""
        done = subprocess.run(
            [CRACKERJACK, *arguments],
            cwd=cwd or self._directory,
            env=self.environment("home"),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert check is None or done.returncode == check, done.stdout + done.stderr
        return done

    def worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a worker on a new machine."""
        self._machines += 1
        environment = self.environment(f"worker{self._machines}")
        with open(os.path.join(environment["CRACKERJACK_STATE_DIR"], "log"), "wb") as log:
            return subprocess.Popen(
                [CRACKERJACK, "worker", *arguments],
                env=environment,
                stderr=log,
                start_new_session=True,
            )

    @contextmanager
    def workers(self, *each: tuple[str, ...]) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Workers with these arguments, ready for work, until the block ends."""
        processes = [self.worker(*arguments) for arguments in each]
        try:
            self.wait_for(lambda state: len(state["workers"]) >= len(processes))
            yield processes
        finally:
            for process in processes:
                process.kill()
                process.wait()

    def queue(self) -> dict[str, Any]:
        """What ``crackerjack queue`` says."""
        found: dict[str, Any] = json.loads(self.crackerjack("queue", "--json").stdout)
        return found

    def wait_for(self, condition: Any, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until the queue is as it should be, and return it."""
        deadline = time.monotonic() + timeout
        while not condition(state := self.queue()):
            assert time.monotonic() < deadline, state
            time.sleep(0.1)
        return state

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """The events of a job, checked to be whole so far."""
        said = self.crackerjack("events", job_id).stdout
        events = [json.loads(line) for line in said.splitlines()]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        return events
