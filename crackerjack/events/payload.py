"""What each event says: one typed payload per event type, a closed set.

Every payload carries `timestamp` (seconds since the epoch); every event of a step carries its
`step_id`, every event of a hook its `hook`; every ``*_completed`` and ``*_failed`` carries `success`
and `duration` (seconds). Clients ignore keys that they do not know, so fields may be added here,
never renamed.
"""

# Without `from __future__ import annotations`: msgspec would compile the type of each field from its
# text, at every start.

import enum
from collections.abc import Callable
from typing import Final

import msgspec


class EventType(enum.StrEnum):
    """Every event type there is."""

    WORKFLOW_SESSION_INITIALIZING = "workflow_session_initializing"
    WORKFLOW_SESSION_READY = "workflow_session_ready"
    WORKFLOW_STARTED = "workflow_started"
    WORKFLOW_COMPLETED = "workflow_completed"
    WORKFLOW_FAILED = "workflow_failed"
    WORKFLOW_INTERRUPTED = "workflow_interrupted"
    CONFIG_PHASE_STARTED = "config_phase_started"
    CONFIG_PHASE_COMPLETED = "config_phase_completed"
    QUALITY_PHASE_STARTED = "quality_phase_started"
    QUALITY_PHASE_COMPLETED = "quality_phase_completed"
    QUALITY_PHASE_FAILED = "quality_phase_failed"
    HOOK_STRATEGY_STARTED = "hook_strategy_started"
    HOOK_STRATEGY_COMPLETED = "hook_strategy_completed"
    HOOK_STRATEGY_FAILED = "hook_strategy_failed"
    HOOK_EXECUTION_STARTED = "hook_execution_started"
    HOOK_EXECUTION_COMPLETED = "hook_execution_completed"
    HOOK_EXECUTION_FAILED = "hook_execution_failed"
    COMMIT_PHASE_STARTED = "commit_phase_started"
    COMMIT_PHASE_COMPLETED = "commit_phase_completed"
    COMMIT_PHASE_FAILED = "commit_phase_failed"
    PUBLISH_PHASE_STARTED = "publish_phase_started"
    PUBLISH_PHASE_COMPLETED = "publish_phase_completed"
    PUBLISH_PHASE_FAILED = "publish_phase_failed"
    JOB_QUEUED = "job_queued"
    JOB_REQUEUED = "job_requeued"
    HOOK_OUTPUT = "hook_output"
    DIAGNOSTIC_FOUND = "diagnostic_found"
    FILE_FIXED = "file_fixed"
    TESTS_COLLECTED = "tests_collected"
    TEST_COMPLETED = "test_completed"
    COVERAGE_MEASURED = "coverage_measured"


TERMINAL_TYPES: Final = frozenset(
    {
        EventType.WORKFLOW_COMPLETED,
        EventType.WORKFLOW_FAILED,
        EventType.WORKFLOW_INTERRUPTED,
    }
)
"""Exactly one of these ends every job, and it is the last event of its log."""
QUEUED_TYPES: Final = frozenset({EventType.JOB_QUEUED, EventType.JOB_REQUEUED})
"""A job whose last event is one of these waits for its turn."""


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What every event carries."""

    timestamp: float = 0.0
    """Seconds since the epoch; :meth:`WorkflowEventBus.publish` fills it in when it is 0."""


class StepPayload(Payload, frozen=True, kw_only=True):
    """An event of a step."""

    step_id: str
    """``<action>_<nnn>``, such as ``run_fast_hooks_001``."""


class Outcome(StepPayload, frozen=True, kw_only=True):
    """An event that ends something."""

    success: bool
    duration: float


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the workflow, as announced before it runs."""

    step_id: str
    action: str
    needs: tuple[str, ...] = ()
    """The ids of the steps that write to the project no more when it begins; some may still look."""


class SessionInitializing(Payload, frozen=True, kw_only=True):
    workflow: str
    """The workflow's key, such as ``standard``."""
    title: str
    """The workflow's name for people, such as ``Standard Quality Workflow``."""
    project: str
    """Absolute path of the project."""
    check: bool
    """True when nothing will be written."""
    version: str
    """crackerjack's version."""


