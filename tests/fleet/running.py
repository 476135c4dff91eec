"""Workers and submitters as processes of their own, each as if on a machine of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from crackerjack.fleet.leases import Leases
from tests.broker import NatsServer, connect

CRACKERJACK = str(Path(sys.executable).with_name("crackerjack"))


class FleetOfTests:
    """A space of a broker, and the directories of the machines that work for it."""

    def __init__(self, server: NatsServer, directory: Path) -> None:
        self._server = server
        self._space = f"t{os.urandom(6).hex()}"
        self.url = f"{server.url}/{self._space}"
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
            # A project's pytest would load all that is installed here, for seconds.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
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
            self._wait_for_workers(len(processes))
            yield processes
        finally:
            for process in processes:
                process.kill()
                process.wait()

    def _wait_for_workers(self, count: int) -> None:
        """Wait until so many are there; in this process, so as not to take from them what they start with."""
        deadline = time.monotonic() + 60
        with closing(connect(self._server, self._space)) as broker:
            leases = Leases(broker)
            while len(workers := leases.workers()) < count:
                assert time.monotonic() < deadline, workers
                time.sleep(0.02)
