"""A bad network: a TCP proxy that delays, passes on single bytes, cuts connections, and falls silent."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER for no time: closing sends RST, and what waits is thrown away."""
_BUFFER: Final = 2048  # bytes that the proxy takes without passing them on
_IN_HANDSHAKE: Final = 300  # bytes


class BadNetwork:
    """What lies between clients and a server; `moments` chooses what happens to each connection.

    A connection is cut after a number of bytes in either direction, of at most `cut_after`, and now
    and then so soon that there is no handshake. For its ends it is reset, or as if the other had closed
    it in the middle of a frame.
    """

    def __init__(self, server_port: int, moments: random.Random, *, cut_after: int) -> None:
        self.port = 0
        """Where clients connect; known when it runs."""
        self.cuts = 0
        self._passable = asyncio.Event()
        self._passable.set()
        self._server_port = server_port
        self._moments = moments
        self._cut_after = cut_after
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Listen while the block runs; gives the address in place of the server's."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_BUFFER)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{self.port}"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def fall_silent(self) -> None:
        """Pass on nothing any more in any direction, and close nothing: a cable is pulled."""
        self._passable.clear()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(
            "127.0.0.1", self._server_port, limit=_BUFFER
        )
        most = _IN_HANDSHAKE if self._moments.random() < 0.2 else self._cut_after
        room = self._moments.randint(1, most)
        passing = [
            asyncio.create_task(self._pass_on(reader, to_server, room)),
            asyncio.create_task(self._pass_on(from_server, writer, room)),
        ]
        try:
            done, _ = await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            if any(task.result() for task in done):
                self.cuts += 1
                if self._moments.random() < 0.5:
                    for end in (writer, to_server):
                        reset(end)
        finally:
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
            for end in (writer, to_server):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, room: int
    ) -> bool:
        """Pass on so many bytes; whether that was not all, so that the connection is to be cut."""
        while room > 0:
            try:
                data = await reader.read(min(room, _BUFFER))
            except OSError:
                data = b""
            await self._passable.wait()  # in silence it is not heard either who goes away
            if not data:
                return False
            try:
                await self._send(writer, data)
            except OSError:
                return False
            room -= len(data)
        return True

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self._moments.random() < 0.2:
            await asyncio.sleep(self._moments.uniform(0, 0.02))
        # asyncio sets TCP_NODELAY, so that these bytes travel alone; all of them would take too long.
        alone = self._moments.choice([0, 0, 200])
        for byte in data[:alone]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        writer.write(data[alone:])
        await writer.drain()


def reset(end: asyncio.StreamWriter) -> None:
    """Close a connection with RST."""
    end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    end.transport.abort()
