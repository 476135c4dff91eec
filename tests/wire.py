"""The way to a NATS server, on which what is sent gets lost at a chosen moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.broker import NatsServer


class Wire:
    """A proxy that takes the server's place. Its switches may be set from any thread."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.lose_answer_to = b""
        """The answer to the next message with this in it is lost, and the connection with it."""
        self.hold_back = b""
        """The next message with this in it comes late: just before the second one, of a later connection."""
        self.drop = b""
        """Messages of the server with this in their subject are lost."""
        self.dropped = 0
        self._server_port = server_port
        self._held: tuple[asyncio.StreamWriter, bytes] | None = None
        self._late = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()

    def cut(self) -> None:
        """Cut every connection, on both sides."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(5)

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        server_reader, server = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers.add(server)
        connection = _Connection(self, writer, server)
        tasks = [
            asyncio.ensure_future(connection.to_server(reader)),
            asyncio.ensure_future(connection.to_client(server_reader)),
        ]
        with suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        writer.transport.abort()
        if not connection.held:
            server.transport.abort()
        for task in tasks:
            if not (connection.held and task is tasks[1]):
                task.cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)

    @contextmanager
    def running(self) -> Iterator[Wire]:
        """Listen while the block runs."""
        ready = threading.Event()

        async def serve() -> None:
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            try:
                await asyncio.Event().wait()
            finally:
                server.close()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            task = self._loop.create_task(serve())
            self._loop.run_forever()
            rest = asyncio.all_tasks(self._loop) | {task}
            for one in rest:
                one.cancel()
            self._loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
            for writer in self._writers:
                writer.transport.abort()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert ready.wait(5)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()


class _Connection:
    """One client's connection and its continuation to the server."""

    def __init__(
        self, wire: Wire, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        self.held = False
        self._wire = wire
        self._client = client
        self._server = server
        self._losing = False
        self._stored = asyncio.Event()

    async def to_server(self, reader: asyncio.StreamReader) -> None:
        while frame := await read_frame(reader):
            wire = self._wire
            if wire.hold_back and wire.hold_back in frame:
                if wire._held is None:
                    wire._held, self.held = (self._server, frame), True
                    wire._late = self._stored = asyncio.Event()
                    return
                wire.hold_back = b""
                server, late = wire._held
                server.write(late)
                await wire._late.wait()
            if wire.lose_answer_to and wire.lose_answer_to in frame:
                wire.lose_answer_to, self._losing = b"", True
            self._server.write(frame)

    async def to_client(self, reader: asyncio.StreamReader) -> None:
        while frame := await read_frame(reader):
            wire = self._wire
            if b'"seq":' in frame and b"MSG" in frame[:4]:
                self._stored.set()
                if self._losing:
                    return
            if wire.drop and wire.drop in frame.partition(b"\r\n")[0]:
                wire.dropped += 1
                continue
            if not self.held:
                self._client.write(frame)


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """One line of the protocol, with the payload that it announces; empty at the end."""
    try:
        line = await reader.readline()
        words = line.split()
        if words and words[0] in {b"PUB", b"HPUB", b"MSG", b"HMSG"}:
            return line + await reader.readexactly(int(words[-1]) + 2)
    except (OSError, asyncio.IncompleteReadError):
        return b""
    return line


@contextmanager
def wire_to(server: NatsServer) -> Iterator[Wire]:
    """A wire that passes on everything until it is told otherwise."""
    with Wire(server.port).running() as wire:
        yield wire
