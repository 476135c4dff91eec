"""What each event changes in the state of its job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from crackerjack.events.payload import (
    CoverageMeasured,
    DiagnosticFound,
    EventType,
    FileFixed,
    HookEnded,
    HookStarted,
    JobQueued,
    JobRequeued,
    Outcome,
    PhaseEnded,
    PhaseStarted,
    SessionInitializing,
    StepPayload,
    StrategyEnded,
    StrategyStarted,
    TestCompleted,
    TestsCollected,
    WorkflowEnded,
    WorkflowStarted,
)
from crackerjack.jobs.states import RUNNING, WAITING, HookState, JobState, StepState, StepStatus
from crackerjack.types import HookStatus, JobStatus

Change = Callable[[JobState, Any], None]
"""Takes the payload of the event type that it is listed for."""


def _session(job: JobState, payload: SessionInitializing) -> None:
    job.workflow, job.title, job.project = payload.workflow, payload.title, payload.project
    job.check = payload.check


def _workflow_started(job: JobState, payload: WorkflowStarted) -> None:
    """Plan the steps; a job that was queued again starts over."""
    job.status = JobStatus.RUNNING
    job.workflow, job.options = payload.workflow, payload.options
    job.expected = payload.expected
    _start_over(job)
    job.steps = {
        step.step_id: StepState(step_id=step.step_id, action=step.action, needs=step.needs)
        for step in payload.steps
    }


def _queued(job: JobState, payload: JobQueued | JobRequeued) -> None:
    job.status = JobStatus.QUEUED
    job.message = f"Waiting: {payload.reason}" if payload.reason else "Waiting in the queue"
    if isinstance(payload, JobQueued) and payload.project:
        job.project = payload.project


def _requeued(job: JobState, payload: JobRequeued) -> None:
    """What was found so far counts no more; the plan is shown until there is a new one."""
    if payload.part:  # it begins anew with an event of its own
        return
    _queued(job, payload)
    _start_over(job)
    job.steps = {
        step.step_id: StepState(step_id=step.step_id, action=step.action, needs=step.needs)
        for step in job.steps.values()
    }


def _start_over(job: JobState) -> None:
    job.hooks, job.goes_on, job.coverage = {}, {}, None


def _step_started(job: JobState, payload: StepPayload) -> None:
    step = job.step(payload.step_id)
    step.begin(payload.timestamp)
    job.status = JobStatus.RUNNING
    job.show_stage(step)


def _step_ended(
    job: JobState, payload: Outcome, *, reason: str = "", skipped: bool = False
) -> None:
    status = StepStatus.PASSED if payload.success else StepStatus.FAILED
    step = job.step(payload.step_id)
    step.finish(StepStatus.SKIPPED if skipped else status, payload.duration, reason)
    for other in job.steps.values():
        if other.status is StepStatus.RUNNING:
            job.show_stage(other)
    job.show_progress()


def _phase_started(job: JobState, payload: PhaseStarted) -> None:
    """Give the phase a row of its own; a hook that runs in it takes its place."""
    _step_started(job, payload)
    phase = HookState(name=payload.phase, step_id=payload.step_id)
    phase.begin(payload.timestamp, payload.expected)
    job.hooks[payload.step_id, ""] = phase


def _phase_ended(job: JobState, payload: PhaseEnded) -> None:
    skipped = payload.status == HookStatus.SKIPPED
    _step_ended(job, payload, reason=payload.reason, skipped=skipped)
    if phase := job.hooks.get((payload.step_id, "")):
        status = payload.status or ("passed" if payload.success else "failed")
        phase.finish(status, payload.duration, payload.reason)


def _strategy_started(job: JobState, payload: StrategyStarted) -> None:
    _step_started(job, payload)
    for name in payload.hooks:
        job.hook(payload.step_id, name)


def _strategy_ended(job: JobState, payload: StrategyEnded) -> None:
    _step_ended(job, payload, reason=payload.reason, skipped=payload.skipped)
    if payload.skipped:
        job.forget_waiting(payload.step_id)
    else:
        job.skip_waiting(payload.step_id, payload.reason or "not begun")


def _hook_started(job: JobState, payload: HookStarted) -> None:
    if payload.rerun:
        job.go_on(payload.step_id, payload.hook)
    else:
        job.hooks.pop((payload.step_id, ""), None)
    hook = job.hook(payload.step_id, payload.hook)
    hook.begin(payload.timestamp, payload.expected)
    hook.attempt, hook.rerun = payload.attempt, payload.rerun


def _hook_ended(job: JobState, payload: HookEnded) -> None:
    hook = job.hook(payload.step_id, payload.hook)
    hook.cached = payload.cached
    hook.tool_version = payload.tool_version
    hook.files = payload.files
    hook.findings = max(hook.findings, payload.findings)
    hook.fixed = max(hook.fixed, payload.fixed)
    hook.finish(payload.status, payload.duration, payload.reason)
    own = [other for other in job.hooks.values() if other.step_id == hook.step_id]
    ended = sum(other.status not in {WAITING, RUNNING} for other in own)
    job.step(hook.step_id).done = ended / len(own)
    job.show_progress()


def _diagnostic_found(job: JobState, payload: DiagnosticFound) -> None:
    job.hook(payload.step_id, payload.hook).found(payload)


def _file_fixed(job: JobState, payload: FileFixed) -> None:
    job.hook(payload.step_id, payload.hook).changed(payload)


def _tests_collected(job: JobState, payload: TestsCollected) -> None:
    job.hook(payload.step_id, payload.hook).collect(payload.count, payload.deselected)


def _test_completed(job: JobState, payload: TestCompleted) -> None:
    hook = job.hook(payload.step_id, payload.hook)
    hook.tested(payload)
    if hook.collected:
        job.step(payload.step_id).done = min(1.0, len(hook.tests) / hook.collected)
        job.show_progress()


def _coverage(job: JobState, payload: CoverageMeasured) -> None:
    job.coverage = payload


def _ended(status: JobStatus, message: str) -> Change:
    def change(job: JobState, payload: WorkflowEnded) -> None:
        job.status = status
        # "Workflow failed: mypy", not "Workflow failed: failed: mypy".
        reason = payload.reason.removeprefix(f"{status}: ")
        job.message = f"{message}: {reason}" if reason else message
        job.exit_code, job.reason, job.ended = payload.exit_code, payload.reason, payload.timestamp
        job.stop_running(payload.timestamp)
        if status is not JobStatus.INTERRUPTED:
            job.overall_progress = 100

    return change


NO_CHANGE: Final = frozenset({EventType.HOOK_OUTPUT, EventType.WORKFLOW_SESSION_READY})
"""Not worth decoding: there may be very many of them."""
CHANGES: Final[Mapping[str, Change]] = {
    EventType.WORKFLOW_SESSION_INITIALIZING: _session,
    EventType.WORKFLOW_STARTED: _workflow_started,
    EventType.WORKFLOW_COMPLETED: _ended(JobStatus.COMPLETED, "Workflow completed successfully"),
    EventType.WORKFLOW_FAILED: _ended(JobStatus.FAILED, "Workflow failed"),
    EventType.WORKFLOW_INTERRUPTED: _ended(JobStatus.INTERRUPTED, "Workflow interrupted"),
    EventType.CONFIG_PHASE_STARTED: _step_started,
    EventType.CONFIG_PHASE_COMPLETED: _step_ended,
    EventType.QUALITY_PHASE_STARTED: _phase_started,
    EventType.QUALITY_PHASE_COMPLETED: _phase_ended,
    EventType.QUALITY_PHASE_FAILED: _phase_ended,
    EventType.HOOK_STRATEGY_STARTED: _strategy_started,
    EventType.HOOK_STRATEGY_COMPLETED: _strategy_ended,
    EventType.HOOK_STRATEGY_FAILED: _strategy_ended,
    EventType.HOOK_EXECUTION_STARTED: _hook_started,
    EventType.HOOK_EXECUTION_COMPLETED: _hook_ended,
    EventType.HOOK_EXECUTION_FAILED: _hook_ended,
    EventType.COMMIT_PHASE_STARTED: _step_started,
    EventType.COMMIT_PHASE_COMPLETED: _step_ended,
    EventType.COMMIT_PHASE_FAILED: _step_ended,
    EventType.PUBLISH_PHASE_STARTED: _step_started,
    EventType.PUBLISH_PHASE_COMPLETED: _step_ended,
    EventType.PUBLISH_PHASE_FAILED: _step_ended,
    EventType.JOB_QUEUED: _queued,
    EventType.JOB_REQUEUED: _requeued,
    EventType.DIAGNOSTIC_FOUND: _diagnostic_found,
    EventType.FILE_FIXED: _file_fixed,
    EventType.TESTS_COLLECTED: _tests_collected,
    EventType.TEST_COMPLETED: _test_completed,
    EventType.COVERAGE_MEASURED: _coverage,
}
