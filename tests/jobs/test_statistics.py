"""How the runs of a project went."""

from __future__ import annotations

import pytest

from crackerjack.events.event import Draft, draft
from crackerjack.events.log import EventLog
from crackerjack.events.payload import (
    EventType,
    HookEnded,
    PhaseEnded,
    StrategyEnded,
    WorkflowEnded,
    WorkflowStarted,
)
from crackerjack.jobs.statistics import Figures, ProjectStatistics, project_statistics
from crackerjack.types import HookStatus, JobId
from tests.jobs.past import PROJECT, Past

STEP = "run_fast_hooks_001"


def event(event_type: EventType, payload: object) -> Draft:
    return draft(JobId("any"), event_type, payload)  # type: ignore[arg-type]


def hook(
    duration: float = 1.0,
    status: HookStatus = HookStatus.PASSED,
    *,
    cached: bool = False,
    rerun: bool = False,
) -> Draft:
    success = status in {HookStatus.PASSED, HookStatus.FIXED, HookStatus.SKIPPED}
    ended = HookEnded(
        step_id=STEP,
        hook="mypy",
        status=status,
        success=success,
        duration=duration,
        cached=cached,
        rerun=rerun,
    )
    kind = EventType.HOOK_EXECUTION_COMPLETED if success else EventType.HOOK_EXECUTION_FAILED
    return event(kind, ended)


def whole(*within: Draft, success: bool = True, duration: float = 9.0) -> list[Draft]:
    """A run with these events in it."""
    kind = EventType.WORKFLOW_COMPLETED if success else EventType.WORKFLOW_FAILED
    return [
        event(EventType.WORKFLOW_STARTED, WorkflowStarted(workflow="standard", steps=())),
        *within,
        event(kind, WorkflowEnded(success=success, duration=duration, exit_code=0)),
    ]


def statistics(log: EventLog, jobs: int = 100) -> ProjectStatistics:
    return project_statistics(log, PROJECT, jobs=jobs)


def mypy(log: EventLog, jobs: int = 100) -> Figures:
    (figures,) = statistics(log, jobs).hooks
    assert figures.name == "mypy"
    return figures


def test_nothing_is_known_of_a_project_without_runs(log: EventLog) -> None:
    assert statistics(log) == ProjectStatistics(
        project=PROJECT, jobs=0, workflows=[], steps=[], hooks=[]
    )


def test_durations_and_their_trend(log: EventLog, past: Past) -> None:
    for seconds in (1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 2.0, 2.0, 2.0, 9.0):  # the oldest first
        past.run(*whole(hook(seconds)))
    figures = mypy(log)
    assert (figures.runs, figures.p50, figures.p95, figures.trend) == (10, 1.0, 9.0, 2.0)
    assert [one.duration for one in figures.recent[:2]] == [9.0, 2.0]
    assert mypy(log, jobs=3).runs == 3
    assert mypy(log, jobs=3).trend is None


@pytest.mark.parametrize(
    ("status", "passed"),
    [
        (HookStatus.PASSED, 1),
        (HookStatus.FIXED, 1),
        (HookStatus.FAILED, 0),
        (HookStatus.TIMED_OUT, 0),
        (HookStatus.TOOL_MISSING, 0),
        (HookStatus.TOOL_ERROR, 0),
        (HookStatus.INCONCLUSIVE, 0),
    ],
)
def test_only_evidence_is_a_pass(
    log: EventLog, past: Past, status: HookStatus, passed: int
) -> None:
    past.run(*whole(hook(status=status)))
    figures = mypy(log)
    assert (figures.runs, figures.passed, figures.pass_rate) == (1, passed, float(passed))
    assert figures.statuses == {status.value: 1}


def test_what_was_skipped_is_no_run(log: EventLog, past: Past) -> None:
    past.run(*whole(hook(status=HookStatus.SKIPPED)))
    figures = mypy(log)
    assert (figures.runs, figures.pass_rate, figures.p50) == (0, None, None)
    assert figures.statuses == {"skipped": 1}


def test_a_cached_result_counts_and_its_time_does_not(log: EventLog, past: Past) -> None:
    past.run(*whole(hook(5.0)))
    past.run(*whole(hook(0.0, cached=True)))
    figures = mypy(log)
    assert (figures.runs, figures.passed, figures.cached, figures.p50) == (2, 2, 1, 5.0)


def test_of_a_hook_that_ran_again_the_last_result_counts_and_the_first_time(
    log: EventLog, past: Past
) -> None:
    past.run(*whole(hook(5.0, HookStatus.FAILED), hook(1.0, rerun=True)))
    figures = mypy(log)
    assert (figures.runs, figures.passed, figures.p50) == (1, 1, 5.0)


def test_a_fix_that_the_rerun_confirms_is_fixed_as_in_the_snapshot(
    log: EventLog, past: Past
) -> None:
    past.run(*whole(hook(5.0, HookStatus.FIXED), hook(1.0, rerun=True)))
    past.run(*whole(hook(5.0, HookStatus.FIXED), hook(1.0, HookStatus.FAILED, rerun=True)))
    figures = mypy(log)
    assert figures.statuses == {"fixed": 1, "failed": 1}
    assert (figures.runs, figures.passed) == (2, 1)


def test_steps_and_workflows(log: EventLog, past: Past) -> None:
    ended = StrategyEnded(step_id=STEP, strategy="fast", success=True, duration=2.0)
    skipped = PhaseEnded(
        step_id="run_test_workflow_001",
        phase="testing",
        success=True,
        duration=0.0,
        status="skipped",
    )
    past.run(
        *whole(
            event(EventType.HOOK_STRATEGY_COMPLETED, ended),
            event(EventType.QUALITY_PHASE_COMPLETED, skipped),
            success=False,
        )
    )
    found = statistics(log)
    steps = {one.name: (one.runs, one.passed, one.p50) for one in found.steps}
    assert steps == {"run_fast_hooks": (1, 1, 2.0), "run_test_workflow": (0, 0, None)}
    (workflow,) = found.workflows
    assert (workflow.name, workflow.runs, workflow.passed) == ("standard", 1, 0)


def test_jobs_that_go_on_and_other_projects_are_left_out(log: EventLog, past: Past) -> None:
    past.run(*whole(hook()))
    past.run(*whole(hook()), project="/other")
    past.run(*whole(hook())[:-1])
    found = statistics(log)
    assert (found.jobs, found.hooks[0].runs) == (1, 1)
