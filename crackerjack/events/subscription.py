"""A subscription: a cursor over the log of one job. Replay and live are the same code."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Collection, Iterator
from fnmatch import translate
from typing import Final

from crackerjack.errors import FutureCursor
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.hub import Hub
from crackerjack.events.log import EventLog
from crackerjack.types import JobId

_BATCH: Final = 256
"""Events per read: at 16 KiB, the largest there are, 4 MiB."""


class Subscription:
    """Reads the events of a job after `since`, exactly once and in order, and waits for more.

    A subscriber costs the publisher nothing: one that is slow lags. With `types` (names, or patterns
    such as ``hook_*``) other events are passed over, and `seq` has holes. Events of other processes
    are found by looking at the log every `poll_interval` seconds.

    One thread reads; :meth:`close` may be called from any. Raises :exc:`UnknownJob` (also later, when
    the job is deleted), :exc:`FutureCursor` when the job has no event `since`, and
    :exc:`StoreUnavailable`.
    """

    def __init__(
        self,
        log: EventLog,
        hub: Hub,
        job_id: JobId,
        *,
        since: int = 0,
        types: Collection[str] | None = None,
        poll_interval: float = 0.25,
    ) -> None:
        entry = log.job(job_id)
        if since > entry.head:
            raise FutureCursor(job_id, since, entry.head)
        self._log = log
        self._hub = hub
        self._job_id = job_id
        self._cursor = since
        self._wanted = None if types is None else type_pattern(types)
        self._poll_interval = poll_interval
        self._ended = entry.terminal is not None and since == entry.head
        self._closed = threading.Event()

    @property
    def cursor(self) -> int:
        """The `seq` up to which everything wanted was delivered: where to resume."""
        return self._cursor

    @property
    def ended(self) -> bool:
        """Whether the terminal event was delivered, or passed over: nothing comes after it."""
        return self._ended

    def read(self, timeout: float) -> list[WorkflowEvent]:
        """The next events, as soon as there are any.

        Empty after `timeout` seconds, when the job has :attr:`ended`, and after :meth:`close`.
        """
        deadline = time.monotonic() + timeout
        if not self._ended and 0 < self._cursor == self._hub.head(self._job_id):
            self._wait(self._cursor, timeout)  # a look at the log would find nothing yet
        while not self._ended and not self._closed.is_set():
            announced = self._hub.head(self._job_id)
            events = self._log.read(self._job_id, self._cursor, _BATCH)
            if events:
                self._cursor = events[-1].seq
                self._ended = events[-1].terminal
                if wanted := [event for event in events if self._wants(event)]:
                    return wanted
                continue
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            # What was announced before the read and not found is gone: don't wait for it.
            self._wait(max(announced, self._cursor), remaining)
        return []

    def __iter__(self) -> Iterator[WorkflowEvent]:
        """The events up to the terminal one, or to :meth:`close`; may be left and begun again."""
        while not self._ended and not self._closed.is_set():
            events = self.read(self._poll_interval)
            reached = self._cursor, self._ended
            for event in events:
                if self._closed.is_set():
                    return
                self._cursor, self._ended = event.seq, event.terminal
                yield event
            self._cursor, self._ended = reached

    def close(self) -> None:
        """End :meth:`read` and the iteration, also where another thread waits in them."""
        self._closed.set()
        self._hub.wake(self._job_id)

    def _wait(self, after: int, timeout: float) -> None:
        self._hub.wait(
            self._job_id, after, min(timeout, self._poll_interval), stop=self._closed.is_set
        )

    def _wants(self, event: WorkflowEvent) -> bool:
        return self._wanted is None or self._wanted.match(event.event_type) is not None


def type_pattern(patterns: Collection[str]) -> re.Pattern[str]:
    """Matches the event types that any of the names or patterns means; nothing where there are none."""
    return re.compile("|".join(map(translate, patterns)) or "(?!)")
