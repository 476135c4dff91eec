"""What a broker knows of jobs beside their events: who began them, until when they live, who cancelled them.

A stream that keeps the last message of each subject: ``SPACE.job.JOB.header``, ``.lease``, ``.cancel``,
``.result``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from crackerjack.decoding import decoded
from crackerjack.errors import JobExists, UnknownJob
from crackerjack.events.broker import Broker
from crackerjack.events.chunk import Chunk
from crackerjack.events.event import LATEST
from crackerjack.events.jetstream import Message, Stream, Write, WrongSequence
from crackerjack.events.log import JobEntry, JobHeader
from crackerjack.types import JobId, is_job_id

_PAGE: Final = 64
"""Jobs that are looked up at once."""


class _Opening(msgspec.Struct, frozen=True):
    """How a job began."""

    header: JobHeader
    lease_expires: float


class _LeaseRecord(msgspec.Struct, frozen=True):
    owner: str
    expires: float


LastChunks = Callable[[Sequence[JobId]], Mapping[JobId, Chunk]]
"""The last chunk of each job that has one."""


class JobRecords:
    """The records of all jobs of a space; one that cannot be read counts as none.

    Raises :exc:`StoreUnavailable`.
    """

    def __init__(self, broker: Broker, space: str) -> None:
        self._space: Final = f"{space}.job"
        self._stream = Stream(broker, f"{space}_jobs")
        self._ended: dict[tuple[int, float], JobEntry] = {}
        """What does not change any more, by the number and the time of the job's first record."""

    def open_stream(self) -> None:
        """Make the stream unless it is there."""
        self._stream.open(
            {
                "subjects": [f"{self._space}.*.*"],
                "discard": "new",
                "max_msgs_per_subject": 1,
                "allow_direct": True,
                "allow_atomic": True,
            }
        )

    def create(self, header: JobHeader, lease_expires: float) -> None:
        """Raises :exc:`JobExists`."""
        opening = _Opening(header, lease_expires)
        try:
            self._put(header.job_id, "header", opening, expected=0)
        except WrongSequence as error:
            # A write of our own that seemed to fail, or another job.
            found = self._stream.last(self._subject(header.job_id, "header"))
            if found is None or _opening(found) != opening:
                raise JobExists(header.job_id) from error

    def header(self, job_id: JobId) -> JobHeader:
        """How the job began, with its first owner. Raises :exc:`UnknownJob`."""
        found = self._stream.last(self._subject(job_id, "header"))
        opening = _opening(found) if found else None
        if opening is None:
            raise UnknownJob(job_id)
        return opening.header

    def renew(self, job_id: JobId, owner: str, expires: float) -> None:
        """Put down that the owner lives until then."""
        self._put(job_id, "lease", _LeaseRecord(owner, expires))

    def cancel(self, job_id: JobId) -> None:
        """Put down that the job is to stop."""
        self._put(job_id, "cancel", True)

    def cancelled(self, job_ids: Collection[JobId]) -> set[JobId]:
        """Those of the jobs that are to stop."""
        subjects = {self._subject(job_id, "cancel"): job_id for job_id in job_ids}
        return {subjects[subject] for subject in self._stream.last_of_each(list(subjects))}

    def keep_result(self, job_id: JobId, name: str) -> None:
        """Put down the name of the object that holds what the job changed."""
        self._put(job_id, "result", name)

    def result(self, job_id: JobId) -> str:
        """The name of that object; empty where there is none."""
        found = self._stream.last(self._subject(job_id, "result"))
        return decoded(found.data, str) or "" if found else ""

    def delete(self, job_id: JobId) -> None:
        """Forget a job."""
        self._stream.purge(f"{self._space}.{job_id}.*")

    def entries(self, job_ids: Sequence[JobId], lasts: Mapping[JobId, Chunk]) -> list[JobEntry]:
        """The jobs that exist, in the order asked for, as their last chunks leave them."""
        wanted = [
            self._subject(job_id, what)
            for job_id in job_ids
            for what in ("header", "lease", "cancel")
        ]
        records = self._stream.last_of_each(wanted)
        found: list[JobEntry] = []
        for job_id in job_ids:
            opened = records.get(self._subject(job_id, "header"))
            opening = _opening(opened) if opened else None
            if opened is not None and opening is not None:
                lease = records.get(self._subject(job_id, "lease"))
                cancelled = self._subject(job_id, "cancel") in records
                last = lasts.get(job_id)
                if last is not None and last.stored < opened.stored:
                    last = None  # of a job that had the id before, and was forgotten
                found.append(_entry(opened, opening, lease, last, cancelled=cancelled))
        return found

    def newest_first(self, project: str | None, last_chunks: LastChunks) -> Iterator[JobEntry]:
        """All jobs, or those of a project, the newest first; looked up as they are asked for."""
        openings = [
            (message, opening)
            for message in self._stream.read_on(self._subject("*", "header"), 1)
            for opening in [_opening(message)]
            if opening is not None and project in {None, opening.header.project}
        ]
        if project is None:  # then these are all that there are
            self._forget_but(openings)
        openings.reverse()
        for start in range(0, len(openings), _PAGE):
            yield from self._looked_up(openings[start : start + _PAGE], last_chunks)

    def _forget_but(self, openings: list[tuple[Message, _Opening]]) -> None:
        there = {(message.number, message.stored) for message, _ in openings}
        self._ended = {key: entry for key, entry in tuple(self._ended.items()) if key in there}

    def _looked_up(
        self, openings: list[tuple[Message, _Opening]], last_chunks: LastChunks
    ) -> list[JobEntry]:
        unknown = [
            opening.header.job_id
            for message, opening in openings
            if (message.number, message.stored) not in self._ended
        ]
        entries = self.entries(unknown, last_chunks(unknown)) if unknown else []
        fresh = {entry.header.job_id: entry for entry in entries}
        found: list[JobEntry] = []
        for message, opening in openings:
            key = message.number, message.stored
            entry = self._ended.get(key) or fresh.get(opening.header.job_id)
            if entry is not None:
                found.append(entry)
                if entry.terminal is not None:
                    self._ended[key] = entry
        return found

    def _subject(self, job_id: str, what: str) -> str:
        return f"{self._space}.{job_id}.{what}"

    def _put(self, job_id: JobId, what: str, record: object, expected: int | None = None) -> None:
        data = msgspec.json.encode(record)
        self._stream.write([Write(self._subject(job_id, what), data, expected)])


def _opening(message: Message) -> _Opening | None:
    """How a job began; None where the record says something else, or of another job."""
    opening = decoded(message.data, _Opening)
    if (
        opening is None
        or not is_job_id(opening.header.job_id)
        or not 0 <= opening.header.created <= LATEST
    ):
        return None
    return opening if opening.header.job_id == message.subject.split(".")[-2] else None


def _entry(
    opened: Message,
    opening: _Opening,
    lease: Message | None,
    last: Chunk | None,
    *,
    cancelled: bool,
) -> JobEntry:
    owner = last.about.owner if last else opening.header.owner
    expires = opening.lease_expires if owner == opening.header.owner else 0.0
    record = decoded(lease.data, _LeaseRecord) if lease is not None else None
    if record is not None and record.owner == owner:
        expires = record.expires
    return JobEntry(
        header=msgspec.structs.replace(opening.header, owner=owner),
        head=last.about.head if last else 0,
        terminal=last.about.terminal if last else None,
        updated=max(found.stored for found in (opened, lease, last) if found is not None),
        lease_expires=expires,
        cancel_requested=cancelled,
        queued=last.about.queued if last else False,
    )
