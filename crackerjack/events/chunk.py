"""A chunk: the events that one append gives a job, as one message of a stream.

Its first line says what it is, the rest is the JSON array of its events. One without events says
that a job has another owner.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Annotated, Final

import msgspec

from crackerjack.decoding import decoded, json_decoder
from crackerjack.events.event import LATEST, WorkflowEvent
from crackerjack.events.jetstream import Message
from crackerjack.events.payload import QUEUED_TYPES, TERMINAL_TYPES
from crackerjack.types import JobId, is_job_id

_BITS: Final = 10
MOST_EVENTS: Final = 1 << _BITS
"""Of one chunk: every message of the stream has so many positions."""
_MOST_BYTES: Final = 512 * 1024
"""Of the events of a chunk, so that its message stays below the megabyte that servers take."""


class ChunkHead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a chunk says of itself, and of its job as it leaves it."""

    job_id: JobId
    owner: str
    head: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
    """The `seq` of its last event, or of the one before it if it has none."""
    count: Annotated[int, msgspec.Meta(ge=0, le=MOST_EVENTS)] = 0
    terminal: str | None = None
    queued: bool = False
    digest: str = ""
    """Of the events: who does not know whether a write arrived finds it again by this."""


class Chunk:
    """A chunk as the stream holds it; see :func:`chunk_of`."""

    def __init__(self, message: Message, about: ChunkHead, events: bytes) -> None:
        self.about: Final = about
        self._events = events
        self.number: Final = message.number
        self.stored: Final = message.stored
        self.size: Final = len(message.data)

    @property
    def first(self) -> int:
        """The `seq` of its first event."""
        return self.about.head - self.about.count + 1

    @functools.cached_property
    def events(self) -> list[WorkflowEvent]:
        """Its events, in order; none where they are not those that it says that it has."""
        if not self.about.count:
            return []
        events = decoded(self._events, list[WorkflowEvent])
        about, first = self.about, self.first
        if (
            events is None
            or len(events) != about.count
            or any(event.job_id != about.job_id for event in events)
            or not all(0 <= event.timestamp <= LATEST for event in events)
            or any(event.seq != seq for seq, event in enumerate(events, first))
            or not _is_utf8(self._events)
        ):
            return []
        return events

    def positioned(self) -> Iterator[tuple[int, WorkflowEvent]]:
        """Its events with their positions in the store."""
        first = position_of(self.number) - self.about.count + 1
        return enumerate(self.events, first)


def chunk_of(message: Message) -> Chunk | None:
    """The chunk in a message; None for one that is none, or not one of the job of its subject."""
    line, _, events = message.data.partition(b"\n")
    about = decoded(line, ChunkHead)
    if (
        about is None
        or about.job_id != message.subject.rpartition(".")[2]
        or not is_job_id(about.job_id)
        or about.count > about.head
        or about.terminal not in {None, *TERMINAL_TYPES}
    ):
        return None
    return Chunk(message, about, events)


def position_of(number: int) -> int:
    """The position of the last event in the chunk with this number."""
    return number << _BITS


def number_after(position: int) -> int:
    """The number of the first chunk that may have an event after a position."""
    return (position >> _BITS) + 1


def number_of(position: int) -> int:
    """The number of the chunk with the event at a position."""
    return number_after(position - 1)


def first_events(
    chunks: Iterable[Chunk], after: int, limit: int
) -> list[tuple[int, WorkflowEvent]]:
    """The first events after a position in chunks that follow each other, with their positions."""
    events: list[tuple[int, WorkflowEvent]] = []
    for chunk in chunks:
        events += [item for item in chunk.positioned() if item[0] > after]
        if len(events) >= limit:
            return events[:limit]
    return events


def encode_chunk(owner: str, events: Sequence[WorkflowEvent]) -> bytes:
    """The message for some events of one job."""
    body = b"[" + b",".join(event.to_json() for event in events) + b"]"
    last = events[-1]
    about = ChunkHead(
        job_id=last.job_id,
        owner=owner,
        head=last.seq,
        count=len(events),
        terminal=last.event_type if last.terminal else None,
        queued=last.event_type in QUEUED_TYPES,
        digest=hashlib.blake2b(body, digest_size=12).hexdigest(),
    )
    return msgspec.json.encode(about) + b"\n" + body


def encode_handover(before: ChunkHead | None, job_id: JobId, owner: str) -> bytes:
    """The message that makes `owner` the owner of a job, whose last chunk is `before`."""
    queued = before is not None and before.queued
    head = before.head if before else 0
    return msgspec.json.encode(ChunkHead(job_id=job_id, owner=owner, head=head, queued=queued))


def decode_head(data: bytes) -> ChunkHead:
    """What an encoded chunk says of itself."""
    return json_decoder(ChunkHead).decode(data.partition(b"\n")[0])


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def in_chunks(events: Sequence[WorkflowEvent]) -> list[list[WorkflowEvent]]:
    """Split events, in order, so that each part is of one job and fits into a message."""
    parts: list[list[WorkflowEvent]] = []
    for _, of_job in groupby(events, lambda event: event.job_id):
        size = 0
        parts.append([])
        for event in of_job:
            size += len(event.body) + 200
            if parts[-1] and (size > _MOST_BYTES or len(parts[-1]) == MOST_EVENTS):
                parts.append([])
                size = len(event.body) + 200
            parts[-1].append(event)
    return parts
