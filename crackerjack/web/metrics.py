"""What a server counts, as Prometheus reads it; no job id is ever a label."""

from __future__ import annotations

import time
from collections import Counter as Tally
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from crackerjack.events.event import WorkflowEvent

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LATENCIES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds."""


class Metrics:
    """Implements :class:`crackerjack.web.event_bridge.Observer`."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self._events = Counter(
            "crackerjack_events",
            "Events of all processes that this server saw committed.",
            ["event_type"],
            registry=self.registry,
        )
        self._delivery = Histogram(
            "crackerjack_delivery_seconds",
            "From publishing an event to its being written to the clients that follow it live.",
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self._resumed = Counter(
            "crackerjack_resumes",
            "WebSocket clients that came back with their position.",
            registry=self.registry,
        )
        self._closed = Counter(
            "crackerjack_closes",
            "WebSocket connections that this server ended, by close code.",
            ["code"],
            registry=self.registry,
        )
        self.connections: Final = Gauge(
            "crackerjack_connections",
            "Clients that follow events, by transport.",
            ["transport"],
            registry=self.registry,
        )
        self._refused = Counter(
            "crackerjack_refusals", "Requests refused.", ["reason"], registry=self.registry
        )

    def delivered(self, events: list[WorkflowEvent]) -> None:
        """These events were committed, and went to the clients that follow them."""
        now = time.time()
        for event_type, count in Tally(event.event_type for event in events).items():
            self._events.labels(event_type).inc(count)
        for event in (events[0], events[-1]):  # the latest and the earliest of one look at the log
            self._delivery.observe(max(0.0, now - event.timestamp))

    def opened(self, *, resumed: bool) -> None:
        """A WebSocket client was registered."""
        if resumed:
            self._resumed.inc()

    def closed(self, code: int) -> None:
        """A WebSocket connection was ended from our side."""
        self._closed.labels(str(code)).inc()

    def refused(self, reason: str) -> None:
        """A client was not served."""
        self._refused.labels(reason).inc()

    def text(self) -> bytes:
        """All of it in the text format."""
        return generate_latest(self.registry)
