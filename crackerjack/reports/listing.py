"""The table of ``crackerjack jobs``: one job per row, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from crackerjack.events.event import WorkflowEvent
from crackerjack.events.log import JobEntry
from crackerjack.events.payload import WorkflowEnded
from crackerjack.reports import wording
from crackerjack.reports.safe_text import cells, clip, inert, one_line
from crackerjack.reports.style import PLAIN, Line, Look, wrap
from crackerjack.types import HookStatus, JobStatus

_MARKS: Final = {
    JobStatus.COMPLETED: HookStatus.PASSED.value,
    JobStatus.FAILED: HookStatus.FAILED.value,
    JobStatus.INTERRUPTED: HookStatus.TIMED_OUT.value,
}
_GAP: Final = "  "


class JobLine(msgspec.Struct, frozen=True, kw_only=True):
    """One job of the listing."""

    job_id: str
    project: str
    """Absolute path."""
    workflow: str
    status: JobStatus
    created: float
    """Seconds since the epoch."""
    ended: WorkflowEnded | None = None
    """Its terminal event; None while it goes on."""


def job_line(entry: JobEntry, terminal: WorkflowEvent | None) -> JobLine:
    """The row of a job, from what the log knows of it and its terminal event."""
    payload = None
    with suppress(ValueError):  # of a later version, or not written by us
        payload = None if terminal is None else terminal.payload
    return JobLine(
        job_id=entry.header.job_id,
        project=entry.header.project,
        workflow=entry.header.workflow,
        status=entry.status,
        created=entry.header.created,
        ended=payload if isinstance(payload, WorkflowEnded) else None,
    )


def render(jobs: Sequence[JobLine], *, now: float, width: int = 80, look: Look = PLAIN) -> str:
    """The table in `width` cells, two lines a job where one is too narrow.

    `now` is in seconds since the epoch.
    """
    if not jobs:
        return "No jobs yet: `crackerjack` runs the first one.\n"
    rows = [_row(job, now) for job in jobs]
    columns = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    fits = 2 + sum(columns) + len(_GAP) * (len(columns) - 1) <= width
    lines: list[Line] = []
    for job, row in zip(jobs, rows, strict=True):
        symbol = look.symbol(_MARKS.get(job.status, ""))
        styles = ("strong", "faint", "", "faint", symbol[0])
        sizes = columns if fits else [0] * len(columns)
        job_id, *rest = (
            (style, text + " " * (size - cells(text)))
            for style, text, size in zip(styles, row, sizes, strict=True)
        )
        about = [span for text in rest for span in (("", _GAP), text)]
        if fits:
            lines.append([symbol, ("", " "), job_id, *about])
        else:
            lines += [[symbol, ("", " "), job_id], *wrap(about, width, len(_GAP))]
    return "".join(f"{look.paint(line).rstrip(' ')}\n" for line in lines)


def _row(job: JobLine, now: float) -> tuple[str, str, str, str, str]:
    """Job, age, project, workflow, result."""
    return job.job_id, _age(job, now), _name(job), inert(job.workflow), _result(job, now)


def _name(job: JobLine) -> str:
    """The project's directory: its last part tells projects apart well enough."""
    return clip(inert(job.project.rstrip("/").rpartition("/")[2] or "/"), 20, "~")


def _age(job: JobLine, now: float) -> str:
    age = max(0.0, now - job.created)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if age >= size:
            return f"{int(age // size)}{unit} ago"
    return "just now"


def _result(job: JobLine, now: float) -> str:
    """``passed in 14s``, ``3 findings, 1 failing test in 6.0s``, ``interrupted: cancelled``."""
    ended = job.ended
    if job.status is JobStatus.RUNNING:
        return f"running for {wording.whole_seconds(now - job.created)}"
    if ended is None:
        return job.status.value
    took = wording.seconds(ended.duration)
    if job.status is JobStatus.COMPLETED:
        fixed = f", fixed {wording.count(ended.fixed, 'file')}" if ended.fixed else ""
        return f"passed in {took}{fixed}"
    reason = one_line(ended.reason).replace("_", " ")
    if job.status is JobStatus.INTERRUPTED:
        return f"interrupted: {reason}" if reason else "interrupted"
    found = [wording.count(ended.findings, "finding")] if ended.findings else []
    if ended.tests_failed:
        found.append(wording.count(ended.tests_failed, "failing test"))
    return f"{', '.join(found) or reason or 'failed'} in {took}"
