"""The fold of events: what a job is now."""

from __future__ import annotations

import json
import random
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackerjack.events.event import WorkflowEvent
from crackerjack.events.payload import EventType, JobQueued, JobRequeued
from crackerjack.jobs.snapshot import JobSnapshot, OutOfOrder, fold
from crackerjack.jobs.states import HookState, StepStatus
from crackerjack.types import HookStatus, JobId, JobStatus
from tests.sample_run import (
    CLEANING,
    COMPREHENSIVE,
    CONFIG,
    FAST,
    JOB,
    START,
    TESTS,
    SampleRun,
    failing_run,
    finding,
    passing_run,
    skip_hooks_run,
)


def of(run: SampleRun) -> JobSnapshot:
    return fold(run.events, job_id=JOB)


def hook(snapshot: JobSnapshot, name: str) -> HookState:
    return next(hook for hook in snapshot.hooks.values() if hook.name == name)


def test_before_the_first_event_the_job_is_waited_for() -> None:
    data = JobSnapshot(job_id=JOB).to_data(START)
    assert (data["status"], data["overall_progress"], data["timestamp"]) == ("waiting", 0, START)
    assert data["job_id"] == JOB


def test_says_what_is_going_on() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check", "ruff-format"])
    run.hook(FAST, "ruff-check", expected=2.0)
    snapshot = of(run)
    assert snapshot.status is JobStatus.RUNNING
    assert snapshot.message == "Running fast hooks"
    assert snapshot.current_stage == "run_fast_hooks"
    assert (snapshot.title, snapshot.project) == ("Standard Quality Workflow", "/home/ada/httpx")
    assert [step.status for step in snapshot.steps.values()] == [
        StepStatus.PASSED,
        StepStatus.RUNNING,
        StepStatus.WAITING,
        StepStatus.WAITING,
    ]
    assert [(one.name, one.status) for one in snapshot.hooks.values()] == [
        ("ruff-check", "running"),
        ("ruff-format", "waiting"),
    ]


def test_when_a_step_ends_beside_another_it_names_the_other() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check"]).phase(CLEANING)
    assert of(run).message == "Cleaning code"
    run.phase_ended(CLEANING)
    assert of(run).message == "Running fast hooks"


def test_a_run_that_passes() -> None:
    snapshot = of(passing_run())
    assert snapshot.status is JobStatus.COMPLETED
    assert snapshot.message == "Workflow completed successfully"
    assert (snapshot.exit_code, snapshot.overall_progress) == (0, 100)
    assert snapshot.ended == snapshot.updated
    assert hook(snapshot, "ruff-format").status == HookStatus.FIXED
    assert hook(snapshot, "ruff-format").fixed == 2
    assert hook(snapshot, "ruff-format").duration == pytest.approx(0.03)
    assert snapshot.counts()["fixed"] == 2


def test_a_file_that_two_hooks_fix_counts_once() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check", "ruff-format"])
    run.hook(FAST, "ruff-check").fixed(FAST, "ruff-check", "a.py", "b.py")
    run.hook(FAST, "ruff-format").fixed(FAST, "ruff-format", "b.py", "c.py")
    snapshot = of(run)
    assert [hook(snapshot, name).fixed for name in ("ruff-check", "ruff-format")] == [2, 2]
    assert snapshot.counts()["fixed"] == 3


def test_says_only_once_that_it_failed() -> None:
    run = SampleRun().begin()
    run.end(EventType.WORKFLOW_FAILED, reason="failed: mypy, codespell", exit_code=1)
    assert of(run).message == "Workflow failed: mypy, codespell"


def test_a_run_that_fails() -> None:
    snapshot = of(failing_run())
    assert snapshot.status is JobStatus.FAILED
    assert snapshot.exit_code == 1
    assert snapshot.reason == "failed: ruff-check, mypy, pytest"
    assert [found.hook for found in snapshot.diagnostics] == ["ruff-check", "ruff-check", "mypy"]
    assert [test.nodeid for test in snapshot.failing_tests] == ["tests/test_app.py::test_two"]
    assert snapshot.coverage is not None
    assert snapshot.coverage.percent == 87.5
    counts = snapshot.counts()
    assert (counts["findings"], counts["errors"], counts["fixed"]) == (3, 3, 1)
    assert counts["tests"] == {
        "collected": 3,
        "deselected": 0,
        "passed": 1,
        "failed": 1,
        "error": 0,
        "skipped": 1,
        "xfailed": 0,
        "xpassed": 0,
    }
    assert hook(snapshot, "bandit").status == "tool_missing"
    assert hook(snapshot, "file-checks").cached


