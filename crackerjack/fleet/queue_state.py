"""The queue and its workers at one moment: what people, dashboards and autoscalers look at."""

from __future__ import annotations

import msgspec

from crackerjack.fleet.leases import Leases, WorkerRecord
from crackerjack.fleet.work_queue import WorkQueue
from crackerjack.reports.safe_text import one_line


class QueueEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A job of the queue."""

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


def queue_state(queue: WorkQueue, leases: Leases) -> QueueState:
    """Ask the broker. Raises :exc:`StoreUnavailable`."""
    running = {one.key: one.worker for one in leases.running()}
    now = queue.now()
    jobs = tuple(
        QueueEntry(
            job_id=waiting.job.job_id,
            part=waiting.job.key.partition("~")[2],
            project=waiting.job.project,
            priority=waiting.job.priority,
            needs=waiting.job.needs,
            age=max(0.0, now - waiting.queued),
            worker=running.get(waiting.job.key, ""),
        )
        for waiting in queue.jobs()
    )
    workers = tuple(leases.workers())
    waiting_ages = [entry.age for entry in jobs if not entry.worker]
    return QueueState(
        depth=len(waiting_ages),
        oldest=max(waiting_ages, default=0.0),
        running=len(jobs) - len(waiting_ages),
        slots=sum(worker.slots for worker in workers if not worker.draining),
        jobs=jobs,
        workers=workers,
    )


def render_queue(state: QueueState) -> str:
    """The state for people, one line per job and worker."""
    lines = [
        (
            f"{state.depth} waiting, the oldest for {state.oldest:.0f} s; {state.running} running in"
            f" {state.slots} slot{'' if state.slots == 1 else 's'} of {len(state.workers)}"
            f" worker{'' if len(state.workers) == 1 else 's'}"
        )
    ]
    for entry in state.jobs:
        where = f"on {entry.worker}" if entry.worker else "waits"
        needs = f", needs {' '.join(entry.needs)}" if entry.needs else ""
        lines.append(
            f"  {entry.job_id}{entry.part and ' ' + entry.part}  {where}  {entry.age:.0f} s  priority {entry.priority}{needs}"
            f"  {one_line(entry.project)}"
        )
    for worker in state.workers:
        labels = " ".join(f"{key}={value}" for key, value in sorted(worker.labels.items()))
        going = "  going down" if worker.draining else ""
        lines.append(
            f"  worker {worker.worker}  {worker.busy} of {worker.slots} busy  {labels}{going}"
        )
    return "\n".join(lines) + "\n"
