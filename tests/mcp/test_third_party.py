"""Clients that others wrote: fastmcp's, and the command line of the MCP inspector."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import Project
from tests.mcp.clients import SERVER
from tests.mcp.store import Store
from tests.sample_run import failing_run
from tests.web.in_process import InProcess

TIMEOUT = 60.0  # seconds
FASTMCP = """
import asyncio, json, os, sys
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

async def main():
    where = sys.argv[1]
    if not where.startswith("http"):
        where = StdioTransport(sys.argv[1], sys.argv[2:], env=dict(os.environ), keep_alive=False)
    async with Client(where) as client:
        tools = [tool.name for tool in await client.list_tools()]
        told = await client.call_tool("wait", {"job_id": "job123"})
        refused = await client.call_tool("wait", {"job_id": "nope"}, raise_on_error=False)
        resources = [str(one.uri) for one in await client.list_resources()]
        read = await client.read_resource("crackerjack://jobs/job123")
        prompt = await client.get_prompt("review_run", {"job_id": "job123"})
    print(json.dumps({
        "tools": tools, "told": told.structured_content, "refused": refused.is_error,
        "sentence": refused.content[0].text, "resources": resources,
        "job": json.loads(read[0].text), "prompt": prompt.messages[0].content.text,
    }))

asyncio.run(main())
"""


@pytest.fixture
def fastmcp() -> str:
    """A Python that has fastmcp, which brings more than belongs beside the pins of these tests."""
    python = os.environ.get("FASTMCP_PYTHON", "")
    if not python:
        pytest.skip("no Python with fastmcp here (see FASTMCP_PYTHON)")
    return python


@pytest.fixture
def inspector() -> list[str]:
    """The command of the MCP inspector."""
    node = shutil.which("node")
    for directory in os.environ.get("NODE_PATH", "").split(os.pathsep):
        script = Path(directory, "@modelcontextprotocol/inspector/cli/build/cli.js")
        if node is not None and directory and script.is_file():
            return [node, str(script), "--cli"]
    pytest.skip("no node that finds the package @modelcontextprotocol/inspector (see NODE_PATH)")


def output_of(argv: list[str], project: Project) -> Any:
    ran = subprocess.run(
        argv,
        cwd=project.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(params=["stdio", "http"])
def target(request: pytest.FixtureRequest, server: InProcess) -> list[str]:
    """How a client comes to the server."""
    return list(SERVER) if request.param == "stdio" else [f"{server.http}/mcp"]


def test_fastmcp(fastmcp: str, target: list[str], project: Project, store: Store) -> None:
    store.write(failing_run())
    seen = output_of([fastmcp, "-c", FASTMCP, *target], project)
    assert "run_checks" in seen["tools"]
    assert seen["told"]["failing_tests"][0]["line"] == 12
    assert (seen["refused"], seen["sentence"].startswith("no job nope")) == (True, True)
    assert seen["resources"] == ["crackerjack://jobs", "crackerjack://jobs/job123"]
    assert seen["job"]["status"] == "failed"
    assert "compare(job_id='job123')" in seen["prompt"]


def test_inspector(inspector: list[str], target: list[str], project: Project, store: Store) -> None:
    store.write(failing_run())
    passed_on = ["-e", f"CRACKERJACK_STATE_DIR={os.environ['CRACKERJACK_STATE_DIR']}"]
    argv = [*inspector, *(passed_on if len(target) > 1 else ["--transport", "http"]), *target]
    if len(target) == 1:
        listed = output_of([*argv, "--method", "tools/list"], project)
        assert "run_checks" in [tool["name"] for tool in listed["tools"]]
    call = ["--method", "tools/call", "--tool-name", "wait", "--tool-arg", "job_id=job123"]
    told = output_of([*argv, *call], project)
    assert told["structuredContent"]["failing_tests"][0]["line"] == 12
