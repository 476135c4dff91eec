"""The MCP server over standard input and output: what a client starts for itself."""

from __future__ import annotations

from mcp.server.lowlevel import NotificationOptions
from mcp.server.stdio import stdio_server

from crackerjack.jobs.job_manager import JobManager
from crackerjack.mcp.server import Agents
from crackerjack.web.watcher import Watcher, ending_lost_jobs


async def serve_stdio(agents: Agents, watcher: Watcher, jobs: JobManager) -> None:
    """Serve one client until it closes our standard input.

    Nothing but the protocol goes to standard output: while this runs, what else is printed there goes
    to standard error.
    """
    options = agents.server.create_initialization_options(
        NotificationOptions(resources_changed=True)
    )
    async with (
        watcher.running(),
        ending_lost_jobs(jobs),
        agents.resources.running(),
        stdio_server() as (reader, writer),
    ):
        await agents.server.run(reader, writer, options)
