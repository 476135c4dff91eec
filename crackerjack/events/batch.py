"""What every log does with a batch of drafts before it writes: count, refuse, number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from crackerjack.errors import JobEnded
from crackerjack.events.event import Draft, WorkflowEvent
from crackerjack.events.payload import QUEUED_TYPES, TERMINAL_TYPES
from crackerjack.types import JobId


class Tally(msgspec.Struct):
    """What a batch adds to one job."""

    count: int = 0
    terminal: str | None = None
    """The type of the terminal event, where the batch has it."""
    queued: bool = False
    """Whether the last of its events says that the job waits for its turn."""


def tally(drafts: Iterable[Draft]) -> dict[JobId, Tally]:
    """Count the drafts of each job; raises :exc:`JobEnded` for one that follows a terminal event."""
    tallies: dict[JobId, Tally] = {}
    for draft in drafts:
        job = tallies.get(draft.job_id)
        if job is None:
            job = tallies[draft.job_id] = Tally()
        elif job.terminal:
            raise JobEnded(draft.job_id, job.terminal)
        job.count += 1
        job.queued = draft.event_type in QUEUED_TYPES
        if draft.event_type in TERMINAL_TYPES:
            job.terminal = draft.event_type.value
    return tallies


def numbered(drafts: Sequence[Draft], heads: dict[JobId, int]) -> list[WorkflowEvent]:
    """Return the drafts as events; `heads` holds each job's last `seq` before the batch."""
    seqs = dict(heads)
    events: list[WorkflowEvent] = []
    for draft in drafts:
        seq = seqs[draft.job_id] = seqs[draft.job_id] + 1
        body = msgspec.Raw(draft.body)
        events.append(
            WorkflowEvent(draft.event_type.value, body, draft.timestamp, draft.job_id, seq)
        )
    return events


def taken_over(job_id: JobId, owner: str) -> JobEnded:
    """The error for a writer that was fenced out: for it the job has ended."""
    return JobEnded(job_id, f"taken over by {owner}")