class SessionReady(Payload, frozen=True, kw_only=True):
    message: str = ""


class WorkflowStarted(Payload, frozen=True, kw_only=True):
    workflow: str
    steps: tuple[PlannedStep, ...]
    options: tuple[str, ...] = ()
    """What of the command line and the configuration decides how much there is to do, such as
    ``--skip-hooks`` or ``--hook mypy``; runs with the same options take about as long."""
    expected: float | None = None
    """Seconds that the run will take, from this project's history; None without one."""


class WorkflowEnded(Payload, frozen=True, kw_only=True):
    success: bool
    duration: float
    exit_code: int
    reason: str = ""
    """Why, in a sentence; for an interrupted job a word: ``cancelled``, ``runner_lost``, ..."""
    findings: int = 0
    fixed: int = 0
    """Files changed by fixes."""
    tests_failed: int = 0


class ConfigStarted(StepPayload, frozen=True, kw_only=True):
    pass


class ConfigCompleted(Outcome, frozen=True, kw_only=True):
    files: int = 0
    """Files in the project that the hooks may look at."""
    hooks: tuple[str, ...] = ()
    message: str = ""


class PhaseStarted(StepPayload, frozen=True, kw_only=True):
    phase: str
    """``cleaning`` or ``testing``."""
    expected: float | None = None


class PhaseEnded(Outcome, frozen=True, kw_only=True):
    phase: str
    status: str = ""
    """A :class:`crackerjack.types.HookStatus`."""
    reason: str = ""
    content: str = ""
    """Of the tests: as in `tests_collected`; empty when it changed before they ended."""


class StrategyStarted(StepPayload, frozen=True, kw_only=True):
    strategy: str
    """``fast`` or ``comprehensive``."""
    hooks: tuple[str, ...] = ()


class StrategyEnded(Outcome, frozen=True, kw_only=True):
    strategy: str
    skipped: bool = False
    reason: str = ""


class HookStarted(StepPayload, frozen=True, kw_only=True):
    hook: str
    expected: float | None = None
    """Seconds, from this project's history."""
    attempt: int = 1
    rerun: bool = False
    """True for the re-run that confirms a fix."""


class HookEnded(Outcome, frozen=True, kw_only=True):
    hook: str
    status: str
    """A :class:`crackerjack.types.HookStatus`."""
    cached: bool = False
    findings: int = 0
    files: int = 0
    fixed: int = 0
    exit_code: int | None = None
    reason: str = ""
    tool_version: str = ""
    attempt: int = 1
    rerun: bool = False


class HookOutput(StepPayload, frozen=True, kw_only=True):
    hook: str
    stream: str
    """``stdout`` or ``stderr``."""
    text: str
    """Whole lines, at most 16 KiB."""


class DiagnosticFound(StepPayload, frozen=True, kw_only=True):
    hook: str
    path: str
    line: int | None
    column: int | None
    code: str
    severity: str
    message: str
    fixable: bool
    fingerprint: str


class FileFixed(StepPayload, frozen=True, kw_only=True):
    hook: str
    path: str
    fixed: bool = True
    """False when a fix was refused; `reason` says why and the file is as it was."""
    rules: tuple[str, ...] = ()
    reason: str = ""


class TestsCollected(StepPayload, frozen=True, kw_only=True):
    hook: str
    count: int
    """How many results will come: files that were not collected, or skipped as a whole, have one each."""
    deselected: int = 0
    content: str = ""
    """Identifies what the tests run against, the project's files and the packages of its environment:
    the same text, the same content. Empty when that cannot be told."""


class TestCompleted(StepPayload, frozen=True, kw_only=True):
    hook: str
    nodeid: str
    outcome: str
    """``passed|failed|error|skipped|xfailed|xpassed``."""
    duration: float
    path: str = ""
    line: int | None = None
    message: str = ""
    reruns: int = 0
    """How often it had failed before in this run, where failing tests are tried again."""
    flaky: bool = False
    """Whether it has ended the other way too at the same content: in a recent run, or before in this one."""