def test_a_phase_is_a_row_of_its_own_unless_a_hook_runs_in_it() -> None:
    snapshot = of(failing_run())
    rows = [(one.name, one.step_id) for one in snapshot.hooks.values()]
    assert ("cleaning", CLEANING) in rows
    assert [name for name, step in rows if step == TESTS] == ["pytest"]
    cleaning = hook(snapshot, "cleaning")
    assert (cleaning.status, cleaning.fixed, cleaning.duration) == ("fixed", 1, 0.12)
    assert [fix.reason for fix in cleaning.fixes] == ["", "the result does not parse"]


def test_skipped_strategies_leave_no_waiting_hooks() -> None:
    snapshot = of(skip_hooks_run())
    assert [one.name for one in snapshot.hooks.values()] == ["cleaning"]
    skipped = snapshot.steps[FAST]
    assert (skipped.status, skipped.reason) == (StepStatus.SKIPPED, "--skip-hooks")


def test_hooks_that_were_never_begun_are_skipped_not_passed() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check", "codespell"])
    run.hook(FAST, "ruff-check").hook_ended(FAST, "ruff-check", HookStatus.FAILED)
    run.strategy_ended(FAST, success=False, reason="--fail-fast: ruff-check failed")
    codespell = hook(of(run), "codespell")
    assert (codespell.status, codespell.reason) == ("skipped", "--fail-fast: ruff-check failed")


def test_an_interrupted_job_stops_what_ran() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check", "codespell"]).hook(FAST, "ruff-check")
    run.wait(2.0).end(EventType.WORKFLOW_INTERRUPTED, reason="runner_lost", exit_code=130)
    snapshot = of(run)
    assert snapshot.status is JobStatus.INTERRUPTED
    assert snapshot.overall_progress < 100
    assert (hook(snapshot, "ruff-check").status, hook(snapshot, "ruff-check").duration) == (
        "stopped",
        2.0,
    )
    assert hook(snapshot, "codespell").status == "skipped"
    assert [step.status.value for step in snapshot.steps.values()] == [
        "passed",
        "stopped",
        "skipped",
        "skipped",
    ]


@pytest.mark.parametrize("again", [{"rerun": True}, {"attempt": 2}])
def test_a_hook_that_runs_again_starts_over(again: dict[str, object]) -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    run.found(finding("ruff-check", line=1), finding("ruff-check", line=2))
    run.fixed(FAST, "ruff-check", "src/app.py", "src/app.py")
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED, findings=2, fixed=1, duration=0.5)
    run.hook(FAST, "ruff-check", **again).found(finding("ruff-check", line=2))
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED, findings=1, duration=0.25, **again)
    snapshot = of(run)
    assert [found.line for found in snapshot.diagnostics] == [2]
    ruff = hook(snapshot, "ruff-check")
    assert (ruff.findings, ruff.severities, ruff.fixed) == (1, {"error": 1}, 1)
    assert ruff.duration == 0.75


def test_a_hook_that_is_run_again_in_a_later_step_counts_once() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    run.found(finding("ruff-check", line=1), finding("ruff-check", line=2))
    run.fixed(FAST, "ruff-check", "src/app.py")
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED, findings=2, fixed=1, duration=0.5)
    run.strategy_ended(FAST).phase(CLEANING).hook(CLEANING, "ruff-check", rerun=True)
    run.found(finding("ruff-check", line=2, step_id=CLEANING))
    run.hook_ended(CLEANING, "ruff-check", HookStatus.FAILED, findings=1, duration=0.25, rerun=True)
    run.phase_ended(CLEANING)
    snapshot = of(run)
    assert [name for _, name in snapshot.hooks] == ["ruff-check", ""]
    ruff = hook(snapshot, "ruff-check")
    assert (ruff.step_id, ruff.findings, ruff.fixed, ruff.duration) == (FAST, 1, 1, 0.75)
    assert snapshot.counts()["findings"] == 1
    assert hook(snapshot, "cleaning").status == "passed"


