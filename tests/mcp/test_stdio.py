"""`crackerjack mcp`: real runs of a real project, for an agent that starts a server for itself."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.client.session import ClientRequestContext

from crackerjack.types import JobId
from tests.cli.command_line import Project
from tests.mcp.clients import SERVER, over_http, over_stdio, wait_until
from tests.mcp.conftest import processes
from tests.mcp.store import Store
from tests.web.in_process import InProcess
from tests.web.serving import SECONDS

pytestmark = pytest.mark.anyio

NOTHING_ELSE = """
[tool.crackerjack.hooks]
codespell.enabled = false
file-checks.enabled = false
mypy.enabled = false
ruff-check.enabled = false
ruff-format.enabled = false
ruff-security.enabled = false
"""
SUITE = """
import time
from pathlib import Path

import pytest

def test_passes():
    pass

def test_fails():
    answer = 6 * 7
    assert answer == 41

def test_takes_long():
    for _ in range(3000):
        if Path({gate!r}).exists():
            return
        time.sleep(0.02)
    pytest.fail("nobody opened")
"""
TOOL = """
echo started > {sign}
sh -c 'sleep 600' &
sleep 600
"""


class Gate:
    """What the last test of the suite waits for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        self.path.write_text("")


@pytest.fixture
def gate(project: Project, tmp_path: Path) -> Gate:
    """A project whose suite does not end until this is opened."""
    gate = Gate(tmp_path / "open")
    project.configure(NOTHING_ELSE)
    project.write("tests/test_slow.py", SUITE.format(gate=str(gate.path)))
    return gate


async def until(true: Callable[[], object]) -> None:
    """Wait until it is, beside others."""
    await asyncio.to_thread(wait_until, true)


async def test_an_episode(project: Project, gate: Gate, server: InProcess, era: str) -> None:
    other = "auto" if era == "legacy" else "legacy"
    asked = {"workflow": "test", "check_only": True}
    async with over_stdio(project.root, mode=era) as agent:
        started = await agent("run_checks", **asked, wait_s=60)
        told = started["digest"]
        assert told["finished"] is False
        assert told["woken_by"] == "tests/test_slow.py::test_fails failed"
        (test,) = told["failing_tests"]
        assert (test["path"], test["line"]) == ("tests/test_slow.py", 12)
        assert "assert 42 == 41" in test["message"]
        job_id = started["job_id"]
        # Fixed while the rest still runs; a person, or another agent, sees the same job.
        async with over_http(server.http, mode=other) as second:
            with anyio.move_on_after(0.2):
                await second("wait", job_id=job_id, until="finished")
            assert not (await second("wait", job_id=job_id, timeout_s=0))["finished"]
            waiting = asyncio.create_task(second("wait", job_id=job_id, until="finished"))
            suite = project.root / "tests/test_slow.py"
            suite.write_text(suite.read_text().replace("== 41", "== 42"))
            gate.open()
            ended = await agent("wait", job_id=job_id, since=started["next"])
            assert (ended["status"], ended["woken_by"]) == ("failed", "the job has ended")
            assert (await waiting)["failing_tests"] == [test]
        again = await agent("run_checks", **asked, wait_s=60)
        assert again["status"] == "completed"
        assert "do_next" not in again["digest"]
        compared = await agent("compare", job_id=again["job_id"])
        assert compared["base"] == job_id
        assert [one["nodeid"] for one in compared["fixed"]["tests"]] == [test["nodeid"]]
        assert not compared["new"]
        assert not compared["remaining"]


async def test_what_a_run_changed_can_be_undone(project: Project) -> None:
    untidy = project.write("sample/untidy.py", "x   =  1\n")
    async with over_stdio(project.root) as agent:
        started = await agent(
            "run_checks", workflow="fast", hooks=["ruff-format"], paths=["sample"], wait_s=60
        )
        assert started["digest"]["counts"]["fixed"] == 1
        assert started["digest"]["changed_files"] == ["sample/untidy.py"]
        assert untidy.read_text() == "x = 1\n"
        undone = await agent("undo", job_id=started["job_id"])
        assert undone["files"] == {"sample/untidy.py": "restored"}
        assert "note" not in undone
        assert untidy.read_text() == "x   =  1\n"
        untidy.write_text("x   =  2\n")
        undone = await agent("undo", job_id=started["job_id"])
        assert undone["files"] == {"sample/untidy.py": "changed since"}
        assert undone["note"] == "1 of 1 left alone: put back by hand what is wanted"
        # More arguments than the system gives a process.
        sentence = await agent.error("run_checks", paths=["x" * 4000] * 1000)
        assert sentence.endswith("ask for fewer paths, or for directories")


