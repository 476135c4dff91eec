"""An agent's episode over MCP: calls, bytes on the wire, delays; many agents at once; starting up."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import mcp_types as types
from mcp import Client

from benches.agent_crowd import Woken, wake
from benches.agent_project import FAILING, LINT_FINDINGS, SECONDS_A_TEST, TESTS, TYPE_ERRORS, Shop
from benches.agent_wire import Wire
from benches.paired import Contender, measure, print_table, ratio, verdict
from benches.projects import BIN, CRACKERJACK, environment, fresh

SERVER: Final = (CRACKERJACK, "mcp")
ERAS: Final = ("2025-11-25", "2026-07-28")
"""The newest revision with a handshake, and the one without."""
TIMEOUT: Final = 300.0  # seconds
CONCISE: Final = "ruff, concise"
EMPTY: Final = """\
from mcp.server import MCPServer

MCPServer("empty").run("stdio")
"""


class Answer(NamedTuple):
    """What came of a call."""

    content: dict[str, Any]
    size: int
    """Bytes of the result and of the notifications before it."""
    at: float
    """Seconds since the epoch."""


class Agent:
    """The SDK's client, as agents use it: it asks for progress too."""

    def __init__(self, client: Client, wire: Wire) -> None:
        self._client = client
        self._wire = wire
        self.answers: Final[list[Answer]] = []

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its structured content."""
        before = len(self._wire.received)
        result = await self._client.call_tool(tool, arguments, TIMEOUT, ignore)
        assert isinstance(result, types.CallToolResult)
        assert not result.is_error, result
        assert result.structured_content is not None
        answer = Answer(result.structured_content, self._wire.since(before), time.time())
        self.answers.append(answer)
        return answer.content

    @property
    def size(self) -> int:
        """Bytes that came with all calls."""
        return sum(answer.size for answer in self.answers)


class Told(NamedTuple):
    """When an agent knew of a failing test."""

    delay: float
    """Seconds after the test had failed."""
    until_end: float
    """Seconds from the failure to the end of the job: the delay of who waits for the end."""


class Episode(NamedTuple):
    """One run, followed by one agent."""

    calls: int
    """Until it knew the first failing test."""
    size: int
    """Bytes until then."""
    told: list[Told]
    complete: Answer
    """The digest of the whole run."""


async def ignore(progress: float, total: float | None, message: str | None) -> None:
    pass


def connected(shop: Shop, era: str) -> tuple[Client, Wire]:
    wire = Wire(SERVER, shop.root, environment())
    return Client(wire, mode="legacy" if era == ERAS[0] else era), wire


async def follow(agent: Agent, until: str) -> Episode:
    """Start a run, hear of each failing test, and read the whole digest at the end."""
    news = await agent.call("run_checks", check_only=True, tests=True)
    job_id, since = news["job_id"], 0
    calls = size = 0
    known: dict[str, float] = {}
    while not news.get("finished"):
        news = await agent.call("wait", job_id=job_id, since=since, until=until, timeout_s=TIMEOUT)
        since = news["next"]
        for test in news.get("failing_tests", []):
            assert all(test.get(name) for name in ("path", "line", "message")), test
            known[test["nodeid"]] = agent.answers[-1].at
        if known and not calls:
            calls, size = len(agent.answers), agent.size
    await agent.call("wait", job_id=job_id, until="finished")
    return Episode(calls, size, _told(job_id, known), agent.answers[-1])


def _told(job_id: str, known: dict[str, float]) -> list[Told]:
    """The times of the log beside those of the agent."""
    argv = [CRACKERJACK, "events", job_id]
    listed = subprocess.run(argv, env=environment(), capture_output=True, check=True)
    events = [json.loads(line) for line in listed.stdout.splitlines()]
    failed = {
        event["data"]["nodeid"]: event["timestamp"]
        for event in events
        if event["event_type"] == "test_completed" and event["data"]["outcome"] == "failed"
    }
    assert set(failed) == set(known), "the agent heard of each failing test, and of no other"
    end = events[-1]["timestamp"]
    return [Told(known[name] - at, end - at) for name, at in failed.items()]


def check_whole(digest: dict[str, Any]) -> None:
    """That nothing of the run is left out."""
    counts = digest["counts"]
    assert counts["findings"] == LINT_FINDINGS + TYPE_ERRORS, counts
    assert (counts["tests"], counts["tests_failed"]) == (TESTS, len(FAILING)), counts
    assert len(digest["failing_tests"]) == len(FAILING)
    assert sum(group.get("count", 1) for group in digest["findings"]) == counts["findings"]


async def compare_after_a_fix(shop: Shop, agent: Agent) -> dict[str, Any]:
    """Repair one test, add one finding, run again; what ``compare`` says."""
    shop.set_tests(FAILING[1:], seconds=0.0)
    shop.add_finding()
    started = await agent.call("run_checks", check_only=True, tests=True)
    await agent.call("wait", job_id=started["job_id"], until="finished", timeout_s=TIMEOUT)
    return await agent.call("compare", job_id=started["job_id"])


async def whole_episode(era: str, until: str) -> tuple[Episode, dict[str, Any]]:
    shop = Shop()
    client, wire = connected(shop, era)
    async with client:
        await client.list_tools()
        agent = Agent(client, wire)
        episode = await follow(agent, until)
        check_whole(episode.complete.content)
        return episode, await compare_after_a_fix(shop, agent)


async def many_failures() -> list[Told]:
    """The delays of thirty failing tests, one each second."""
    shop = Shop()
    shop.set_tests(tuple(range(20, TESTS + 1, 20)), seconds=0.05)
    client, wire = connected(shop, ERAS[-1])
    async with client:
        return (await follow(Agent(client, wire), "test")).told


def texts_of_the_tools() -> dict[str, int]:
    """Bytes that the tools print by themselves about the same project."""
    shop = Shop()
    shop.set_tests(FAILING, seconds=0.0)
    programs = {
        "pytest": [sys.executable, "-m", "pytest"],
        "ruff": [str(BIN / "ruff"), "check"],
        CONCISE: [str(BIN / "ruff"), "check", "--output-format=concise"],
        "mypy": [str(BIN / "mypy")],
    }
    sizes = {}
    for name, argv in programs.items():
        done = subprocess.run(
            argv, cwd=shop.root, env=environment(), capture_output=True, check=False
        )
        assert done.returncode == 1, done
        sizes[name] = len(done.stdout)
    return sizes


def episodes() -> None:
    taken = {
        (era, until): asyncio.run(whole_episode(era, until))
        for era, until in ((ERAS[0], "test"), (ERAS[1], "test"), (ERAS[1], "decisive"))
    }
    rows = []
    for (era, until), (episode, _) in taken.items():
        calls = verdict(episode.calls, 2) if until == "test" else "each hook that fails is told too"
        size = verdict(episode.size, 2500) if until == "test" else ""
        rows.append((f"{era}, until={until!r}", f"{episode.calls}", calls, f"{episode.size}", size))
    title = f"{LINT_FINDINGS} findings, {TESTS} tests in {TESTS * SECONDS_A_TEST:.0f} s, {TYPE_ERRORS} type errors"
    header = ("until the first failing test is known", "calls", "bar", "bytes", "bar")
    print_table(title, header, rows)
    print_complete({era: episode for (era, until), (episode, _) in taken.items()})
    for (era, until), (_, compared) in taken.items():
        new, fixed = compared["new"].get("count", 0), compared["fixed"].get("count", 0)
        told = "holds" if (new, fixed) == (1, 1) else "MISSED"
        print(f"compare, {era}, until={until!r}: {new} new, {fixed} fixed: {told}: 1 and 1")
    print_delays([told for episode, _ in taken.values() for told in episode.told])


def print_complete(taken: dict[str, Episode]) -> None:
    sizes = texts_of_the_tools()
    rows = [
        (
            f"wait(until='finished'), {era}",
            f"{one.complete.size:,}",
            verdict(one.complete.size, 6000),
        )
        for era, one in taken.items()
    ]
    rows += [(f"{name} by itself", f"{size:,}", "") for name, size in sizes.items()]
    rows.append(("the three as they are", f"{sum(sizes.values()) - sizes[CONCISE]:,}", ""))
    print_table("The whole run in bytes", ("what", "bytes", "bar"), rows)
    print()


def print_delays(of_episodes: Sequence[Told]) -> None:
    rows, ratios = [], []
    series = {"the episodes": of_episodes, "a failure each second": asyncio.run(many_failures())}
    for name, told in series.items():
        delays = sorted(one.delay * 1000 for one in told)
        shares = [one.delay / one.until_end for one in told]
        ratios.append(statistics.median(shares))
        p50 = statistics.median(delays)
        row = (name, str(len(told)), f"{p50:.0f} ms", f"{delays[-1]:.0f} ms", f"{ratios[-1]:.4f}")
        rows.append((*row, verdict(p50, 150, " ms")))
    header = ("failing tests", "how many", "p50", "longest", "of waiting for the end", "bar")
    print_table("From a test's failure to the agent's knowledge", header, rows)
    print(f"\nagainst waiting for the end: {verdict(max(ratios), 0.25, 'x')}")


def crowd() -> None:
    jobs, agents = 10, 50
    alone, together = wake(jobs, 1), wake(jobs, agents)
    rows = [_row(jobs, 1, alone), _row(jobs, agents, together)]
    header = ("jobs", "agents on each", "p50", "last", "looks at the store to wait", "to be told")
    print_table("From a test's failure to all answers, encoded", header, rows)
    more = jobs * (agents - 1)
    to_wait = (together.reads_to_wait - alone.reads_to_wait) / more
    to_tell = (together.reads_to_tell - alone.reads_to_tell) / more
    print(f"\nthe last answer: {verdict(max(together.delays) * 1000, 250, ' ms')}")
    print(
        f"looks per further agent, {to_wait:.2f} and {to_tell:.2f}: {verdict(to_wait + to_tell, 1)}"
    )


def _row(jobs: int, agents: int, woken: Woken) -> tuple[str, ...]:
    delays = [delay * 1000 for delay in woken.delays]
    times = (f"{statistics.median(delays):.0f} ms", f"{max(delays):.0f} ms")
    return (str(jobs), str(agents), *times, str(woken.reads_to_wait), str(woken.reads_to_tell))


def until_tools(name: str, argv: Sequence[str], cwd: str) -> Contender:
    """From the start of a server to its answer to ``tools/list``."""
    asked: tuple[tuple[str, int | None, dict[str, Any]], ...] = (
        ("initialize", 1, {"protocolVersion": ERAS[0], "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}),
        ("notifications/initialized", None, {}),
        ("tools/list", 2, {}),
    )  # fmt: skip
    lines = [
        {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": number} if number else {})
        for method, number, params in asked
    ]
    sent = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    def run() -> float:
        started = time.perf_counter()
        with subprocess.Popen(
            argv, cwd=cwd, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(sent)
            process.stdin.flush()
            answers = [json.loads(process.stdout.readline()) for _ in range(2)]
            taken = time.perf_counter() - started
            assert "tools" in answers[1]["result"], answers
            process.stdin.close()
            process.stdout.read()
        return taken

    return Contender(name, run)


def start_up() -> None:
    directory = fresh("empty")
    (directory / "empty.py").write_text(EMPTY)
    ours, empty = measure(
        [
            until_tools("crackerjack mcp", SERVER, str(directory)),
            until_tools("an empty MCPServer", (sys.executable, "empty.py"), str(directory)),
        ],
        rounds=15,
        warmups=2,
    )
    taken = ratio(ours, empty)
    rows = [
        (ours.name, f"{ours.median * 1000:.0f} ms", str(taken)),
        (empty.name, f"{empty.median * 1000:.0f} ms", "1"),
    ]
    print_table("From the start to the list of tools", ("server", "median", "ratio"), rows)
    print(f"\n{verdict(taken.median, 1.3, 'x')}")


def main() -> None:
    start_up()
    crowd()
    episodes()
