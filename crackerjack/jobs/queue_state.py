"""The queue of jobs that workers take, at one moment: for people, dashboards and autoscalers."""

from __future__ import annotations

from typing import Annotated

import msgspec

_Slots = Annotated[int, msgspec.Meta(ge=0, le=1000)]


class QueueEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A job of the queue, or a part of a job that runs."""

    job_id: str
    part: str
    """The hook or shard of tests that this is about; empty for the whole job."""
    project: str
    priority: int
    needs: tuple[str, ...]
    age: float
    """Seconds since it was queued, by the broker's clock."""
    worker: str = ""
    """Who runs it; empty while it waits."""


class WorkerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself."""

    worker: str
    """The process: ``host:pid:start``."""
    slots: _Slots
    busy: _Slots
    labels: dict[str, str] = {}
    draining: bool = False
    version: str = ""


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    depth: int
    """Jobs that wait."""
    oldest: float
    """Seconds that the oldest of them has waited; 0 where none does."""
    running: int
    slots: int
    """Jobs that the workers can run at the same time; those that are going down not counted."""
    jobs: tuple[QueueEntry, ...]
    """In the order in which they are to run."""
    workers: tuple[WorkerRecord, ...]
