"""Clients of a streaming server: many sockets, one thread, as little work as counting takes."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Final

from benches.projects import ROOT, environment

MARK: Final = b'"event_type":"diagnostic_found"'
_TIME: Final = re.compile(rb'"data":\{"timestamp":([0-9.]+)')
_PING: Final = b"\x89"
"""How a ping begins, uvicorn's with the length 4; one byte, as longer ones are slow to find. In what comes
with events only a length may look so, and then the answer means nothing."""
Delays = list[tuple[float, float]]
"""When each event was published, in seconds since the epoch, and how long it took, in seconds."""
PATIENCE: Final = 60.0  # seconds for the next byte


class Server:
    """A server of :mod:`benches.stream_servers` in a process of its own, on the first core."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        listens: bool = True,
        **variables: str,
    ) -> None:
        self.port = _free_port()
        self._directory = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [*argv, str(self.port)],
            cwd=ROOT,
            env={**environment(), "TMPDIR": self._directory.name, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            process_group=0,
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

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def tell(self, command: str) -> None:
        """Give a command; its answer is read by :meth:`answer`."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def publish(self, events: int) -> None:
        """Publish so many and wait for their commit."""
        for command in (f"burst {events}", "settle"):
            self.tell(command)
            self.answer()

    def rss(self) -> int:
        """Resident KiB."""
        self.tell("rss")
        return int(self.answer())

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._directory.cleanup()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def connect(port: int, query: str = "since=0", path: str = "/ws/progress/bench") -> socket.socket:
    """A WebSocket client after its handshake."""
    return connect_at_once(port, [query], path)[0]


def connect_at_once(
    port: int, queries: Sequence[str], path: str = "/ws/progress/bench"
) -> list[socket.socket]:
    """WebSocket clients after their handshakes, all of which were asked for before the first answer."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in queries]
    for client, query in zip(clients, queries, strict=True):
        client.sendall(
            f"GET {path}?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
    for client in clients:
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer = client.recv(4096, socket.MSG_PEEK)
        head, _, _ = answer.partition(b"\r\n\r\n")
        client.recv(len(head) + 4)
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(head.decode("latin-1"))
    return clients


class Load:
    """Reads from many clients at once, counting events also across the borders of reads.

    It does as little as it can, with epoll itself: were it slower than the servers, it would be what
    is measured.
    """

    def __init__(self, clients: Sequence[socket.socket]) -> None:
        self._epoll = select.epoll()
        self._clients: dict[int, socket.socket] = {}
        self._kept = len(MARK) - 1
        self._rest: dict[int, bytes] = {}
        self._buffer = bytearray(self._kept + (1 << 20))
        self._room = memoryview(self._buffer)[self._kept :]
        self._arrived: list[tuple[float, bytes]] = []
        self.counts: dict[int, int] = {}
        """Events of each client, by its file descriptor."""
        for client in clients:
            client.setblocking(False)
            self._epoll.register(client, select.EPOLLIN)
            number = client.fileno()
            self._clients[number] = client
            self._rest[number], self.counts[number] = bytes(self._kept), 0

    def read_until(self, each: int, *, most: int | None = None) -> None:
        """Until every client has so many events, and none has more, or not more than `most`.

        Raises :exc:`RuntimeError` when they don't come.
        """
        self._read(each, self._take)
        if max(self.counts.values()) > (most or each):
            raise RuntimeError(f"more than {most or each} events came: some came twice")

    def read_paced(self, each: int) -> Delays:
        """The same for events that come one by one, which are timed."""
        self._read(each, self._note)
        return [
            (float(found), now - float(found))
            for now, data in self._arrived
            for found in _TIME.findall(data)
        ]

    def _read(self, each: int, take: Callable[[int], None]) -> None:
        missing = {number for number, count in self.counts.items() if count < each}
        while missing:
            ready = self._epoll.poll(PATIENCE)
            if not ready:
                got = min(self.counts.values())
                raise RuntimeError(f"{got} of {each} events came, and no more")
            for number, _ in ready:
                take(number)
                if self.counts[number] >= each:
                    missing.discard(number)

    def _take(self, number: int) -> None:
        buffer, kept = self._buffer, self._kept
        buffer[:kept] = self._rest[number]
        got = self._clients[number].recv_into(self._room)
        if not got:
            raise RuntimeError("the server closed a connection")
        if (ping := buffer.find(_PING, 0, kept + got)) >= 0:
            self._answer(number, bytes(buffer[ping : ping + 6]))
        self.counts[number] += buffer.count(MARK, 0, kept + got)
        self._rest[number] = bytes(buffer[got : got + kept])

    def _note(self, number: int) -> None:
        data = self._clients[number].recv(65536)
        self._arrived.append((time.time(), data))  # looked at later
        if not data:
            raise RuntimeError("the server closed a connection")
        if (ping := data.find(_PING)) >= 0:
            self._answer(number, data[ping : ping + 6])
        self.counts[number] += data.count(MARK)

    def _answer(self, number: int, frame: bytes) -> None:
        if len(frame) == 6 and frame[1] == 4:
            masked = b"\x8a\x84\0\0\0\0" + frame[2:]  # with a mask that changes nothing
            self._clients[number].send(masked)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._epoll.close()


class Watchers:
    """Clients in a process of their own, whose delays no other client's work lengthens."""

    def __init__(self, port: int, query: str, clients: int, events: int) -> None:
        numbers = [str(number) for number in (port, clients, events)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benches.stream_load", query, *numbers],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()  # they are connected

    def delays(self) -> Delays:
        """See :meth:`Load.read_paced`."""
        found: Delays = json.loads(self._line())
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def _watch(query: str, port: int, clients: int, events: int) -> None:
    load = Load([connect(port, query) for _ in range(clients)])
    print(flush=True)
    print(json.dumps(load.read_paced(events)), flush=True)


def quantile(delays: Delays, part: float) -> float:
    """In milliseconds."""
    ordered = sorted(delay for _, delay in delays)
    return ordered[int(len(ordered) * part)] * 1000


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


if __name__ == "__main__":
    on_the_other_core()
    _watch(sys.argv[1], *map(int, sys.argv[2:]))
