"""Every tool, as agents of both protocol eras have it over HTTP; each answer is as its schema says."""

from __future__ import annotations

import asyncio
import json
import os
import re
from typing import Any

import anyio
import jsonschema
import pytest

from crackerjack.events.log import JobEntry
from crackerjack.events.payload import EventType
from crackerjack.hooks.source_lines import SourceLines
from crackerjack.jobs.job_manager import JobManager
from crackerjack.jobs.project_lock import ProjectLock
from crackerjack.types import HookStatus, JobId
from tests.cli.command_line import Project
from tests.mcp.clients import over_http, said
from tests.mcp.store import Store
from tests.sample_run import COMPREHENSIVE, FAST, TESTS, SampleRun, failing_run, finding
from tests.web.in_process import InProcess
from tests.web.serving import SECONDS

pytestmark = pytest.mark.anyio

READ_ONLY = {"wait", "findings", "compare", "output", "jobs", "explain"}
DESTRUCTIVE = {"run_checks", "cancel", "undo"}


async def test_the_tools_say_what_they_take_give_and_change(server: InProcess, era: str) -> None:
    async with over_http(server.http, mode=era) as agent:
        tools = (await agent.client.list_tools()).tools
        assert {tool.name for tool in tools} == {"run_checks", *READ_ONLY, *DESTRUCTIVE}
        for tool in tools:
            hints = tool.annotations
            assert hints is not None
            assert hints.read_only_hint is (tool.name in READ_ONLY)
            assert hints.destructive_hint is (tool.name in DESTRUCTIVE)
            assert hints.idempotent_hint is (tool.name != "run_checks")
            assert hints.open_world_hint is False
            assert len(tool.description or "") > 40
            for schema in (tool.input_schema, tool.output_schema):
                assert schema is not None
                jsonschema.Draft202012Validator.check_schema(schema)
                assert schema["additionalProperties"] is False
            if tool.name == "wait":  # most clients give up after a minute
                assert tool.input_schema["properties"]["timeout_s"]["default"] < 60
            if tool.name == "run_checks":
                for word in ("tests=true", "change files unless check_only", "undo"):
                    assert word in (tool.description or "")
        # An agent pays for every byte of this before it has done anything.
        assert sum(len(tool.model_dump_json(exclude_none=True)) for tool in tools) < 23_000


async def test_a_run_that_has_ended(server: InProcess, store: Store, era: str) -> None:
    job_id = store.write(failing_run())
    async with over_http(server.http, mode=era) as agent:
        told = await agent("wait", job_id=job_id)
        assert (told["status"], told["finished"]) == ("failed", True)
        assert told["counts"] == {
            "findings": 3,
            "errors": 3,
            "fixed": 1,
            "tests": 3,
            "tests_passed": 1,
            "tests_failed": 1,
        }
        (test,) = told["failing_tests"]
        assert test == {
            "nodeid": "tests/test_app.py::test_two",
            "path": "tests/test_app.py",
            "line": 12,
            "message": "assert 1 == 2\n +  where 1 = f()",
        }
        assert [(one["hook"], one["code"]) for one in told["findings"]] == [
            ("ruff-check", "F401"),
            ("ruff-check", "E711"),
            ("mypy", "arg-type"),
        ]
        assert [(one["hook"], one["status"]) for one in told["hooks"]] == [
            ("ruff-check", "failed"),
            ("mypy", "failed"),
            ("bandit", "tool_missing"),
            ("vulture", "tool_error"),
            ("pytest", "failed"),
        ]
        assert "uv add --dev bandit" in told["hooks"][2]["reason"]
        assert "findings" in told["do_next"]
        nothing_new = await agent("wait", job_id=job_id, since=told["next"])
        assert not {"failing_tests", "findings", "hooks"} & nothing_new.keys()


