"""What earlier runs tell the next one."""

from __future__ import annotations

from crackerjack.events.event import Draft, draft
from crackerjack.events.log import EventLog
from crackerjack.events.payload import (
    CoverageMeasured,
    EventType,
    HookEnded,
    PhaseEnded,
    WorkflowEnded,
    WorkflowStarted,
)
from crackerjack.jobs.history import load_history
from crackerjack.types import HookStatus, JobId
from tests.jobs.past import PROJECT, Past

STEP = "run_fast_hooks_001"


def hook(
    duration: float,
    status: HookStatus = HookStatus.PASSED,
    *,
    name: str = "mypy",
    cached: bool = False,
    rerun: bool = False,
) -> Draft:
    success = status in {HookStatus.PASSED, HookStatus.FIXED}
    kind = EventType.HOOK_EXECUTION_COMPLETED if success else EventType.HOOK_EXECUTION_FAILED
    payload = HookEnded(
        step_id=STEP,
        hook=name,
        success=success,
        duration=duration,
        status=status,
        cached=cached,
        rerun=rerun,
    )
    return draft(JobId("any"), kind, payload)


def phase(name: str, duration: float) -> Draft:
    payload = PhaseEnded(
        step_id=STEP, phase=name, success=True, duration=duration, status=HookStatus.PASSED
    )
    return draft(JobId("any"), EventType.QUALITY_PHASE_COMPLETED, payload)


def start(workflow: str = "standard", *options: str) -> Draft:
    payload = WorkflowStarted(workflow=workflow, steps=(), options=options)
    return draft(JobId("any"), EventType.WORKFLOW_STARTED, payload)


def end(duration: float, kind: EventType = EventType.WORKFLOW_COMPLETED) -> Draft:
    payload = WorkflowEnded(success=True, duration=duration, exit_code=0)
    return draft(JobId("any"), kind, payload)


def coverage(percent: float, previous: float | None = None) -> Draft:
    payload = CoverageMeasured(step_id=STEP, hook="tests", percent=percent, previous=previous)
    return draft(JobId("any"), EventType.COVERAGE_MEASURED, payload)


def test_without_a_past_nothing_is_expected(log: EventLog) -> None:
    history = load_history(log, PROJECT, "standard")
    assert (dict(history.expected), history.best_coverage) == ({}, None)


def test_a_duration_is_the_median_of_the_last_five(log: EventLog, past: Past) -> None:
    for duration in (100.0, 100.0, 1.0, 9.0, 2.0, 3.0, 2.5):
        past.run(hook(duration), hook(duration / 10, name="ruff-check"))
    assert load_history(log, PROJECT, "standard").expected == {"mypy": 2.5, "ruff-check": 0.25}


def test_what_was_cached_or_cut_short_tells_nothing(log: EventLog, past: Past) -> None:
    past.run(hook(2.0), hook(4.0, HookStatus.FAILED), hook(3.0, HookStatus.FIXED))
    past.run(hook(0.001, cached=True), hook(0.5, rerun=True))
    past.run(
        *(
            hook(60.0, status)
            for status in HookStatus
            if status not in {HookStatus.PASSED, HookStatus.FIXED, HookStatus.FAILED}
        )
    )
    assert load_history(log, PROJECT, "standard").expected == {"mypy": 3.0}


def test_phases_go_by_the_names_of_what_they_run(log: EventLog, past: Past) -> None:
    past.run(phase("cleaning", 1.5), phase("testing", 20.0))
    assert load_history(log, PROJECT, "standard").expected == {"cleaning": 1.5, "tests": 20.0}


def test_a_workflow_is_compared_with_itself(log: EventLog, past: Past) -> None:
    past.run(start(), end(10.0))
    past.run(start("fast"), end(1.0), workflow="fast")
    past.run(start(), end(12.0, EventType.WORKFLOW_FAILED))
    past.run(start(), end(3.0, EventType.WORKFLOW_INTERRUPTED))
    past.run(start(), end(11.0))
    assert load_history(log, PROJECT, "standard").expected == {"workflow": 11.0}
    assert load_history(log, PROJECT, "fast").expected == {"workflow": 1.0}
    assert load_history(log, PROJECT, "test").expected == {}


def test_a_run_is_compared_with_those_that_had_as_much_to_do(log: EventLog, past: Past) -> None:
    past.run(start(), end(60.0))
    for _ in range(5):
        past.run(start("standard", "--skip-hooks"), end(0.5))
        past.run(start("standard", "--check", "--hook mypy"), end(7.0))
    past.run(end(9.0, EventType.WORKFLOW_FAILED))  # it never came to its start
    assert load_history(log, PROJECT, "standard").expected == {"workflow": 60.0}
    skipping = load_history(log, PROJECT, "standard", ["--skip-hooks"])
    assert skipping.expected == {"workflow": 0.5}
    hook_alone = load_history(log, PROJECT, "standard", ["--check", "--hook mypy"])
    assert hook_alone.expected == {"workflow": 7.0}
    assert load_history(log, PROJECT, "standard", ["--check"]).expected == {}


def test_another_project_tells_nothing(log: EventLog, past: Past) -> None:
    past.run(hook(7.0), coverage(90.0), project="/other")
    history = load_history(log, PROJECT, "standard")
    assert (dict(history.expected), history.best_coverage) == ({}, None)


def test_the_best_coverage_outlives_the_run_that_reached_it(log: EventLog, past: Past) -> None:
    past.run(coverage(80.0))
    past.run(coverage(85.0, previous=80.0))
    for _ in range(30):
        past.run(coverage(70.0, previous=85.0))
    assert load_history(log, PROJECT, "standard").best_coverage == 85.0
    assert load_history(log, PROJECT, "standard", tests=False).best_coverage is None
