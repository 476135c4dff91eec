"""Real clients of the MCP server: the SDK's, over standard input and output and over HTTP."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import jsonschema
import mcp_types as types
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.web.serving import SECONDS

ERAS: Final = ("legacy", "auto")
"""The SDK's names for clients until 2025-11-25 and from 2026-07-28 on."""
SERVER: Final = (sys.executable, "-m", "crackerjack", "mcp")


class Agent:
    """What an agent does with a client; whatever a tool answers is as its schema says."""

    def __init__(self, client: Client, schemas: dict[str, Any]) -> None:
        self.client = client
        self._schemas = schemas

    async def __call__(self, tool: str, **arguments: Any) -> Any:
        """What the tool answers; it must not be an error."""
        answer = await self.answer(tool, **arguments)
        assert not answer.is_error, said(answer)
        return answer.structured_content

    async def answer(self, tool: str, **arguments: Any) -> types.CallToolResult:
        """The whole answer, which is valid."""
        result = await self.client.call_tool(tool, arguments)
        if result.is_error:
            assert result.structured_content is None
        else:
            jsonschema.validate(result.structured_content, self._schemas[tool])
        return result

    async def error(self, tool: str, **arguments: Any) -> str:
        """The sentence of a tool that refuses."""
        answer = await self.answer(tool, **arguments)
        assert answer.is_error, answer.structured_content
        return said(answer)


def said(answer: types.CallToolResult) -> str:
    """The text of an answer."""
    (content,) = answer.content
    assert isinstance(content, types.TextContent)
    return content.text


@asynccontextmanager
async def agent(client: Client) -> AsyncIterator[Agent]:
    """Connect, and know the schemas."""
    with unwrapped():
        async with client:
            tools = (await client.list_tools()).tools
            yield Agent(client, {tool.name: tool.output_schema for tool in tools})


@contextmanager
def unwrapped() -> Iterator[None]:
    """An error as it was raised, without the groups that the tasks of a client put it in."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


def wait_until(true: Callable[[], object]) -> None:
    """Wait until it is."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Words(NamedTuple):
    """Where the standard error of a server goes."""

    path: Path

    def check(self) -> None:
        """A server of ours never shows a traceback."""
        assert "Traceback" not in (words := self.path.read_text()), words


@asynccontextmanager
async def over_stdio(
    project: Path, *arguments: str, mode: str = "legacy", **options: Any
) -> AsyncIterator[Agent]:
    """An agent that starts a server for itself, in a project."""
    words = Words(project.parent / "stderr.txt")
    with words.path.open("a") as stream:
        command = StdioServerParameters(
            command=SERVER[0], args=[*SERVER[1:], *arguments], cwd=project, env=dict(os.environ)
        )
        client = Client(stdio_client(command, errlog=stream), mode=mode, **options)
        async with agent(client) as one:
            yield one
    words.check()


@asynccontextmanager
async def over_http(
    url: str, *, mode: str = "legacy", token: str = "", **options: Any
) -> AsyncIterator[Agent]:
    """An agent of a server that runs."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30.0, read=90.0)) as http:
        transport = streamable_http_client(f"{url}/mcp", http_client=http)
        async with agent(Client(transport, mode=mode, **options)) as one:
            yield one
