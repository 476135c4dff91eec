"""One hook as a task of a step: what it does becomes events, how it ended becomes a part."""

from __future__ import annotations

from collections.abc import Collection

from crackerjack.events.payload import (
    DiagnosticFound,
    EventType,
    FileFixed,
    HookEnded,
    HookOutput,
    HookStarted,
    JobRequeued,
)
from crackerjack.hooks.diagnostic import printable_path
from crackerjack.hooks.hook import HookResult
from crackerjack.hooks.selection import PlannedHook
from crackerjack.types import HookStatus
from crackerjack.workflow.open_step import OpenStep
from crackerjack.workflow.run import Limit
from crackerjack.workflow.scheduler import Task
from crackerjack.workflow.staleness import Looked
from crackerjack.workflow.verdict import GOOD, WORTH_RETRYING, Part
from crackerjack.workflow.work import HookOrder


class HookTask:
    """Runs one hook, with the retries of its step, once: a re-run is another task."""

    def __init__(
        self, step: OpenStep, entry: PlannedHook, *, writes: bool, rerun_of: str = ""
    ) -> None:
        """`rerun_of` is the step id of the look that this one repeats, which may have ended."""
        self._step = step
        self._run = step.run
        self._step_id = step.step.step_id
        self._entry = entry
        self._name = entry.hook.name
        self._writes = writes
        self._rerun = bool(rerun_of)
        self._attempts = 1
        self._requeued = 1
        self._part_of = rerun_of or self._step_id

    def queue(self, rank: int = 0) -> None:
        """Hand the task to the step."""
        key = f"{self._step_id}:{self._name}" + (":again" if self._rerun else "")
        self._step.queue(
            Task(
                key=key,
                run=self._execute,
                writes=self._writes,
                rank=rank,
                expected=self._run.expected(self._name) or 0.0,
            )
        )

    def _execute(self) -> None:
        saw = self._run.staleness.now()
        attempt = 1
        result = self._attempt(attempt)
        while (
            result.status in WORTH_RETRYING
            and attempt <= self._step.step.retries
            and not self._run.why_stopped()
        ):
            attempt += 1
            result = self._attempt(attempt)
        self._judge(result)
        if self._entry.runs:
            self._run.staleness.looked(
                Looked(name=self._name, saw=saw, concerns=self._concerned_by, again=self._again)
            )
        self._step.task_ended(
            ok=result.status in GOOD, wrote=result.changed if self._writes else None
        )

    def _attempt(self, attempt: int) -> HookResult:
        self._attempts = attempt
        self._publish_started()
        result = self._result()
        self._publish_found(result)
        success = result.status in GOOD
        self._run.publish(
            EventType.HOOK_EXECUTION_COMPLETED if success else EventType.HOOK_EXECUTION_FAILED,
            HookEnded(
                step_id=self._step_id,
                hook=self._name,
                success=success,
                duration=result.duration,
                status=result.status,
                cached=result.cached,
                findings=result.findings,
                files=result.files,
                fixed=len(result.changed),
                exit_code=result.exit_code,
                reason=result.reason,
                tool_version=result.tool_version,
                attempt=attempt,
                rerun=self._rerun,
            ),
        )
        return result

    def _publish_started(self) -> None:
        self._run.publish(
            EventType.HOOK_EXECUTION_STARTED,
            HookStarted(
                step_id=self._step_id,
                hook=self._name,
                expected=self._run.expected(self._name),
                attempt=self._attempts,
                rerun=self._rerun,
            ),
        )

    def _result(self) -> HookResult:
        if stopped := self._run.why_stopped():
            return self._not_begun(HookStatus.SKIPPED, stopped)
        own = Limit(self._entry.hook.timeout, f"hook {self._name}")
        limit = self._run.limit(self._step.step, self._step.started, own)
        if limit.seconds <= 0:
            return self._not_begun(
                HookStatus.TIMED_OUT, f"not begun: {limit.said_by} was out of time"
            )
        order = HookOrder(
            entry=self._entry,
            fix=self._writes,
            limit=limit.seconds,
            limited_by=limit.said_by,
            expected=self._run.expected(self._name),
        )
        return self._run.work.run_hook(order, self._publish_output, self._publish_again)

    def _publish_again(self, reason: str) -> None:
        self._requeued += 1
        self._run.publish(
            EventType.JOB_REQUEUED,
            JobRequeued(reason=reason, attempt=self._requeued, part=self._name),
        )
        self._publish_started()  # which takes back what came of it so far

    def _not_begun(self, status: HookStatus, reason: str) -> HookResult:
        return HookResult(hook=self._name, status=status, duration=0.0, reason=reason)

    def _publish_output(self, stream: str, text: str) -> None:
        self._run.publish(
            EventType.HOOK_OUTPUT,
            HookOutput(step_id=self._step_id, hook=self._name, stream=stream, text=text),
        )

    def _publish_found(self, result: HookResult) -> None:
        for path in result.changed:
            self._publish_fix(path, rules=result.rules.get(path, ()))
        for path, reason in result.refused.items():
            self._publish_fix(path, refused=reason)
        for found in result.diagnostics:
            self._run.publish(
                EventType.DIAGNOSTIC_FOUND,
                DiagnosticFound(
                    step_id=self._step_id,
                    hook=self._name,
                    path=found.path,
                    line=found.line,
                    column=found.column,
                    code=found.code,
                    severity=found.severity,
                    message=found.message,
                    fixable=found.fixable,
                    fingerprint=found.fingerprint,
                ),
            )

    def _publish_fix(self, path: str, *, rules: tuple[str, ...] = (), refused: str = "") -> None:
        self._run.publish(
            EventType.FILE_FIXED,
            FileFixed(
                step_id=self._step_id,
                hook=self._name,
                path=printable_path(path),
                fixed=not refused,
                rules=rules,
                reason=refused,
            ),
        )

    def _judge(self, result: HookResult) -> None:
        """Add the hook's part to the verdict; a clean re-run leaves a fixed hook ``fixed``."""
        earlier = self._run.part(self._part_of, self._name) if self._rerun else None
        fixed = earlier.fixed if earlier is not None else frozenset(result.changed)
        status = result.status
        if fixed and status is HookStatus.PASSED:
            status = HookStatus.FIXED
        self._run.add_part(
            Part(
                name=self._name,
                step_id=self._part_of,
                status=status,
                reason=result.reason,
                findings=result.findings,
                fixed=fixed,
            )
        )

    def _concerned_by(self, changed: Collection[str]) -> bool:
        return self._run.project.concerns(self._entry, changed)

    def _again(self, step: OpenStep) -> None:
        HookTask(step, self._entry, writes=False, rerun_of=self._part_of).queue()
