"""``crackerjack mcp``: the MCP server that an AI agent's client starts."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal

from crackerjack.cli.serve_command import project_roots
from crackerjack.config import find_project
from crackerjack.container import open_container
from crackerjack.errors import UsageError
from crackerjack.events.poke import PokeBox
from crackerjack.types import ExitCode
from crackerjack.web.feed import Feeds
from crackerjack.web.watcher import Watcher


def mcp(arguments: argparse.Namespace) -> int:
    """Serve one client over standard input and output, until it closes them."""
    try:
        from crackerjack.mcp.server import build_agents
        from crackerjack.mcp.stdio import serve_stdio
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the MCP server needs {error.name}: install it with `pip install 'crackerjack[mcp]'`"
        ) from None
    roots = (
        project_roots(arguments.project_root) if arguments.project_root else [find_project(None)]
    )
    # A thread reads standard input until it ends, and Python would wait for that. A store can be left
    # at any time, and runs are processes of their own.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with open_container(os.environ) as container, PokeBox(container.pokes) as pokes:
        feeds = Feeds(container.log)
        watcher = Watcher(feeds, container.hub, pokes)
        agents = build_agents(
            log=container.log,
            jobs=container.jobs,
            feeds=feeds,
            state_dir=container.state_dir,
            roots=roots,
            local=True,
        )
        asyncio.run(serve_stdio(agents, watcher, container.jobs))
    return ExitCode.PASSED
