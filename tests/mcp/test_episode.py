"""What an agent is sent in an episode, counted on the wire: few calls, few bytes, and nothing left out.

The run is a script: its events are written to the store as a run's process does.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from crackerjack.events.event import WorkflowEvent
from crackerjack.events.log import JobEntry
from crackerjack.events.payload import DiagnosticFound, EventType
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.mcp.story import Stories, Until
from crackerjack.types import HookStatus, JobId
from crackerjack.web.feed import Feeds
from tests.sample_run import COMPREHENSIVE, FAST, TESTS, SampleRun, finding
from tests.web.serving import SECONDS, Writer

RULES: Final = {
    "F401": (90, "`json` imported but unused"),
    "F841": (70, "Local variable `value` is assigned to but never used"),
    "E711": (60, "Comparison to `None` should be `cond is None`"),
    "E712": (50, "Avoid equality comparisons to `True`; use `thing.sold:` for truth checks"),
    "E741": (40, "Ambiguous variable name: `l`"),
    "E731": (30, "Do not assign a `lambda` expression, use a `def`"),
    "F541": (20, "f-string without any placeholders"),
    "C408": (15, "Unnecessary `dict()` call (rewrite as a literal)"),
    "B006": (10, "Do not use mutable data structures for argument defaults"),
    "B007": (8, "Loop control variable `thing` not used within loop body"),
    "E722": (5, "Do not use bare `except`"),
    "E721": (2, "Use `is` and `is not` for type comparisons, or `isinstance()` for isinstance checks"),
}  # fmt: skip
"""What ruff says, and how often."""
TYPE_ERRORS: Final = {
    "return-value": 'Incompatible return value type (got "int", expected "str")',
    "assignment": 'Incompatible types in assignment (expression has type "int", variable has type "str")',
    "arg-type": 'Argument 1 to "net" has incompatible type "str"; expected "int"',
}
MESSAGE: Final = (
    "AssertionError: the total of an order is three times its number\n"
    "assert 301 == (100 * 3)\n +  where 301 = total(100)"
)
REVISIONS: Final = ("2025-11-25", "2026-07-28")
FIRST_FAILURE: Final = 2500 - 450 - 2 * 150
"""Bytes of the answer that tells it, of 2,500 with that of run_checks and two notifications."""
WHOLE_RUN: Final = 6000
"""Bytes of the digest of a finished run."""


class Agent:
    """A client that sends lines and counts what comes back."""

    def __init__(self, project: Path, revision: str) -> None:
        self._revision = revision
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crackerjack", "mcp", "--project-root", str(project)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=project,
            env=dict(os.environ),
        )
        self._last = 0
        self.sizes: dict[int, int] = {}
        """Request -> bytes of its answer, with its framing."""
        self._answers: dict[int, dict[str, Any]] = {}
        if revision == REVISIONS[0]:
            hello = {"protocolVersion": revision, "capabilities": {}, "clientInfo": CLIENT}
            self.result(self._send("initialize", hello))
            self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def begin(self, tool: str, **arguments: Any) -> int:
        """Send a call; returns its number."""
        return self._send("tools/call", {"name": tool, "arguments": arguments})

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and wait for what it says."""
        return self.content(self.begin(tool, **arguments))

    def content(self, number: int) -> dict[str, Any]:
        """What the call with that number has said."""
        result = self.result(number)
        assert not result["isError"], result
        content: dict[str, Any] = result["structuredContent"]
        return content

    def text(self, number: int) -> str:
        """The same in words."""
        text: str = self.result(number)["content"][0]["text"]
        return text

    def has_answer(self, number: int) -> bool:
        """Whether it has come by now: before that of a call that is made now."""
        self.call("jobs")
        return number in self._answers

    def result(self, number: int) -> dict[str, Any]:
        assert self._process.stdout is not None
        while number not in self._answers:
            line = self._process.stdout.readline()
            assert line, "the server is gone"
            message = json.loads(line)
            self._answers[message["id"]] = message["result"]
            self.sizes[message["id"]] = len(line)
        return self._answers[number]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(SECONDS)
        self._process.stdout.close()

    def _send(self, method: str, params: dict[str, Any]) -> int:
        self._last += 1
        if self._revision != REVISIONS[0]:
            about = {
                "protocolVersion": self._revision,
                "clientInfo": CLIENT,
                "clientCapabilities": {},
            }
            meta = {f"io.modelcontextprotocol/{key}": value for key, value in about.items()}
            params = {**params, "_meta": meta}
        self._write({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params})
        return self._last

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()


CLIENT: Final = {"name": "test", "version": "1"}


