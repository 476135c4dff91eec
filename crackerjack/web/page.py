"""A page: consecutive events of one stream, encoded once, in every form that clients ask for."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from crackerjack.errors import UsageError
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.subscription import type_pattern
from crackerjack.types import JobId
from crackerjack.web.frames import text_frame

LARGEST_MESSAGE: Final = 256 * 1024
"""Bytes in a batch, and in one write to a client."""
MOST_EVENTS: Final = 256
"""In a batch, and in a page of the log."""
MOST_TYPES: Final = 64
"""Patterns in a query, more than there are event types: compiling thousands takes many seconds."""


class Selection(NamedTuple):
    """Which events a client wants; None is all of them. Equal selections share their frames."""

    types: re.Pattern[str] | None = None
    jobs: frozenset[str] | None = None
    projects: frozenset[str] | None = None
    """Their directories, as the jobs have them."""
    batch: bool = False
    """Whether a message may be an array of events."""

    @property
    def everything(self) -> bool:
        """Whether no event is passed over, so that the client's positions have no holes."""
        return self.types is None and self.jobs is None and self.projects is None

    def wants(self, event: WorkflowEvent) -> bool:
        """Whether the event is one of those, whatever its project: only a :class:`Page` knows that."""
        return (self.types is None or self.types.match(event.event_type) is not None) and (
            self.jobs is None or event.job_id in self.jobs
        )


def wanted_types(text: str) -> re.Pattern[str] | None:
    """The event types of a query, ``hook_*,test_completed``; None for all. Raises :exc:`UsageError`."""
    names = sorted({name for name in text.split(",") if name})
    if len(names) > MOST_TYPES:
        raise UsageError(f"types are at most {MOST_TYPES} names of events")
    if not all(re.fullmatch(r"[a-z_*]{1,64}", name) for name in names):
        raise UsageError("types are names of events, such as hook_*")
    return type_pattern(names) if names else None


_FRAMES_BESIDE: Final = 64 * 1024
"""Bytes of frames that a page may keep beyond its own size: so small pages serve many selections."""


class Part(NamedTuple):
    """A piece of a page that is written at once."""

    last: int
    """The position of its last event."""
    data: bytes


class Page:
    """The events after the position `after`, up to and including `last`, in order.

    A position is the `seq` in a job's stream, or the store's position in the stream of all jobs.
    """

    __slots__ = (
        "_parts",
        "_project_of",
        "_weight",
        "after",
        "events",
        "items",
        "last",
        "positions",
        "size",
    )

    def __init__(
        self,
        after: int,
        events: Sequence[WorkflowEvent],
        positions: Sequence[int],
        encode: Callable[[WorkflowEvent, int], bytes],
        project_of: Callable[[JobId], str],
        *,
        last: int | None = None,
    ) -> None:
        self.after: Final = after
        self.last: Final = last if last is not None else positions[-1] if positions else after
        self.events: Final = events
        self.positions: Final = positions
        self.items: Final = list(map(encode, events, positions))
        """The events as JSON objects."""
        self.size: Final = sum(map(len, self.items))
        """Their bytes."""
        self._project_of: Final = functools.cache(project_of)
        self._parts: dict[Selection, tuple[Part, ...]] = {}
        self._weight = 0

    @property
    def terminal(self) -> bool:
        """Whether its last event is its job's last."""
        return bool(self.events) and self.events[-1].terminal

    def parts(self, selection: Selection, after: int) -> tuple[Part, ...]:
        """The wanted events after a position as WebSocket frames, in pieces of :data:`LARGEST_MESSAGE`.

        The last piece reaches to the end of the page, also where nothing of it is wanted.
        """
        parts = self._parts.get(selection) if after == self.after else None
        if parts is None:
            messages = [(last, text_frame(data)) for last, data in self.messages(selection, after)]
            parts = tuple(_joined(messages, self.last))
            if after == self.after:
                self._keep(selection, parts)
        return parts

    def _keep(self, selection: Selection, parts: tuple[Part, ...]) -> None:
        """Remember frames for the next client that asks for the same; the oldest make room for them.

        A page lives in a cache for as long as clients come, each maybe with a selection of its own.
        """
        room = self.size + _FRAMES_BESIDE
        self._parts[selection] = parts
        self._weight += _weight(selection, parts)
        while self._weight > room:
            oldest = next(iter(self._parts))
            self._weight -= _weight(oldest, self._parts.pop(oldest))

    def messages(self, selection: Selection, after: int) -> Iterator[Part]:
        """The wanted events after a position as the JSON of one WebSocket message each.

        Raises :exc:`StoreUnavailable` when projects are asked for and cannot be looked up.
        """
        wanted = (
            Part(position, item)
            for event, position, item in zip(self.events, self.positions, self.items, strict=True)
            if position > after and selection.wants(event) and self._is_within(selection, event)
        )
        return _batched(wanted) if selection.batch else wanted

    def _is_within(self, selection: Selection, event: WorkflowEvent) -> bool:
        projects = selection.projects
        return projects is None or self._project_of(event.job_id) in projects


def _weight(selection: Selection, parts: tuple[Part, ...]) -> int:
    """About how many bytes are kept with these frames; the names of a selection may be the most."""
    names = len(selection.jobs or ()) + len(selection.projects or ())
    return sum(len(part.data) for part in parts) + 256 * (1 + names)


def _joined(frames: Sequence[tuple[int, bytes]], end: int) -> Iterator[Part]:
    piece: list[bytes] = []
    size = last = 0
    for position, frame in frames:
        if piece and size + len(frame) > LARGEST_MESSAGE:
            yield Part(last, b"".join(piece))
            piece, size = [], 0
        piece.append(frame)
        size += len(frame)
        last = position
    yield Part(end, b"".join(piece))


def _batched(events: Iterator[Part]) -> Iterator[Part]:
    batch: list[bytes] = []
    size = last = 0
    for position, item in events:
        if batch and (size + len(item) >= LARGEST_MESSAGE or len(batch) == MOST_EVENTS):
            yield Part(last, b"[" + b",".join(batch) + b"]")
            batch, size = [], 0
        batch.append(item)
        size += len(item) + 1
        last = position
    if batch:
        yield Part(last, b"[" + b",".join(batch) + b"]" if len(batch) > 1 else batch[0])
