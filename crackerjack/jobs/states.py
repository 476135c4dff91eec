"""The state of a job: its steps, its hooks, and what they have found so far."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from crackerjack.events.payload import CoverageMeasured, DiagnosticFound, FileFixed, TestCompleted
from crackerjack.types import HookStatus, JobId, JobStatus

WAITING: Final = "waiting"
"""Planned, not begun."""
RUNNING: Final = "running"
STOPPED: Final = "stopped"
"""It ran when the job ended: it was interrupted, or its runner is lost."""

_REASON_LIMIT: Final = 500  # characters of a reason on the wire: a snapshot stays small
SEVERITIES: Final = ("error", "warning", "note")
OUTCOMES: Final = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
FAILING: Final = frozenset({"failed", "error"})
"""The outcomes of a test that did not pass."""


_PARTIAL: Final = ("--changed-only", "--since ", "--path ")

_DOING: Final[Mapping[str, str]] = {
    "run_configuration": "Reading the configuration",
    "run_fast_hooks": "Running fast hooks",
    "run_code_cleaning": "Cleaning code",
    "run_test_workflow": "Running tests",
    "run_comprehensive_hooks": "Running comprehensive hooks",
}


class StepStatus(enum.StrEnum):
    """Where a step stands."""

    WAITING = WAITING
    RUNNING = RUNNING
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    STOPPED = STOPPED


class StepState(msgspec.Struct, kw_only=True):
    """One step of the workflow, as it is now."""

    step_id: str
    action: str
    needs: tuple[str, ...] = ()
    status: StepStatus = StepStatus.WAITING
    started: float | None = None
    """Seconds since the epoch."""
    duration: float | None = None
    """Seconds, once it has ended."""
    reason: str = ""
    done: float = 0.0
    """How much of it is done: 0 to 1."""

    def begin(self, timestamp: float) -> None:
        """Start it."""
        self.status = StepStatus.RUNNING
        self.started = timestamp

    def finish(self, status: StepStatus, duration: float | None, reason: str) -> None:
        """End it."""
        self.status = status
        self.duration = duration
        self.reason = reason
        self.done = 1.0

    def to_data(self) -> dict[str, Any]:
        """The step on the wire."""
        return {
            "step_id": self.step_id,
            "action": self.action,
            "needs": self.needs,
            "status": self.status.value,
            "started": self.started,
            "duration": self.duration,
            "reason": self.reason[:_REASON_LIMIT],
            "done": self.done,
        }


class HookState(msgspec.Struct, kw_only=True):
    """One hook of a step, or a phase (cleaning, testing) that runs no hooks, as it is now.

    A hook that is run again, to confirm a fix or as a further attempt, starts over: what the earlier
    run found and tested counts no more. What it fixed stays fixed, and its time adds up.
    """

    name: str
    step_id: str
    status: str = WAITING
    """``waiting``, ``running``, ``stopped`` or a :class:`crackerjack.types.HookStatus`."""
    started: float | None = None
    """When this run of it began, seconds since the epoch."""
    expected: float | None = None
    """Seconds, from the project's history."""
    duration: float | None = None
    """Seconds of all its runs that have ended."""
    attempt: int = 1
    rerun: bool = False
    cached: bool = False
    reason: str = ""
    tool_version: str = ""
    findings: int = 0
    """Notes are none."""
    files: int = 0
    """How many files it looked at."""
    fixed: int = 0
    """How many files it changed."""
    diagnostics: list[DiagnosticFound] = []
    severities: dict[str, int] = {}
    """Severity -> how many of the diagnostics."""
    changed_paths: set[str] = set()
    fixes: list[FileFixed] = []
    """What it changed, and what it refused to (``fixed`` is False)."""
    collected: int | None = None
    """Tests to run, once the tests are collected."""
    deselected: int = 0
    tests: list[TestCompleted] = []
    outcomes: dict[str, int] = {}
    """Outcome -> how many of the tests."""

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self.status == RUNNING

    def begin(self, timestamp: float, expected: float | None) -> None:
        """Start it, or start it over."""
        self.status = RUNNING
        self.started = timestamp
        self.expected = expected
        self.cached = False
        self.reason = ""
        self.findings = self.files = 0
        self.diagnostics, self.severities = [], {}
        self.collect(None, 0)

    def found(self, diagnostic: DiagnosticFound) -> None:
        """Add a finding."""
        self.diagnostics.append(diagnostic)
        severity = diagnostic.severity
        self.severities[severity] = self.severities.get(severity, 0) + 1
        self.findings = len(self.diagnostics) - self.severities.get("note", 0)

    def collect(self, count: int | None, deselected: int) -> None:
        """Begin with this many tests; those of an earlier collection count no more."""
        self.collected, self.deselected = count, deselected
        self.tests, self.outcomes = [], {}

    def tested(self, test: TestCompleted) -> None:
        """Add a test."""
        self.tests.append(test)
        self.outcomes[test.outcome] = self.outcomes.get(test.outcome, 0) + 1

    def changed(self, fix: FileFixed) -> None:
        """Add a file that it changed, or refused to; a file counts once."""
        self.fixes.append(fix)
        if fix.fixed and fix.path not in self.changed_paths:
            self.changed_paths.add(fix.path)
            self.fixed = len(self.changed_paths)

    def finish(self, status: str, duration: float, reason: str) -> None:
        """End this run of it; a clean re-run leaves a hook that fixed something ``fixed``."""
        if status == HookStatus.PASSED and self.fixed:
            status = HookStatus.FIXED.value
        self.status = status
        self.duration = (self.duration or 0.0) + duration
        self.reason = reason

    def remaining(self, now: float) -> float | None:
        """Seconds that it will still run; None when it does not run or its history is unknown."""
        if not self.running or self.expected is None or self.started is None:
            return None
        return max(0.0, self.expected - (now - self.started))

    def to_data(self, *, phase: bool) -> dict[str, Any]:
        """The hook on the wire: counts, no diagnostics. `phase`: it stands for a whole phase.

        With these a client can take in the next event as we do.
        """
        return {
            "name": self.name,
            "step": self.step_id,
            "status": str(self.status),
            "started": self.started,
            "expected": self.expected,
            "duration": self.duration,
            "findings": self.findings,
            "fixed": self.fixed,
            "cached": self.cached,
            "reason": self.reason[:_REASON_LIMIT],
            "attempt": self.attempt,
            "phase": phase,
            **{f"{severity}s": self.severities.get(severity, 0) for severity in SEVERITIES},
            "tests": {
                "collected": self.collected,
                "deselected": self.deselected,
                **{outcome: self.outcomes.get(outcome, 0) for outcome in OUTCOMES},
            },
        }