class Script:
    """A job in the store, written as far as a test wants it."""

    def __init__(self, writer: Writer, project: Path, name: str = "1234567890") -> None:
        self._writer = writer
        self.job_id = writer.job(name, project=str(project))
        self.run = SampleRun(name)
        self._written = 0

    def write(self) -> int:
        """Commit what the script has so far; returns the last `seq`."""
        for event in self.run.events[self._written :]:
            self._writer.bus.publish(self.job_id, EventType(event.event_type), event.payload)
        self._writer.bus.flush(SECONDS)
        self._written = len(self.run.events)
        return self._written

    def lint(self, extra: int = 0) -> None:
        """All that ruff says, up to its end."""
        found = [one for code in RULES for one in findings(code)]
        found += [finding("ruff-check", "shop/new.py", line, code="E711") for line in range(extra)]
        self.run.strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check").found(*found)
        self.run.hook_ended(FAST, "ruff-check", HookStatus.FAILED, findings=len(found))
        self.run.strategy_ended(FAST, success=False)

    def types(self) -> None:
        """The same of mypy."""
        self.run.strategy(COMPREHENSIVE, ["mypy"]).hook(COMPREHENSIVE, "mypy")
        for line, (code, message) in enumerate(TYPE_ERRORS.items(), 6):
            self.run.found(finding("mypy", "shop/prices.py", line, code=code, message=message))
        self.run.hook_ended(COMPREHENSIVE, "mypy", HookStatus.FAILED, findings=len(TYPE_ERRORS))
        self.run.strategy_ended(COMPREHENSIVE, success=False)

    def tests(self, first: int, last: int, *failing: int) -> None:
        """So many tests, of which some fail."""
        for number in range(first, last + 1):
            nodeid = f"tests/test_orders_001.py::test_total_of_order[{number}]"
            if number in failing:
                told = {"path": "tests/test_orders_001.py", "line": 8, "message": MESSAGE}
                self.run.test(nodeid, "failed", **told)
            else:
                self.run.test(nodeid)

    def until_the_first_failure(self) -> None:
        self.run.begin(tests=True, check=True)
        self.lint()
        self.types()
        self.run.phase(TESTS).hook(TESTS, "pytest").collected(600)
        self.tests(1, 100, 100)

    def end(self) -> None:
        self.run.hook_ended(TESTS, "pytest", HookStatus.FAILED, findings=2)
        self.run.phase_ended(TESTS, HookStatus.FAILED)
        reason = "failed: ruff-check, mypy, pytest"
        self.run.end(EventType.WORKFLOW_FAILED, reason=reason, findings=403, tests_failed=2)


def findings(code: str) -> list[DiagnosticFound]:
    count, message = RULES[code]
    return [
        finding(
            "ruff-check",
            f"shop/part_{number % 20:02}.py",
            number + 1,
            code=code,
            message=message,
            fixable=code in {"F401", "F541"},
            fingerprint=f"{code}-{number}",
        )
        for number in range(count)
    ]


@pytest.fixture
def writer() -> Iterator[Writer]:
    writer = Writer()
    yield writer
    writer.close()


@pytest.fixture
def script(writer: Writer, tmp_path: Path) -> Script:
    return Script(writer, tmp_path)


@pytest.fixture(params=REVISIONS)
def agent(request: pytest.FixtureRequest, writer: Writer, tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path, request.param)
    yield agent
    agent.close()


def test_one_wait_tells_the_first_failing_test(agent: Agent, script: Script) -> None:
    script.until_the_first_failure()
    failed = script.run.events.pop()
    script.write()
    waiting = agent.begin("wait", job_id=script.job_id, until="test")
    assert not agent.has_answer(waiting)
    script.run.events.append(failed)
    script.write()
    told = agent.content(waiting)
    assert told["failing_tests"] == [
        {
            "nodeid": "tests/test_orders_001.py::test_total_of_order[100]",
            "path": "tests/test_orders_001.py",
            "line": 8,
            "message": MESSAGE,
        }
    ]
    assert "test_total_of_order[100] (tests/test_orders_001.py:8)" in agent.text(waiting)
    shown = sum(group.get("count", 1) for group in told["findings"])
    assert shown + told["more_findings"] == told["counts"]["findings"] == 403
    assert agent.sizes[waiting] <= FIRST_FAILURE


def test_a_run_is_started_in_few_bytes(agent: Agent, tmp_path: Path) -> None:
    project = str(tmp_path)
    started = agent.begin("run_checks", project=project, hooks=["file-checks"], check_only=True)
    job_id = agent.content(started)["job_id"]
    assert agent.call("wait", job_id=job_id, until="finished")["finished"]
    assert agent.sizes[started] - len(str(tmp_path)) <= 400


def test_the_digest_of_a_whole_run_leaves_nothing_out(agent: Agent, script: Script) -> None:
    script.until_the_first_failure()
    script.tests(101, 600, 400)
    script.end()
    script.write()
    number = agent.begin("wait", job_id=script.job_id, until="finished")
    told = agent.content(number)
    counts = {(one["hook"], one["code"]): one.get("count", 1) for one in told["findings"]}
    assert counts == {
        **{("ruff-check", code): count for code, (count, _) in RULES.items()},
        **{("mypy", code): 1 for code in TYPE_ERRORS},
    }
    assert [test["nodeid"][-5:] for test in told["failing_tests"]] == ["[100]", "[400]"]
    assert told["finished"]
    text = agent.text(number)
    assert all(code in text for code in [*RULES, *TYPE_ERRORS])
    assert "[100]" in text
    assert "[400]" in text
    assert agent.sizes[number] <= WHOLE_RUN