async def test_cancel_stops_the_tools_and_their_children(
    project: Project, tmp_path: Path, store: Store
) -> None:
    sign = tmp_path / "sign"
    project.write_tool(TOOL.format(sign=sign))
    async with over_stdio(project.root, mode="auto") as agent:
        job_id = (await agent("run_checks", hooks=["tool"]))["job_id"]
        await until(sign.exists)
        running = len(processes())
        assert running >= 4  # the server, the run, the tool and its child
        told = await agent("cancel", job_id=job_id)
        assert told["cancel_requested"] is True
        ended = await agent("wait", job_id=job_id, until="finished")
        assert ended["status"] == "interrupted"
        await until(lambda: len(processes()) == 1)
    await until(lambda: not processes())


CLIENT = """
import asyncio, sys
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
import os

async def main():
    server = StdioServerParameters(command=sys.argv[1], args=sys.argv[2:], env=dict(os.environ))
    async with Client(stdio_client(server), mode="auto") as client:
        asked = {"workflow": "test", "check_only": True, "wait_s": 60}
        started = (await client.call_tool("run_checks", asked)).structured_content
        print(started["job_id"], flush=True)
        await client.call_tool("wait", {"job_id": started["job_id"], "until": "finished"})

asyncio.run(main())
"""


def test_a_client_that_is_killed_takes_the_server_with_it_and_no_job(
    project: Project, gate: Gate, store: Store
) -> None:
    argv = [sys.executable, "-c", CLIENT, *SERVER]
    with subprocess.Popen(argv, cwd=project.root, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        job_id = JobId(client.stdout.readline().strip())
        servers = {pid for pid in processes() if arguments(pid)[1:4] == list(SERVER[1:])}
        client.kill()
    assert len(servers) == 1
    wait_until(lambda: not servers & set(processes()))
    assert processes()  # the run and its tests
    assert store.log.job(job_id).terminal is None
    gate.open()
    wait_until(lambda: store.log.job(job_id).terminal)
    assert store.log.job(job_id).terminal == "workflow_failed"
    wait_until(lambda: not processes())


def arguments(pid: int) -> list[str]:
    listed = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.split()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_go_goes(project: Project, number: signal.Signals) -> None:
    with subprocess.Popen(
        SERVER,
        cwd=project.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        server.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        server.stdin.flush()
        assert server.stdout.readline()
        server.send_signal(number)  # and its standard input stays open
        assert server.wait(SECONDS) == -number
        assert b"Traceback" not in server.stderr.read()


class TestRoots:
    """Projects below the allowed roots, and no others."""

    @pytest.fixture
    def outside(self, tmp_path: Path, project: Project) -> Path:
        """A project that is not below the root, but that a link below it leads to."""
        outside = Project(tmp_path.resolve() / "outside").root
        (project.root / "link").symlink_to(outside)
        return outside

    async def refused(self, agent: Any, outside: Path, project: Project) -> None:
        for path in (
            outside,
            project.root / "link",
            f"{project.root}/../outside",
            f"{project.root}/link/../outside",
            f"{project.root}x",
            project.root.parent,
            "/",
        ):
            for tool in ("run_checks", "explain", "jobs"):
                sentence = await agent.error(tool, project=str(path))
                assert "is not below an allowed root" in sentence
                assert "--project-root" in sentence

    async def test_over_stdio(self, project: Project, outside: Path, era: str) -> None:
        inside = Project(project.root / "packages" / "inner").root
        declared: list[types.Root] = []

        async def roots(context: ClientRequestContext) -> types.ListRootsResult:
            return types.ListRootsResult(roots=declared)

        async with over_stdio(project.root, mode=era, list_roots_callback=roots) as agent:
            await self.refused(agent, outside, project)
            assert (await agent("explain", project=str(inside)))["project"] == str(inside)
            assert (await agent("explain"))["project"] == str(project.root)
            declared.append(root(outside.as_uri()))
            assert (await agent("explain", project=str(outside)))["project"] == str(outside)
            link = str(project.root / "link")
            assert (await agent("explain", project=link))["project"] == str(outside)
            assert "allowed root" in await agent.error("explain", project="/")

    async def test_a_client_that_does_not_say_has_none(
        self, project: Project, outside: Path
    ) -> None:
        async def roots(context: ClientRequestContext) -> types.ErrorData:
            return types.ErrorData(code=types.INTERNAL_ERROR, message="ask somebody else")

        async with over_stdio(project.root, list_roots_callback=roots) as agent:
            assert "allowed root" in await agent.error("explain", project=str(outside))

    async def test_a_client_over_http_declares_none(
        self, server: InProcess, project: Project, outside: Path, era: str
    ) -> None:
        async def roots(context: ClientRequestContext) -> types.ListRootsResult:
            return types.ListRootsResult(roots=[root(outside.as_uri())])

        async with over_http(server.http, mode=era, list_roots_callback=roots) as agent:
            await self.refused(agent, outside, project)


def root(uri: str) -> types.Root:
    return types.Root.model_validate({"uri": uri})
