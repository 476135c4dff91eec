"""The bus: commit, then announce; nobody who listens can delay who publishes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from crackerjack.errors import JobEnded, StoreUnavailable, UnknownJob
from crackerjack.events import bus as bus_module
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.event import Draft, WorkflowEvent
from crackerjack.events.hub import Hub
from crackerjack.events.log import EventLog
from crackerjack.events.memory_log import MemoryEventLog
from crackerjack.events.payload import EventType, SessionReady
from crackerjack.events.subscription import Subscription
from crackerjack.types import JobId
from tests.events.writing import END, OWNER, line, new_job, said, text_of, wait_until

OUTPUT = EventType.HOOK_OUTPUT
COMPLETED = EventType.WORKFLOW_COMPLETED
LONG = 30.0


class Recorder:
    """A handler that keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[WorkflowEvent] = []

    def __call__(self, event: WorkflowEvent) -> None:
        self.events.append(event)

    @property
    def texts(self) -> list[str]:
        return [text_of(event) for event in self.events]


class Errors:
    """What the bus reported."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, doing: str, error: Exception) -> None:
        self.said.append((doing, str(error)))


@contextmanager
def opened(log: EventLog, hub: Hub | None = None) -> Iterator[WorkflowEventBus]:
    bus = WorkflowEventBus(log, hub or Hub(), owner=OWNER, on_error=Errors())
    try:
        yield bus
    finally:
        bus.close()


class FailingLog(MemoryEventLog):
    """A log whose disk is full while `full` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.full = threading.Event()
        self.attempts = 0

    def append(self, drafts: Sequence[Draft], *, owner: str) -> list[WorkflowEvent]:
        self.attempts += 1
        if self.full.is_set():
            raise StoreUnavailable("events.db", "cannot grow, the disk is full", "free some space")
        return super().append(drafts, owner=owner)


def test_what_is_published_is_in_the_log_in_order_and_announced(log: EventLog) -> None:
    hub = Hub()
    job = new_job(log)
    with opened(log, hub) as bus:
        for number in range(2_000):
            bus.publish(job, OUTPUT, line(number))
        bus.flush(LONG)
        assert [text_of(event) for event in log.read(job, 0, 3_000)] == [
            str(number) for number in range(2_000)
        ]
        assert hub.head(job) == 2_000
        assert hub.wait_position(1_999, LONG)


def test_an_event_after_a_pause_is_committed_at_once_and_those_behind_it_together(
    log: EventLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bus_module, "_GATHER", 20 * LONG)
    hub = Hub()
    job = new_job(log)
    with opened(log, hub) as bus:
        bus.publish(job, OUTPUT, line("first"))
        assert hub.wait(job, 0, LONG)
        heads: list[int] = []
        hub.add_waker(lambda _, seq: heads.append(seq))
        for number in range(3):
            bus.publish(job, OUTPUT, line(number))
        bus.flush(LONG)
        assert heads == [4]


def test_an_event_is_stamped_when_it_is_published(log: EventLog) -> None:
    job = new_job(log)
    before = time.time()
    with opened(log) as bus:
        bus.publish(job, OUTPUT, line(1))
    after = time.time()
    (event,) = log.read(job, 0, 10)
    assert before <= event.timestamp <= after
    assert event.payload.timestamp == event.timestamp


def test_a_payload_of_another_type_is_refused_at_once(log: EventLog) -> None:
    job = new_job(log)
    with opened(log) as bus, pytest.raises(TypeError, match="hook_output takes HookOutput"):
        bus.publish(job, OUTPUT, SessionReady())


