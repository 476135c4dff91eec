"""The steps ``run_configuration``, ``run_code_cleaning`` and ``run_test_workflow``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crackerjack.events.payload import (
    ConfigCompleted,
    ConfigStarted,
    CoverageMeasured,
    EventType,
    FileFixed,
    HookOutput,
    JobRequeued,
    PhaseEnded,
    PhaseStarted,
    TestCompleted,
    TestsCollected,
)
from crackerjack.hooks.diagnostic import printable_path
from crackerjack.types import HookStatus
from crackerjack.workflow.open_step import OpenStep
from crackerjack.workflow.outcomes import Outcomes
from crackerjack.workflow.run import Limit, Run
from crackerjack.workflow.scheduler import Task
from crackerjack.workflow.verdict import GOOD, WORTH_RETRYING, Part
from crackerjack.workflow.workflow import Step

if TYPE_CHECKING:  # imported where they are used: a run of hooks alone needs none of them
    from crackerjack.hooks.cleaning import CleaningResult
    from crackerjack.hooks.pytest_session import TestResult
    from crackerjack.hooks.tested_content import TestedContent
    from crackerjack.hooks.testing import TestRun

_TESTS: Final = "tests"
_TESTING: Final = "testing"
_CLEANING: Final = "cleaning"
_CLEANING_SECONDS: Final = 600.0


class ConfigStep(OpenStep):
    """Finds out what there is: files, layout, tools, and so which hooks will run."""

    def open(self) -> None:
        """Look at the project. Raises :exc:`CrackerjackError` for what cannot be run at all."""
        self.run.publish(EventType.CONFIG_PHASE_STARTED, ConfigStarted(step_id=self.step.step_id))
        options = self.run.options
        self.run.project.look(
            changed_only=options.changed_only,
            since=options.since,
            paths=options.paths,
            names=options.hooks,
            wanted=self.run.workflow.wanted,
            everything=self.run.workflow.everything,
            outputs=options.outputs,
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
                message=reason or project.files.note,
            ),
        )


class CleaningStep(OpenStep):
    """Makes safe fixes, one file at a time; a check run only says which it would make."""

    def open(self) -> None:
        """Announce the phase and queue the cleaning, before every other writer."""
        self.run.publish(
            EventType.QUALITY_PHASE_STARTED,
            PhaseStarted(
                step_id=self.step.step_id,
                phase=_CLEANING,
                expected=self.run.expected(_CLEANING),
            ),
        )
        if not self.run.options.skip_cleaning:
            writes = not self.run.config.check
            self.queue(
                Task(
                    key=f"{self.step.step_id}:cleaning",
                    run=self._clean,
                    writes=writes,
                    expected=self.run.expected(_CLEANING) or 0.0,
                )
            )
        self.opened()

    def finish(self, *, success: bool, duration: float, reason: str) -> None:
        """Publish how the cleaning ended."""
        part = self.run.part(self.step.step_id, _CLEANING)
        status, why = HookStatus.SKIPPED, "--skip-cleaning"
        if part is not None:
            status, why = part.status, part.reason
        self.run.publish(
            EventType.QUALITY_PHASE_COMPLETED if success else EventType.QUALITY_PHASE_FAILED,
            PhaseEnded(
                step_id=self.step.step_id,
                phase=_CLEANING,
                success=success,
                duration=duration,
                status=status,
                reason=why or reason,
            ),
        )

    def _clean(self) -> None:
        result = self._result()
        status, reason = result.status, result.reason
        checked = self.run.config.check and status is HookStatus.FAILED
        if checked:
            count = len(result.cleaned)
            reason = f"would clean {count} file{'' if count == 1 else 's'}: --check writes nothing"
            status = HookStatus.PASSED
        for fixed in result.cleaned:
            withheld = "would be cleaned: --check writes nothing" if checked else ""
            self._publish(fixed.path, fixed.rules, withheld)
        for refusal in result.refused:
            self._publish(refusal.path, (), refusal.reason)
        changed = [] if checked else [fixed.path for fixed in result.cleaned]
        self.run.add_part(
            Part(
                name=_CLEANING,
                step_id=self.step.step_id,
                status=status,
                reason=reason,
                fixed=frozenset(changed),
            )
        )
        self.task_ended(ok=status in GOOD, wrote=None if self.run.config.check else changed)

    def _result(self) -> CleaningResult:
        from crackerjack.hooks.cleaning import CleaningResult

        if stopped := self.run.why_stopped():
            return CleaningResult(status=HookStatus.SKIPPED, reason=stopped)
        limit = self.run.limit(self.step, self.started, Limit(_CLEANING_SECONDS, "the cleaning"))
        return self.run.project.clean(limit=limit.seconds)

    def _publish(self, path: str, rules: tuple[str, ...], withheld: str) -> None:
        self.run.publish(
            EventType.FILE_FIXED,
            FileFixed(
                step_id=self.step.step_id,
                hook=_CLEANING,
                path=printable_path(path),
                fixed=not withheld,
                rules=rules,
                reason=withheld,
            ),
        )


class TestStep(OpenStep):
    """Runs the project's tests, each an event as it ends."""

    __test__ = False  # pytest takes every class named Test... for tests

    def __init__(self, run: Run, step: Step) -> None:
        super().__init__(run, step)
        self._tested: TestedContent | None = None
        self._requeued = 1
        """What the tests run against; None before they begin, and once it has changed."""
        self._outcomes = Outcomes()
        self._outcomes_at = ""

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
        part = self.run.part(self.step.step_id, _TESTS)
        self.run.publish(
            EventType.QUALITY_PHASE_COMPLETED if success else EventType.QUALITY_PHASE_FAILED,
            PhaseEnded(
                step_id=self.step.step_id,
                phase=_TESTING,
                success=success,
                duration=duration,
                status=part.status if part else "",
                reason=part.reason if part else reason,
                content=self._content(),
            ),
        )

    def _test(self) -> None:
        tested = self._result()
        status, reason = tested.status, tested.reason
        if tested.coverage is not None:
            fall = self._measured(tested.coverage, whole=status is HookStatus.PASSED)
            if fall:
                status, reason = HookStatus.FAILED, fall
        self.run.add_part(
            Part(
                name=_TESTS,
                step_id=self.step.step_id,
                status=status,
                reason=reason,
                tests_failed=len(tested.failures),
            )
        )
        self.task_ended(ok=status in GOOD)

    def _result(self) -> TestRun:
        from crackerjack.hooks.testing import TestRun

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
        self._tested = self.run.project.tested_content()
        run = self.run.work.run_tests(
            limit=max(0.0, limit.seconds),
            on_collected=self._publish_collected,
            on_test=self._publish_test,
            on_output=self._publish_output,
            on_again=self._publish_again,
        )
        self._still_holds()
        return run

    def _content(self) -> str:
        return self._tested.digest if self._tested is not None else ""

    def _still_holds(self) -> bool:
        """Whether what the tests run against is what it was; once it is not, it is forgotten."""
        if self._tested is not None and not self.run.project.still_holds(self._tested):
            self._tested = None
        return self._tested is not None

    def _publish_again(self, reason: str) -> None:
        self._requeued += 1
        self.run.publish(
            EventType.JOB_REQUEUED,
            JobRequeued(reason=reason, attempt=self._requeued, part=_TESTS),
        )
        # The job does not wait: this is its last word until a test ends.
        self._publish_output("stderr", f"{reason}\n")

    def _measured(self, percent: float, *, whole: bool) -> str:
        """Publish the coverage; returns what the ratchet has against it, empty for nothing.

        That of a run that is not `whole`, where tests failed or did not run, is not judged.
        """
        from crackerjack.hooks.coverage import coverage_holds

        best = self.run.history.best_coverage
        judged = whole and self.run.config.coverage_ratchet
        success = coverage_holds(percent, best if judged else None)
        self.run.publish(
            EventType.COVERAGE_MEASURED,
            CoverageMeasured(
                step_id=self.step.step_id,
                hook=_TESTS,
                percent=percent,
                previous=best,
                whole=whole,
                success=success,
            ),
        )
        return "" if success else f"coverage fell from {best:.2f} % to {percent:.2f} %"

    def _publish_collected(self, count: int, deselected: int) -> None:
        content = self._content()
        self.run.publish(
            EventType.TESTS_COLLECTED,
            TestsCollected(
                step_id=self.step.step_id,
                hook=_TESTS,
                count=count,
                deselected=deselected,
                content=content,
            ),
        )
        if not content or content != self._outcomes_at:
            self._outcomes, self._outcomes_at = self.run.outcomes_at(content), content

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
                reruns=result.reruns,
                flaky=self._is_flaky(result),
            ),
        )

    def _is_flaky(self, result: TestResult) -> bool:
        """Whether it has ended in both ways with nothing else changed; who edits meanwhile is no chance."""
        both = self._outcomes.add(_TESTS, result.nodeid, result.outcome, result.reruns)
        return both and self._still_holds()

    def _publish_output(self, stream: str, text: str) -> None:
        self.run.publish(
            EventType.HOOK_OUTPUT,
            HookOutput(step_id=self.step.step_id, hook=_TESTS, stream=stream, text=text),
        )
