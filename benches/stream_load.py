"""Clients of a streaming server: many sockets, one thread, as little work as counting takes."""

from __future__ import annotations

import os
import re
import selectors
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Final

from benches.projects import ROOT, environment

MARK: Final = b'"event_type":"diagnostic_found"'
SPACED: Final = b'"event_type": "diagnostic_found"'  # as json.dumps writes it
_TIME: Final = re.compile(rb'"data": ?\{"timestamp": ?([0-9.]+)')
PATIENCE: Final = 60.0  # seconds for the next byte


class Server:
    """A server of :mod:`benches.stream_servers` in a process of its own, on the first core."""

    def __init__(
        self,
        argv: Sequence[str],
        mark: bytes = MARK,
        *,
        listens: bool = True,
        **variables: str,
    ) -> None:
        self.port = _free_port()
        self.mark = mark
        self._process = subprocess.Popen(
            [*argv, str(self.port)],
            cwd=ROOT,
            env={**environment(), **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        deadline = time.monotonic() + PATIENCE
        while listens and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        if listens:
            raise RuntimeError(f"{argv} does not listen")

    def tell(self, command: str) -> None:
        """Give a command; its answer is read by :meth:`answer`."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def rss(self) -> int:
        """Resident KiB."""
        self.tell("rss")
        return int(self.answer())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def connect(port: int, query: str = "since=0") -> socket.socket:
    """A WebSocket client after its handshake."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(
        f"GET /ws/progress/bench?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += client.recv(1)
    if b" 101 " not in answer.partition(b"\r\n")[0]:
        raise RuntimeError(answer.decode("latin-1"))
    return client


class Load:
    """Reads from many clients at once, counting events also across the borders of reads."""

    def __init__(self, clients: Sequence[socket.socket], mark: bytes) -> None:
        self._selector = selectors.DefaultSelector()
        self._rest: dict[socket.socket, bytes] = {}
        self._mark = mark
        self.counts: dict[socket.socket, int] = {}
        self.delays: list[float] = []
        for client in clients:
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ)
            self._rest[client], self.counts[client] = b"", 0

    def read_until(self, each: int, *, timed: bool = False) -> None:
        """Until every client has so many events; raises :exc:`RuntimeError` when they don't come."""
        missing = {client for client, count in self.counts.items() if count < each}
        while missing:
            ready = self._selector.select(PATIENCE)
            if not ready:
                got = min(self.counts.values())
                raise RuntimeError(f"{got} of {each} events came, and no more")
            for key, _ in ready:
                client = key.fileobj
                assert isinstance(client, socket.socket)
                self._take(client, timed)
                if self.counts[client] >= each:
                    missing.discard(client)
        if max(self.counts.values()) != each:
            raise RuntimeError(f"more than {each} events came: some came twice")

    def _take(self, client: socket.socket, timed: bool) -> None:
        data = self._rest[client] + client.recv(1 << 20)
        self.counts[client] += data.count(self._mark)
        if timed:
            now = time.time()
            self.delays += [now - float(found) for found in _TIME.findall(data)]
            self._rest[client] = b""  # paced: what comes at once is whole
        else:
            self._rest[client] = data[1 - len(self._mark) :]

    def close(self) -> None:
        for client in self.counts:
            client.close()
        self._selector.close()


def timed(action: Callable[[], object]) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def on_the_other_core() -> None:
    """Keep the load off the server's core."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
