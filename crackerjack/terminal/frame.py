"""One frame of the live view: what runs now, how long still, and what waits."""

from __future__ import annotations

import os
from typing import Final

from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.jobs.states import FAILING, RUNNING, WAITING, HookState, StepStatus
from crackerjack.reports import wording
from crackerjack.reports.safe_text import cells, clip, inert, one_line
from crackerjack.reports.style import Line, Look

_WIDTH_LIMIT: Final = 79  # cells: a wider frame is harder to read
_NAME_LIMIT: Final = 20  # cells
_TIME: Final = 5  # cells: 59.9s would be 5, longer times push on
_BAR_LIMITS: Final = (6, 24)  # cells: a shorter bar says nothing, a longer one no more
_SPINNERS: Final = ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\")
_SPINS_PER_SECOND: Final = 10
_BARS: Final = ("━─", "#-")
_ROWS_AROUND: Final = (
    5  # a blank line, the headline, what is left out, what waits, and a line to spare
)


def frame(job: JobSnapshot, look: Look, size: os.terminal_size, now: float) -> list[Line]:
    """The lines of the frame at the time `now`, in seconds since the epoch."""
    width = min(_WIDTH_LIMIT, size.columns - 1)
    running = [hook for hook in job.hooks.values() if hook.running]
    room = max(1, size.lines - _ROWS_AROUND)
    lines: list[Line] = [[], _headline(job, width, look, now)]
    lines += _hooks(running[:room], width, look, now)
    if len(running) > room:
        lines.append([("faint", f"   and {len(running) - room} more")])
    if waiting := _waiting(job):
        lines.append([("faint", clip(f"   then {', '.join(waiting)}", width, look.ellipsis))])
    return lines


def _headline(job: JobSnapshot, width: int, look: Look, now: float) -> Line:
    """What goes on; how much is done, how long it has taken and will take."""
    done = sum(hook.status not in {WAITING, RUNNING} for hook in job.hooks.values())
    facts = [f"{done}/{len(job.hooks)}"] if job.hooks else []
    if job.started is not None:
        facts.append(wording.whole_seconds(now - job.started))
    left = job.remaining(now)
    if left is not None and left >= 1:
        facts.append(f"{wording.whole_seconds(left)} left")
    tail = "  ".join(facts)
    message = clip(one_line(job.message), max(0, width - cells(tail) - 2), look.ellipsis)
    return [("strong", message), ("faint", f"  {tail}")]


def _hooks(running: list[HookState], width: int, look: Look, now: float) -> list[Line]:
    """One line for each hook: spinner, name, time, and a bar where its end can be told."""
    if not running:
        return []
    names = min(_NAME_LIMIT, width // 3, max(cells(inert(hook.name)) for hook in running))
    tails = [_tail(hook) for hook in running]
    prefix = 3 + names + 1 + _TIME + 2
    low, high = _BAR_LIMITS
    bar_width = min(high, width - prefix - max(cells(tail) for tail in tails) - 2)
    spinner = _SPINNERS[0 if look.unicode else 1]
    spin = spinner[int(now * _SPINS_PER_SECOND) % len(spinner)]
    lines: list[Line] = []
    for hook, tail in zip(running, tails, strict=True):
        name = clip(inert(hook.name), names, look.ellipsis)
        took = wording.seconds(now - (hook.started or now))
        line: Line = [
            ("path", f" {spin} "),
            ("", f"{name}{' ' * (names - cells(name))} "),
            ("faint", f"{took:>{_TIME}}  "),
        ]
        done = _done(hook, now)
        if done is not None and bar_width >= low:
            line += [*_bar(done, bar_width, look), ("", "  ")]
        failing = any(hook.outcomes.get(outcome) for outcome in FAILING)
        lines.append([*line, ("bad" if failing else "faint", tail)])
    return lines


def _done(hook: HookState, now: float) -> float | None:
    """How much of the hook is done, 0 to 1: by its tests, else by its history; None if unknown."""
    if hook.collected:
        return min(1.0, len(hook.tests) / hook.collected)
    if hook.expected and hook.started is not None:
        return min(1.0, (now - hook.started) / hook.expected)
    return None


def _tail(hook: HookState) -> str:
    """What there is to say behind the time: tests, or how long it usually takes."""
    parts = []
    if hook.collected is not None:
        parts.append(f"{len(hook.tests)}/{hook.collected}")
        failing = sum(hook.outcomes.get(outcome, 0) for outcome in FAILING)
        parts += [f"{failing} failed"] if failing else []
    elif hook.expected:
        parts.append(f"usually {wording.seconds(hook.expected)}")
    if hook.attempt > 1:
        parts.append(f"attempt {hook.attempt}")
    elif hook.rerun:
        parts.append("again")
    return ", ".join(parts)


def _bar(done: float, width: int, look: Look) -> Line:
    full, empty = _BARS[0 if look.unicode else 1]
    filled = int(done * width)
    return [("path", full * filled), ("faint", empty * (width - filled))]


def _waiting(job: JobSnapshot) -> list[str]:
    """The hooks of the steps that run, then the steps, that have not begun."""
    hooks = [inert(hook.name) for hook in job.hooks.values() if hook.status == WAITING]
    steps = [
        wording.STEP_NAMES.get(step.action, inert(step.action))
        for step in job.steps.values()
        if step.status is StepStatus.WAITING
    ]
    return hooks + steps
