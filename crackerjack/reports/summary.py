"""The table that ends a run: what each hook came to, how long it took, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crackerjack.events.payload import CoverageMeasured
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.jobs.states import FAILING, HookState, StepState, StepStatus
from crackerjack.reports import wording
from crackerjack.reports.safe_text import cells, clip, inert, one_line
from crackerjack.reports.style import STYLE_OF, Line, Look, wrap
from crackerjack.types import HookStatus

NAME_LIMIT: Final = 24  # cells
_DETAIL_LIMIT: Final = 240  # cells of one row's detail; `crackerjack show` has it all
_DETAIL_ROOM: Final = 24  # cells: with less, a detail continues below the name
_TIME: Final = 6  # cells: the longest is 59m59s


def table(job: JobSnapshot, look: Look, width: int) -> list[Line]:
    """One row per hook in the order of the workflow; what was skipped is put together."""
    rows = list(_rows(job))
    names = max((cells(inert(hook.name)) for hook in rows), default=0)
    names = min(NAME_LIMIT, max(names, len("total")))
    lines: list[Line] = []
    for hook in rows:
        lines += row(hook, look, names, width, _measured(job, hook))
    for reason, skipped in _skipped(job):
        symbol = look.symbol(HookStatus.SKIPPED)
        lines += wrap(
            [("", "  "), symbol, ("faint", f" skipped {', '.join(skipped)}{reason}")], width, 4
        )
    if job.started is not None and job.ended is not None:
        took = f"{wording.seconds(job.ended - job.started):>{_TIME}}"
        lines.append([("faint", f"    {'total':{names}} {took}")])
    return lines


def row(
    hook: HookState,
    look: Look,
    names: int,
    width: int,
    measured: CoverageMeasured | None = None,
) -> list[Line]:
    """What one hook came to, its name in `names` cells; more than one line in a narrow terminal."""
    name = clip(inert(hook.name), names, look.ellipsis)
    took = "" if hook.duration is None else wording.seconds(hook.duration)
    if hook.status in {HookStatus.TOOL_MISSING, HookStatus.SKIPPED}:
        took = ""
    detail = wording.result(hook)
    if measured is not None:
        detail = f"{detail}, {wording.coverage(measured)}"
    detail = clip(detail, _DETAIL_LIMIT, look.ellipsis)
    style = STYLE_OF.get(hook.status, "")
    head: Line = [("", "  "), look.symbol(hook.status), ("", f" {name}")]
    padding = " " * (names - cells(name))
    column = 4 + names + 1 + _TIME + 2
    if width - column < min(_DETAIL_ROOM, cells(detail)):
        time = [("faint", f"{padding} {took:>{_TIME}}")] if took else []
        return [[*head, *time], *wrap([("", "    "), (style, detail)], width, 4)]
    head.append(("faint", f"{padding} {took:>{_TIME}}  "))
    return wrap([*head, (style, detail)], width, column)


def next_steps(job: JobSnapshot, look: Look, width: int, *, but: str = "") -> list[Line]:
    """The commands that come next, each with what it does, `but` one. Commands are never cut."""
    commands = [one for one in wording.next_commands(job, look.project) if one[0] != but]
    short = [len(command) for command, does in commands if len(command) + len(does) + 4 <= width]
    column = max(short, default=0)
    lines: list[Line] = []
    for command, does in commands:
        line: Line = [("", "  "), ("strong", command)]
        if len(command) <= column and column + len(does) + 4 <= width:
            line.append(("faint", f"{' ' * (column - len(command))}  {does}"))
        lines.append(line)
    return lines


def ending(job: JobSnapshot, look: Look, width: int) -> list[Line]:
    """The end of a run: the table, the next commands, and the verdict as the last line."""
    sentences = [line for line in (wording.remark(job), wording.verdict(job)) if line]
    verdict = [part for line in sentences for part in wrap(line, width, 2)]
    parts = [table(job, look, width), next_steps(job, look, width), verdict]
    lines: list[Line] = []
    for part in parts:
        if part:
            lines += [[], *part]
    return lines


def _measured(job: JobSnapshot, hook: HookState) -> CoverageMeasured | None:
    """The coverage that belongs in the hook's row, unless it is why the hook failed: then it is told."""
    measured = job.coverage
    if measured is None or measured.step_id != hook.step_id:
        return None
    failing = any(hook.outcomes.get(outcome) for outcome in FAILING)
    return measured if measured.success or failing else None


def _rows(job: JobSnapshot) -> Iterator[HookState]:
    order = {step_id: rank for rank, step_id in enumerate(job.steps)}
    hooks = [hook for hook in job.hooks.values() if hook.status != HookStatus.SKIPPED]
    yield from sorted(hooks, key=lambda hook: order.get(hook.step_id, len(order)))


def _skipped(job: JobSnapshot) -> Iterator[tuple[str, list[str]]]:
    """The steps that were skipped, and the hooks of others that were, by reason."""
    by_reason: dict[str, list[str]] = {}
    steps = {step.step_id for step in job.steps.values() if step.status is StepStatus.SKIPPED}
    for step in job.steps.values():
        if step.step_id in steps:
            by_reason.setdefault(step.reason, []).append(_step_name(step))
    for hook in job.hooks.values():
        if hook.status == HookStatus.SKIPPED and hook.step_id not in steps:
            by_reason.setdefault(hook.reason, []).append(inert(hook.name))
    for reason, names in by_reason.items():
        yield (f" ({one_line(reason)})" if reason else ""), names


def _step_name(step: StepState) -> str:
    return wording.STEP_NAMES.get(step.action) or inert(step.action.replace("_", " "))
