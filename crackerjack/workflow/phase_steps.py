"""The steps ``run_configuration``, ``run_code_cleaning`` and ``run_test_workflow``."""

from __future__ import annotations

from typing import Final

from crackerjack.events.payload import (
    ConfigCompleted,
    ConfigStarted,
    CoverageMeasured,
    EventType,
    HookOutput,
    PhaseEnded,
    PhaseStarted,
    TestCompleted,
    TestsCollected,
)
from crackerjack.hooks.coverage import judge_coverage
from crackerjack.hooks.pytest_session import TestResult
from crackerjack.hooks.testing import TestRun
from crackerjack.types import HookStatus
from crackerjack.workflow.open_step import OpenStep
from crackerjack.workflow.run import Limit
from crackerjack.workflow.scheduler import Task
from crackerjack.workflow.verdict import GOOD, WORTH_RETRYING, Part

_TESTS: Final = "tests"
_TESTING: Final = "testing"
_CLEANING: Final = "cleaning"


class ConfigStep(OpenStep):
    """Finds out what there is: files, layout, tools, and so which hooks will run."""

    def open(self) -> None:
        """Look at the project. Raises :exc:`CrackerjackError` for what cannot be run at all."""
        self.run.publish(EventType.CONFIG_PHASE_STARTED, ConfigStarted(step_id=self.step.step_id))
        options = self.run.options
        self.run.project.look(
            changed_only=options.changed_only,
            since=options.since,
            names=options.hooks,
            everything=self.run.workflow.everything,
        )
        self.opened()

    def finish(self, *, success: bool, duration: float, reason: str) -> None:
        """Publish what was found."""
        project = self.run.project
        self.run.publish(
            EventType.CONFIG_PHASE_COMPLETED,
            ConfigCompleted(
                step_id=self.step.step_id,
                success=success,
                duration=duration,
                files=len(project.files.files),
                hooks=tuple(entry.hook.name for entry in project.planned if entry.runs),
                message=project.files.note,
            ),
        )


class TestStep(OpenStep):
    """Runs the project's tests, each an event as it ends."""

    __test__ = False  # pytest takes every class named Test... for tests

    def open(self) -> None:
        """Announce the phase and queue the test run."""
        expected = self.run.expected(_TESTS)
        self.run.publish(
            EventType.QUALITY_PHASE_STARTED,
            PhaseStarted(step_id=self.step.step_id, phase=_TESTING, expected=expected),
        )
        self.queue(
            Task(key=f"{self.step.step_id}:tests", run=self._test, expected=expected or 60.0)
        )
        self.opened()

    def finish(self, *, success: bool, duration: float, reason: str) -> None:
        """Publish how the tests ended."""
        part = self.run.part(_TESTS)
        self.run.publish(
            EventType.QUALITY_PHASE_COMPLETED if success else EventType.QUALITY_PHASE_FAILED,
            PhaseEnded(
                step_id=self.step.step_id,
                phase=_TESTING,
                success=success,
                duration=duration,
                status=part.status if part else "",
                reason=part.reason if part else reason,
            ),
        )

    def _test(self) -> None:
        tested = self._result()
        status, reason = tested.status, tested.reason
        fall = "" if tested.coverage is None else self._measured(tested.coverage)
        if fall and status is HookStatus.PASSED:
            status, reason = HookStatus.FAILED, fall
        self.run.add_part(
            Part(name=_TESTS, status=status, reason=reason, tests_failed=len(tested.failures))
        )
        self.task_ended(ok=status in GOOD)

    def _result(self) -> TestRun:
        if stopped := self.run.why_stopped():
            return TestRun(status=HookStatus.SKIPPED, reason=stopped)
        limit = self.run.limit(self.step, self.started, Limit(float("inf"), "nobody"))
        tested = self._once(limit)
        for _ in range(self.step.retries):
            if tested.status not in WORTH_RETRYING or self.run.why_stopped():
                break
            tested = self._once(self.run.limit(self.step, self.started, limit))
        return tested

    def _once(self, limit: Limit) -> TestRun:
        return self.run.project.run_tests(
            limit=max(0.0, limit.seconds),
            on_collected=self._publish_collected,
            on_test=self._publish_test,
            on_output=self._publish_output,
        )

    def _measured(self, percent: float) -> str:
        """Publish the coverage; returns what the ratchet has against it, empty for nothing."""
        best = self.run.history.best_coverage if self.run.config.coverage_ratchet else None
        success = judge_coverage(percent, best).success
        self.run.publish(
            EventType.COVERAGE_MEASURED,
            CoverageMeasured(
                step_id=self.step.step_id,
                hook=_TESTS,
                percent=percent,
                previous=best,
                success=success,
            ),
        )
        return "" if success else f"coverage fell from {best:.2f} % to {percent:.2f} %"

    def _publish_collected(self, count: int, deselected: int) -> None:
        self.run.publish(
            EventType.TESTS_COLLECTED,
            TestsCollected(
                step_id=self.step.step_id, hook=_TESTS, count=count, deselected=deselected
            ),
        )

    def _publish_test(self, result: TestResult) -> None:
        self.run.publish(
            EventType.TEST_COMPLETED,
            TestCompleted(
                step_id=self.step.step_id,
                hook=_TESTS,
                nodeid=result.nodeid,
                outcome=result.outcome,
                duration=result.duration,
                path=result.path,
                line=result.line,
                message=result.message,
            ),
        )

    def _publish_output(self, stream: str, text: str) -> None:
        self.run.publish(
            EventType.HOOK_OUTPUT,
            HookOutput(step_id=self.step.step_id, hook=_TESTS, stream=stream, text=text),
        )
