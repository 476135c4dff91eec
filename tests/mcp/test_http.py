"""`/mcp` of `crackerjack serve`: who is let in, and what a server that goes costs those who wait."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import httpx
import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from crackerjack.events.payload import EventType
from crackerjack.web.admission import Admission
from tests.cli.command_line import Project
from tests.mcp.clients import over_http
from tests.mcp.store import Store
from tests.mcp.test_waiting import Waiting, begun
from tests.web.in_process import InProcess, in_process
from tests.web.serving import SECONDS, serving

pytestmark = pytest.mark.anyio

TOKEN = {"Authorization": "Bearer sesame"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def asked(served: InProcess, headers: dict[str, str], query: str = "") -> httpx.Response:
    with httpx.Client(timeout=SECONDS) as client:
        return client.post(f"{served.http}/mcp{query}", json=INITIALIZE, headers=ACCEPT | headers)


class TestAdmission:
    """Refused as everywhere else."""

    @pytest.mark.parametrize(
        ("headers", "query", "status"),
        [
            ({}, "", 401),
            ({"Authorization": "Bearer wrong"}, "", 401),
            ({"Authorization": "Basic sesame"}, "", 401),
            (TOKEN, "", 200),
            ({}, "?token=sesame", 200),
            ({}, "?token=open", 401),
            (TOKEN | {"Origin": "https://evil.example"}, "", 403),
            (TOKEN | {"Origin": "http://127.0.0.1.evil.example"}, "", 403),
            (TOKEN | {"Origin": "null"}, "", 403),
            (TOKEN | {"Host": "evil.example"}, "", 403),
            (TOKEN | {"Host": "localhost"}, "", 200),
        ],
    )
    def test_with_a_token(
        self, project: Project, headers: dict[str, str], query: str, status: int
    ) -> None:
        with in_process(admission=Admission(token="sesame")) as served:
            answer = asked(served, headers, query)
            assert answer.status_code == status, answer.text
            if status != 200:
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.json()["detail"]
            assert "sesame" not in answer.text

    def test_without_a_token(self, server: InProcess) -> None:
        assert asked(server, {}).status_code == 200
        assert asked(server, {"Origin": server.http}).status_code == 200
        assert asked(server, {"Origin": "https://evil.example"}).status_code == 403
        assert asked(server, {"Host": "evil.example:80"}).status_code == 403

    async def test_the_token_of_a_client(self, project: Project, era: str) -> None:
        with in_process(admission=Admission(token="sesame"), roots=[str(project.root)]) as served:
            async with over_http(served.http, mode=era, token="sesame") as agent:
                assert (await agent("jobs"))["jobs"] == []
            with pytest.raises((MCPError, httpx.HTTPError)):
                async with over_http(served.http, mode=era, token="wrong"):
                    pass

    def test_the_path_is_exact(self, server: InProcess) -> None:
        with httpx.Client(timeout=SECONDS) as client:
            for path in ("/mcp/", "/mcp/sse", "/MCP"):
                answer = client.post(server.http + path, json=INITIALIZE, headers=ACCEPT)
                assert answer.status_code == 404

    def test_what_is_no_message(self, server: InProcess) -> None:
        with httpx.Client(timeout=SECONDS, headers=ACCEPT) as client:
            for body in (b"", b"{", b"[]", b"null", b'{"jsonrpc":"2.0"}', b"\xff", b"[" * 10_000):
                answer = client.post(
                    f"{server.http}/mcp", content=body, headers={"Content-Type": "application/json"}
                )
                assert 400 <= answer.status_code < 500, (body[:20], answer.text)
                assert "Traceback" not in answer.text
            large = client.post(f"{server.http}/mcp", json=INITIALIZE | {"x": "y" * 2_000_000})
            assert large.status_code == 413
            assert client.get(f"{server.http}/mcp").status_code in {400, 405}
            assert client.put(f"{server.http}/mcp", json={}).status_code == 405


@pytest.mark.parametrize(
    ("era", "number"),
    [("legacy", signal.SIGTERM), ("auto", signal.SIGTERM), ("auto", signal.SIGKILL)],
)
async def test_the_server_is_restarted_under_a_client_that_waits(
    project: Project, store: Store, era: str, number: signal.Signals
) -> None:
    run = begun()
    job_id = store.write(run)
    roots = ["--project-root", str(project.root)]
    with serving(*roots) as first:
        # The end of its session is a request too, which nobody answers here; and a client may end by
        # itself, as a whole, when its connection is cut.
        with contextlib.suppress(MCPError, httpx2.HTTPError):
            async with over_http(first.http, mode=era) as agent:
                before = await agent("wait", job_id=job_id, until="any")
                waiting = Waiting(agent, job_id, since=before["next"])
                await asyncio.sleep(0)
                await agent("jobs")  # and so the call before it has arrived too
                first.process.send_signal(number)
                await waiting.failed()
        await waiting.failed()
        code = await asyncio.to_thread(first.process.wait, SECONDS)
        assert code == (0 if number is signal.SIGTERM else -number)
    store.write(run.test("tests/a.py::one", "failed"))
    with serving(*roots, port=first.port) as second:
        async with over_http(second.http, mode=era) as agent:
            told = await agent("wait", job_id=job_id, since=before["next"])
            assert told["woken_by"] == "tests/a.py::one failed"
            assert told["next"] == before["next"] + 1
            store.write(run.end(EventType.WORKFLOW_FAILED))
            assert (await agent("wait", job_id=job_id, since=told["next"]))["finished"]
