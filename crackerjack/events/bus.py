"""The bus: whoever runs a workflow publishes here; a thread commits, then announces."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from typing import Final, NewType

from crackerjack.errors import JobEnded, StoreError, StoreUnavailable, UnknownJob
from crackerjack.events.event import Draft, WorkflowEvent, draft
from crackerjack.events.hub import Hub
from crackerjack.events.listener import ErrorReport, Handler, Listener
from crackerjack.events.log import EventLog
from crackerjack.events.payload import TERMINAL_TYPES, EventType, Payload
from crackerjack.types import JobId

SubscriptionId = NewType("SubscriptionId", int)

_BATCH: Final = 500
"""Events per commit: more gain nothing, and whoever waits for the first would wait longer."""

_GATHER: Final = 0.001
"""Seconds between a commit and the next one, in which events gather, unless somebody waits for them: a
commit, the reading of what it holds and the switches between threads cost more than that, however few
its events are. An event that comes after a pause does not wait."""

_ROOM: Final = 50_000
"""Events that may wait for the log, some 15 MB; then publishing waits too."""

_RETRY_FIRST: Final = 0.05
_RETRY_LAST: Final = 1.0
"""Seconds between attempts to write while the log cannot be written."""

_DRAIN: Final = 2.0
"""Seconds that subscribers have to catch up when the bus closes."""


class WorkflowEventBus:
    """Write first, announce second: nothing is delivered that is not in the log.

    One thread takes all that waits, commits it as one batch, and tells the hub. While the log cannot
    be written (disk full) events wait in memory, in order, and are tried again: see :attr:`trouble`.
    """

    def __init__(
        self, log: EventLog, hub: Hub, *, owner: str, on_error: ErrorReport | None = None
    ) -> None:
        self._log = log
        self._hub = hub
        self._owner = owner
        self._report = on_error or _log_error
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._progress = threading.Condition(self._lock)
        self._queue: deque[Draft] = deque()
        self._ended: dict[JobId, EventType] = {}
        self._fenced: dict[JobId, StoreError] = {}
        self._published = 0
        self._settled = 0
        self._trouble: StoreUnavailable | None = None
        self._closing = False
        self._stopped = False
        self._idle = False  # the thread waits for the next event
        self._hurry = False  # somebody waits for what gathers
        self._settled_at = float("-inf")
        self._listeners: dict[SubscriptionId, Listener] = {}
        self._subscriptions = 0
        self._thread = threading.Thread(target=self._run, name="crackerjack-bus", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> StoreUnavailable | None:
        """Why the log cannot be written at present; after :meth:`close`: why the rest is lost."""
        return self._trouble

    def publish(self, job_id: JobId, event_type: EventType, payload: Payload) -> None:
        """Queue one event; it is encoded now, and in the log a moment later.

        Raises :exc:`JobEnded` after the job's terminal event and when another process took the job
        over, :exc:`UnknownJob` when the log has no such job (either may take until the next call to
        show), :exc:`TypeError` for a payload of another type. Waits when very many events do; raises
        :exc:`StoreUnavailable` when that is because the log cannot be written.
        """
        event = draft(job_id, event_type, payload)
        with self._lock:
            if len(self._queue) >= _ROOM:
                self._wait_for_room()
            self._check_open(job_id)
            if event_type in TERMINAL_TYPES:
                self._ended[job_id] = event_type
                self._hurry = True
                self._work.notify()
            self._queue.append(event)
            self._published += 1
            if self._idle:
                self._idle = False
                self._work.notify()

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything published so far is committed, but for jobs that are :meth:`fenced`.

        Raises :exc:`StoreUnavailable` when the log cannot be written (the events still wait, and are
        tried again), and :exc:`TimeoutError` after `timeout` seconds.
        """
        with self._lock:
            published = self._published
            self._hurry = True
            self._work.notify()
            self._progress.wait_for(
                lambda: self._settled >= published or self._trouble is not None or self._stopped,
                timeout,
            )
            if self._settled >= published:
                return
            if self._trouble is not None:
                raise self._trouble
            raise TimeoutError(f"{published - self._settled} events wait for the log")

    def fenced(self, job_id: JobId) -> StoreError | None:
        """Why the log refused events of the job, and so will all that come; None if it did not.

        :exc:`JobEnded` names who took the job over, or the event that ended it elsewhere;
        :exc:`UnknownJob` where there is no such job.
        """
        return self._fenced.get(job_id)

    def reopen(self, job_id: JobId) -> None:
        """Forget that the job's events were refused, or that it ended: it is this process's again."""
        with self._lock:
            self._fenced.pop(job_id, None)
            self._ended.pop(job_id, None)

    def subscribe(self, event_type: EventType | None, handler: Handler) -> SubscriptionId:
        """Call `handler` with every event from now on, of this type or (None) of all.

        Each handler has a thread and a cursor of its own: it may sleep or raise, and delays nobody.
        It sees the events of all jobs in the store, also those of other processes.
        """
        listener = Listener(self._log, self._hub, event_type, handler, self._report)
        with self._lock:
            self._subscriptions += 1
            subscription_id = SubscriptionId(self._subscriptions)
            self._listeners[subscription_id] = listener
        return subscription_id

    def unsubscribe(self, subscription_id: SubscriptionId) -> bool:
        """Call that handler no more; False when there is no such subscription."""
        with self._lock:
            listener = self._listeners.pop(subscription_id, None)
        if listener is not None:
            listener.stop()
        return listener is not None

    def close(self) -> None:
        """Commit what waits, let subscribers catch up for a moment, and stop.

        When the log cannot be written it is tried once more; then the events that wait are lost and
        :attr:`trouble` says why.
        """
        with self._lock:
            self._closing = True
            self._work.notify()
            self._progress.notify_all()
            listeners, self._listeners = self._listeners, {}
        self._thread.join()
        deadline = time.monotonic() + _DRAIN
        for listener in listeners.values():
            listener.drain(max(0.0, deadline - time.monotonic()))

    def _check_open(self, job_id: JobId) -> None:
        if job_id in self._fenced:
            raise self._fenced[job_id]
        if job_id in self._ended:
            raise JobEnded(job_id, self._ended[job_id].value)
        if self._closing:
            raise RuntimeError("the bus is closed")

    def _wait_for_room(self) -> None:
        self._progress.wait_for(
            lambda: len(self._queue) <= _ROOM // 2 or self._trouble is not None or self._closing
        )
        if self._trouble is not None and len(self._queue) >= _ROOM:
            raise self._trouble

    # What follows runs on the bus's own thread.

    def _run(self) -> None:
        try:
            while batch := self._take():
                self._commit(batch)
        finally:
            with self._lock:
                self._closing = self._stopped = True
                self._progress.notify_all()

    def _take(self) -> list[Draft]:
        """Everything that waits, at most a batch, as soon as there is something; [] to end."""
        with self._lock:
            while not self._queue and not self._closing:
                self._idle = True
                self._work.wait()
            self._idle = False
            gather = self._settled_at + _GATHER - time.monotonic()
            if gather > 0 and len(self._queue) < _BATCH:
                self._work.wait_for(lambda: self._hurry or self._closing, gather)
            self._hurry = False
            return [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]

    def _commit(self, batch: list[Draft]) -> None:
        """Bring the batch into the log, however long that takes; at the end give it up."""
        pause = _RETRY_FIRST
        while batch:
            closing = self._closing
            try:
                events = self._log.append(batch, owner=self._owner)
            except (JobEnded, UnknownJob) as error:
                batch = self._without(error, batch)
            except StoreUnavailable as error:
                self._put_off(error, pause)
                pause = min(2 * pause, _RETRY_LAST)
                if closing:
                    self._give_up()
                    return
            else:
                self._announce(events)
                self._settle(len(batch), trouble=None)
                return

    def _announce(self, events: list[WorkflowEvent]) -> None:
        heads = {event.job_id: event.seq for event in events}
        for job_id, seq in heads.items():
            self._hub.advance(job_id, seq)
        with suppress(StoreUnavailable):  # then listeners find the events when they look next
            self._hub.advance_position(self._log.position())

    def _without(self, error: JobEnded | UnknownJob, batch: list[Draft]) -> list[Draft]:
        """Drop the events of a job that the log refuses, and remember that."""
        rest = [event for event in batch if event.job_id != error.job_id]
        with self._lock:
            self._fenced[JobId(error.job_id)] = error
        self._settle(len(batch) - len(rest), trouble=self._trouble)
        return rest

    def _settle(self, count: int, *, trouble: StoreUnavailable | None) -> None:
        with self._lock:
            self._settled += count
            self._settled_at = time.monotonic()
            self._trouble = trouble
            self._progress.notify_all()

    def _put_off(self, error: StoreUnavailable, pause: float) -> None:
        """Say why the log cannot be written, and wait until it is to be tried again."""
        with self._lock:
            self._trouble = error
            self._progress.notify_all()
            self._work.wait_for(lambda: self._closing, pause)

    def _give_up(self) -> None:
        """Forget what waits: the bus closes, and the log cannot be written."""
        with self._lock:
            self._queue.clear()


def _log_error(doing: str, error: Exception) -> None:
    import logging

    logging.getLogger("crackerjack.events").error("%s failed", doing, exc_info=error)
