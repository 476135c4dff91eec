"""What the log in a broker promises when the way there, the broker itself or another writer fails."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import msgspec
import pytest

from crackerjack.errors import JobEnded, StoreUnavailable, UnknownJob
from crackerjack.events.broker import Broker
from crackerjack.events.broker_address import BrokerAddress
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.chunk import Chunk, chunk_of
from crackerjack.events.event import Draft
from crackerjack.events.hub import Hub
from crackerjack.events.jetstream import Message
from crackerjack.events.nats_log import NatsEventLog
from crackerjack.events.payload import EventType
from crackerjack.events.subscription import Subscription
from crackerjack.types import JobId
from tests.broker import NatsServer, connect, nats_server
from tests.events.writing import (
    END,
    OWNER,
    ended,
    header,
    line,
    new_job,
    said,
    text_of,
    wait_until,
)
from tests.wire import Wire, wire_to

OTHER = "host:2:2"

# The client library leaves a connection to the garbage collector that is cut while it is made.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function StreamWriter.__del__:pytest.PytestUnraisableExceptionWarning"
)


class Way:
    """A log behind a wire, and one that is on the safe side."""

    def __init__(self, server: NatsServer, wire: Wire, stack: ExitStack) -> None:
        direct = connect(server)
        space = direct.address.space
        self.events = f" {space}.events.".encode()
        self.wire = wire
        self.safe = NatsEventLog(direct)
        url = f"nats://127.0.0.1:{wire.port}"
        self.log = NatsEventLog(Broker(BrokerAddress(url=url, space=space)))
        stack.callback(self.safe.close)
        stack.callback(self.log.close)

    def texts(self, job: JobId) -> list[str]:
        events = self.safe.read(job, 0, 1_000_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        return [text_of(event) for event in events]

    def try_again(self, write: Callable[[], object]) -> object:
        """What is written once there is a connection again."""

        def written() -> bool:
            try:
                results.append(write())
            except StoreUnavailable:
                return False
            return True

        results: list[object] = []
        wait_until(written)
        return results[0]


@pytest.fixture
def way(broker_server: NatsServer) -> Iterator[Way]:
    with wire_to(broker_server) as wire, ExitStack() as stack:
        yield Way(broker_server, wire, stack)


def test_a_write_whose_answer_was_lost_is_found_again(way: Way) -> None:
    one, two = new_job(way.log, "one"), new_job(way.log, "two")
    way.log.append([said(one, 1), said(two, 1)], owner=OWNER)
    batch = [said(one, 2), said(two, 2), said(one, 3)]
    way.wire.lose_answer_to = way.events
    with pytest.raises(StoreUnavailable):
        way.log.append(batch, owner=OWNER)
    # What follows may go on behind it: nothing says that exactly the same is tried again.
    more = [*batch, said(two, 3), ended(one)]
    way.try_again(lambda: way.log.append(more, owner=OWNER))
    assert way.texts(one) == ["1", "2", "3", "workflow_completed"]
    assert way.texts(two) == ["1", "2", "3"]


def test_a_write_that_arrived_is_found_although_one_of_its_jobs_was_taken_over(way: Way) -> None:
    one, two = new_job(way.log, "one"), new_job(way.log, "two")
    batch = [said(two, 1), said(one, 1), said(two, 2)]
    way.wire.lose_answer_to = way.events
    with pytest.raises(StoreUnavailable):
        way.log.append(batch, owner=OWNER)
    assert way.safe.take_over(one, old_owner=OWNER, new_owner=OTHER, expires=1.0)
    way.try_again(lambda: way.log.append(batch, owner=OWNER))
    assert way.texts(one) == ["1"]
    assert way.texts(two) == ["1", "2"]


def test_a_write_that_comes_late_does_not_come_twice(way: Way) -> None:
    job = new_job(way.log)
    way.log.append([said(job, 1)], owner=OWNER)
    way.wire.hold_back = way.events
    batch = [said(job, 2), said(job, 3)]
    with pytest.raises(StoreUnavailable):
        way.log.append(batch, owner=OWNER)
    # It arrives when this has looked for it and not found it.
    way.try_again(lambda: way.log.append(batch, owner=OWNER))
    assert way.texts(job) == ["1", "2", "3"]


def test_who_took_a_job_over_knows_it_although_the_answer_was_lost(way: Way) -> None:
    job = new_job(way.log)
    way.wire.lose_answer_to = way.events

    def take() -> bool:
        return way.log.take_over(job, old_owner=OWNER, new_owner=OTHER, expires=1.0)

    with pytest.raises(StoreUnavailable):
        take()
    assert way.try_again(take) is True
    assert not way.safe.take_over(job, old_owner=OWNER, new_owner=OTHER, expires=1.0)


def test_a_bus_on_a_bad_way_writes_each_event_once(way: Way, soak: bool) -> None:
    jobs = [new_job(way.log, f"job{number}") for number in range(3)]
    bus = WorkflowEventBus(way.log, Hub(), owner=OWNER)
    cuts = 60 if soak else 4
    for cut in range(cuts):
        way.wire.lose_answer_to = way.events if cut % 2 else b""
        for number in range(1000):
            bus.publish(jobs[number % 3], EventType.HOOK_OUTPUT, line(1000 * cut + number))
            if number == 500 and not cut % 2:
                way.wire.cut()
        if cut % 4 == 3:  # what waits has a bound
            wait_until(lambda: settled(bus))
    for job in jobs:
        bus.publish(job, EventType.WORKFLOW_COMPLETED, END)
    wait_until(lambda: settled(bus))
    bus.close()
    found = [way.texts(job) for job in jobs]
    assert all(texts[-1] == "workflow_completed" for texts in found)
    said_all = sorted(int(text) for texts in found for text in texts[:-1])
    assert said_all == list(range(1000 * cuts))


def settled(bus: WorkflowEventBus) -> bool:
    try:
        bus.flush()
    except StoreUnavailable:
        return False
    return True


WRITER = """
import sys
from crackerjack.errors import JobEnded
from crackerjack.events.broker import Broker
from crackerjack.events.broker_address import BrokerAddress
from crackerjack.events.nats_log import NatsEventLog
from tests.events.writing import OWNER, said
log = NatsEventLog(Broker(BrokerAddress(url=sys.argv[1], space=sys.argv[2])))
try:
    for number in range(10**9):
        log.append([said("job", number)], owner=OWNER)