def test_tests_that_run_again_count_once() -> None:
    run = SampleRun().begin(tests=True).phase(TESTS).hook(TESTS, "pytest").collected(2)
    run.test("t.py::a", "failed").test("t.py::b", "error")
    run.hook_ended(TESTS, "pytest", HookStatus.TOOL_ERROR).hook(TESTS, "pytest", attempt=2)
    run.collected(2).test("t.py::a").test("t.py::b")
    snapshot = of(run)
    assert snapshot.counts()["tests"]["passed"] == 2
    assert snapshot.counts()["tests"]["failed"] == 0
    assert list(snapshot.failing_tests) == []


def test_tests_that_are_collected_again_count_once_also_without_a_hook() -> None:
    run = SampleRun().begin(tests=True).phase(TESTS).collected(2).test("t.py::a", "failed")
    run.collected(2).test("t.py::a")
    assert list(of(run).failing_tests) == []
    assert of(run).counts()["tests"]["passed"] == 1


def test_a_job_that_is_queued_waits_and_one_that_starts_over_forgets() -> None:
    run = SampleRun()
    run.add(EventType.JOB_QUEUED, JobQueued(reason="job a1 is writing to this project"))
    snapshot = of(run)
    assert snapshot.status is JobStatus.QUEUED
    assert snapshot.message == "Waiting: job a1 is writing to this project"
    run.begin().strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check").found(finding("ruff-check"))
    assert of(run).status is JobStatus.RUNNING
    run.add(EventType.JOB_REQUEUED, JobRequeued(reason="the worker is lost", attempt=2))
    assert of(run).status is JobStatus.QUEUED
    assert of(run).counts()["findings"] == 0
    run.begin()
    assert of(run).steps[FAST].status is StepStatus.WAITING


def test_a_part_that_is_done_again_leaves_the_rest_as_it_is() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check", "codespell"])
    run.hook(FAST, "ruff-check").found(finding("ruff-check"))
    before = of(run)
    again = JobRequeued(reason="worker b was lost", attempt=2, part="codespell")
    run.add(EventType.JOB_REQUEUED, again)
    after = of(run)
    assert (after.status, after.message) == (JobStatus.RUNNING, before.message)
    assert after.counts()["findings"] == 1


def test_progress_never_falls_and_ends_at_100() -> None:
    snapshot = JobSnapshot(job_id=JOB)
    seen = []
    for event in failing_run().events:
        snapshot.apply(event)
        seen.append(snapshot.overall_progress)
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert len(set(seen)) > 6
    assert all(0 <= one <= 100 for one in seen)


def test_progress_follows_the_tests() -> None:
    run = SampleRun().begin(tests=True).phase(TESTS).hook(TESTS, "pytest").collected(10)
    before = of(run).overall_progress
    for number in range(5):
        run.test(f"t.py::t{number}")
    assert of(run).overall_progress == before + 10  # half of one step of five


