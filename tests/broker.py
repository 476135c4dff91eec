"""A NATS server of the tests' own, from the wheel with its program."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crackerjack.events.broker import Broker
from crackerjack.events.broker_address import BrokerAddress


class NatsServer:
    """A server with JetStream in a directory; it can be killed and started again."""

    def __init__(self, directory: Path, config: str = "", *, jetstream: bool = True) -> None:
        self._directory = directory
        self.port = _free_port()
        self._config = directory / "server.conf"
        self.store = directory / "js"
        """Where its streams are."""
        store = json.dumps(str(self.store))
        stores = f"jetstream {{ store_dir: {store} }}\n" if jetstream else ""
        self._config.write_text(f'listen: "127.0.0.1:{self.port}"\n{stores}{config}\n')
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        program = Path(sys.executable).with_name("nats-server")
        with (self._directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", self._config], stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 20
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self._directory / "server.log").read_text())
            time.sleep(0.01)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def log(self) -> str:
        """What the server has said."""
        return (self._directory / "server.log").read_text()

    def signal(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as client:
                client.settimeout(1)
                return client.recv(4) == b"INFO"
        except OSError:
            return False


@contextmanager
def nats_server(config: str = "", *, jetstream: bool = True) -> Iterator[NatsServer]:
    """A running server with an empty store."""
    directory = Path(tempfile.mkdtemp(prefix="nats-"))
    server = NatsServer(directory, config, jetstream=jetstream)
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGKILL)
        shutil.rmtree(directory, ignore_errors=True)


def connect(server: NatsServer, space: str | None = None) -> Broker:
    """A connection to a space that nobody else uses, unless it is named."""
    name = space or f"t{os.urandom(6).hex()}"
    return Broker(BrokerAddress(url=server.url, space=name))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