class JobState(msgspec.Struct, kw_only=True):
    """One job, as of its event `seq`."""

    job_id: JobId
    seq: int = 0
    """The last event that the snapshot includes; 0 before the first."""
    status: JobStatus = JobStatus.WAITING
    workflow: str = ""
    options: tuple[str, ...] = ()
    """What the run was asked to do, see :class:`crackerjack.events.payload.WorkflowStarted`."""
    title: str = ""
    project: str = ""
    """Absolute path."""
    check: bool = False
    """True when nothing will be written."""
    message: str = "Waiting for the job to start"
    """What goes on, or how it ended: a phrase for people."""
    current_stage: str = ""
    """The action of the step that started last."""
    overall_progress: int = 0
    """0 to 100; never falls."""
    expected: float | None = None
    """Seconds that the workflow will take, from the project's history."""
    steps: dict[str, StepState] = {}
    """By `step_id`, in the order of the plan."""
    hooks: dict[tuple[str, str], HookState] = {}
    """By step_id and name, in the order of their start."""
    goes_on: dict[tuple[str, str], tuple[str, str]] = {}
    """Step_id and name of a re-run -> those of the hook in an earlier step that it repeats."""
    coverage: CoverageMeasured | None = None
    exit_code: int | None = None
    """None until the job has ended."""
    reason: str = ""
    started: float | None = None
    """When the first event was published, seconds since the epoch."""
    updated: float | None = None
    """When the last one was."""
    ended: float | None = None
    unread: int = 0
    """Events that a newer crackerjack wrote and this one cannot read."""

    @property
    def partial(self) -> bool:
        """Whether it looked at some of the project's files only."""
        return any(option.startswith(_PARTIAL) for option in self.options)

    def step(self, step_id: str) -> StepState:
        """The step; one that the plan does not name is added to it."""
        if step_id not in self.steps:
            self.steps[step_id] = StepState(step_id=step_id, action=step_id.rpartition("_")[0])
        return self.steps[step_id]

    def hook(self, step_id: str, name: str) -> HookState:
        """The hook of a step, of an earlier one for a re-run; in a phase without hooks, the phase."""
        key = self.goes_on.get((step_id, name), (step_id, name))
        found = self.hooks.get(key) or self.hooks.get((step_id, ""))
        if found is None:
            found = self.hooks[step_id, name] = HookState(name=name, step_id=step_id)
        return found

    def go_on(self, step_id: str, name: str) -> None:
        """A re-run in this step counts for the hook that it repeats, which ran in an earlier one."""
        if (step_id, name) not in self.hooks:
            earlier = next((key for key in reversed(self.hooks) if key[1] == name), None)
            if earlier is not None:
                self.goes_on[step_id, name] = earlier

    def show_stage(self, step: StepState) -> None:
        """Say that this step is what goes on."""
        self.current_stage = step.action
        self.message = _DOING.get(step.action) or step.action.replace("_", " ").capitalize()

    def show_progress(self) -> None:
        """Sum up how much of the steps is done; a step that starts over takes nothing back."""
        if self.steps:
            done = sum(step.done for step in self.steps.values()) / len(self.steps)
            self.overall_progress = max(self.overall_progress, min(99, int(100 * done)))

    def skip_waiting(self, step_id: str, reason: str) -> None:
        """Mark the step's hooks that were never begun."""
        for hook in self.hooks.values():
            if hook.step_id == step_id and hook.status == WAITING:
                hook.status, hook.reason = HookStatus.SKIPPED.value, reason

    def forget_waiting(self, step_id: str) -> None:
        """Drop the step's hooks that were never begun: the step as a whole was skipped."""
        self.hooks = {
            key: hook
            for key, hook in self.hooks.items()
            if hook.step_id != step_id or hook.status != WAITING
        }

    def stop_running(self, timestamp: float) -> None:
        """Mark what has not ended when the job has."""
        for step in self.steps.values():
            if step.status is StepStatus.RUNNING:
                step.status = StepStatus.STOPPED
            elif step.status is StepStatus.WAITING:
                step.status = StepStatus.SKIPPED
            self.skip_waiting(step.step_id, "not begun")
        for hook in self.hooks.values():
            if hook.running:
                # Whoever ended the job may have another clock.
                lasted = max(0.0, timestamp - (hook.started or timestamp))
                hook.finish(STOPPED, lasted, "the job ended")
