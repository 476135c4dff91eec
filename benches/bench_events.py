"""The bus on SQLite: how long an event takes to a subscriber, how many a second, what publishing costs."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from benches.paired import print_table, verdict
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.hub import Hub
from crackerjack.events.log import JobHeader
from crackerjack.events.payload import DiagnosticFound, EventType
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.events.subscription import Subscription
from crackerjack.types import JobId

JOB: Final = JobId("bench")
FINDING: Final = DiagnosticFound(
    step_id="run_fast_hooks_001",
    hook="ruff-check",
    path="src/package/module.py",
    line=120,
    column=17,
    code="E501",
    severity="error",
    message="Line too long (120 > 100)",
    fixable=False,
    fingerprint="0123456789abcdef01234567",
)
Seen = Callable[[WorkflowEvent], object]
PACED: Final = 600
SUSTAINED: Final = 200_000


class Bench(msgspec.Struct):
    """A bus on a new store with one job."""

    log: SqliteEventLog
    hub: Hub
    bus: WorkflowEventBus

    def publish(self) -> float:
        """Publish one event; return what that took, in seconds."""
        started = time.perf_counter()
        self.bus.publish(JOB, EventType.DIAGNOSTIC_FOUND, FINDING)
        return time.perf_counter() - started


Subscribe = Callable[[Bench, Seen], AbstractContextManager[None]]


@contextmanager
def new_bench() -> Iterator[Bench]:
    with TemporaryDirectory() as directory:
        log = SqliteEventLog(Path(directory, "events.db"))
        header = JobHeader(
            job_id=JOB, project=directory, workflow="standard", created=time.time(), owner="bench"
        )
        log.create_job(header, time.time() + 3600)
        hub = Hub()
        bus = WorkflowEventBus(log, hub, owner="bench")
        try:
            yield Bench(log, hub, bus)
        finally:
            bus.close()
            log.close()


@contextmanager
def reading(bench: Bench, seen: Seen) -> Iterator[None]:
    """A subscription on a thread of its own while the block runs."""
    subscription = Subscription(bench.log, bench.hub, JOB)

    def read() -> None:
        for event in subscription:
            seen(event)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        subscription.close()
        thread.join()


@contextmanager
def handling(bench: Bench, seen: Seen) -> Iterator[None]:
    """A handler of the bus while the block runs."""
    subscription_id = bench.bus.subscribe(None, seen)
    try:
        yield
    finally:
        bench.bus.unsubscribe(subscription_id)


def latency() -> None:
    """Published -> committed -> at a subscriber, at 200 events a second."""
    rows = []
    medians = []
    for at, subscribe in (("a subscription", reading), ("a handler of the bus", handling)):
        delays, taken = delays_at(subscribe)
        medians.append(statistics.median(delays))
        rows.append((at, *spread(delays), f"{statistics.median(taken) * 1e6:.0f} us"))
    print_table(
        "Published, committed, at a subscriber; 200 events a second",
        ("at", "p50", "p99", "publish() p50"),
        rows,
    )
    print(f"\np50: {verdict(max(medians) * 1000, 3, ' ms')}")


def delays_at(subscribe: Subscribe) -> tuple[list[float], list[float]]:
    """Seconds from publishing each event to its delivery, and those that publishing took."""
    delays: list[float] = []
    with (
        new_bench() as bench,
        subscribe(bench, lambda event: delays.append(time.time() - event.timestamp)),
    ):
        taken = pace(bench, count=PACED, rate=200, burst=1)
        wait_until(lambda: len(delays) == PACED)
    return delays, taken


def throughput() -> None:
    """As fast as it goes: a publisher that does nothing else, and the log under it."""
    rates = {subscribers: rates_with(subscribers) for subscribers in (0, 1, 3)}
    print_table(
        f"{SUSTAINED:,} events of {len(msgspec.json.encode(FINDING))} bytes, as fast as it goes",
        ("subscribers", "committed/s", "delivered/s to each"),
        [
            (str(subscribers), f"{committed:,.0f}", f"{delivered:,.0f}")
            for subscribers, (committed, delivered) in rates.items()
        ],
    )
    print(f"\nsustained: {'holds' if rates[0][0] >= 40_000 else 'MISSED'}: >= 40,000 events/s")


def rates_with(subscribers: int) -> tuple[float, float]:
    """Events a second that were committed, and that every one of the subscribers got."""
    got: list[int] = []
    with new_bench() as bench, ExitStack() as stack:
        started = time.perf_counter()
        for _ in range(subscribers):
            stack.enter_context(handling(bench, lambda event: got.append(event.seq)))
        for _ in range(SUSTAINED):
            bench.publish()
        bench.bus.flush()
        committed = time.perf_counter() - started
        wait_until(lambda: len(got) == SUSTAINED * subscribers)
        delivered = time.perf_counter() - started
    return SUSTAINED / committed, SUSTAINED / delivered


def cost() -> None:
    """What publish() takes on the caller while 40,000 events a second go through."""
    with new_bench() as bench:
        taken = pace(bench, count=SUSTAINED, rate=40_000, burst=200)
    mean = statistics.fmean(taken)
    print_table(
        "publish() on the caller, 40,000 events a second",
        ("p50", "p99", "mean"),
        [(*(f"{value * 1e6:.1f} us" for value in (*quantiles(taken), mean)),)],
    )
    print(f"\nmean: {verdict(mean * 1e6, 50, ' us')}")


def pace(bench: Bench, *, count: int, rate: float, burst: int) -> list[float]:
    """Publish `count` events, `burst` at a time, at `rate` a second; what each call took."""
    taken: list[float] = []
    started = time.perf_counter()
    for number in range(0, count, burst):
        time.sleep(max(0.0, started + number / rate - time.perf_counter()))
        taken += [bench.publish() for _ in range(burst)]
    return taken


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("subscribers did not get everything")
        time.sleep(0.001)


def quantiles(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]


def spread(values: list[float]) -> tuple[str, str]:
    p50, p99 = quantiles(values)
    return f"{p50 * 1000:.2f} ms", f"{p99 * 1000:.2f} ms"


def main() -> None:
    latency()
    throughput()
    cost()
