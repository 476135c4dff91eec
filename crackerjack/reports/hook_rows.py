"""What a run of a project would do, hook by hook: with which tool from where, or why not."""

from __future__ import annotations

import msgspec

from crackerjack.config import Config
from crackerjack.hooks.project import Project
from crackerjack.hooks.selection import PlannedHook
from crackerjack.workflow.hook_step import takes
from crackerjack.workflow.options import RunOptions
from crackerjack.workflow.workflow import Workflow, select_workflow


class HookRow(msgspec.Struct, frozen=True, kw_only=True):
    """One hook of the effective catalogue."""

    hook: str
    strategy: str
    runs: bool
    fixes: bool
    """Whether it can write."""
    tool: str | None
    """None for a check that is built in."""
    path: str | None
    origin: str | None
    version: str
    reason: str
    """Why it will not run when the project's default workflow does."""


def hook_rows(config: Config, state_dir: str) -> list[HookRow]:
    """Every hook that there is for the project. Raises :exc:`ConfigError` and :exc:`UsageError`."""
    workflow = select_workflow(config, RunOptions())
    with Project.to_look_at(
        config, state_dir, wanted=workflow.wanted, everything=workflow.everything
    ) as project:
        return [_row(project, entry, why_left_out(entry, workflow)) for entry in project.planned]


def why_left_out(entry: PlannedHook, workflow: Workflow) -> str:
    """Why a hook that could run will not; empty when the workflow has a step for it."""
    if not entry.runs and not entry.asked:
        return ""
    if any(takes(step, entry.hook) for step in workflow.steps):
        return ""
    return f"the workflow {workflow.key!r}, which is the project's default, has no step for it"


def _row(project: Project, entry: PlannedHook, left_out: str) -> HookRow:
    return HookRow(
        hook=entry.hook.name,
        strategy=entry.hook.strategy,
        runs=entry.runs and not left_out,
        fixes=entry.hook.fix is not None,
        tool=entry.hook.tool,
        path=entry.tool.path if entry.tool else None,
        origin=entry.tool.origin if entry.tool else None,
        version=project.tool_version(entry),
        reason=left_out or entry.reason,
    )