@given(st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_any_order_of_hooks_keeps_the_sums(source: random.Random) -> None:
    """Hooks run side by side: their events interleave, the counts stay those of the hooks."""
    names = [f"hook{number}" for number in range(4)]
    todo = {name: source.randrange(4) for name in names}
    expected = dict(todo)
    run = SampleRun().begin().strategy(COMPREHENSIVE, names)
    for name in names:
        run.hook(COMPREHENSIVE, name)
    while todo:
        name = source.choice(sorted(todo))
        if todo[name]:
            todo[name] -= 1
            run.found(finding(name, line=todo[name]))
        else:
            del todo[name]
            run.hook_ended(COMPREHENSIVE, name, findings=expected[name])
    snapshot = of(run)
    assert {one.name: one.findings for one in snapshot.hooks.values()} == expected
    assert snapshot.counts()["errors"] == sum(expected.values())
    assert snapshot.steps[COMPREHENSIVE].done == 1.0


def test_time_left_comes_from_what_was_expected() -> None:
    run = SampleRun().begin().strategy(FAST, ["a", "b"])
    assert of(run).remaining(run.now) is None
    run.hook(FAST, "a", expected=4.0).wait(1.0).hook(FAST, "b", expected=2.0)
    snapshot = of(run)
    assert hook(snapshot, "a").remaining(run.now) == pytest.approx(3.0)
    assert snapshot.remaining(run.now) == pytest.approx(3.0)
    assert snapshot.remaining(run.now + 60) == 0.0
    run.hook_ended(FAST, "a").hook_ended(FAST, "b").end()
    assert of(run).remaining(run.now) is None


def test_time_left_counts_what_has_not_begun_where_the_workflow_has_a_history() -> None:
    run = SampleRun().begin(expected=20.0).strategy(FAST, ["a"]).hook(FAST, "a", expected=1.0)
    assert of(run).remaining(START + 5) == pytest.approx(15.0)


def test_an_event_that_is_not_the_next_is_refused() -> None:
    run = SampleRun().begin()
    snapshot = fold(run.events[:2], job_id=JOB)
    with pytest.raises(OutOfOrder, match="event 4 of job job123 does not follow event 2"):
        snapshot.apply(run.events[3])
    with pytest.raises(OutOfOrder):
        snapshot.apply(run.events[1])
    with pytest.raises(OutOfOrder, match="job other"):
        JobSnapshot(job_id=JobId("other")).apply(run.events[0])
    assert snapshot.seq == 2


def foreign(run: SampleRun, event_type: str, body: dict[str, object]) -> WorkflowEvent:
    """An event as a newer version might write it."""
    event = WorkflowEvent(
        event_type, msgspec.Raw(msgspec.json.encode(body)), run.now, JOB, len(run.events) + 1
    )
    run.events.append(event)
    return event


def test_what_a_newer_version_wrote_is_counted_not_refused() -> None:
    run = SampleRun().begin()
    foreign(run, "moon_phase_started", {"timestamp": run.now})
    foreign(run, "hook_execution_started", {"timestamp": run.now, "renamed": 1})
    assert (of(run).unread, of(run).seq) == (2, len(run.events))
    body = {"timestamp": run.now, "step_id": FAST, "strategy": "fast", "hooks": [], "new": [1]}
    foreign(run, "hook_strategy_started", body)
    assert of(run).unread == 2
    assert of(run).steps[FAST].status is StepStatus.RUNNING


def test_the_wire_is_json_and_stays_small() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    run.found(*(finding("ruff-check", line=line, message="m" * 500) for line in range(2000)))
    for number in range(500):
        run.test(f"t.py::{number}", "failed", message="boom" * 1000)
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED, reason="r" * 10_000)
    encoded = json.dumps(of(run).to_data(run.now))
    assert len(encoded) < 32_000
    data = json.loads(encoded)
    assert set(data) >= {
        "job_id",
        "status",
        "workflow",
        "message",
        "current_stage",
        "overall_progress",
        "steps",
        "counts",
        "timestamp",
    }
    assert data["steps"][0]["step_id"] == CONFIG
    assert data["hooks"][0]["findings"] == 2000
    assert len(data["failing_tests"]) == 20


def test_a_hundred_thousand_events_fold_in_a_second() -> None:
    run = SampleRun().begin(tests=True).strategy(FAST, [f"hook{n}" for n in range(20)])
    run.phase(TESTS).hook(TESTS, "pytest").collected(60_000)
    for number in range(30_000):
        run.test(f"tests/test_app.py::test_{number}")
        run.found(finding(f"hook{number % 20}", line=number))
        run.fixed(FAST, "hook1", f"src/{number}.py")
    for _ in range(10_000):
        run.output(FAST, "hook1", "line\n")
    assert len(run.events) > 100_000
    begun = time.process_time()
    snapshot = of(run)
    spent = time.process_time() - begun
    assert snapshot.counts()["findings"] == 30_000
    assert spent < 1.0
