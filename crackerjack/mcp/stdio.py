"""The MCP server over standard input and output: what a client starts for itself."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import anyio
from mcp.server.lowlevel import NotificationOptions
from mcp.server.stdio import stdio_server

from crackerjack.jobs.job_manager import JobManager
from crackerjack.mcp.server import Agents
from crackerjack.web.watcher import Watcher, ending_lost_jobs


async def serve_stdio(agents: Agents, watcher: Watcher, jobs: JobManager) -> None:
    """Serve one client until it closes our standard input.

    Nothing but the protocol goes to standard output: what else is printed there goes to standard error
    from now on, and stays there, since a thread may print when this is over.
    """
    options = agents.server.create_initialization_options(
        NotificationOptions(resources_changed=True)
    )
    async with (
        watcher.running(),
        ending_lost_jobs(jobs),
        agents.resources.running(),
        stdio_server(stdout=anyio.wrap_file(_standard_output())) as (reader, writer),
    ):
        await agents.server.run(reader, writer, options)


def _standard_output() -> TextIO:
    """Standard output for us alone."""
    ours = os.dup(sys.stdout.fileno())  # which no child inherits
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(ours, "w", encoding="utf-8")