def test_many_publishers_keep_their_own_order(log: EventLog) -> None:
    jobs = [new_job(log, f"job{number}") for number in range(4)]

    with opened(log) as bus:

        def publish(name: int) -> None:
            for number in range(300):
                bus.publish(jobs[name % 4], OUTPUT, line(f"{name}:{number}"))

        threads = [threading.Thread(target=publish, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bus.flush(LONG)
    for index, job in enumerate(jobs):
        texts = [text_of(event) for event in log.read(job, 0, 1_000)]
        for name in (index, index + 4):
            mine = [text for text in texts if text.startswith(f"{name}:")]
            assert mine == [f"{name}:{number}" for number in range(300)]


def test_a_handler_gets_every_event_from_its_subscription_on(log: EventLog) -> None:
    job = new_job(log)
    everything, ends = Recorder(), Recorder()
    with opened(log) as bus:
        bus.publish(job, OUTPUT, line("before"))
        bus.flush(LONG)
        first = bus.subscribe(None, everything)
        second = bus.subscribe(COMPLETED, ends)
        assert first != second
        bus.publish(job, OUTPUT, line("after"))
        bus.publish(job, COMPLETED, END)
    assert everything.texts == ["after", "workflow_completed"]
    assert ends.texts == ["workflow_completed"]


def test_the_first_event_after_subscribing_is_never_missed(log: EventLog) -> None:
    with opened(log) as bus:
        for number in range(1_000):
            job = new_job(log, f"job{number}")
            got = threading.Event()
            subscription = bus.subscribe(None, lambda event, got=got: got.set())  # type: ignore[misc]
            bus.publish(job, OUTPUT, line(number))
            assert got.wait(LONG), f"round {number}"
            assert bus.unsubscribe(subscription)


def test_a_handler_that_was_unsubscribed_is_not_called(log: EventLog) -> None:
    job = new_job(log)
    gone, kept = Recorder(), Recorder()
    with opened(log) as bus:
        subscription = bus.subscribe(None, gone)
        bus.subscribe(None, kept)
        bus.publish(job, OUTPUT, line(1))
        wait_until(lambda: gone.texts == ["1"])
        assert bus.unsubscribe(subscription)
        assert not bus.unsubscribe(subscription)
        bus.publish(job, OUTPUT, line(2))
        wait_until(lambda: kept.texts == ["1", "2"])
    assert gone.texts == ["1"]


def test_a_handler_that_raises_is_reported_and_gets_the_next_event(log: EventLog) -> None:
    job = new_job(log)
    errors, calm = Errors(), Recorder()
    seen: list[str] = []

    def raising(event: WorkflowEvent) -> None:
        seen.append(text_of(event))
        raise ValueError(text_of(event))

    bus = WorkflowEventBus(log, Hub(), owner=OWNER, on_error=errors)
    bus.subscribe(None, raising)
    bus.subscribe(None, calm)
    for number in range(3):
        bus.publish(job, OUTPUT, line(number))
    bus.close()
    assert seen == calm.texts == ["0", "1", "2"]
    assert errors.said == [
        ("a subscriber's handling of hook_output", str(number)) for number in range(3)
    ]


def test_without_somebody_to_tell_an_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = MemoryEventLog()
    job = new_job(log)

    def raising(event: WorkflowEvent) -> None:
        raise ValueError("the handler's words")

    bus = WorkflowEventBus(log, Hub(), owner=OWNER)
    bus.subscribe(None, raising)
    bus.publish(job, OUTPUT, line(1))
    bus.close()
    assert "the handler's words" in caplog.text


def test_a_handler_that_sleeps_delays_nobody(log: EventLog) -> None:
    job = new_job(log)
    quick = Recorder()
    woken = threading.Event()
    slow: list[str] = []

    def sleeping(event: WorkflowEvent) -> None:
        woken.wait(LONG)
        slow.append(text_of(event))

    with opened(log) as bus:
        bus.subscribe(None, sleeping)
        bus.subscribe(None, quick)
        for number in range(500):
            bus.publish(job, OUTPUT, line(number))
        bus.flush(LONG)
        wait_until(lambda: len(quick.events) == 500)
        assert slow == []
        woken.set()
        wait_until(lambda: len(slow) == 500)
    assert slow == quick.texts


def test_closing_waits_for_a_sleeping_handler_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bus_module, "_DRAIN", 0.05)
    log = MemoryEventLog()
    job = new_job(log)
    woken = threading.Event()
    calls: list[WorkflowEvent] = []

    def sleeping(event: WorkflowEvent) -> None:
        calls.append(event)
        woken.wait(LONG)

    bus = WorkflowEventBus(log, Hub(), owner=OWNER)
    bus.subscribe(None, sleeping)
    bus.publish(job, OUTPUT, line(1))
    bus.publish(job, OUTPUT, line(2))
    wait_until(lambda: calls)
    started = time.monotonic()
    bus.close()
    assert time.monotonic() - started < LONG / 2
    woken.set()
    assert len(calls) == 1


def test_closing_commits_what_waits_and_lets_handlers_catch_up(log: EventLog) -> None:
    job = new_job(log)
    seen = Recorder()
    bus = WorkflowEventBus(log, Hub(), owner=OWNER)
    bus.subscribe(None, seen)
    for number in range(1_500):
        bus.publish(job, OUTPUT, line(number))
    bus.close()
    bus.close()
    assert log.job(job).head == 1_500
    assert len(seen.events) == 1_500
    with pytest.raises(RuntimeError, match="closed"):
        bus.publish(job, OUTPUT, line("late"))


def test_a_handler_may_close_the_bus(log: EventLog) -> None:
    job = new_job(log)
    closed = threading.Event()
    bus = WorkflowEventBus(log, Hub(), owner=OWNER)

    def close(event: WorkflowEvent) -> None:
        bus.close()
        closed.set()

    bus.subscribe(None, close)
    bus.publish(job, OUTPUT, line(1))
    assert closed.wait(LONG)


def test_nothing_is_published_after_the_terminal_event(log: EventLog) -> None:
    job = new_job(log)
    with opened(log) as bus:
        bus.publish(job, OUTPUT, line(1))
        bus.publish(job, COMPLETED, END)
        with pytest.raises(JobEnded, match="workflow_completed"):
            bus.publish(job, OUTPUT, line(2))
        bus.flush(LONG)
        assert bus.fenced(job) is None
    assert log.job(job).head == 2


def test_a_job_that_was_taken_over_is_fenced_and_others_go_on(log: EventLog) -> None:
    lost, mine = new_job(log, "lost"), new_job(log, "mine")
    with opened(log) as bus:
        bus.publish(lost, OUTPUT, line(1))
        bus.flush(LONG)
        log.take_over(lost, old_owner=OWNER, new_owner="host:2:2", expires=time.time() + 10)
        bus.publish(lost, OUTPUT, line(2))
        bus.publish(mine, OUTPUT, line(3))
        bus.flush(LONG)
        with pytest.raises(JobEnded, match="taken over by host:2:2"):
            bus.publish(lost, OUTPUT, line(4))
        assert isinstance(bus.fenced(lost), JobEnded)
        assert bus.fenced(mine) is None
        bus.publish(mine, OUTPUT, line(5))
    assert [text_of(event) for event in log.read(lost, 0, 9)] == ["1"]
    assert [text_of(event) for event in log.read(mine, 0, 9)] == ["3", "5"]


def test_a_job_that_is_not_there_is_fenced(log: EventLog) -> None:
    nobody = JobId("nobody")
    with opened(log) as bus:
        bus.publish(nobody, OUTPUT, line(1))
        bus.flush(LONG)
        with pytest.raises(UnknownJob):
            bus.publish(nobody, OUTPUT, line(2))


def test_while_the_disk_is_full_events_wait_in_order_and_nothing_is_delivered() -> None:
    log, hub = FailingLog(), Hub()
    job = new_job(log)
    seen = Recorder()
    with opened(log, hub) as bus:
        bus.subscribe(None, seen)
        bus.publish(job, OUTPUT, line(0))
        wait_until(lambda: seen.texts == ["0"])
        log.full.set()
        for number in range(1, 1_200):
            bus.publish(job, OUTPUT, line(number))
        with pytest.raises(StoreUnavailable, match="disk is full"):
            bus.flush(LONG)
        assert bus.trouble is not None
        assert (seen.texts, hub.head(job)) == (["0"], 1)
        log.full.clear()
        wait_until(lambda: bus.trouble is None)
        bus.flush(LONG)
        wait_until(lambda: len(seen.events) == 1_200)
    assert seen.texts == [str(number) for number in range(1_200)]
    assert [event.seq for event in seen.events] == list(range(1, 1_201))


def test_closing_tries_once_more_and_says_what_is_lost() -> None:
    log = FailingLog()
    job = new_job(log)
    log.full.set()
    bus = WorkflowEventBus(log, Hub(), owner=OWNER)
    for number in range(1_200):
        bus.publish(job, OUTPUT, line(number))
    wait_until(lambda: bus.trouble)
    bus.close()
    assert bus.trouble is not None
    assert log.job(job).head == 0
    with pytest.raises(StoreUnavailable):
        bus.flush(LONG)


def test_closing_after_the_disk_was_freed_loses_nothing() -> None:
    log = FailingLog()
    job = new_job(log)
    log.full.set()
    bus = WorkflowEventBus(log, Hub(), owner=OWNER)
    for number in range(1_200):
        bus.publish(job, OUTPUT, line(number))
    wait_until(lambda: bus.trouble)
    log.full.clear()
    bus.close()
    assert bus.trouble is None
    assert log.job(job).head == 1_200


def test_a_publisher_waits_when_very_many_events_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "_ROOM", 100)
    log = MemoryEventLog()
    job = new_job(log)
    gate = threading.Lock()
    append = log.append

    def gated(drafts: Sequence[Draft], *, owner: str) -> list[WorkflowEvent]:
        with gate:
            return append(drafts, owner=owner)

    monkeypatch.setattr(log, "append", gated)
    published: list[int] = []
    with opened(log) as bus:

        def publish() -> None:
            for number in range(1_000):
                bus.publish(job, OUTPUT, line(number))
                published.append(number)

        with gate:
            thread = threading.Thread(target=publish)
            thread.start()
            wait_until(lambda: len(published) >= 100)
            thread.join(0.05)
            assert len(published) <= 100 + bus_module._BATCH
        thread.join(LONG)
        bus.flush(LONG)
    assert [text_of(event) for event in log.read(job, 0, 2_000)] == [
        str(number) for number in range(1_000)
    ]


