"""The hub remembers: an announcement between a look and a wait is not lost."""

from __future__ import annotations

import threading
import time

from crackerjack.events.hub import Hub
from crackerjack.types import JobId

JOB = JobId("job")
LONG = 30.0
"""Seconds; far above what anything here takes, so who waits that long was not woken."""


def test_what_was_announced_before_the_wait_ends_it_at_once() -> None:
    hub = Hub()
    hub.advance(JOB, 3)
    started = time.monotonic()
    assert hub.wait(JOB, 2, LONG)
    assert time.monotonic() - started < LONG / 2
    assert hub.head(JOB) == 3


def test_a_wait_for_what_does_not_come_ends_with_its_timeout() -> None:
    hub = Hub()
    hub.advance(JOB, 3)
    assert not hub.wait(JOB, 3, 0.01)
    assert not hub.wait(JobId("other"), 0, 0.01)
    assert not hub.wait_position(0, 0.01)


def test_a_head_never_falls() -> None:
    hub = Hub()
    hub.advance(JOB, 5)
    hub.advance(JOB, 4)
    hub.advance_position(9)
    hub.advance_position(8)
    assert (hub.head(JOB), hub.position) == (5, 9)


def test_hundreds_of_waiters_all_hear_of_what_they_wait_for() -> None:
    """A hub that only wakes leaves those asleep that looked before and wait after."""
    hub = Hub()
    count = 400
    heard: list[bool] = []
    ready = threading.Barrier(count + 1)

    def follow(after: int) -> None:
        ready.wait()
        heard.append(hub.wait(JOB, after, LONG))

    threads = [threading.Thread(target=follow, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    ready.wait()
    for seq in range(1, count + 1):
        hub.advance(JOB, seq)
    for thread in threads:
        thread.join()
    assert heard == [True] * count


def test_an_announcement_between_look_and_wait_is_never_lost() -> None:
    """Two threads take turns thousands of times; each hand-over is a race of look and wake."""
    hub = Hub()
    ping, pong = JobId("ping"), JobId("pong")
    rounds = 3_000
    lost: list[int] = []

    def answer() -> None:
        for number in range(rounds):
            if not hub.wait(ping, number, LONG):
                lost.append(number)
                return
            hub.advance(pong, number + 1)

    thread = threading.Thread(target=answer)
    thread.start()
    for number in range(rounds):
        hub.advance(ping, number + 1)
        if not hub.wait(pong, number, LONG):
            lost.append(number)
            break
    thread.join()
    assert lost == []


def test_waiting_for_the_store_and_for_a_job_are_apart() -> None:
    hub = Hub()
    hub.advance(JOB, 1)
    assert hub.position == 0
    hub.advance_position(7)
    assert hub.wait_position(6, LONG)
    assert not hub.wait_position(7, 0.01)
    assert hub.head(JOB) == 1


def test_a_reason_to_stop_ends_a_wait() -> None:
    hub = Hub()
    stop = threading.Event()
    results: list[bool] = []
    thread = threading.Thread(
        target=lambda: results.append(hub.wait(JOB, 0, LONG, stop=stop.is_set))
    )
    thread.start()
    stop.set()
    hub.wake(JOB)
    thread.join(LONG / 2)
    assert results == [False]


def test_wakers_hear_every_announcement_until_they_are_removed() -> None:
    hub = Hub()
    heard: list[tuple[JobId, int]] = []

    def waker(job_id: JobId, seq: int) -> None:
        heard.append((job_id, seq))

    hub.add_waker(waker)
    hub.advance(JOB, 1)
    hub.advance(JOB, 2)
    hub.remove_waker(waker)
    hub.advance(JOB, 3)
    assert heard == [(JOB, 1), (JOB, 2)]


def test_a_waker_whose_event_loop_is_closed_is_dropped() -> None:
    hub = Hub()
    heard: list[int] = []

    def closed(job_id: JobId, seq: int) -> None:
        heard.append(seq)
        raise RuntimeError("Event loop is closed")

    hub.add_waker(closed)
    hub.advance(JOB, 1)
    hub.advance(JOB, 2)
    assert heard == [1]
    assert hub.head(JOB) == 2