async def test_a_failing_test_that_has_passed_at_the_same_content_is_called_flaky(
    server: InProcess, store: Store
) -> None:
    run = SampleRun().begin(tests=True).phase(TESTS).collected(2)
    run.test("tests/a.py::chance", "failed", message="assert 0", flaky=True)
    job_id = store.write(run.test("tests/a.py::bad", "failed"))
    async with over_http(server.http) as agent:
        answer = await agent.answer("wait", job_id=job_id)
        told = answer.structured_content["failing_tests"]
        assert [test.get("flaky") for test in told] == [True, None]
        assert "chance (flaky: it has passed at the same content): assert 0" in said(answer)


async def test_the_text_says_what_the_structure_says(server: InProcess, store: Store) -> None:
    job_id = store.write(failing_run())
    async with over_http(server.http) as agent:
        text = said(await agent.answer("wait", job_id=job_id))
        assert "FAILED tests/test_app.py::test_two (tests/test_app.py:12): assert 1 == 2" in text
        assert "ruff-check E711 src/cli.py:40 comparison to None" in text
        assert text.splitlines()[-1].startswith("Next: findings(job_id='job123')")


async def test_what_has_no_place_is_told_without_one(server: InProcess, store: Store) -> None:
    run = SampleRun().begin(tests=True).strategy(FAST, []).hook(FAST, "ruff-check")
    run.found(finding("ruff-check", line=None)).test("tests/x.py::test", "error", message="boom")
    job_id = store.write(run.end(EventType.WORKFLOW_FAILED))
    async with over_http(server.http) as agent:
        for tool in ("wait", "findings"):
            assert "None" not in said(await agent.answer(tool, job_id=job_id))


async def test_findings_by_rule_with_their_lines(
    server: InProcess, store: Store, project: Project, era: str
) -> None:
    project.write("src/app.py", "one\n\n    import os  # here\n")
    run = SampleRun().begin(project=str(project.root)).strategy(FAST, []).hook(FAST, "ruff-check")
    run.found(*(finding("ruff-check", line=3 + n, fixable=n % 2 == 0) for n in range(400)))
    run.found(*(finding("ruff-check", f"src/{n}.py", code="W1", severity="warning") for n in "ab"))
    run.hook(COMPREHENSIVE, "mypy").found(finding("mypy", "tests/x.py", code="", line=None))
    job_id = store.write(run.end(EventType.WORKFLOW_FAILED))
    async with over_http(server.http, mode=era) as agent:
        found = await agent("findings", job_id=job_id)
        assert found["total"] == 403
        first = found["groups"][0]
        assert (first["count"], first["fixable"], len(first["examples"])) == (400, 200, 3)
        assert first["examples"][0] == {
            "path": "src/app.py",
            "line": 3,
            "source": "import os  # here",
        }
        severities = [one.get("severity", "error") for one in found["groups"]]
        assert severities == ["error", "error", "warning"]
        assert len(json.dumps(found)) < 2_000

        async def codes(**asked: Any) -> list[tuple[str, int]]:
            groups = (await agent("findings", job_id=job_id, **asked))["groups"]
            return [(one.get("code", ""), one.get("count", 1)) for one in groups]

        assert await codes(severity="warning") == [("W1", 2)]
        assert await codes(hook="mypy") == [("", 1)]
        assert await codes(path="src/a.py") == [("W1", 1)]
        assert await codes(path="src/") == [("F401", 400), ("W1", 2)]
        assert await codes(path=f"{project.root}/src/a.py") == [("W1", 1)]
        assert await codes(path="sr") == []


async def test_findings_have_the_failing_tests_too(
    server: InProcess, store: Store, project: Project
) -> None:
    run = SampleRun().begin(tests=True, project=str(project.root)).hook(TESTS, "pytest")
    for number in range(23):
        run.test(f"tests/a.py::{number}", "failed", path="tests/a.py")
    run.hook_ended(TESTS, "pytest", HookStatus.FAILED)
    job_id = store.write(run.end(EventType.WORKFLOW_FAILED))
    after_it = "after the fix, run_checks again and compare"
    async with over_http(server.http) as agent:
        told = await agent("wait", job_id=job_id)
        assert told["more_failing_tests"] == 18
        assert told["do_next"] == f"findings(job_id='job123') has more tests; {after_it}"
        found = await agent("findings", job_id=job_id)
        assert (len(found["failing_tests"]), found["more_failing_tests"]) == (20, 3)
        assert found["do_next"] == after_it
        text = said(await agent.answer("findings", job_id=job_id, hook="pytest", path="tests"))
        assert text.startswith("0 findings of job job123\nFAILED tests/a.py::0 (tests/a.py)")
        assert "\nand 3 more failing tests\n" in text
        for nothing in ({"path": "src"}, {"severity": "note"}):
            assert "do_next" not in await agent("findings", job_id=job_id, **nothing)