def test_a_publisher_that_would_wait_for_a_full_disk_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bus_module, "_ROOM", 100)
    log = FailingLog()
    job = new_job(log)
    log.full.set()
    with opened(log) as bus:

        def publish_without_end() -> None:
            while True:
                bus.publish(job, OUTPUT, line("x"))

        with pytest.raises(StoreUnavailable, match="disk is full"):
            publish_without_end()


def test_flushing_keeps_to_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryEventLog()
    job = new_job(log)
    gate = threading.Lock()
    append = log.append

    def gated(drafts: Sequence[Draft], *, owner: str) -> list[WorkflowEvent]:
        with gate:
            return append(drafts, owner=owner)

    monkeypatch.setattr(log, "append", gated)
    with opened(log) as bus:
        with gate:
            bus.publish(job, OUTPUT, line(1))
            with pytest.raises(TimeoutError, match="1 events wait"):
                bus.flush(0.01)
        bus.flush(LONG)


def test_a_log_that_breaks_its_contract_ends_the_bus_with_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = MemoryEventLog()
    job = new_job(log)
    seen: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda info: seen.append(info.exc_value))
    monkeypatch.setattr(log, "append", lambda drafts, owner: 1 / 0)
    bus = WorkflowEventBus(log, Hub(), owner=OWNER)
    bus.publish(job, OUTPUT, line(1))
    with pytest.raises(TimeoutError):
        bus.flush()
    with pytest.raises(RuntimeError, match="closed"):
        bus.publish(job, OUTPUT, line(2))
    bus.close()
    assert isinstance(seen[0], ZeroDivisionError)


def test_a_subscription_and_the_bus_meet_in_the_log(log: EventLog) -> None:
    """Thousands of rounds in which publishing races subscribing; only the hub wakes in time."""
    hub = Hub()
    with opened(log, hub) as bus:
        for number in range(1_000):
            job = new_job(log, f"job{number}")
            thread = threading.Thread(target=_publish_three, args=(bus, job))
            thread.start()
            subscription = Subscription(log, hub, job, poll_interval=LONG)
            assert [text_of(event) for event in subscription] == ["1", "2", "workflow_completed"]
            thread.join()


def _publish_three(bus: WorkflowEventBus, job: JobId) -> None:
    bus.publish(job, OUTPUT, line(1))
    bus.publish(job, OUTPUT, line(2))
    bus.publish(job, COMPLETED, END)


def test_what_another_process_commits_reaches_handlers_too(log: EventLog) -> None:
    job = new_job(log)
    seen = Recorder()
    with opened(log) as bus:
        bus.subscribe(None, seen)
        log.append([said(job, "elsewhere")], owner=OWNER)
        wait_until(lambda: seen.texts == ["elsewhere"])
