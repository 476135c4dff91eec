"""Asking the broker for the queue and its workers, and showing them to people."""

from __future__ import annotations

from crackerjack.fleet.leases import Leases
from crackerjack.fleet.work_queue import WorkQueue
from crackerjack.jobs.queue_state import QueueEntry, QueueState
from crackerjack.reports.safe_text import inert


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
    waits = (
        f"{state.depth} waiting, the oldest for {state.oldest:.0f} s"
        if state.depth
        else "0 waiting"
    )
    lines = [
        (
            f"{waits}; {state.running} running in"
            f" {state.slots} slot{'' if state.slots == 1 else 's'} of {len(state.workers)}"
            f" worker{'' if len(state.workers) == 1 else 's'}"
        )
    ]
    for entry in state.jobs:
        where = f"on {entry.worker}" if entry.worker else "waits"
        # A part needs what the worker has that runs the whole job: nobody asked for that.
        needs = f", needs {' '.join(entry.needs)}" if entry.needs and not entry.part else ""
        lines.append(
            f"  {entry.job_id}{entry.part and ' ' + entry.part}  {where}  {entry.age:.0f} s  priority {entry.priority}{needs}"
            f"  {entry.project}"
        )
    for worker in state.workers:
        labels = " ".join(f"{key}={value}" for key, value in sorted(worker.labels.items()))
        going = "  going down" if worker.draining else ""
        lines.append(
            f"  worker {worker.worker}  {worker.busy} of {worker.slots} busy  {labels}{going}"
        )
    return "".join(f"{inert(line)}\n" for line in lines)
