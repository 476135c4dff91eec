"""Long runs as tasks: the extension ``io.modelcontextprotocol/tasks`` of the revision 2026-07-28.

A task is a job: it has the job's id, and all that is told of it is read from the job's log. So it
outlives this server and any client, and needs no store of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from crackerjack.errors import CrackerjackError
from crackerjack.mcp import inputs
from crackerjack.mcp.access import Access
from crackerjack.mcp.digest import digest, shortened
from crackerjack.mcp.results import told
from crackerjack.mcp.story import Story
from crackerjack.mcp.tools import Call, Tools, silent, started
from crackerjack.types import JobStatus

EXTENSION: Final = "io.modelcontextprotocol/tasks"
_POLL_MS: Final = 1000
_MESSAGE: Final = 300  # characters

T = TypeVar("T")
Context = ServerRequestContext[Any, Any]


class TaskParams(types.RequestParams):
    """Which task; what a client answers to questions that no task of ours asks is not looked at."""

    task_id: str


class Tasks:
    """Answers what clients ask about tasks."""

    def __init__(self, tools: Tools, access: Access) -> None:
        self._tools = tools
        self._access = access

    def offer(self, server: Server[Any]) -> None:
        """Let the server say that it has tasks, and answer for them."""
        server.extensions[EXTENSION] = {}
        server.add_request_handler("tasks/get", TaskParams, self.get)
        server.add_request_handler("tasks/update", TaskParams, self.update)
        server.add_request_handler("tasks/cancel", TaskParams, self.cancel)

    @staticmethod
    def wants(context: Context) -> bool:
        """Whether this client takes a task in the place of a result."""
        capabilities = context.session.client_capabilities
        return (
            context.protocol_version in MODERN_PROTOCOL_VERSIONS
            and capabilities is not None
            and EXTENSION in (capabilities.extensions or {})
        )

    async def begin(self, call: Call, asked: inputs.RunChecks) -> dict[str, Any]:
        """Start a run; what the client gets in the place of its result."""
        begun = await self._tools.run_checks(call, asked.model_copy(update={"wait_s": 0}))
        return {"resultType": "task", **_task(await self._tools.story(call, begun.job_id))}

    async def get(self, context: Context, params: TaskParams) -> dict[str, Any]:
        """``tasks/get``: how it is, with the result when there is one."""
        story = await self._story(context, params.task_id)
        task = _task(story)
        if task["status"] == "completed":
            job = story.snapshot
            result = told(started(job.job_id, job.project, digest(story, 0)))
            task["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        return task

    async def update(self, context: Context, params: TaskParams) -> dict[str, Any]:
        """``tasks/update``: there is never anything to answer."""
        await self._story(context, params.task_id)
        return {}

    async def cancel(self, context: Context, params: TaskParams) -> dict[str, Any]:
        """``tasks/cancel``: stop the job."""
        asked = inputs.OfJob.model_construct(job_id=params.task_id)
        await self._do(context, lambda call: self._tools.cancel(call, asked))
        return {}

    async def _story(self, context: Context, task_id: str) -> Story:
        return await self._do(context, lambda call: self._tools.story(call, task_id))

    async def _do(self, context: Context, work: Callable[[Call], Awaitable[T]]) -> T:
        if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            raise MCPError(types.METHOD_NOT_FOUND, "Method not found")
        try:
            return await self._access.grant(context, lambda roots: work(Call(roots, silent)))
        except CrackerjackError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None


def _task(story: Story) -> dict[str, Any]:
    job = story.snapshot
    status = "working"
    if job.finished:
        is_cancelled = job.status is JobStatus.INTERRUPTED and job.reason == "cancelled"
        status = "cancelled" if is_cancelled else "completed"
    mark = story.first_mark(0)
    news = "" if job.finished or mark is None else f"; first: {mark.why}"
    return {
        "taskId": job.job_id,
        "status": status,
        "statusMessage": shortened(f"{job.overall_progress} %: {job.message}{news}", _MESSAGE),
        "createdAt": _time(job.started),
        "lastUpdatedAt": _time(job.updated),
        "ttlMs": None,
        "pollIntervalMs": _POLL_MS,
    }


def _time(timestamp: float | None) -> str:
    return datetime.fromtimestamp(timestamp or 0.0, UTC).isoformat(timespec="milliseconds")
