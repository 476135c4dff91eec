"""Long runs as tasks, for clients that take them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import mcp_types as types
import pytest
from mcp import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

SECONDS = 60.0
IDENTIFIER = "io.modelcontextprotocol/tasks"


class TaskCreated(types.Result):
    """What comes in the place of a result."""

    result_type: Literal["task"]
    task_id: str
    status: str
    status_message: str = ""
    poll_interval_ms: int
    ttl_ms: int | None
    created_at: str
    last_updated_at: str


class TaskOf(types.RequestParams):
    task_id: str


class Request(types.Request[TaskOf, str]):
    method: str
    params: TaskOf


class Anything(types.Result, extra="allow"):
    pass


class TakesTasks(ClientExtension):
    """Hands each task to `follow`, which gives the result of the call."""

    identifier = IDENTIFIER

    def __init__(
        self, follow: Callable[[TaskCreated, ClaimContext], Awaitable[types.CallToolResult]]
    ) -> None:
        self._follow = follow

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=TaskCreated, resolve=self._follow)]


async def ask(context: ClaimContext, method: str, task_id: str) -> dict[str, Any]:
    request: Any = Request(method=method, params=TaskOf(task_id=task_id))
    answer = await context.session.send_request(request, Anything)
    return answer.model_dump(by_alias=True)


async def once(
    condition: Callable[[dict[str, Any]], bool], context: ClaimContext, task: TaskCreated
) -> dict[str, Any]:
    """The task as soon as it is so."""
    async with asyncio.timeout(SECONDS):
        while True:
            now = await ask(context, "tasks/get", task.task_id)
            if condition(now):
                return now
            await asyncio.sleep(0.05)


async def ended(context: ClaimContext, task: TaskCreated) -> dict[str, Any]:
    return await once(lambda now: now["status"] != "working", context, task)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "app.py").write_text("import os\n")
    (root / "pyproject.toml").write_text(
        '[tool.crackerjack.hooks.slow]\ncommand = ["sh", "-c", "until [ -e go ]; do sleep 0.1; done"]\n'
    )
    return root


def client(project: Path, extension: ClientExtension, mode: str = "auto") -> Client:
    argv = ["-m", "crackerjack", "mcp"]
    server = StdioServerParameters(
        command=sys.executable, args=argv, cwd=project, env=dict(os.environ)
    )
    return Client(stdio_client(server), mode=mode, extensions=[extension])


HOOKS = {"hooks": ["ruff-check", "slow"], "check_only": True, "wait_s": 30}


def test_the_result_comes_with_the_end(project: Path) -> None:
    seen: list[dict[str, Any]] = []

    async def follow(task: TaskCreated, context: ClaimContext) -> types.CallToolResult:
        seen.append(task.model_dump())
        await once(lambda now: "F401" in now["statusMessage"], context, task)
        (project / "go").touch()
        now = await ended(context, task)
        assert now["status"] == "completed"
        return types.CallToolResult.model_validate(now["result"])

    async def run() -> types.CallToolResult:
        async with client(project, TakesTasks(follow)) as agent:
            return await agent.call_tool("run_checks", HOOKS)

    result = asyncio.run(run())
    assert (seen[0]["status"], seen[0]["ttl_ms"]) == ("working", None)
    assert result.structured_content is not None
    assert result.structured_content["job_id"] == seen[0]["task_id"]
    assert result.structured_content["digest"]["finished"]
    assert result.structured_content["digest"]["counts"]["findings"] == 1


def test_cancelling_the_task_stops_the_job(project: Path) -> None:
    async def follow(task: TaskCreated, context: ClaimContext) -> types.CallToolResult:
        assert (await ask(context, "tasks/cancel", task.task_id))["resultType"] == "complete"
        now = await ended(context, task)
        return types.CallToolResult(content=[types.TextContent(text=now["status"])], is_error=True)

    async def run() -> tuple[types.CallToolResult, types.CallToolResult]:
        async with client(project, TakesTasks(follow)) as agent:
            return await agent.call_tool("run_checks", HOOKS), await agent.call_tool("jobs", {})

    result, jobs = asyncio.run(run())
    assert isinstance(result.content[0], types.TextContent)
    assert result.content[0].text == "cancelled"
    assert jobs.structured_content is not None
    assert [row["status"] for row in jobs.structured_content["jobs"]] == ["interrupted"]


def test_no_task_without_a_client_that_takes_it(project: Path) -> None:
    async def run() -> types.CallToolResult:
        argv = ["-m", "crackerjack", "mcp"]
        server = StdioServerParameters(
            command=sys.executable, args=argv, cwd=project, env=dict(os.environ)
        )
        async with Client(stdio_client(server)) as agent:
            result = await agent.call_tool("run_checks", HOOKS)
            (project / "go").touch()
            assert result.structured_content is not None
            job = {"job_id": result.structured_content["job_id"], "until": "finished"}
            await agent.call_tool("wait", job)
            return result

    result = asyncio.run(run())
    assert result.structured_content is not None
    assert result.structured_content["digest"]["woken_by"] == "the first F401 of ruff-check"


def test_a_task_that_there_is_not(project: Path) -> None:
    async def run() -> str:
        async with client(project, TakesTasks(no_task)) as agent:
            request: Any = Request(method="tasks/get", params=TaskOf(task_id="nothing"))
            with pytest.raises(MCPError) as refused:
                await agent.session.send_request(request, Anything)
            return refused.value.message

    assert "no job nothing" in asyncio.run(run())


async def no_task(_task: TaskCreated, _context: ClaimContext) -> types.CallToolResult:
    raise AssertionError
