"""What `wait` waits for, who is woken, what it costs, and what a cancelled call leaves behind."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import Any

import anyio
import pytest

from crackerjack.events.payload import DiagnosticFound, EventType
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.mcp.story import Stories, Story, Until
from crackerjack.types import HookStatus
from crackerjack.web.feed import Feed
from tests.mcp.clients import Agent, over_http
from tests.mcp.store import Store
from tests.sample_run import COMPREHENSIVE, FAST, TESTS, SampleRun, finding
from tests.web.in_process import InProcess
from tests.web.serving import SECONDS

pytestmark = pytest.mark.anyio


def begun(name: str = "job123") -> SampleRun:
    """A run whose hooks have begun, and have told nothing yet."""
    run = SampleRun(name).begin(tests=True).strategy(FAST, []).hook(FAST, "ruff-check")
    return run.hook(COMPREHENSIVE, "mypy").hook(TESTS, "pytest").collected(3)


class Waiting:
    """A call of `wait` that goes on."""

    def __init__(self, agent: Agent, job_id: str, **asked: Any) -> None:
        self._task = asyncio.create_task(agent("wait", job_id=job_id, **asked))

    async def told(self) -> Any:
        with anyio.fail_after(SECONDS):
            return await self._task

    async def failed(self) -> None:
        await asyncio.wait([self._task], timeout=SECONDS)
        assert self._task.cancelled() or self._task.exception() is not None

    @property
    def goes_on(self) -> bool:
        return not self._task.done()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    waits = Waits()
    monkeypatch.setattr(Stories, "wait", waits.wrapped(Stories.wait))
    return waits


class Waits:
    """Sees the server wait."""

    def __init__(self) -> None:
        self._begun = threading.Semaphore(0)
        self._cancelled = threading.Semaphore(0)

    def wrapped(self, wait: Any) -> Any:
        async def seen(*arguments: Any) -> Story:
            self._begun.release()
            try:
                story: Story = await wait(*arguments)
            except asyncio.CancelledError:
                self._cancelled.release()
                raise
            return story

        return seen

    async def begun(self, count: int = 1) -> None:
        await self._acquire(self._begun, count)

    async def cancelled(self, count: int = 1) -> None:
        await self._acquire(self._cancelled, count)

    @staticmethod
    async def _acquire(semaphore: threading.Semaphore, count: int) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(semaphore.acquire, timeout=SECONDS)


async def test_the_first_failing_test_wakes_and_the_rest_goes_on(
    server: InProcess, store: Store, waits: Waits, era: str
) -> None:
    run = begun()
    job_id = store.write(run)
    async with over_http(server.http, mode=era) as agent:
        waiting = Waiting(agent, job_id)
        await waits.begun()
        run.test("tests/a.py::one").test("tests/a.py::two", "failed", path="tests/a.py", line=7)
        store.write(run)
        told = await waiting.told()
        assert told["woken_by"] == "tests/a.py::two failed"
        assert told["finished"] is False
        assert [test["nodeid"] for test in told["failing_tests"]] == ["tests/a.py::two"]
        assert told["counts"] == {"tests": 3, "tests_passed": 1, "tests_failed": 1}
        assert f"since={told['next']}" in told["do_next"]

        waiting = Waiting(agent, job_id, since=told["next"])
        await waits.begun()
        store.write(run.test("tests/a.py::three").end(EventType.WORKFLOW_FAILED))
        told = await waiting.told()
        assert (told["woken_by"], told["finished"]) == ("the job has ended", True)
        assert "failing_tests" not in told


def decisive() -> list[tuple[str, SampleRun]]:
    """What wakes, and the run that has come to it."""
    second = finding("mypy", line=2, code="F401")
    return [
        ("tests/a.py::t error", begun().test("tests/a.py::t", "error")),
        ("the first F401 of ruff-check", found_by("ruff-check", finding("ruff-check"))),
        ("the first F401 of mypy", found_by("mypy", second)),
        ("mypy: tool missing", begun().hook_ended(FAST, "mypy", HookStatus.TOOL_MISSING)),
        ("mypy: tool error", begun().hook_ended(FAST, "mypy", HookStatus.TOOL_ERROR)),
        ("mypy: timed out", begun().hook_ended(FAST, "mypy", HookStatus.TIMED_OUT)),
        ("the job has ended", begun().end()),
    ]


def found_by(hook: str, *findings: DiagnosticFound) -> SampleRun:
    """A hook that ends when it has told these."""
    return begun().found(*findings).hook_ended(FAST, hook, HookStatus.FAILED)


def not_decisive() -> SampleRun:
    run = begun().test("tests/a.py::t").test("tests/a.py::u", "skipped")
    run.found(finding("ruff-check", severity="warning", code="W1"))
    run.output(FAST, "ruff-check", "error: all is lost\n")
    return run.hook_ended(FAST, "ruff-check", HookStatus.FAILED)


def test_what_is_decisive() -> None:
    for why, run in decisive():
        story = folded(run)
        assert [mark.why for mark in story.marks] == [why]
        assert story.is_due(len(run.events) - 1, Until.DECISIVE)
        assert not story.is_due(len(run.events), Until.DECISIVE) or story.snapshot.finished
    assert folded(not_decisive()).marks == []


def test_the_second_error_of_a_kind_wakes_nobody() -> None:
    same, other = finding("ruff-check", line=4), finding("ruff-check", line=5, code="E1")
    run = found_by("ruff-check", finding("ruff-check"), same, other)
    run.hook(FAST, "ruff-check", rerun=True).found(same)
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED, rerun=True)
    assert [mark.why for mark in folded(run).marks] == [
        "the first F401 of ruff-check, and 1 more kind"
    ]


def folded(run: SampleRun) -> Story:
    story = Story(snapshot=JobSnapshot(job_id=run.job_id))
    for event in run.events:
        story.apply(event)
    return story


async def test_any_event_or_the_end_alone(server: InProcess, store: Store, waits: Waits) -> None:
    run = begun()
    job_id = store.write(run)
    async with over_http(server.http) as agent:
        seq = len(run.events)
        to_any = Waiting(agent, job_id, since=seq, until="any")
        to_decisive = Waiting(agent, job_id, since=seq)
        to_end = Waiting(agent, job_id, since=seq, until="finished")
        await waits.begun(3)
        store.write(run.test("tests/a.py::one"))
        told = await to_any.told()
        assert (told["next"], told["counts"]["tests_passed"]) == (seq + 1, 1)
        assert "woken_by" not in told
        assert to_decisive.goes_on
        store.write(run.test("tests/a.py::two", "failed"))
        assert (await to_decisive.told())["next"] == seq + 2
        assert to_end.goes_on
        store.write(run.end(EventType.WORKFLOW_FAILED))
        told = await to_end.told()
        assert (told["finished"], told["woken_by"]) == (True, "tests/a.py::two failed")


async def test_the_time_is_up(server: InProcess, store: Store) -> None:
    run = begun()
    job_id = store.write(run)
    async with over_http(server.http) as agent:
        for timeout_s in (0, 0.1):
            told = await agent("wait", job_id=job_id, timeout_s=timeout_s)
            assert (told["finished"], told["next"]) == (False, len(run.events))
            assert told["running"] == ["ruff-check", "mypy", "pytest"]


async def test_a_person_sees_how_far_it_is(
    server: InProcess, store: Store, waits: Waits, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crackerjack.mcp.tools._REPORT_EVERY", 0.05)
    run = begun()
    job_id = store.write(run)
    reports: list[tuple[float, str]] = []
    reported = anyio.Event()

    async def report(progress: float, total: float | None, message: str | None) -> None:
        nonlocal reported
        assert total is None  # how many events a run will have, nobody knows
        reports.append((progress, message or ""))
        reported.set()

    async with over_http(server.http, mode=era) as agent:
        arguments = {"job_id": job_id, "until": "finished"}
        call = asyncio.create_task(
            agent.client.call_tool("wait", arguments, progress_callback=report)
        )
        for number in range(1, 4):
            with anyio.fail_after(SECONDS):
                await reported.wait()
            reported = anyio.Event()
            await waits.begun(3)  # while nothing happens, nothing is said
            store.write(run.test(f"tests/a.py::{number}"))
        store.write(run.end())
        with anyio.fail_after(SECONDS):
            assert not (await call).is_error
    seqs = [seq for seq, _ in reports]
    assert len(seqs) >= 3
    assert all(seq < later for seq, later in itertools.pairwise(seqs)), seqs
    assert reports[0][1].endswith("0/3 tests")
    assert any("%" in message and message.endswith("2/3 tests") for _, message in reports)


async def test_a_cancelled_call_leaves_the_job_alone(
    server: InProcess, store: Store, waits: Waits, era: str
) -> None:
    run = begun()
    job_id = store.write(run)
    async with over_http(server.http, mode=era) as agent:
        async with anyio.create_task_group() as calls:
            calls.start_soon(lambda: agent("wait", job_id=job_id, until="finished"))
            await waits.begun()
            calls.cancel_scope.cancel()
        await waits.cancelled()  # and so nothing waits on behalf of nobody
        assert not store.log.job(run.job_id).cancel_requested
        waiting = Waiting(agent, job_id)
        await waits.begun()
        store.write(run.test("tests/a.py::one", "failed"))
        assert (await waiting.told())["failing_tests"]


async def test_a_client_that_is_gone_is_waited_for_no_more(
    server: InProcess, store: Store, waits: Waits, era: str
) -> None:
    job_id = store.write(begun())
    async with over_http(server.http, mode=era) as agent:
        waiting = Waiting(agent, job_id, until="finished")
        await waits.begun()
    await waits.cancelled()
    await waiting.failed()


async def test_fifty_who_wait_cost_one_reader(
    server: InProcess, store: Store, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun()
    job_id = store.write(run)
    pages = Counted(SqliteEventLog.read)
    folds = Counted(JobSnapshot.apply)
    news = Counted(Feed.deliver)
    monkeypatch.setattr(SqliteEventLog, "read", pages.method())
    monkeypatch.setattr(JobSnapshot, "apply", folds.method())
    monkeypatch.setattr(Feed, "deliver", news.method())
    async with (
        over_http(server.http, mode="legacy") as one,
        over_http(server.http, mode="auto") as two,
    ):
        waiting = [Waiting(agent, job_id) for agent in (one, two) for _ in range(25)]
        await waits.begun(50)
        for number in range(30):
            store.write(run.test(f"tests/a.py::{number}"))
        assert all(one.goes_on for one in waiting)
        store.write(run.test("tests/a.py::last", "failed"))
        for each in waiting:
            assert (await each.told())["woken_by"] == "tests/a.py::last failed"
    assert folds.count == len(run.events)
    # One page for the beginning, and one each time that something came, for all of them.
    assert pages.count <= 1 + news.count, (pages.count, news.count)


class Counted:
    """A method that is counted."""

    def __init__(self, method: Any) -> None:
        self.count = 0
        self._method = method

    def method(self) -> Any:
        def counted(*arguments: Any) -> Any:
            self.count += 1
            return self._method(*arguments)

        return counted
