"""What travels through the queue: a job as it was asked for, and which workers may take it."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec

from crackerjack.decoding import decoded
from crackerjack.errors import UsageError
from crackerjack.hooks.testing import Shard
from crackerjack.types import JobId, is_job_id
from crackerjack.workflow.options import RunOptions

HIGHEST_PRIORITY: Final = 9
TASK_PRIORITY: Final = HIGHEST_PRIORITY + 1
"""That of the parts of a job that runs: what has begun is to end first."""
DEFAULT_PRIORITY: Final = 5
MAX_ATTEMPTS: Final = 3
"""Workers that a job may lose before it counts as what kills them."""
QUEUE: Final = "queue"
"""The owner of a job that no worker has."""
MOST_LABELS: Final = 64
"""Of a job or a worker."""
_MOST_BYTES: Final = 768 * 1024
"""Of a job as it travels; servers take messages up to a megabyte."""
_TASK: Final = re.compile(r"[a-z0-9-]{1,64}")
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}=[A-Za-z0-9_.-]{0,63}")


def never() -> float:
    """When the lease of a job ends that no worker has: it may wait for ten years."""
    return time.time() + 10 * 365 * 24 * 3600.0


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a running job that another worker may do: a hook that only looks, or some of the tests."""

    name: str
    """The hook; ``tests`` where there is a `shard`."""
    limit: Annotated[float, msgspec.Meta(gt=0, le=1e9)]
    """Seconds."""
    limited_by: str
    answers: str
    """The subject that the worker who runs the job listens to."""
    shard: Shard | None = None


class QueuedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job in the queue."""

    job_id: JobId
    project: str
    """Its directory, where it was asked for."""
    bundle: str
    """The name of what the project was packed into."""
    options: RunOptions = RunOptions()
    overrides: dict[str, Any] = {}
    """Settings of the command line, which go over those of the project."""
    priority: Annotated[int, msgspec.Meta(ge=0, le=TASK_PRIORITY)] = DEFAULT_PRIORITY
    needs: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_LABELS)] = ()
    """Labels that the worker must have, as ``KEY=VALUE``."""
    most_at_once: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    """Jobs of the project that may run at the same time; 0 for any number."""
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] = MAX_ATTEMPTS
    task: Task | None = None
    """The part that this is about; None for the whole job."""

    @property
    def key(self) -> str:
        """What no other entry of the queue has."""
        if self.task is None:
            return self.job_id
        number = f"-{self.task.shard.number}" if self.task.shard else ""
        return f"{self.job_id}~{self.task.name}{number}"

    @property
    def project_key(self) -> str:
        """The project as a part of a subject."""
        return hashlib.sha256(self.project.encode()).hexdigest()[:16]

    def suits(self, labels: Mapping[str, str]) -> bool:
        """Whether a worker with these labels may take it."""
        pairs = (need.partition("=") for need in self.needs)
        return all(labels.get(key) == value for key, _, value in pairs)


def queued_job(subject: str, data: bytes) -> QueuedJob | None:
    """The entry of the queue at ``SPACE.queue.PRIORITY.KEY``; None where it is none that belongs there.

    Whoever may submit may write anything, and a worker asks the broker for what an entry says: so it
    names a job as jobs are named, and a part has its answers sent where those of its job go.
    """
    job = decoded(data, QueuedJob)
    space, _, priority, key = subject.split(".")
    if job is None or not is_job_id(job.job_id) or (str(job.priority), job.key) != (priority, key):
        return None
    if job.task is None:
        return job if job.priority <= HIGHEST_PRIORITY else None
    task = job.task
    answers = re.escape(f"{space}.part.{key.replace('~', '.')}.") + "[0-9a-f]{8}"
    named = _TASK.fullmatch(task.name) and re.fullmatch(answers, task.answers)
    return job if named and job.priority == TASK_PRIORITY else None


def check_size(job: QueuedJob) -> None:
    """Raise :exc:`UsageError` for a job that no broker takes, before anything of it is there."""
    if len(msgspec.json.encode(job)) > _MOST_BYTES:
        raise UsageError(
            f"what this run asks for takes more than {_MOST_BYTES // 1024} KiB, which is more than a"
            " queue holds: name directories instead of so many files"
        )


def check_label(text: str) -> str:
    """Return the label, ``KEY=VALUE``; raises :exc:`UsageError`."""
    if not _LABEL.fullmatch(text):
        raise UsageError(
            f"{text[:80]!r} is not a label: write KEY=VALUE, with letters, digits and _ . -"
        )
    return text


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """Labels as they are on a command line; raises :exc:`UsageError`, also for a key given twice."""
    labels: dict[str, str] = {}
    for text in texts:
        key, _, value = check_label(text).partition("=")
        if labels.setdefault(key, value) != value:
            raise UsageError(f"two values for the label {key}: {labels[key]} and {value}")
        if len(labels) > MOST_LABELS:
            raise UsageError(f"more than {MOST_LABELS} labels")
    return labels
