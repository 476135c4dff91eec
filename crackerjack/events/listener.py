"""A listener: one handler with a thread and a cursor of its own, so that it can delay nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from crackerjack.errors import StoreError
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.hub import Hub
from crackerjack.events.log import EventLog
from crackerjack.events.payload import EventType

Handler = Callable[[WorkflowEvent], object]

ErrorReport = Callable[[str, Exception], None]
"""Told what was being done, in words, and the error that ended it."""

_BATCH: Final = 256
_POLL_INTERVAL: Final = 0.25
"""Seconds between looks at the log for events of other processes."""


class Listener:
    """Calls `handler` with every event of the store that is committed after this moment.

    A handler that raises is reported and gets the next event; one that sleeps lags, and finds what it
    missed in the log.
    """

    def __init__(
        self,
        log: EventLog,
        hub: Hub,
        event_type: EventType | None,
        handler: Handler,
        report: ErrorReport,
    ) -> None:
        self._log = log
        self._hub = hub
        self._event_type = event_type
        self._handler = handler
        self._report = report
        self._position = log.position()
        self._stopped = False
        self._draining = False
        self._blind = False
        self._thread = threading.Thread(target=self._run, name="crackerjack-listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin no further call of the handler; one that has begun is not waited for."""
        self._stopped = True
        self._hub.wake(None)

    def drain(self, timeout: float) -> None:
        """Give the handler what the log holds, for at most `timeout` seconds, and stop."""
        self._draining = True
        self._hub.wake(None)
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        self.stop()

    def _run(self) -> None:
        while not self._stopped:
            announced = self._hub.position
            events = self._read()
            self._hand_over(events)
            if events:
                continue
            if self._draining:
                return
            self._hub.wait_position(
                max(announced, self._position),
                _POLL_INTERVAL,
                stop=lambda: self._stopped or self._draining,
            )

    def _read(self) -> list[tuple[int, WorkflowEvent]]:
        try:
            events = self._log.read_all(self._position, _BATCH)
        except StoreError as error:
            if not self._blind:
                self._report("reading the log for a subscriber", error)
            self._blind = True
            return []
        self._blind = False
        return events

    def _hand_over(self, events: list[tuple[int, WorkflowEvent]]) -> None:
        for position, event in events:
            if self._stopped:
                return
            self._position = position
            if self._event_type is None or event.event_type == self._event_type:
                try:
                    self._handler(event)
                except Exception as error:  # noqa: BLE001 - a door: a handler may raise anything
                    self._report(f"a subscriber's handling of {event.event_type}", error)