except JobEnded as error:
    print(error)
log.close()
"""


def test_a_writer_in_another_process_is_fenced_out(broker_server: NatsServer) -> None:
    broker = connect(broker_server)
    log = NatsEventLog(broker)
    job = new_job(log)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, broker_server.url, broker.address.space],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        wait_until(lambda: log.job(job).head > 20)
        # As whoever takes a job over does: until the other is not in the middle of a write.
        wait_until(lambda: log.take_over(job, old_owner=OWNER, new_owner=OTHER, expires=1.0))
        log.append([said(job, "mine"), ended(job)], owner=OTHER)
        told, _ = writer.communicate(timeout=60)
    assert "taken over" in told or "has ended" in told
    events = log.read(job, 0, 1_000_000)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [text_of(event) for event in events[-2:]] == ["mine", "workflow_completed"]
    log.close()


def test_an_announcement_that_was_lost_is_missed_within_seconds(way: Way) -> None:
    hub = Hub()
    way.log.follow(hub)
    job = new_job(way.safe)
    way.safe.append([said(job, 1)], owner=OWNER)
    subscription = Subscription(way.log, hub, job)
    wait_until(lambda: subscription.read(0.1))
    found: list[str] = []

    def read_until(text: str) -> None:
        began = time.monotonic()
        while text not in found and time.monotonic() < began + 30:
            found.extend(map(text_of, subscription.read(0.25)))

    lose(way, said(job, 2))  # a hole
    way.safe.append([said(job, 3)], owner=OWNER)
    read_until("3")
    lose(way, ended(job))  # nothing comes after it that would show the hole
    read_until("workflow_completed")
    assert found == ["2", "3", "workflow_completed"]
    assert way.log.read_all(0, 10) == way.safe.read_all(0, 10)


def test_what_was_read_from_the_broker_is_not_hidden_by_a_memory_that_was_not_told_of_it(
    way: Way,
) -> None:
    job = new_job(way.safe)
    way.safe.append([said(job, 1)], owner=OWNER)
    way.log.follow(Hub())  # with what is behind this in memory
    lose(way, said(job, 2))
    (first, _), (_, second) = way.log.read_all(0, 10)
    assert [event for _, event in way.log.read_all(first, 10)] == [second]


def lose(way: Way, draft: Draft) -> None:
    """Write what nobody is told of."""
    way.wire.drop, way.wire.dropped = b".live.", 0
    way.safe.append([draft], owner=OWNER)
    wait_until(lambda: way.wire.dropped)
    way.wire.drop = b""


def test_a_follower_sees_everything_once_over_cuts(way: Way) -> None:
    hub = Hub()
    way.log.follow(hub)
    job = new_job(way.safe)
    subscription = Subscription(way.log, hub, job)

    def write() -> None:
        for number in range(400):
            way.safe.append([said(job, number)], owner=OWNER)
            if number % 100 == 50:
                way.wire.cut()
        way.safe.append([ended(job)], owner=OWNER)

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[int] = []
    deadline = time.monotonic() + 60
    while not subscription.ended and time.monotonic() < deadline:
        try:
            seen += [event.seq for event in subscription.read(0.25)]
        except StoreUnavailable:
            time.sleep(0.02)  # as who shows it does: until the broker is there again
    writer.join()
    assert seen == list(range(1, 402))


@contextmanager
def mortal_server() -> Iterator[tuple[NatsServer, Broker]]:
    with nats_server() as server:
        broker = connect(server)
        try:
            yield server, broker
        finally:
            broker.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_nothing_acknowledged_is_lost_when_the_broker_dies_or_falls_silent(
    how: signal.Signals,
) -> None:
    with mortal_server() as (server, broker):
        log, hub = NatsEventLog(broker), Hub()
        log.follow(hub)
        bus = WorkflowEventBus(log, hub, owner=OWNER)
        jobs = [new_job(log, f"job{number}") for number in range(2)]
        subscription = Subscription(log, hub, jobs[0])
        rounds = 2 if how == signal.SIGKILL else 1
        for number in range(rounds):
            for step in range(2000):
                bus.publish(jobs[step % 2], EventType.HOOK_OUTPUT, line(2000 * number + step))
            bus.flush()
            acknowledged = [log.job(job).head for job in jobs]
            for step in range(2000):
                bus.publish(jobs[step % 2], EventType.HOOK_OUTPUT, line("more"))
                if step == 1000:
                    server.stop(how) if how == signal.SIGKILL else server.signal(how)
            wait_until(lambda: bus.trouble, timeout=60)
            server.start() if how == signal.SIGKILL else server.signal(signal.SIGCONT)
            wait_until(lambda: settled(bus), timeout=60)
            assert all(
                log.job(job).head >= head for job, head in zip(jobs, acknowledged, strict=True)
            )
        for job in jobs:
            bus.publish(job, EventType.WORKFLOW_COMPLETED, END)
        wait_until(lambda: settled(bus), timeout=60)
        bus.close()
        for job in jobs:
            events = log.read(job, 0, 1_000_000)
            assert [event.seq for event in events] == list(range(1, 2000 * rounds + 2))
            assert [event.terminal for event in events].count(True) == 1
        assert [event.seq for event in subscription] == list(range(1, 2000 * rounds + 2))


def set_limit(broker: Broker, most: int) -> None:
    name = f"{broker.address.space}_events"
    info = msgspec.json.decode(broker.request(f"$JS.API.STREAM.INFO.{name}").data)
    config = {**info["config"], "max_bytes": most}
    answer = broker.request(f"$JS.API.STREAM.UPDATE.{name}", msgspec.json.encode(config))
    assert "error" not in msgspec.json.decode(answer.data), answer.data


def test_a_full_stream_is_waited_for(broker_server: NatsServer) -> None:
    broker = connect(broker_server)
    log = NatsEventLog(broker)
    set_limit(broker, 300_000)
    job = new_job(log)
    bus = WorkflowEventBus(log, Hub(), owner=OWNER)
    published = 0
    while bus.trouble is None or published < 2000:
        bus.publish(job, EventType.HOOK_OUTPUT, line(published))
        published += 1
    assert "refuses" in str(bus.trouble)
    with pytest.raises(StoreUnavailable, match="refuses"):
        bus.flush()
    with suppress(StoreUnavailable):  # what waits has a bound
        for _ in range(60_000):
            bus.publish(job, EventType.HOOK_OUTPUT, line(published))
            published += 1
    assert 50_000 < published < 60_000
    set_limit(broker, -1)
    wait_until(lambda: settled(bus), timeout=60)
    bus.publish(job, EventType.WORKFLOW_COMPLETED, END)
    bus.close()
    events = log.read(job, 0, 1_000_000)
    assert [text_of(event) for event in events[:-1]] == list(map(str, range(published)))
    log.close()


def test_a_long_job_is_read_from_anywhere(
    broker_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def decode(message: Message) -> Chunk | None:
        decoded.append(message.number)
        return chunk_of(message)

    monkeypatch.setattr("crackerjack.events.chunk_reader.chunk_of", decode)
    broker = connect(broker_server)
    log = NatsEventLog(broker)
    long, other = new_job(log, "long"), new_job(log, "other")
    # Messages of ten events, each followed by one of the other job.
    for first in range(0, 10_000, 400):
        drafts: list[Draft] = []
        for number in range(first, first + 400):
            drafts.append(said(long, number))
            if number % 10 == 9:
                drafts.append(said(other, number))
        log.append(drafts, owner=OWNER)
    again = NatsEventLog(connect(broker_server, broker.address.space))
    for since in (9_999, 0, 5_123, 9_970, 1):
        decoded.clear()
        events = again.read(long, since, 256)
        # What is before it is not read: only a few of a thousand messages while the place is looked for.
        assert len(decoded) < 256
        expected = list(range(since + 1, min(since + 256, 10_000) + 1))
        assert [event.seq for event in events] == expected
        assert [text_of(event) for event in events] == [str(seq - 1) for seq in expected]
    cursor = 42
    while page := again.read(long, cursor, 1000):
        assert page[0].seq == cursor + 1
        cursor = page[-1].seq
    assert cursor == 10_000
    log.close()
    again.close()


def test_jobs_are_forgotten_whole_and_their_ids_are_free(broker_server: NatsServer) -> None:
    broker = connect(broker_server)
    log, hub = NatsEventLog(broker), Hub()
    log.follow(hub)
    other = NatsEventLog(connect(broker_server, broker.address.space))
    job = new_job(log)
    log.append([*(said(job, number) for number in range(300)), ended(job)], owner=OWNER)
    assert len(log.read(job, 0, 1000)) == 301
    assert other.delete_jobs([job]) == 1
    for one in (log, other):
        with pytest.raises(UnknownJob):
            Subscription(one, hub, job)
    assert other.read_all(0, 10) == []
    new_job(other)
    with pytest.raises(JobEnded, match="taken over"):
        log.append([said(job, "not mine")], owner=OTHER)
    log.append([said(job, "again")], owner=OWNER)
    assert [text_of(event) for event in other.read(job, 0, 10)] == ["again"]
    wait_until(lambda: [text_of(event) for event in log.read(job, 0, 10)] == ["again"])
    assert log.job(job).header == msgspec.structs.replace(
        header(job), created=log.job(job).header.created
    )
    log.close()
    other.close()