async def test_findings_come_in_pages(server: InProcess, store: Store) -> None:
    run = SampleRun().begin().strategy(FAST, []).hook(FAST, "ruff-check")
    run.found(*(finding("ruff-check", line=n, code=f"E{n}") for n in range(1, 8)))
    job_id = store.write(run.end(EventType.WORKFLOW_FAILED))
    async with over_http(server.http) as agent:
        codes: list[str] = []
        cursor = ""
        while True:
            page = await agent("findings", job_id=job_id, limit=3, cursor=cursor)
            codes += [one["code"] for one in page["groups"]]
            if not (cursor := page.get("cursor", "")):
                break
        assert codes == [f"E{n}" for n in range(1, 8)]


def run_with(name: str, *lines: int, tests: dict[str, str] | None = None) -> SampleRun:
    """A run that found the rule F401 in these lines, and ran these tests."""
    run = SampleRun(name).begin(tests=True).strategy(FAST, []).hook(FAST, "ruff-check")
    run.found(*(finding("ruff-check", line=line) for line in lines))
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED)
    step = run.hook("run_test_workflow_001", "pytest")
    for nodeid, outcome in (tests or {}).items():
        step.test(nodeid, outcome, message="why")
    run.hook_ended("run_test_workflow_001", "pytest", HookStatus.FAILED)
    return run.end(EventType.WORKFLOW_FAILED)


async def test_compare_and_what_is_new(server: InProcess, store: Store, era: str) -> None:
    store.write(run_with("before", 1, 2, tests={"a": "failed", "b": "failed"}))
    store.write(run_with("now", 2, 9, tests={"a": "passed", "b": "failed"}))
    async with over_http(server.http, mode=era) as agent:
        compared = await agent("compare", job_id="now")
        assert compared["base"] == "before"
        assert compared["new"]["count"] == 1
        assert compared["new"]["findings"][0]["examples"][0]["line"] == 9
        assert compared["fixed"]["count"] == 2
        assert compared["fixed"]["findings"][0]["examples"][0]["line"] == 1
        assert [test["nodeid"] for test in compared["fixed"]["tests"]] == ["a"]
        assert compared["remaining"]["count"] == 2
        assert await agent("compare", job_id="now", base="before") == compared
        assert compared["do_next"].startswith("findings(job_id='now') has every place; after")
        new = await agent("findings", job_id="now", only="new")
        assert (new["base"], new["total"]) == ("before", 1)
        assert "failing_tests" not in new
        first = await agent("findings", job_id="before", only="new")
        assert first["total"] == 2
        assert "first finished run" in first["note"]


async def test_files_are_read_beside_the_event_loop(
    server: InProcess, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_loops: list[bool] = []

    def read(_lines: SourceLines, _path: str, _line: int) -> str:
        on_loops.append(asyncio._get_running_loop() is not None)
        return ""

    monkeypatch.setattr(SourceLines, "__call__", read)
    store.write(run_with("before", 1))
    store.write(run_with("now", 2))
    async with over_http(server.http) as agent:
        for tool in ("findings", "compare"):
            await agent(tool, job_id="now")
            assert on_loops, tool
            assert not any(on_loops), tool
            on_loops.clear()


async def test_only_runs_that_have_ended_are_compared(server: InProcess, store: Store) -> None:
    store.write(run_with("before", 1))
    store.write(SampleRun("running").begin())
    store.write(run_with("elsewhere", 1), project="/elsewhere")
    async with over_http(server.http) as agent:
        assert "wait(job_id='running'" in await agent.error("compare", job_id="running")
        sentence = await agent.error("compare", job_id="before", base="running")
        assert "wait(job_id='running'" in sentence
        assert "first finished run" in await agent.error("compare", job_id="before")
        assert "no job nope" in await agent.error("compare", job_id="before", base="nope")
        assert "allowed root" in await agent.error("compare", job_id="before", base="elsewhere")


async def test_output_is_the_end_of_it(server: InProcess, store: Store, era: str) -> None:
    run = SampleRun().begin().strategy(FAST, []).hook(FAST, "tool").hook(FAST, "quiet")
    for first in range(0, 100, 10):
        run.output(FAST, "tool", "".join(f"line {first + n}\n" for n in range(10)))
    job_id = store.write(run.end())
    async with over_http(server.http, mode=era) as agent:
        told = await agent("output", job_id=job_id, hook="tool", tail=2)
        assert (told["lines"], told["text"]) == (100, "line 98\nline 99")
        assert (await agent("output", job_id=job_id, hook="quiet"))["note"]
        sentence = await agent.error("output", job_id=job_id, hook="other")
        assert sentence == "job job123 has no hook 'other'; it has: quiet, tool"


async def test_jobs_of_allowed_projects(server: InProcess, store: Store, project: Project) -> None:
    async with over_http(server.http) as agent:
        assert await agent("jobs") == {"jobs": [], "do_next": "run_checks starts the first one"}
        store.write(SampleRun("first").begin().end())
        store.write(SampleRun("elsewhere").begin().end(), project="/elsewhere")
        store.write(failing_run())
        rows = (await agent("jobs", project=str(project.root)))["jobs"]
        assert [row["job_id"] for row in rows] == ["job123", "first"]
        assert (rows[0]["findings"], rows[0]["tests_failed"]) == (3, 1)
        assert [row["job_id"] for row in (await agent("jobs", limit=1))["jobs"]] == ["job123"]


async def test_a_job_that_is_forgotten_while_jobs_are_listed(
    server: InProcess, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(failing_run())
    forgotten = JobId(store.write(SampleRun("old").begin().end()))
    listed = JobManager.entries

    def entries(jobs: JobManager, **asked: Any) -> list[JobEntry]:
        found = listed(jobs, **asked)
        store.forget(forgotten)
        return found

    monkeypatch.setattr(JobManager, "entries", entries)
    async with over_http(server.http) as agent:
        assert [row["job_id"] for row in (await agent("jobs"))["jobs"]] == ["job123"]


async def test_explain_says_what_would_run_and_why_not(server: InProcess, project: Project) -> None:
    project.write_tool("true")
    project.configure('[tool.crackerjack.hooks.gone]\ncommand = ["./no-such-tool"]')
    async with over_http(server.http) as agent:
        explained = await agent("explain")
        assert explained["project"] == str(project.root)
        hooks = {one["hook"]: one for one in explained["hooks"]}
        assert hooks["tool"]["runs"]
        assert not hooks["gone"]["runs"]
        assert "no-such-tool" in hooks["gone"]["why"]
        assert explained["do_next"] == f"run_checks(project={str(project.root)!r})"


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("nope", {}, "no tool 'nope'; there are: run_checks, wait"),
    ("wait", {}, "job_id: Field required; it takes: job_id, since"),
    ("wait", {"job_id": "job123", "untill": "any"}, "untill: .*it takes: job_id, since, until"),
    ("wait", {"job_id": "nope"}, "no job nope in this store; the tool jobs lists"),
    ("wait", {"job_id": "../store"}, "invalid job id"),
    ("wait", {"job_id": "job123\0"}, "invalid job id"),
    ("wait", {"job_id": "x" * 65}, "job_id: .*64"),
    ("wait", {"job_id": "job123", "since": 10_000}, "none after 10000"),
    ("wait", {"job_id": "job123", "since": -1}, "since: .*greater"),
    ("wait", {"job_id": "job123", "since": 10**30}, "none after"),
    ("wait", {"job_id": "job123", "timeout_s": 1e9}, "timeout_s: .*600"),
    (
        "wait",
        {"job_id": "job123", "until": "later"},
        "until: .*'decisive', 'test', 'finished' or 'any'",
    ),
    ("findings", {"job_id": "job123", "cursor": "x"}, "'x' is not a cursor: pass the one"),
    ("findings", {"job_id": "job123", "cursor": "-1"}, "'-1' is not a cursor"),
    ("findings", {"job_id": "job123", "limit": 0}, "limit: "),
    ("findings", {"job_id": "job123", "severity": "fatal"}, "severity: .*'error'"),
    ("findings", {"job_id": "job123", "hook": "nope"}, "no hook 'nope'; it has: .*mypy"),
    ("output", {"job_id": "job123", "hook": "\x1b[31m", "tail": 1}, "it has: .*mypy"),
    ("output", {"job_id": "job123", "hook": "mypy", "tail": 501}, "tail: .*500"),
    ("jobs", {"project": "relative"}, "not an absolute path"),
    ("jobs", {"project": "/no\0where"}, "project: .*null byte"),
    ("jobs", {"project": "/" + "a/" * 200_000}, "project: .*4096"),
    ("explain", {"project": "/" + "a/" * 200_000}, "project: .*4096"),
    ("run_checks", {"project": "/" + "a/" * 200_000}, "project: .*4096"),
    ("run_checks", {"project": 5}, "project: .*string"),
    ("run_checks", {"hooks": ["no\0hook"]}, "hooks.0: "),
    ("run_checks", {"hooks": ["no-such-hook"]}, "no-such-hook"),
    ("run_checks", {"hooks": ["--help"]}, "--help"),
    ("run_checks", {"workflow": "no\0ne"}, "workflow: "),
    ("run_checks", {"workflow": "none"}, "no workflow 'none'; there are: fast, standard"),
    ("run_checks", {"paths": ["a\0"]}, "paths.0: "),
    ("run_checks", {"paths": ["../.."]}, "is not in the project"),
    ("run_checks", {"paths": ["/etc/passwd"]}, "is not in the project"),
    ("run_checks", {"paths": ["x"] * 1001}, "paths: .*1000"),
    ("cancel", {"job_id": "nope"}, "no job nope"),
    ("undo", {"job_id": "nope"}, "no job nope"),
]


async def test_a_mistake_is_answered_with_a_sentence(
    server: InProcess, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.write(failing_run())
    async with over_http(server.http) as agent:
        for tool, arguments, wanted in MISTAKES:
            sentence = await agent.error(tool, **arguments)
            told = f"{tool} {str(arguments)[:80]}: {sentence}"
            assert re.search(wanted, sentence), told
            assert len(sentence) < 1_000, told
            assert sentence.isprintable(), told
    assert "Traceback" not in caplog.text


async def test_a_job_that_has_ended_is_not_cancelled(server: InProcess, store: Store) -> None:
    job_id = store.write(failing_run())
    async with over_http(server.http) as agent:
        told = await agent("cancel", job_id=job_id)
        assert told["cancel_requested"] is False
        assert "had ended" in told["do_next"]
        assert (await agent("undo", job_id=job_id))["note"] == "the job changed nothing"


async def test_undo_does_not_wait_for_another_run(
    server: InProcess, store: Store, project: Project
) -> None:
    job_id = store.write(SampleRun().begin().end())
    async with over_http(server.http) as agent:
        with ProjectLock(os.environ["CRACKERJACK_STATE_DIR"], str(project.root)) as lock:
            lock.acquire(exclusive=True, holder="job other")
            with anyio.fail_after(SECONDS):
                sentence = await agent.error("undo", job_id=job_id)
            assert "job other goes on in the same project: try again when it has ended" in sentence
        assert (await agent("undo", job_id=job_id))["note"] == "the job changed nothing"
