"""The wire between an agent's client and ``crackerjack mcp``, with all that goes over it recorded."""

from __future__ import annotations

import asyncio
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

import anyio
import mcp_types as types
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage

_LONGEST: Final = 16 * 1024 * 1024  # bytes of a line


class Line(NamedTuple):
    """What the server wrote: a message, with its framing."""

    at: float
    """Seconds since the epoch."""
    data: bytes


class Wire:
    """A transport for the SDK's client that starts the server and keeps every byte it sends."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._argv = argv
        self._cwd = cwd
        self._env = env
        self.received: Final[list[Line]] = []
        self._process: Process | None = None
        self._pumps: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> TransportStreams:
        self._process = await asyncio.create_subprocess_exec(
            *self._argv, cwd=self._cwd, env=self._env, stdin=PIPE, stdout=PIPE, limit=_LONGEST
        )
        to_client, reader = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        writer, from_client = anyio.create_memory_object_stream[SessionMessage](0)
        self._pumps = [
            asyncio.create_task(self._read(to_client)),
            asyncio.create_task(self._write(from_client)),
        ]
        return reader, writer

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 30)
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def since(self, mark: int) -> int:
        """How many bytes came after the first `mark` lines."""
        return sum(len(line.data) for line in self.received[mark:])

    async def _read(self, to_client: Any) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async with to_client:
            while line := await self._process.stdout.readline():
                self.received.append(Line(time.time(), line))
                message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                await to_client.send(SessionMessage(message))

    async def _write(self, from_client: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        async with from_client:
            async for sent in from_client:
                text = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
                self._process.stdin.write(text.encode() + b"\n")
                await self._process.stdin.drain()
