"""A subscription: every event once and in order, from any cursor, live or replayed."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import pytest

from crackerjack.errors import FutureCursor, UnknownJob
from crackerjack.events.event import Draft, WorkflowEvent
from crackerjack.events.hub import Hub
from crackerjack.events.log import EventLog
from crackerjack.events.subscription import Subscription
from crackerjack.types import JobId
from tests.events.writing import OWNER, ended, new_job, said, started, text_of

LONG = 30.0


@pytest.fixture
def hub() -> Hub:
    return Hub()


def commit(log: EventLog, hub: Hub, *drafts: Draft) -> None:
    for event in log.append(drafts, owner=OWNER):
        hub.advance(event.job_id, event.seq)


def texts(events: list[WorkflowEvent]) -> list[str]:
    return [text_of(event) for event in events]


def beside(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_replay_ends_after_the_terminal_event(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    commit(log, hub, said(job, 1), said(job, 2), ended(job))
    subscription = Subscription(log, hub, job, poll_interval=LONG)
    assert texts(list(subscription)) == ["1", "2", "workflow_completed"]
    assert subscription.ended
    assert subscription.cursor == 3
    before = time.monotonic()
    assert subscription.read(LONG) == []
    assert time.monotonic() - before < LONG / 2


def test_replay_is_longer_than_one_read(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    commit(log, hub, *(said(job, number) for number in range(1_000)), ended(job))
    events = list(Subscription(log, hub, job))
    assert [event.seq for event in events] == list(range(1, 1_002))


def test_since_is_the_last_event_that_was_seen(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    commit(log, hub, said(job, 1), said(job, 2), ended(job))
    assert texts(list(Subscription(log, hub, job, since=1))) == ["2", "workflow_completed"]
    at_the_end = Subscription(log, hub, job, since=3)
    assert at_the_end.ended
    assert list(at_the_end) == []


def test_a_cursor_from_the_future_is_refused(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    commit(log, hub, said(job, 1))
    with pytest.raises(FutureCursor, match="has 1 events, none after 2") as caught:
        Subscription(log, hub, job, since=2)
    assert caught.value.head == 1


def test_a_job_that_is_not_there_is_refused(log: EventLog, hub: Hub) -> None:
    with pytest.raises(UnknownJob):
        Subscription(log, hub, JobId("nobody"))


def test_a_job_that_is_deleted_under_a_subscription_is_unknown(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    commit(log, hub, said(job, 1), ended(job))
    subscription = Subscription(log, hub, job)
    log.delete_jobs([job])
    with pytest.raises(UnknownJob):
        subscription.read(LONG)


def test_a_read_waits_for_the_next_event(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    subscription = Subscription(log, hub, job, poll_interval=LONG)
    assert subscription.read(0.01) == []
    thread = beside(lambda: commit(log, hub, said(job, "late")))
    assert texts(subscription.read(LONG)) == ["late"]
    thread.join()
    assert subscription.cursor == 1


def test_events_of_another_process_are_found_without_a_hub(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    subscription = Subscription(log, hub, job, poll_interval=0.01)
    thread = beside(lambda: commit(log, Hub(), said(job, "elsewhere")))
    assert texts(subscription.read(LONG)) == ["elsewhere"]
    thread.join()


@pytest.mark.parametrize("timeout", [0, LONG])
def test_events_of_another_process_are_found_behind_what_the_hub_announced(
    log: EventLog, hub: Hub, timeout: float
) -> None:
    job = new_job(log)
    subscription = Subscription(log, hub, job, poll_interval=0.01)
    commit(log, hub, said(job, "here"))
    assert texts(subscription.read(LONG)) == ["here"]
    commit(log, Hub(), said(job, "elsewhere"))
    assert texts(subscription.read(timeout)) == ["elsewhere"]


def test_who_has_all_that_was_announced_waits_before_looking(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    subscription = Subscription(log, hub, job, poll_interval=LONG)
    commit(log, hub, said(job, "first"))
    assert texts(subscription.read(LONG)) == ["first"]
    looks = 0
    read = log.read

    def counting(job_id: JobId, after: int, limit: int) -> list[WorkflowEvent]:
        nonlocal looks
        looks += 1
        return read(job_id, after, limit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "read", counting)
        thread = beside(lambda: commit(log, hub, said(job, "second")))
        assert texts(subscription.read(LONG)) == ["second"]
        thread.join()
    assert looks == 1


def test_types_filter_and_the_cursor_passes_over_the_rest(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    commit(log, hub, started(job, "fast"), said(job, 1), said(job, 2))
    hooks = Subscription(log, hub, job, types=["hook_strategy_*", "workflow_failed"])
    assert texts(hooks.read(0)) == ["hook_strategy_started"]
    assert hooks.cursor == 3
    commit(log, hub, said(job, 3), ended(job))
    assert list(hooks) == []
    assert (hooks.cursor, hooks.ended) == (5, True)
    nothing = Subscription(log, hub, job, types=[])
    assert list(nothing) == []
    assert nothing.ended


def test_an_iteration_that_is_left_goes_on_where_it_was(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    commit(log, hub, *(said(job, number) for number in range(5)), ended(job))
    subscription = Subscription(log, hub, job)
    assert texts(list(itertools.islice(subscription, 2))) == ["0", "1"]
    assert (subscription.cursor, subscription.ended) == (2, False)
    assert texts(list(subscription)) == ["2", "3", "4", "workflow_completed"]


@pytest.mark.parametrize("way", ["read", "iterate"])
def test_closing_wakes_who_waits(log: EventLog, hub: Hub, way: str) -> None:
    job = new_job(log)
    subscription = Subscription(log, hub, job, poll_interval=LONG)
    results: list[list[WorkflowEvent]] = []
    thread = beside(
        lambda: results.append(subscription.read(LONG) if way == "read" else list(subscription))
    )
    subscription.close()
    thread.join(LONG / 2)
    assert results == [[]]


def test_a_closed_subscription_delivers_nothing_more(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    commit(log, hub, said(job, 1), said(job, 2), ended(job))
    subscription = Subscription(log, hub, job)
    seen = []
    for event in subscription:
        seen.append(event.seq)
        subscription.close()
    assert seen == [1]
    assert subscription.cursor == 1


def test_a_hub_that_announced_what_the_log_no_longer_has_is_no_busy_wait(
    log: EventLog, hub: Hub
) -> None:
    job = new_job(log)
    hub.advance(job, 5)
    subscription = Subscription(log, hub, job, poll_interval=0.02)
    before = time.process_time()
    assert subscription.read(0.3) == []
    assert time.process_time() - before < 0.2


def test_subscribing_races_publishing_and_loses_nothing(log: EventLog, hub: Hub) -> None:
    """Only the hub can wake a subscriber here in time: a lost event or wake-up shows as a hang."""
    rounds = 1_000
    for number in range(rounds):
        job = new_job(log, f"job{number}")

        def publish(job: JobId = job) -> None:
            for part in range(3):
                commit(log, hub, said(job, part))
            commit(log, hub, ended(job))

        thread = beside(publish)
        subscription = Subscription(log, hub, job, since=0, poll_interval=LONG)
        seen: list[str] = []
        while not subscription.ended:
            events = subscription.read(LONG)
            assert events, f"round {number}: nothing after {seen}"
            seen += texts(events)
        assert seen == ["0", "1", "2", "workflow_completed"]
        thread.join()


def test_many_subscribers_at_different_places_all_get_everything(log: EventLog, hub: Hub) -> None:
    job = new_job(log)
    count = 200
    commit(log, hub, *(said(job, number) for number in range(50)))
    seen: dict[int, list[int]] = {}

    def follow(since: int) -> None:
        subscription = Subscription(log, hub, job, since=since, poll_interval=LONG)
        seen[since] = [event.seq for event in subscription]

    threads = [threading.Thread(target=follow, args=(number % 50,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for number in range(50):
        commit(log, hub, said(job, number))
    commit(log, hub, ended(job))
    for thread in threads:
        thread.join(LONG)
    assert seen == {since: list(range(since + 1, 102)) for since in range(50)}
