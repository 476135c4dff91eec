"""A real server in a process of its own, and a writer to its store in ours."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.hub import Hub
from crackerjack.events.log import EventLog, JobHeader
from crackerjack.events.payload import (
    DiagnosticFound,
    EventType,
    HookOutput,
    WorkflowEnded,
)
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.jobs.process_identity import identity_of, this_process
from crackerjack.types import JobId
from tests.web.contract import CheckedClient, CheckedConnection

SECONDS: Final = 30.0
"""For something to happen, on a machine however busy."""
STEP: Final = "run_fast_hooks_001"


class Server:
    """A server on this machine, and clients of it that take only what the documents describe."""

    def __init__(self, port: int, path: str = "") -> None:
        self.port = port
        self.http = f"http://127.0.0.1:{port}{path}"
        self.ws = f"ws://127.0.0.1:{port}{path}"

    def connect(self, path: str, **options: Any) -> ClientConnection:
        """Open a WebSocket."""
        connection: ClientConnection = connect(
            self.ws + path,
            open_timeout=SECONDS,
            max_size=None,
            max_queue=None,
            create_connection=CheckedConnection,
            **options,
        )
        return connection

    def client(self, **options: Any) -> CheckedClient:
        """An HTTP client, to be closed."""
        return CheckedClient(base_url=self.http, timeout=SECONDS, **options)


class Served(Server):
    """A running ``crackerjack serve``."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        super().__init__(port)
        self.process = process

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@contextmanager
def serving(
    *arguments: str,
    cwd: Path | None = None,
    port: int = 0,
    prefix: Sequence[str] = (),
    own_session: bool = False,
    **env: str,
) -> Iterator[Served]:
    """Serve the store of ``CRACKERJACK_STATE_DIR`` while the block runs; `prefix` starts the command.

    With `own_session` a signal can be sent to all of it and not to the tests; but when those are
    killed, it stays.
    """
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "crackerjack", "serve", "--port", str(port), *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, **env},
        start_new_session=own_session,
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r":(\d+) ", line)
        assert found, line + process.stderr.read()
        yield Served(process, int(found[1]))
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def free_port() -> int:
    """A port for a server that goes and comes back: below those that outgoing connections get.

    Else one might get it by chance meanwhile. A client that tries to come back might even be connected
    to itself.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


class Writer:
    """Writes jobs as ``crackerjack run`` does, in the process of the tests."""

    def __init__(self, log: EventLog | None = None) -> None:
        path = Path(os.environ["CRACKERJACK_STATE_DIR"], "store.db")
        self.owner = this_process()
        self.log = log or SqliteEventLog(path)
        self.bus = WorkflowEventBus(self.log, Hub(), owner=self.owner)

    def job(
        self, name: str = "job123", *, project: str = "/project", owner: str | None = None
    ) -> JobId:
        """Create a job; that of another process has another `owner`."""
        job_id = JobId(name)
        header = JobHeader(
            job_id=job_id,
            project=project,
            workflow="standard",
            created=time.time(),
            owner=owner or self.owner,
        )
        self.log.create_job(header, time.time() + 3600)
        return job_id

    def publish(self, job_id: JobId, count: int = 1, *, text: str = "a finding") -> None:
        """Publish some events, findings and output in turn, and wait for their commit."""
        for number in range(count):
            if number % 5 == 4:
                said = HookOutput(step_id=STEP, hook="ruff-check", stream="stdout", text=text)
                self.bus.publish(job_id, EventType.HOOK_OUTPUT, said)
            else:
                self.bus.publish(job_id, EventType.DIAGNOSTIC_FOUND, finding(text, number))
        self.bus.flush(SECONDS)

    def end(self, job_id: JobId) -> None:
        """Publish the terminal event."""
        ended = WorkflowEnded(success=True, duration=1.0, exit_code=0)
        self.bus.publish(job_id, EventType.WORKFLOW_COMPLETED, ended)
        self.bus.flush(SECONDS)

    def events(self, job_id: JobId) -> list[bytes]:
        """The job's log, each event as JSON."""
        return [event.to_json() for event in self.log.read(job_id, 0, 1_000_000)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Commit what was published, and let go of the store."""
        self.bus.close()
        self.log.close()


def ended_process() -> str:
    """The identity of a process that is gone, to be the owner of jobs that are lost."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        identity = identity_of(process.pid)
    assert identity is not None
    return identity


def received(connection: ClientConnection) -> tuple[list[bytes], int, str]:
    """Every message until the server closes; the close code and reason."""
    messages: list[bytes] = []
    while True:
        try:
            messages.append(connection.recv(SECONDS, decode=False))
        except ConnectionClosed as closed:
            if closed.rcvd is None:
                raise
            return messages, closed.rcvd.code, closed.rcvd.reason


def handshake(path: str, host: str = "localhost") -> bytes:
    """What a WebSocket client asks with: for tests that go on as no library would."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def stalled_socket(port: int, job_id: JobId) -> socket.socket:
    """A client that shakes hands and then reads nothing."""
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sendall(handshake(f"/ws/progress/{job_id}?since=0"))
    assert client.recv(1).startswith(b"H")
    return client


def finding(text: str, number: int) -> DiagnosticFound:
    return DiagnosticFound(
        step_id=STEP,
        hook="ruff-check",
        path="src/package/module.py",
        line=number + 1,
        column=1,
        code="E501",
        severity="error",
        message=text,
        fixable=False,
        fingerprint=f"{number:024x}",
    )


def decoded(message: str | bytes) -> Any:
    return msgspec.json.decode(message)