class CoverageMeasured(StepPayload, frozen=True, kw_only=True):
    hook: str
    percent: float
    previous: float | None = None
    """The best that this project has reached before; None the first time."""
    whole: bool = True
    """False when tests failed or did not run: then it is neither judged nor remembered."""
    success: bool = True


class CommitPhaseStarted(StepPayload, frozen=True, kw_only=True):
    pass


class CommitPhaseEnded(Outcome, frozen=True, kw_only=True):
    revision: str = ""
    reason: str = ""


class PublishPhaseStarted(StepPayload, frozen=True, kw_only=True):
    pass


class PublishPhaseEnded(Outcome, frozen=True, kw_only=True):
    release: str = ""
    reason: str = ""


class JobQueued(Payload, frozen=True, kw_only=True):
    reason: str = ""
    """What it waits for, such as another run that is writing to the project."""
    project: str = ""
    """Where it was asked for, of a job that waits for a worker: until it begins nothing else says so."""


class JobRequeued(Payload, frozen=True, kw_only=True):
    reason: str = ""
    attempt: int = 1
    part: str = ""
    """The hook, or ``tests``, that alone is done again, while the job goes on; empty for all of it."""


PAYLOADS: Final[dict[EventType, type[Payload]]] = {
    EventType.WORKFLOW_SESSION_INITIALIZING: SessionInitializing,
    EventType.WORKFLOW_SESSION_READY: SessionReady,
    EventType.WORKFLOW_STARTED: WorkflowStarted,
    EventType.WORKFLOW_COMPLETED: WorkflowEnded,
    EventType.WORKFLOW_FAILED: WorkflowEnded,
    EventType.WORKFLOW_INTERRUPTED: WorkflowEnded,
    EventType.CONFIG_PHASE_STARTED: ConfigStarted,
    EventType.CONFIG_PHASE_COMPLETED: ConfigCompleted,
    EventType.QUALITY_PHASE_STARTED: PhaseStarted,
    EventType.QUALITY_PHASE_COMPLETED: PhaseEnded,
    EventType.QUALITY_PHASE_FAILED: PhaseEnded,
    EventType.HOOK_STRATEGY_STARTED: StrategyStarted,
    EventType.HOOK_STRATEGY_COMPLETED: StrategyEnded,
    EventType.HOOK_STRATEGY_FAILED: StrategyEnded,
    EventType.HOOK_EXECUTION_STARTED: HookStarted,
    EventType.HOOK_EXECUTION_COMPLETED: HookEnded,
    EventType.HOOK_EXECUTION_FAILED: HookEnded,
    EventType.COMMIT_PHASE_STARTED: CommitPhaseStarted,
    EventType.COMMIT_PHASE_COMPLETED: CommitPhaseEnded,
    EventType.COMMIT_PHASE_FAILED: CommitPhaseEnded,
    EventType.PUBLISH_PHASE_STARTED: PublishPhaseStarted,
    EventType.PUBLISH_PHASE_COMPLETED: PublishPhaseEnded,
    EventType.PUBLISH_PHASE_FAILED: PublishPhaseEnded,
    EventType.JOB_QUEUED: JobQueued,
    EventType.JOB_REQUEUED: JobRequeued,
    EventType.HOOK_OUTPUT: HookOutput,
    EventType.DIAGNOSTIC_FOUND: DiagnosticFound,
    EventType.FILE_FIXED: FileFixed,
    EventType.TESTS_COLLECTED: TestsCollected,
    EventType.TEST_COMPLETED: TestCompleted,
    EventType.COVERAGE_MEASURED: CoverageMeasured,
}


_WORDS: Final = ("text", "message", "reason")
"""The fields that hold what tools said."""


def masked(payload: Payload, mask: Callable[[str], str]) -> Payload:
    """The payload with `mask` applied to what tools said; itself where that changes nothing."""
    changed: dict[str, str] = {}
    for name in _WORDS:
        said = getattr(payload, name, "")
        if said and (clean := mask(said)) != said:
            changed[name] = clean
    return msgspec.structs.replace(payload, **changed) if changed else payload
