"""The queue of jobs: a work-queue stream, which gives a job again when its worker is silent.

The broker hands each job to one worker at a time. Which job a worker asks for is chosen here, from
what waits: by priority, then by age, passing over those that it does not suit and those whose project
runs as many as it may.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from crackerjack.errors import StoreUnavailable
from crackerjack.events.broker import Broker
from crackerjack.events.jetstream import Message, Stream, Write, WrongSequence
from crackerjack.fleet.leases import Leases, Place, RunningJob
from crackerjack.fleet.queued_job import TASK_PRIORITY, QueuedJob, queued_job
from crackerjack.reports.safe_text import one_line
from crackerjack.types import JobId

_SILENCE: Final = 5.0
"""Seconds without a word from its worker after which a job is given to another."""

_LOGGER: Final = logging.getLogger("crackerjack.worker")

Cancelled = Callable[[Collection[JobId]], Collection[JobId]]
"""Which of some jobs are to stop."""


class WaitingJob(msgspec.Struct, frozen=True):
    """A job that is in the queue: it waits, or a worker has it."""

    job: QueuedJob
    number: int
    """The order of those with the same priority."""
    queued: float
    """When it came, seconds since the epoch, by the broker's clock."""


class _Fetched(msgspec.Struct, frozen=True):
    """How the broker handed a job out."""

    answer_to: str
    consumer: str
    """``STREAM.NAME`` of what the broker keeps to hand out this job."""


class Claim:
    """A job that this worker has, as long as it says so now and then (:meth:`keep`)."""

    def __init__(self, job: QueuedJob, place: Place, fetched: _Fetched, broker: Broker) -> None:
        self.job: Final = job
        self._place = place
        self._fetched = fetched
        self._broker = broker

    def keep(self) -> bool:
        """Say that the work goes on; False when another has the place by now.

        To be called every second or so. Raises :exc:`StoreUnavailable`.
        """
        self._broker.publish(self._fetched.answer_to, b"+WPI")
        return self._place.renew()

    def done(self) -> None:
        """Take the job out of the queue: its terminal event is in the log."""
        with suppress(StoreUnavailable):  # it comes again, and is seen to have ended
            self._broker.request(self._fetched.answer_to, b"+ACK")
            self._broker.request(f"$JS.API.CONSUMER.DELETE.{self._fetched.consumer}")
        self._place.release()

    def give_back(self) -> None:
        """Let another worker take it at once."""
        with suppress(StoreUnavailable):  # else after some seconds of silence
            self._broker.publish(self._fetched.answer_to, b"-NAK")
        self._place.release()

    def lost(self) -> None:
        """Another worker has the job: say nothing that it could be taken for having said."""
        self._place.release()