@pytest.mark.parametrize("agent", REVISIONS[1:], indirect=True)
def test_a_hook_is_told_once_and_whole(agent: Agent, script: Script) -> None:
    """What it found comes just before its end, and may come in several commits."""
    script.run.begin(tests=True, check=True)
    script.lint()
    events = script.run.events
    rest = events[200:]
    del events[200:]
    script.write()
    waiting = agent.begin("wait", job_id=script.job_id)
    assert not agent.has_answer(waiting)
    events.extend(rest)
    script.write()
    told = agent.content(waiting)
    assert told["woken_by"] == "the first F401 of ruff-check, and 11 more kinds"
    assert sum(group.get("count", 1) for group in told["findings"]) == 400
    assert "fix this, then wait" in told["do_next"]


@pytest.mark.parametrize("agent", REVISIONS[1:], indirect=True)
def test_who_waits_for_tests_hears_of_their_end(agent: Agent, script: Script) -> None:
    run = script.run.begin(tests=True, check=True).phase(TESTS).hook(TESTS, "pytest").collected(2)
    script.tests(1, 2)
    run.hook_ended(TESTS, "pytest").phase_ended(TESTS)
    script.write()
    told = agent.call("wait", job_id=script.job_id, until="test")
    assert told["woken_by"] == "the tests have ended: passed"
    assert not told["finished"]


@pytest.mark.parametrize("agent", REVISIONS[1:], indirect=True)
def test_a_digest_stays_small_whatever_was_found(agent: Agent, script: Script) -> None:
    run = script.run.begin(tests=True, check=True).strategy(FAST, ["tool"]).hook(FAST, "tool")
    for number in range(1000):
        long = {"message": f"\x1b[31m{number} " * 500, "code": f"RULE-{number}" * 50}
        run.found(finding("tool", "deep/" * 200 + "file.py", number, **long))
    run.hook_ended(FAST, "tool", HookStatus.FAILED, findings=1000)
    script.tests(1, 50, *range(1, 51))
    script.end()
    script.write()
    number = agent.begin("wait", job_id=script.job_id, until="finished")
    told = agent.content(number)
    assert len(told["findings"]) + told["more_findings"] == 1000
    assert len(told["failing_tests"]) + told["more_failing_tests"] == 50
    assert agent.sizes[number] <= 2 * WHOLE_RUN


@pytest.mark.parametrize("agent", REVISIONS[1:], indirect=True)
def test_one_test_fixed_and_one_finding_added(agent: Agent, writer: Writer, tmp_path: Path) -> None:
    for name, extra, failing in (("before", 0, (100, 400)), ("after", 1, (400,))):
        script = Script(writer, tmp_path, name)
        script.run.begin(tests=True, check=True)
        script.lint(extra)
        script.types()
        script.run.phase(TESTS).hook(TESTS, "pytest").collected(600)
        script.tests(1, 600, *failing)
        script.end()
        script.write()
    number = agent.begin("compare", job_id="after")
    compared = agent.content(number)
    assert compared["base"] == "before"
    assert compared["new"]["count"] == compared["fixed"]["count"] == 1
    assert compared["new"]["findings"][0]["examples"][0]["path"] == "shop/new.py"
    assert compared["fixed"]["tests"][0]["nodeid"].endswith("[100]")
    assert compared["remaining"] == {"count": 404}
    assert agent.sizes[number] <= 1500


class CountingLog(SqliteEventLog):
    """Counts how often somebody looks into it for one job."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.looks: Final[Counter[str]] = Counter()

    def read(self, job_id: JobId, after: int, limit: int) -> list[WorkflowEvent]:
        self.looks["read"] += 1
        return super().read(job_id, after, limit)

    def job(self, job_id: JobId) -> JobEntry:
        self.looks["job"] += 1
        return super().job(job_id)


def test_however_many_wait_the_store_is_read_once(script: Script) -> None:
    def looks(agents: int) -> Counter[str]:
        log = CountingLog(Path(os.environ["CRACKERJACK_STATE_DIR"], "store.db"))
        try:
            asyncio.run(wait(log, agents))
            return log.looks
        finally:
            log.close()

    async def wait(log: CountingLog, agents: int) -> None:
        since = script.write()
        feeds = Feeds(log)
        stories = Stories(feeds)
        waiting = [
            asyncio.create_task(stories.wait(script.job_id, since, Until.DECISIVE, SECONDS))
            for _ in range(agents)
        ]
        for _ in range(100):  # turns of the loop, in which all of them come to wait
            await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        script.tests(since, since, since)
        script.write()
        await feeds.look()
        told = await asyncio.gather(*waiting)
        assert {story.snapshot.seq for story in told} == {since + 1}

    script.until_the_first_failure()
    assert looks(50) == looks(1)
