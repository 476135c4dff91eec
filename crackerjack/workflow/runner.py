"""Runs one workflow as one job, from its first event to its terminal one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec

from crackerjack import __version__
from crackerjack.errors import CrackerjackError
from crackerjack.events.payload import (
    EventType,
    HookOutput,
    PlannedStep,
    SessionInitializing,
    SessionReady,
    WorkflowEnded,
    WorkflowStarted,
)
from crackerjack.types import ExitCode
from crackerjack.workflow.hook_step import STRATEGY_OF, HookStep
from crackerjack.workflow.open_step import OpenStep
from crackerjack.workflow.phase_steps import CleaningStep, ConfigStep, TestStep
from crackerjack.workflow.run import Run, ended, settled
from crackerjack.workflow.scheduler import Task
from crackerjack.workflow.verdict import Verdict, judge
from crackerjack.workflow.workflow import Action, Step

_STEP_CLASSES: Final[dict[Action, type[OpenStep]]] = {
    Action.RUN_CONFIGURATION: ConfigStep,
    Action.RUN_CODE_CLEANING: CleaningStep,
    Action.RUN_TEST_WORKFLOW: TestStep,
    **dict.fromkeys(STRATEGY_OF, HookStep),
}


class WorkflowRunner:
    """The door of the workflow floor: whatever happens inside ends in one terminal event."""

    def __init__(
        self, run: Run, *, await_turn: Callable[[Run], bool], writes_over: Callable[[], None]
    ) -> None:
        """`await_turn` returns when this run may begin: no other writes to the project, and none reads
        if this one writes. It returns False when the run may not, being interrupted or out of time.
        `writes_over` is called when this run will write no more.
        """
        self._run = run
        self._await_turn = await_turn
        self._writes_over = writes_over

    def run(self) -> ExitCode:
        """Run the workflow and publish everything, the terminal event last."""
        run = self._run
        self._announce()
        try:
            may_begin = self._await_turn(run)
            if may_begin and not run.cancel.is_set:
                self._work()
            verdict = judge(run.parts(), nothing_to_do=self._nothing_to_do())
            if not may_begin:
                reason = f"{run.out_of_time()} was out of time before its turn on this project came"
                verdict = self._broken(ExitCode.TOOL, reason)
        except CrackerjackError as error:
            verdict = self._broken(ExitCode.USAGE, str(error))
        except Exception as error:  # noqa: BLE001 - the door: it is told to the log, with its trace
            self._publish_trace()
            verdict = self._broken(
                ExitCode.USAGE, f"crackerjack itself failed, please report it: {error!r}"
            )
        return self._end(verdict)

    def _announce(self) -> None:
        run = self._run
        run.publish(
            EventType.WORKFLOW_SESSION_INITIALIZING,
            SessionInitializing(
                workflow=run.workflow.key,
                title=run.workflow.title,
                project=run.path,
                check=run.config.check,
                version=__version__,
            ),
        )

    def _work(self) -> None:
        run = self._run
        # Names are the configuration's; in the events a step has its id alone.
        ids = {step.name: step.step_id for step in run.workflow.steps}
        run.publish(EventType.WORKFLOW_SESSION_READY, SessionReady())
        run.publish(
            EventType.WORKFLOW_STARTED,
            WorkflowStarted(
                workflow=run.workflow.key,
                steps=tuple(
                    PlannedStep(
                        step_id=step.step_id,
                        action=step.action,
                        needs=tuple(ids[name] for name in step.needs),
                    )
                    for step in run.workflow.steps
                ),
                options=run.options.how_much(run.config),
                expected=run.expected("workflow"),
            ),
        )
        for step in run.workflow.steps:
            self._schedule(step)
        run.scheduler.add(
            Task(
                key="writes-over",
                run=self._writes_over,
                needs=frozenset(settled(step.name) for step in run.workflow.steps),
                urgent=True,
            )
        )
        run.scheduler.run()

    def _schedule(self, step: Step) -> None:
        opened = _STEP_CLASSES[step.action](self._run, step)
        # Without hooks there is nothing to run side by side: the steps follow one another.
        key_of = ended if self._run.options.skip_hooks else settled
        needs = frozenset(map(key_of, step.needs))
        self._run.scheduler.add(
            Task(key=f"open:{step.name}", run=opened.begin, needs=needs, urgent=True)
        )

    def _nothing_to_do(self) -> str:
        """Why it is as it should be that nothing was looked at; empty when it is not."""
        options = self._run.options
        if options.skip_hooks:
            return "all hooks were skipped (--skip-hooks)"
        if (options.changed_only or options.since) and not (
            self._run.project.files.files or self._run.project.deleted
        ):
            return "no file has changed"
        return ""

    def _publish_trace(self) -> None:
        import traceback

        first = self._run.workflow.steps[0]
        self._run.publish(
            EventType.HOOK_OUTPUT,
            HookOutput(
                step_id=first.step_id,
                hook="crackerjack",
                stream="stderr",
                text=traceback.format_exc()[-16_000:],
            ),
        )

    def _broken(self, exit_code: ExitCode, reason: str) -> Verdict:
        so_far = judge(self._run.parts())
        return msgspec.structs.replace(so_far, exit_code=exit_code, reason=reason)

    def _end(self, verdict: Verdict) -> ExitCode:
        run = self._run
        event_type = EventType.WORKFLOW_FAILED
        if run.cancel.is_set:
            event_type = EventType.WORKFLOW_INTERRUPTED
            verdict = msgspec.structs.replace(
                verdict, exit_code=ExitCode.INTERRUPTED, reason=run.cancel.reason
            )
        elif verdict.exit_code is ExitCode.PASSED:
            event_type = EventType.WORKFLOW_COMPLETED
        run.publish(
            event_type,
            WorkflowEnded(
                success=event_type is EventType.WORKFLOW_COMPLETED,
                duration=time.monotonic() - run.started,
                exit_code=verdict.exit_code,
                reason=verdict.reason,
                findings=verdict.findings,
                fixed=verdict.fixed,
                tests_failed=verdict.tests_failed,
            ),
        )
        return verdict.exit_code
