"""The steps ``run_fast_hooks`` and ``run_comprehensive_hooks``: the hooks of one strategy."""

from __future__ import annotations

from typing import Final

from crackerjack.events.payload import EventType, StrategyEnded, StrategyStarted
from crackerjack.hooks.hook import Hook, Strategy
from crackerjack.hooks.selection import PlannedHook
from crackerjack.workflow.hook_task import HookTask
from crackerjack.workflow.open_step import OpenStep
from crackerjack.workflow.workflow import Action, Step

STRATEGY_OF: Final = {
    Action.RUN_FAST_HOOKS: Strategy.FAST,
    Action.RUN_COMPREHENSIVE_HOOKS: Strategy.COMPREHENSIVE,
}


def takes(step: Step, hook: Hook) -> bool:
    """Whether the hook is one of this step: by name where the step has names, else by strategy."""
    if step.action not in STRATEGY_OF:
        return False
    return hook.name in step.hooks if step.hooks else hook.strategy is STRATEGY_OF[step.action]


class HookStep(OpenStep):
    """Runs the planned hooks of one strategy: fixers one after another, the others side by side."""

    def open(self) -> None:
        """Announce the step and queue its hooks; with ``--skip-hooks``, say so and end."""
        planned = self._planned()
        self.run.publish(
            EventType.HOOK_STRATEGY_STARTED,
            StrategyStarted(
                step_id=self.step.step_id,
                strategy=STRATEGY_OF[self.step.action],
                hooks=tuple(entry.hook.name for entry in planned),
            ),
        )
        if not self.run.options.skip_hooks:
            for rank, entry in enumerate(planned, start=1):
                HookTask(self, entry, writes=self._writes(entry)).queue(rank)
        self.opened()

    def finish(self, *, success: bool, duration: float, reason: str) -> None:
        """Publish how the strategy ended."""
        skipped = self.run.options.skip_hooks
        self.run.publish(
            EventType.HOOK_STRATEGY_COMPLETED if success else EventType.HOOK_STRATEGY_FAILED,
            StrategyEnded(
                step_id=self.step.step_id,
                strategy=STRATEGY_OF[self.step.action],
                success=success,
                duration=duration,
                skipped=skipped,
                reason="--skip-hooks" if skipped else reason,
            ),
        )

    def _writes(self, entry: PlannedHook) -> bool:
        return entry.runs and entry.hook.fix is not None and not self.run.config.check

    def _planned(self) -> list[PlannedHook]:
        """The hooks of this step: those that run, and those that should but cannot."""
        return [
            entry
            for entry in self.run.project.planned
            if takes(self.step, entry.hook) and (entry.runs or entry.asked)
        ]
