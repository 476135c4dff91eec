"""The overview of ``crackerjack watch``: every job that goes on and the last that ended, like ``top``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.jobs.states import FAILING
from crackerjack.reports import wording
from crackerjack.reports.listing import JobLine, render
from crackerjack.reports.safe_text import cells, clip, inert, one_line
from crackerjack.reports.style import Line, Look
from crackerjack.types import JobStatus

_WIDTH_LIMIT: Final = 110  # cells: a wider table is harder to read
_NAME_LIMIT: Final = 24  # cells
_BARS: Final = ("━─", "#-")
_BAR: Final = 10  # cells
_HEADINGS: Final = 5
"""Lines around the jobs: the headline, blank ones, and what is left out."""

Going = tuple[JobLine, JobSnapshot]
"""A job that goes on, and what it is now."""


def overview(
    going: Sequence[Going], ended: Sequence[JobLine], look: Look, size: os.terminal_size, now: float
) -> list[Line]:
    """The lines at the time `now`, seconds since the epoch; `ended` has the newest first."""
    width = min(_WIDTH_LIMIT, size.columns - 1)
    room = max(2, size.lines - _HEADINGS)
    shown = going[: room // 2] if len(going) * 2 > room else going
    lines: list[Line] = [_headline(going), []]
    for job, snapshot in shown:
        lines += _job(job, snapshot, width, look, now)
    if len(going) > len(shown):
        lines.append([("faint", f"  and {len(going) - len(shown)} more")])
    left = room - 2 * len(shown)
    if ended and left > 0:
        table = render(ended[:left], now=now, width=width).splitlines()[:left]
        lines += [[], *([("faint", line)] for line in table)]
    return lines


def _headline(going: Sequence[Going]) -> Line:
    waiting = sum(job.status is JobStatus.QUEUED for job, _ in going)
    running = f"{wording.count(len(going) - waiting, 'job')} running"
    told = f"{running}, {waiting} waiting" if waiting else running
    hint = "  Ctrl-C leaves them running" if going else ""
    return [("strong", told), ("faint", hint)]


def _job(job: JobLine, snapshot: JobSnapshot, width: int, look: Look, now: float) -> list[Line]:
    """Two lines: which job and how far it is, and what it does."""
    name = clip(
        inert(job.project.rstrip("/").rpartition("/")[2] or "/"), _NAME_LIMIT, look.ellipsis
    )
    full, empty = _BARS[0 if look.unicode else 1]
    filled = snapshot.overall_progress * _BAR // 100
    facts = [f"{snapshot.overall_progress}%", wording.whole_seconds(now - job.created)]
    if left := snapshot.remaining(now):
        facts.append(f"{wording.whole_seconds(left)} left")
    first: Line = [
        ("path", full * filled),
        ("faint", empty * (_BAR - filled)),
        ("strong", f" {name}"),
        ("faint", f" {job.job_id}  {'  '.join(facts)}"),
    ]
    found = _found(snapshot)
    room = max(0, width - _BAR - 1 - sum(cells(text) for _, text in found))
    message = clip(one_line(snapshot.message), room, look.ellipsis)
    return [first, [("", f"{' ' * (_BAR + 1)}{message}"), *found]]


def _found(snapshot: JobSnapshot) -> Line:
    counts = snapshot.counts()
    failing = sum(counts["tests"][outcome] for outcome in FAILING)
    told = [wording.count(counts["findings"], "finding")] if counts["findings"] else []
    told += [wording.count(failing, "failing test")] if failing else []
    return [("bad", f"  {', '.join(told)}")] if told else []
