"""Events of made-up runs, valid and the same every time: what the clients of events are tested with."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from crackerjack.events.event import WorkflowEvent, draft
from crackerjack.events.payload import (
    ConfigCompleted,
    ConfigStarted,
    CoverageMeasured,
    DiagnosticFound,
    EventType,
    FileFixed,
    HookEnded,
    HookOutput,
    HookStarted,
    Payload,
    PhaseEnded,
    PhaseStarted,
    PlannedStep,
    SessionInitializing,
    SessionReady,
    StrategyEnded,
    StrategyStarted,
    TestCompleted,
    TestsCollected,
    WorkflowEnded,
    WorkflowStarted,
)
from crackerjack.types import HookStatus, JobId

START = 1_730_804_130.0
JOB = JobId("job123")
FAST = "run_fast_hooks_001"
CLEANING = "run_code_cleaning_001"
COMPREHENSIVE = "run_comprehensive_hooks_001"
TESTS = "run_test_workflow_001"
CONFIG = "run_configuration_001"
_STEPS = (
    PlannedStep(step_id=CONFIG, action="run_configuration"),
    PlannedStep(step_id=FAST, action="run_fast_hooks", needs=(CONFIG,)),
    PlannedStep(step_id=CLEANING, action="run_code_cleaning", needs=(CONFIG,)),
    PlannedStep(
        step_id=COMPREHENSIVE,
        action="run_comprehensive_hooks",
        needs=(CONFIG, FAST, CLEANING),
    ),
    PlannedStep(step_id=TESTS, action="run_test_workflow", needs=(CONFIG, FAST, CLEANING)),
)


def finding(
    hook: str, path: str = "src/app.py", line: int | None = 3, **fields: object
) -> DiagnosticFound:
    """A finding of a hook, with what the test cares about."""
    plain = {
        "step_id": FAST if hook in {"file-checks", "ruff-check", "ruff-format"} else COMPREHENSIVE,
        "hook": hook,
        "path": path,
        "line": line,
        "column": 7,
        "code": "F401",
        "severity": "error",
        "message": "`os` imported but unused",
        "fixable": False,
        "fingerprint": f"{hook}-{path}-{line}",
        **fields,
    }
    return msgspec.convert(plain, DiagnosticFound)


class SampleRun:
    """Writes the events of one job: each call adds one, `now` is the time of the next."""

    def __init__(self, job_id: str = JOB) -> None:
        self.job_id = JobId(job_id)
        self.now = START
        self.events: list[WorkflowEvent] = []

    def wait(self, seconds: float) -> SampleRun:
        """Let time pass."""
        self.now = round(self.now + seconds, 6)
        return self

    def add(self, event_type: EventType, payload: Payload) -> WorkflowEvent:
        """Publish one event now."""
        payload = msgspec.structs.replace(payload, timestamp=self.now)
        written = draft(self.job_id, event_type, payload)
        event = WorkflowEvent(
            event_type=written.event_type.value,
            body=msgspec.Raw(written.body),
            timestamp=written.timestamp,
            job_id=self.job_id,
            seq=len(self.events) + 1,
        )
        self.events.append(event)
        return event

    def begin(
        self,
        *,
        tests: bool = False,
        check: bool = False,
        expected: float | None = None,
        title: str = "Standard Quality Workflow",
        project: str = "/home/ada/httpx",
    ) -> SampleRun:
        """Everything up to the end of the configuration."""
        self.add(
            EventType.WORKFLOW_SESSION_INITIALIZING,
            SessionInitializing(
                workflow="standard",
                title=title,
                project=project,
                check=check,
                version="1.0.0",
            ),
        )
        self.add(EventType.WORKFLOW_SESSION_READY, SessionReady())
        steps = _STEPS if tests else _STEPS[:4]
        self.add(
            EventType.WORKFLOW_STARTED,
            WorkflowStarted(workflow="standard", steps=steps, expected=expected),
        )
        self.add(EventType.CONFIG_PHASE_STARTED, ConfigStarted(step_id=CONFIG))
        self.wait(0.02)
        self.add(
            EventType.CONFIG_PHASE_COMPLETED,
            ConfigCompleted(step_id=CONFIG, success=True, duration=0.02, files=60),
        )
        return self

    def strategy(self, step_id: str, hooks: Iterable[str] = ()) -> SampleRun:
        """A strategy starts."""
        self.add(
            EventType.HOOK_STRATEGY_STARTED,
            StrategyStarted(step_id=step_id, strategy=_strategy(step_id), hooks=tuple(hooks)),
        )
        return self

    def strategy_ended(
        self, step_id: str, *, success: bool = True, skipped: bool = False, reason: str = ""
    ) -> SampleRun:
        """A strategy ends."""
        self.add(
            EventType.HOOK_STRATEGY_COMPLETED if success else EventType.HOOK_STRATEGY_FAILED,
            StrategyEnded(
                step_id=step_id,
                strategy=_strategy(step_id),
                success=success,
                duration=1.0,
                skipped=skipped,
                reason=reason,
            ),
        )
        return self

    def hook(self, step_id: str, name: str, **fields: object) -> SampleRun:
        """A hook starts."""
        plain = {"step_id": step_id, "hook": name, **fields}
        self.add(EventType.HOOK_EXECUTION_STARTED, msgspec.convert(plain, HookStarted))
        return self

    def found(self, *findings: DiagnosticFound) -> SampleRun:
        """Findings come in."""
        for one in findings:
            self.add(EventType.DIAGNOSTIC_FOUND, one)
        return self

    def fixed(
        self,
        step_id: str,
        hook: str,
        *paths: str,
        reason: str = "",
        rules: tuple[str, ...] = (),
    ) -> SampleRun:
        """Files are changed, or with a reason, not."""
        for path in paths:
            self.add(
                EventType.FILE_FIXED,
                FileFixed(
                    step_id=step_id,
                    hook=hook,
                    path=path,
                    fixed=not reason,
                    rules=rules,
                    reason=reason,
                ),
            )
        return self

    def output(self, step_id: str, hook: str, text: str) -> SampleRun:
        """A tool prints."""
        self.add(
            EventType.HOOK_OUTPUT,
            HookOutput(step_id=step_id, hook=hook, stream="stdout", text=text),
        )
        return self

    def hook_ended(
        self, step_id: str, name: str, status: HookStatus = HookStatus.PASSED, **fields: object
    ) -> SampleRun:
        """A hook ends."""
        success = status in {HookStatus.PASSED, HookStatus.FIXED, HookStatus.SKIPPED}
        plain = {
            "step_id": step_id,
            "hook": name,
            "success": success,
            "status": status.value,
            "duration": 0.5,
            **fields,
        }
        self.add(
            EventType.HOOK_EXECUTION_COMPLETED if success else EventType.HOOK_EXECUTION_FAILED,
            msgspec.convert(plain, HookEnded),
        )
        return self

    def phase(self, step_id: str) -> SampleRun:
        """A phase starts."""
        self.add(
            EventType.QUALITY_PHASE_STARTED, PhaseStarted(step_id=step_id, phase=_phase(step_id))
        )
        return self

    def phase_ended(
        self, step_id: str, status: HookStatus = HookStatus.PASSED, reason: str = ""
    ) -> SampleRun:
        """A phase ends."""
        success = status in {HookStatus.PASSED, HookStatus.FIXED, HookStatus.SKIPPED}
        self.add(
            EventType.QUALITY_PHASE_COMPLETED if success else EventType.QUALITY_PHASE_FAILED,
            PhaseEnded(
                step_id=step_id,
                phase=_phase(step_id),
                success=success,
                duration=0.12,
                status=status.value,
                reason=reason,
            ),
        )
        return self

    def collected(self, count: int) -> SampleRun:
        """The tests are collected."""
        self.add(
            EventType.TESTS_COLLECTED, TestsCollected(step_id=TESTS, hook="pytest", count=count)
        )
        return self

    def test(self, nodeid: str, outcome: str = "passed", **fields: object) -> SampleRun:
        """A test ends."""
        plain = {
            "step_id": TESTS,
            "hook": "pytest",
            "nodeid": nodeid,
            "outcome": outcome,
            "duration": 0.01,
            **fields,
        }
        self.add(EventType.TEST_COMPLETED, msgspec.convert(plain, TestCompleted))
        return self

    def coverage(self, percent: float, previous: float | None = None) -> SampleRun:
        """Coverage is measured."""
        self.add(
            EventType.COVERAGE_MEASURED,
            CoverageMeasured(
                step_id=TESTS,
                hook="pytest",
                percent=percent,
                previous=previous,
                success=previous is None or percent >= previous,
            ),
        )
        return self

    def end(
        self, event_type: EventType = EventType.WORKFLOW_COMPLETED, **fields: object
    ) -> SampleRun:
        """The workflow ends."""
        success = event_type is EventType.WORKFLOW_COMPLETED
        plain = {
            "success": success,
            "duration": self.now - START,
            "exit_code": 0 if success else 1,
            **fields,
        }
        self.add(event_type, msgspec.convert(plain, WorkflowEnded))
        return self


def skip_hooks_run() -> SampleRun:
    """``crackerjack --skip-hooks``: cleaning runs, hooks are skipped and say so."""
    run = SampleRun().begin()
    run.strategy(FAST, ["ruff-check"]).strategy_ended(FAST, skipped=True, reason="--skip-hooks")
    run.phase(CLEANING).wait(0.12).phase_ended(CLEANING)
    run.strategy(COMPREHENSIVE, ["mypy"])
    return run.strategy_ended(COMPREHENSIVE, skipped=True, reason="--skip-hooks").end()


def passing_run() -> SampleRun:
    """A standard run in which a formatter fixes two files and all is well."""
    run = SampleRun().begin()
    run.strategy(FAST, ["file-checks", "ruff-format"])
    run.hook(FAST, "file-checks").wait(0.04).hook_ended(FAST, "file-checks", duration=0.04)
    run.hook(FAST, "ruff-format", expected=0.1).wait(0.02)
    run.fixed(FAST, "ruff-format", "src/app.py", "src/cli.py")
    run.hook_ended(FAST, "ruff-format", HookStatus.FIXED, duration=0.02, fixed=2)
    run.hook(FAST, "ruff-format", rerun=True).wait(0.01)
    run.hook_ended(FAST, "ruff-format", duration=0.01, rerun=True).strategy_ended(FAST)
    run.phase(CLEANING).wait(0.12).phase_ended(CLEANING)
    run.strategy(COMPREHENSIVE, ["mypy"]).hook(COMPREHENSIVE, "mypy", expected=6.0).wait(5.5)
    run.hook_ended(COMPREHENSIVE, "mypy", duration=5.5, cached=False)
    return run.strategy_ended(COMPREHENSIVE).end(fixed=2)


def failing_run() -> SampleRun:
    """A standard run with tests in which everything that can be wrong is."""
    run = SampleRun().begin(tests=True, expected=20.0)
    run.strategy(FAST, ["file-checks", "ruff-check"])
    run.hook(FAST, "file-checks").wait(0.04)
    run.hook_ended(FAST, "file-checks", duration=0.04, cached=True)
    run.hook(FAST, "ruff-check").wait(0.05)
    run.found(
        finding("ruff-check", fixable=True),
        finding("ruff-check", "src/cli.py", 40, code="E711", message="comparison to None"),
    )
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED, duration=0.05, findings=2)
    run.strategy_ended(FAST, success=False)
    run.phase(CLEANING).fixed(CLEANING, "cleaning", "src/app.py")
    run.fixed(CLEANING, "cleaning", "src/odd.py", reason="the result does not parse")
    run.wait(0.12).phase_ended(CLEANING)
    run.strategy(COMPREHENSIVE, ["mypy", "bandit", "vulture", "deptry"])
    run.hook(COMPREHENSIVE, "bandit")
    run.hook_ended(
        COMPREHENSIVE,
        "bandit",
        HookStatus.TOOL_MISSING,
        duration=0.0,
        reason="bandit is not installed; install it with `uv add --dev bandit`",
    )
    run.hook(COMPREHENSIVE, "vulture").wait(0.3)
    run.hook_ended(COMPREHENSIVE, "vulture", HookStatus.TOOL_ERROR, reason="KeyError: 'tool'")
    run.hook(COMPREHENSIVE, "mypy", expected=6.0)
    run.phase(TESTS).hook(TESTS, "pytest", expected=4.0).wait(1.0).collected(3)
    run.test("tests/test_app.py::test_one").wait(0.5)
    run.test(
        "tests/test_app.py::test_two",
        "failed",
        path="tests/test_app.py",
        line=12,
        message="assert 1 == 2\n +  where 1 = f()",
    )
    run.wait(4.0).found(
        finding(
            "mypy",
            "src/app.py",
            9,
            code="arg-type",
            severity="error",
            message='Argument 1 to "f" has incompatible type "str"; expected "int"',
        )
    )
    run.hook_ended(COMPREHENSIVE, "mypy", HookStatus.FAILED, duration=5.5, findings=1)
    run.hook(COMPREHENSIVE, "deptry").hook_ended(
        COMPREHENSIVE, "deptry", HookStatus.SKIPPED, duration=0.0, reason="no dependencies declared"
    )
    run.strategy_ended(COMPREHENSIVE, success=False)
    run.test("tests/test_app.py::test_three", "skipped").coverage(87.5, 88.0)
    run.hook_ended(TESTS, "pytest", HookStatus.FAILED, duration=5.6)
    run.phase_ended(TESTS, HookStatus.FAILED)
    return run.end(
        EventType.WORKFLOW_FAILED,
        reason="failed: ruff-check, mypy, pytest",
        findings=3,
        fixed=1,
        tests_failed=1,
    )


def _strategy(step_id: str) -> str:
    return "fast" if step_id == FAST else "comprehensive"


def _phase(step_id: str) -> str:
    return "cleaning" if step_id == CLEANING else "testing"
