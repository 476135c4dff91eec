"""What a server counts, as Prometheus reads it; no job id is ever a label."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric

from crackerjack.events.event import WorkflowEvent
from crackerjack.jobs.queue_state import QueueState
from crackerjack.types import JobStatus

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX: Final = "crackerjack_"
_LATENCIES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds."""

_QUEUE: Final = {
    "queue_depth": "Jobs, and parts of jobs, that wait for a worker.",
    "queue_oldest_seconds": "How long the one that came first has waited.",
    "queue_running": "Jobs, and parts of jobs, that workers have.",
    "worker_slots": "What the workers can have at the same time; those that go down not counted.",
    "workers": "Workers that are there.",
}
"""There only where there is a queue."""


class Metrics:
    """Implements :class:`crackerjack.web.event_bridge.Observer`."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self._events = self._counter(
            "events", "Events of all processes that this server saw committed.", "event_type"
        )
        self._commit = self._histogram(
            "commit_seconds",
            "From publishing an event to its being read from the store, whichever process wrote it.",
        )
        self._delivery = self._histogram(
            "delivery_seconds",
            "From publishing an event to its being written to the clients that follow it live.",
        )
        self._resumed = self._counter(
            "resumes", "WebSocket clients that came back with their position."
        )
        self._closed = self._counter(
            "closes", "WebSocket connections that this server ended, by close code.", "code"
        )
        self._refused = self._counter("refusals", "Requests refused.", "reason")
        self.connections: Final = self._gauge(
            "connections",
            "Clients that follow events: of one job, or of all.",
            "transport",
            "stream",
        )
        self.lag: Final = self._gauge(
            "lag_events", "How far the client that is furthest behind is behind.", "transport"
        )
        self._jobs = self._gauge("jobs", "Jobs in the store.", "status")
        self._queue: dict[str, Gauge] = {}

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"{_PREFIX}{name}", text, buckets=_LATENCIES, registry=self.registry)

    def delivered(self, events: list[WorkflowEvent], read_at: float) -> None:
        """These events were read at that time (seconds since the epoch), and have gone to clients."""
        now = time.time()
        for event_type, count in Tally(event.event_type for event in events).items():
            self._events.labels(event_type).inc(count)
        # Of what one look at the log found these waited longest and least: more would cost too much.
        for event in (events[0], events[-1]):
            self._commit.observe(max(0.0, read_at - event.timestamp))
            self._delivery.observe(max(0.0, now - event.timestamp))

    def _tell_queue(self, queue: QueueState) -> None:
        if not self._queue:
            self._queue = {name: self._gauge(name, text) for name, text in _QUEUE.items()}
        for name, value in (
            ("queue_depth", queue.depth),
            ("queue_oldest_seconds", queue.oldest),
            ("queue_running", queue.running),
            ("worker_slots", queue.slots),
            ("workers", len(queue.workers)),
        ):
            self._queue[name].set(value)

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

    def text(self, jobs: Mapping[JobStatus, int], queue: QueueState | None = None) -> bytes:
        """All of it in the text format, with how many `jobs` there are now, and what the queue is like."""
        if queue is not None:
            self._tell_queue(queue)
        for status, count in jobs.items():
            self._jobs.labels(status.value).set(count)
        return generate_latest(_WithoutCreated(self.registry))


class _WithoutCreated(CollectorRegistry):
    """The series of a registry without the time at which each began, a third of all."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric
