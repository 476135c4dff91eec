"""The scheduler: what writes never overlaps what reads, and everything runs once."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackerjack.workflow.scheduler import Scheduler, Task


class Floor:
    """Sees which tasks are on the floor together."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reading: set[str] = set()
        self.writing: set[str] = set()
        self.order: list[str] = []
        self.overlaps: list[tuple[str, set[str]]] = []

    def visit(self, key: str, *, writes: bool, during: Callable[[], None] = lambda: None) -> None:
        mine = self.writing if writes else self.reading
        with self.lock:
            others = (self.reading | self.writing) if writes else self.writing
            if others:
                self.overlaps.append((key, set(others)))
            mine.add(key)
            self.order.append(key)
        during()
        with self.lock:
            mine.discard(key)


def reader(floor: Floor, key: str, expected: float = 0.0, needs: tuple[str, ...] = ()) -> Task:
    return Task(
        key=key,
        run=lambda: floor.visit(key, writes=False),
        expected=expected,
        needs=frozenset(needs),
    )


def writer(floor: Floor, key: str, rank: int = 0) -> Task:
    return Task(key=key, run=lambda: floor.visit(key, writes=True), writes=True, rank=rank)


def test_readers_run_side_by_side() -> None:
    """Two readers that wait for each other can only end together."""
    scheduler = Scheduler(2)
    meeting = threading.Barrier(2, timeout=10)
    for key in ("one", "two"):
        scheduler.add(Task(key=key, run=lambda: void(meeting.wait())))
    scheduler.run()
    assert not meeting.broken


def test_where_the_system_gives_no_more_threads_those_there_are_do_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "worker-2":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    floor = Floor()
    scheduler = Scheduler(4)
    for number in range(8):
        scheduler.add(reader(floor, str(number)))
    scheduler.run()
    assert sorted(floor.order) == [str(number) for number in range(8)]


def test_longest_reader_begins_first() -> None:
    floor = Floor()
    scheduler = Scheduler(1)
    for key, seconds in (("short", 1.0), ("long", 9.0), ("middle", 5.0)):
        scheduler.add(reader(floor, key, seconds))
    scheduler.run()
    assert floor.order == ["long", "middle", "short"]


def test_writers_run_alone_before_waiting_readers_in_the_order_of_rank() -> None:
    floor = Floor()
    scheduler = Scheduler(4)
    scheduler.add(reader(floor, "reader", 100.0))
    scheduler.add(writer(floor, "second", 2))
    scheduler.add(writer(floor, "first", 1))
    scheduler.run()
    assert floor.order == ["first", "second", "reader"]
    assert floor.overlaps == []


def test_a_writer_waits_for_running_readers_and_no_new_one_begins() -> None:
    floor = Floor()
    scheduler = Scheduler(2)
    begun, queued = threading.Event(), threading.Event()

    def read() -> None:
        floor.visit("early", writes=False, during=wait_for_more)

    def wait_for_more() -> None:
        begun.set()
        assert queued.wait(10)

    def queue_more() -> None:
        assert begun.wait(10)
        scheduler.add(writer(floor, "writer"))
        scheduler.add(reader(floor, "late", 100.0))
        queued.set()

    scheduler.add(Task(key="early", run=read))
    scheduler.add(Task(key="queue", run=queue_more))
    scheduler.run()
    assert floor.order == ["early", "writer", "late"]
    assert floor.overlaps == []


def test_a_task_waits_for_marks_and_for_other_tasks() -> None:
    floor = Floor()
    scheduler = Scheduler(2)
    scheduler.add(reader(floor, "last", needs=("first", "said")))
    scheduler.add(reader(floor, "first"))
    scheduler.add(Task(key="sayer", run=lambda: scheduler.mark("said")))
    scheduler.run()
    assert floor.order == ["first", "last"]


def test_a_task_that_nobody_enables_is_an_error_not_a_hang() -> None:
    scheduler = Scheduler(2)
    scheduler.add(reader(Floor(), "orphan", needs=("never",)))
    with pytest.raises(RuntimeError, match="orphan"):
        scheduler.run()


def test_an_exception_ends_the_schedule_and_comes_out() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    floor = Floor()
    scheduler = Scheduler(1)
    scheduler.add(Task(key="bad", run=fail, urgent=True))
    scheduler.add(reader(floor, "after"))
    with pytest.raises(ZeroDivisionError):
        scheduler.run()
    assert floor.order == []


@settings(max_examples=60, deadline=None)
@given(data=st.data(), workers=st.integers(1, 4))
def test_any_graph_runs_once_in_order_and_without_overlap(
    data: st.DataObject, workers: int
) -> None:
    floor = Floor()
    scheduler = Scheduler(workers)
    count = data.draw(st.integers(1, 12))
    needs: dict[str, set[str]] = {}
    for number in range(count):
        key = str(number)
        earlier = [str(other) for other in range(number)]
        needs[key] = data.draw(st.sets(st.sampled_from(earlier), max_size=3)) if earlier else set()
        writes = data.draw(st.booleans())
        scheduler.add(
            Task(
                key=key,
                run=lambda key=key, writes=writes: floor.visit(key, writes=writes),  # type: ignore[misc]
                needs=frozenset(needs[key]),
                writes=writes,
                rank=data.draw(st.integers(0, 3)),
                expected=data.draw(st.floats(0, 10)),
            )
        )
    scheduler.run()
    assert sorted(floor.order, key=int) == [str(number) for number in range(count)]
    assert floor.overlaps == []
    position = {key: index for index, key in enumerate(floor.order)}
    assert all(position[need] < position[key] for key in needs for need in needs[key])


def void(_: object) -> None:
    """Drop a value."""
