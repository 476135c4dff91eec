"""Records that the broker forgets by itself unless they are renewed: who runs what, and which workers are there.

By the broker's clock alone: those of the workers may differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from crackerjack.decoding import decoded
from crackerjack.errors import StoreUnavailable
from crackerjack.events.broker import Broker
from crackerjack.events.jetstream import Stream, Write, WrongSequence
from crackerjack.fleet.queued_job import QueuedJob
from crackerjack.jobs.queue_state import WorkerRecord

LIFETIME: Final = 6
"""Seconds until a record that is not renewed is forgotten."""


class RunningJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that a worker has."""

    key: str
    """Of the job, or of a part of it."""
    project: str
    worker: str
    since: float
    """Seconds since the epoch, by the worker's clock."""


class Place:
    """A place among the running jobs, which is this worker's until it lets it go, or dies."""

    def __init__(self, stream: Stream, subject: str, data: bytes, number: int) -> None:
        self._stream = stream
        self._subject = subject
        self._data = data
        self._number = number

    def renew(self) -> bool:
        """Keep the place for the next seconds; False when another has it by now.

        One that was forgotten, since the broker or the way there was away for longer than that, is
        taken again. Raises :exc:`StoreUnavailable`.
        """
        with suppress(WrongSequence):
            self._write()
            return True
        last = self._stream.last(self._subject)
        if last is not None and last.data not in {b"", self._data}:
            return False
        self._number = last.number if last is not None else 0
        with suppress(WrongSequence):
            self._write()
            return True
        return False

    def release(self) -> None:
        """Let somebody else have it; a broker that cannot be told forgets it soon."""
        with suppress(StoreUnavailable, WrongSequence):
            # Only if it is still ours: an empty record that goes at once.
            self._stream.write([Write(self._subject, b"", self._number, 1)])

    def _write(self) -> None:
        write = Write(self._subject, self._data, self._number, LIFETIME)
        (self._number,) = self._stream.write([write])


class Leases:
    """The records of a space: ``SPACE.running.PROJECT.PLACE`` and ``SPACE.worker.WORKER``."""

    def __init__(self, broker: Broker) -> None:
        space = broker.address.space
        self._running: Final = f"{space}.running"
        self._workers: Final = f"{space}.worker"
        self._stream = Stream(broker, f"{space}_leases")
        self._stream.open(
            {
                "subjects": [f"{self._running}.*.*", f"{self._workers}.*"],
                "max_msgs_per_subject": 1,
                "allow_direct": True,
                "allow_msg_ttl": True,
            }
        )

    def running(self) -> list[RunningJob]:
        """The jobs that workers have at present."""
        found = self._stream.read_on(f"{self._running}.*.*", 1)
        records = (decoded(message.data, RunningJob) for message in found)
        return [record for record in records if record is not None]

    def take_place(
        self, job: QueuedJob, running: RunningJob, taken: Sequence[RunningJob]
    ) -> Place | None:
        """A place for the job; None where its project has as many as it may, or somebody was faster.

        `taken` is what :meth:`running` said.
        """
        if job.most_at_once:
            of_project = sum(other.project == job.project for other in taken)
            if of_project >= job.most_at_once:
                return None
            names: Iterable[str] = map(str, range(job.most_at_once))
        else:
            names = [job.key]
        for name in names:
            if place := self._take(f"{self._running}.{job.project_key}.{name}", running):
                return place
        return None

    def workers(self) -> list[WorkerRecord]:
        """The workers that are there."""
        found = self._stream.read_on(f"{self._workers}.*", 1)
        records = (decoded(message.data, WorkerRecord) for message in found)
        return [record for record in records if record is not None]

    def announce(self, record: WorkerRecord) -> None:
        """Say that a worker is there, for some seconds."""
        self._stream.write(
            [Write(self._worker(record.worker), msgspec.json.encode(record), None, LIFETIME)]
        )

    def leave(self, worker: str) -> None:
        """Say that a worker is gone."""
        with suppress(StoreUnavailable):
            # No purge, which would need a permission for the records of all.
            self._stream.write([Write(self._worker(worker), b"", None, 1)])

    def _worker(self, worker: str) -> str:
        return f"{self._workers}.{worker.encode().hex()[:200]}"

    def _take(self, subject: str, running: RunningJob) -> Place | None:
        last = self._stream.last(subject)
        if last is not None and last.data:
            return None
        data = msgspec.json.encode(running)
        with suppress(WrongSequence):
            write = Write(subject, data, last.number if last else 0, LIFETIME)
            (number,) = self._stream.write([write])
            return Place(self._stream, subject, data, number)
        return None