class WorkQueue:
    """The jobs of a space that have not ended. Raises :exc:`StoreUnavailable`.

    An entry that cannot be read, say of a newer version, waits for a worker that can.
    """

    def __init__(self, broker: Broker, leases: Leases) -> None:
        self._broker = broker
        self._leases = leases
        self.unreadable: set[str] = set()
        """The subjects of entries that were met and could not be read."""
        space = broker.address.space
        self.subjects: Final = f"{space}.queue"
        self._stream = Stream(broker, f"{space}_queue")
        self._stream.open(
            {
                "subjects": [f"{self.subjects}.*.*"],
                "retention": "workqueue",
                "discard": "new",
                "max_msgs_per_subject": 1,
                "discard_new_per_subject": True,
                "allow_direct": True,
            }
        )

    def put(self, job: QueuedJob) -> None:
        """Add a job; one that is there already stays as it is."""
        with suppress(WrongSequence):
            write = Write(self._subject(job), msgspec.json.encode(job), 0)
            self._stream.write([write])

    def now(self) -> float:
        """What the broker's clock says, seconds since the epoch."""
        return self._stream.now()

    def remove(self, job: QueuedJob) -> None:
        """Take a job or a part of one out; a worker that has it is not told."""
        self._remove(self._subject(job))

    def withdraw(self, job_id: JobId) -> None:
        """Take a whole job out, if it is in the queue."""
        if found := self._stream.last(f"{self.subjects}.*.{job_id}"):
            self._remove(found.subject)

    def find(self, job_id: JobId) -> QueuedJob | None:
        """The job, if it is in the queue."""
        found = self._stream.last(f"{self.subjects}.*.{job_id}")
        return self._read(found) if found else None

    def job_ids(self) -> set[JobId]:
        """The jobs that are in the queue, whole or in part, also where the entry cannot be read."""
        found = self._stream.read_on(f"{self.subjects}.*.*", 1)
        return {JobId(_key(message.subject).partition("~")[0]) for message in found}

    def jobs(self) -> Iterator[WaitingJob]:
        """What is in the queue, in the order in which it is to be run."""
        for priority in range(TASK_PRIORITY, -1, -1):
            for message in self._stream.read_on(f"{self.subjects}.{priority}.*", 1):
                if (job := self._read(message)) is not None:
                    yield WaitingJob(job, message.number, message.stored)

    def claim(
        self,
        worker: str,
        labels: Mapping[str, str],
        cancelled: Cancelled = lambda _jobs: (),
        having: Collection[str] = (),
    ) -> Claim | None:
        """Take the next job that this worker may run, or end: whoever it suits, one that is cancelled.

        None where there is none. `cancelled` says which ones were; `having` are the keys of those that
        the worker runs, also where the broker takes it for lost.
        """
        taken = self._leases.running()
        running = {other.key for other in taken} | set(having)
        for waiting in self._suitable(labels, running, cancelled):
            job = waiting.job
            mine = RunningJob(key=job.key, project=job.project, worker=worker, since=time.time())
            place = self._leases.take_place(job, mine, taken)
            if place is None:
                continue
            fetched = None
            try:
                fetched = self._fetch(job)
            finally:
                if fetched is None:
                    place.release()
            if fetched is not None:
                return Claim(job, place, fetched, self._broker)
        return None

    def _suitable(
        self, labels: Mapping[str, str], running: Collection[str], cancelled: Cancelled
    ) -> Iterator[WaitingJob]:
        others: list[WaitingJob] = []
        for waiting in self.jobs():
            if waiting.job.key in running:
                continue
            if waiting.job.suits(labels):
                yield waiting
            elif waiting.job.task is None:
                others.append(waiting)
        to_end = cancelled([other.job.job_id for other in others])
        yield from (other for other in others if other.job.job_id in to_end)

    def _read(self, message: Message) -> QueuedJob | None:
        job = queued_job(message.subject, message.data)
        if job is None and message.subject not in self.unreadable:
            self.unreadable.add(message.subject)
            _LOGGER.info("an entry of the queue cannot be read here: %s", one_line(message.subject))
        return job

    def _remove(self, subject: str) -> None:
        self._stream.purge(subject)
        consumer = _consumer(subject)
        self._broker.request(f"$JS.API.CONSUMER.DELETE.{self._stream.name}.{consumer}")

    def _subject(self, job: QueuedJob) -> str:
        return f"{self.subjects}.{job.priority}.{job.key}"

    def _fetch(self, job: QueuedJob) -> _Fetched | None:
        """Ask the broker for this very job; None while another worker has it."""
        consumer = _consumer(self._subject(job))
        config: dict[str, Any] = {
            "name": consumer,
            "durable_name": consumer,
            "filter_subject": self._subject(job),
            "ack_policy": "explicit",
            "ack_wait": int(_SILENCE * 1e9),
            "max_deliver": -1,
            "max_ack_pending": 1,
            "inactive_threshold": int(3600e9),
        }
        request = {"stream_name": self._stream.name, "config": config}
        name = f"{self._stream.name}.{consumer}"
        made = msgspec.json.decode(
            self._broker.request(
                f"$JS.API.CONSUMER.CREATE.{name}.{self._subject(job)}", msgspec.json.encode(request)
            ).data
        )
        if error := made.get("error"):
            raise self._broker.unavailable(f"makes no consumer ({error.get('description')})")
        answer = self._broker.pull(
            f"$JS.API.CONSUMER.MSG.NEXT.{name}", b'{"batch":1,"no_wait":true}'
        )
        return _Fetched(answer.reply, name) if answer.data else None


def _key(subject: str) -> str:
    return subject.rpartition(".")[2]


def _consumer(subject: str) -> str:
    _, _, priority, key = subject.split(".")
    return f"{priority}-{key}"
