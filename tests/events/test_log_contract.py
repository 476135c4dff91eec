"""What every event log promises; see the docstring of `EventLog`."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crackerjack.errors import JobEnded, JobExists, UnknownJob
from crackerjack.events.event import draft, parse_event
from crackerjack.events.log import STORED_STATUSES, EventLog
from crackerjack.events.payload import EventType, JobQueued, JobRequeued
from crackerjack.types import JobId, JobStatus
from tests.events.writing import (
    OWNER,
    ended,
    finding,
    header,
    line,
    new_job,
    said,
    started,
    text_of,
)

NOBODY = JobId("nobody")


def test_events_of_a_job_are_numbered_from_one(log: EventLog) -> None:
    job = new_job(log)
    events = log.append([said(job, "a"), said(job, "b")], owner=OWNER)
    events += log.append([said(job, "c")], owner=OWNER)
    assert [event.seq for event in events] == [1, 2, 3]
    assert log.read(job, 0, 100) == events
    assert log.job(job).head == 3


def test_a_read_begins_after_the_cursor_and_keeps_to_the_limit(log: EventLog) -> None:
    job = new_job(log)
    log.append([said(job, number) for number in range(1, 11)], owner=OWNER)
    assert [event.seq for event in log.read(job, 3, 4)] == [4, 5, 6, 7]
    assert [event.seq for event in log.read(job, 8, 4)] == [9, 10]
    assert log.read(job, 10, 4) == []
    assert log.read(job, 11, 4) == []


def test_an_empty_batch_is_nothing(log: EventLog) -> None:
    new_job(log)
    assert log.append([], owner=OWNER) == []
    assert log.position() == 0


@pytest.mark.parametrize("size", [1, 2, 127, 128, 129, 500, 1001])
def test_a_batch_of_any_size_is_whole_and_in_order(log: EventLog, size: int) -> None:
    job = new_job(log)
    log.append([said(job, number) for number in range(size)], owner=OWNER)
    events = log.read(job, 0, size + 1)
    assert [text_of(event) for event in events] == [str(number) for number in range(size)]
    assert [event.seq for event in events] == list(range(1, size + 1))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    timestamp=st.floats(min_value=1e-3, max_value=1e11),
)
def test_an_event_comes_back_to_the_last_digit(log: EventLog, text: str, timestamp: float) -> None:
    job = JobId(f"job{log.position()}")
    log.create_job(header(job), 0.0)
    payload = msgspec.structs.replace(line(text), timestamp=timestamp)
    (written,) = log.append([draft(job, EventType.HOOK_OUTPUT, payload)], owner=OWNER)
    (read,) = log.read(job, 0, 10)
    assert read.payload == payload
    assert read.timestamp == timestamp
    assert read.to_json() == written.to_json()
    assert parse_event(read.to_json()) == read


def test_jobs_that_mix_in_a_batch_keep_their_own_count(log: EventLog) -> None:
    one, two = new_job(log, "one"), new_job(log, "two")
    batch = [said(one, "a"), said(two, "b"), said(one, "c"), ended(two)]
    assert [event.seq for event in log.append(batch, owner=OWNER)] == [1, 1, 2, 2]
    assert [text_of(event) for event in log.read(one, 0, 9)] == ["a", "c"]
    assert [text_of(event) for event in log.read(two, 0, 9)] == ["b", "workflow_completed"]
    assert (log.job(one).terminal, log.job(two).terminal) == (None, "workflow_completed")


def test_all_jobs_are_read_in_the_order_of_commit(log: EventLog) -> None:
    one, two = new_job(log, "one"), new_job(log, "two")
    events = log.append([said(one, 1), said(two, 2), said(one, 3)], owner=OWNER)
    found = log.read_all(0, 100)
    assert [event for _, event in found] == events
    positions = [position for position, _ in found]
    assert positions == sorted(set(positions))
    assert positions[-1] == log.position()
    assert log.read_all(positions[0], 1) == found[1:2]
    assert log.read_all(log.position(), 100) == []


def test_positions_are_never_used_again(log: EventLog) -> None:
    job = new_job(log)
    log.append([said(job, 1), ended(job)], owner=OWNER)
    before = log.position()
    log.delete_jobs([job])
    assert log.position() == before
    other = new_job(log, "other")
    log.append([said(other, 2)], owner=OWNER)
    ((position, _),) = log.read_all(0, 10)
    assert position > before


def test_nothing_comes_after_the_terminal_event(log: EventLog) -> None:
    job = new_job(log)
    log.append([said(job, 1), ended(job)], owner=OWNER)
    with pytest.raises(JobEnded, match="has ended") as caught:
        log.append([said(job, 2)], owner=OWNER)
    assert caught.value.job_id == job
    assert log.job(job).head == 2


def test_nothing_comes_after_the_terminal_event_in_one_batch(log: EventLog) -> None:
    job = new_job(log)
    with pytest.raises(JobEnded):
        log.append([ended(job), said(job, 2)], owner=OWNER)
    assert log.read(job, 0, 10) == []
    assert log.job(job).terminal is None


def test_a_batch_is_refused_whole(log: EventLog) -> None:
    good, over = new_job(log, "good"), new_job(log, "over")
    log.append([ended(over)], owner=OWNER)
    before = log.position()
    for bad in (over, NOBODY):
        with pytest.raises((JobEnded, UnknownJob)):
            log.append([said(good, 1), said(bad, 2)], owner=OWNER)
    assert log.read(good, 0, 10) == []
    assert (log.job(good).head, log.position()) == (0, before)
    assert log.append([said(good, 3)], owner=OWNER)[0].seq == 1


def test_a_job_id_names_one_run(log: EventLog) -> None:
    job = new_job(log)
    log.append([said(job, 1)], owner=OWNER)
    with pytest.raises(JobExists):
        new_job(log, owner="host:2:2")
    assert log.job(job).header.owner == OWNER
    assert log.job(job).head == 1


def test_what_is_not_there_is_unknown(log: EventLog) -> None:
    for ask in (
        lambda: log.read(NOBODY, 0, 10),
        lambda: log.job(NOBODY),
        lambda: log.request_cancel(NOBODY),
        lambda: log.append([said(NOBODY, 1)], owner=OWNER),
    ):
        with pytest.raises(UnknownJob):
            ask()
    assert not log.renew_lease(NOBODY, owner=OWNER, expires=1.0)
    assert not log.take_over(NOBODY, old_owner=OWNER, new_owner="x", expires=1.0)


def test_an_entry_says_what_was_put_in(log: EventLog) -> None:
    put = header(JobId("a"), project="/tmp/Zoë's project")
    before = time.time()
    log.create_job(put, 12.5)
    entry = log.job(put.job_id)
    assert entry.header == put
    assert (entry.head, entry.terminal, entry.lease_expires) == (0, None, 12.5)
    assert not entry.cancel_requested
    assert before <= entry.updated <= time.time()
    log.append([said(put.job_id, 1)], owner=OWNER)
    assert log.job(put.job_id).updated >= entry.updated


def test_jobs_are_listed_newest_first(log: EventLog) -> None:
    for name, project in (("a", "/one"), ("b", "/two"), ("c", "/one"), ("d", "/one")):
        new_job(log, name, project=project)
    log.append([ended(JobId("c"))], owner=OWNER)

    def names(
        *, project: str | None = None, ended: bool | None = None, skip: int = 0, limit: int = 9
    ) -> str:
        entries = log.jobs(project=project, ended=ended, skip=skip, limit=limit)
        return "".join(entry.header.job_id for entry in entries)

    assert names() == "dcba"
    assert names(limit=2) == "dc"
    assert names(project="/one") == "dca"
    assert names(ended=False) == "dba"
    assert names(project="/one", ended=False, limit=1) == "d"
    assert names(project="/three") == ""
    assert names(ended=True) == "c"
    assert names(skip=1) == "cba"
    assert names(project="/one", skip=1, limit=1) == "c"
    assert names(project="/one", ended=True, skip=1) == ""
    assert names(ended=False, skip=1) == "ba"


def test_jobs_are_counted_by_status(log: EventLog) -> None:
    assert log.count_jobs() == dict.fromkeys(STORED_STATUSES, 0)
    for name in "abcde":
        new_job(log, name)
    log.append([said(JobId("a"), 1), ended(JobId("b")), ended(JobId("c"))], owner=OWNER)
    assert log.count_jobs() == {
        JobStatus.QUEUED: 2,
        JobStatus.RUNNING: 1,
        JobStatus.COMPLETED: 2,
        JobStatus.FAILED: 0,
        JobStatus.INTERRUPTED: 0,
    }


def test_a_job_is_queued_until_its_turn_comes(log: EventLog) -> None:
    """By its last event: the first ones come before the job knows that it has to wait."""

    def statuses() -> set[JobStatus]:
        counted = {status for status, count in log.count_jobs().items() if count}
        return counted | {log.job(job_id).status, *(entry.status for entry in log.jobs())}

    job_id = new_job(log)
    waits = draft(job_id, EventType.JOB_QUEUED, JobQueued(reason="waiting for job a"))
    again = draft(job_id, EventType.JOB_REQUEUED, JobRequeued(attempt=2))
    for batch, status in (
        ([said(job_id, 1)], JobStatus.RUNNING),
        ([said(job_id, 2), waits], JobStatus.QUEUED),
        ([said(job_id, 3)], JobStatus.RUNNING),
        ([again], JobStatus.QUEUED),
        ([waits, said(job_id, 4)], JobStatus.RUNNING),
        ([waits], JobStatus.QUEUED),
        ([ended(job_id)], JobStatus.COMPLETED),
    ):
        log.append(batch, owner=OWNER)
        assert statuses() == {status}


def test_latest_begins_with_the_newest_job_and_event(log: EventLog) -> None:
    old, new = new_job(log, "old"), new_job(log, "new")
    elsewhere = new_job(log, "elsewhere", project="/other")
    log.append([started(old, "1"), said(old, 2), started(new, "3")], owner=OWNER)
    log.append([started(elsewhere, "4"), said(new, 5), started(old, "6")], owner=OWNER)

    def found(types: set[str], limit: int = 9) -> list[tuple[str, int]]:
        events = log.latest("/project", types, limit)
        return [(event.job_id, event.seq) for event in events]

    assert found({"hook_strategy_started"}) == [("new", 1), ("old", 3), ("old", 1)]
    assert found({"hook_strategy_started"}, 2) == [("new", 1), ("old", 3)]
    assert found({"hook_output"}) == [("new", 2), ("old", 2)]
    assert found({"hook_output", "hook_strategy_started"}, 3) == [
        ("new", 2),
        ("new", 1),
        ("old", 3),
    ]
    assert found({"workflow_failed"}) == []
    assert found(set()) == []


def test_only_the_owner_renews_a_lease_while_the_job_goes_on(log: EventLog) -> None:
    job = new_job(log)
    assert log.renew_lease(job, owner=OWNER, expires=99.0)
    assert log.job(job).lease_expires == 99.0
    assert not log.renew_lease(job, owner="host:2:2", expires=100.0)
    log.append([ended(job)], owner=OWNER)
    assert not log.renew_lease(job, owner=OWNER, expires=101.0)
    assert log.job(job).lease_expires == 99.0


def test_taking_over_fences_the_first_owner_out(log: EventLog) -> None:
    job = new_job(log)
    log.append([said(job, 1)], owner=OWNER)
    assert log.take_over(job, old_owner=OWNER, new_owner="host:2:2", expires=50.0)
    assert not log.take_over(job, old_owner=OWNER, new_owner="host:3:3", expires=60.0)
    with pytest.raises(JobEnded, match="taken over by host:2:2"):
        log.append([said(job, 2)], owner=OWNER)
    assert not log.renew_lease(job, owner=OWNER, expires=70.0)
    entry = log.job(job)
    assert (entry.header.owner, entry.lease_expires, entry.terminal) == ("host:2:2", 50.0, None)
    (event,) = log.append([ended(job)], owner="host:2:2")
    assert event.seq == 2
    assert not log.take_over(job, old_owner="host:2:2", new_owner=OWNER, expires=80.0)


def test_cancelling_is_remembered_until_the_end(log: EventLog) -> None:
    job = new_job(log)
    assert log.request_cancel(job)
    assert log.request_cancel(job)
    assert log.job(job).cancel_requested
    log.append([ended(job)], owner=OWNER)
    assert not log.request_cancel(job)


def test_only_jobs_that_have_ended_are_deleted(log: EventLog) -> None:
    over, running = new_job(log, "over"), new_job(log, "running")
    log.append([said(over, 1), said(running, 2), ended(over)], owner=OWNER)
    assert log.delete_jobs([over, running, NOBODY]) == 1
    with pytest.raises(UnknownJob):
        log.read(over, 0, 10)
    assert [text_of(event) for _, event in log.read_all(0, 10)] == ["2"]
    assert [entry.header.job_id for entry in log.jobs()] == [running]
    assert log.delete_jobs([over]) == 0
    assert log.append([said(running, 3)], owner=OWNER)[0].seq == 2


def test_a_store_has_a_name(log: EventLog) -> None:
    assert log.store_id
    assert log.store_id == log.store_id


def test_many_threads_write_and_read_at_once(log: EventLog) -> None:
    jobs = [new_job(log, f"job{number}") for number in range(3)]
    holes: list[object] = []
    done = threading.Event()

    def write(job: JobId) -> None:
        for number in range(100):
            log.append([said(job, number), said(jobs[0], "x")], owner=OWNER)

    def read() -> None:
        while not done.is_set():
            for job in jobs:
                seqs = [event.seq for event in log.read(job, 0, 1000)]
                if seqs != list(range(1, len(seqs) + 1)):
                    holes.append(seqs)

    writers = [threading.Thread(target=write, args=(job,)) for job in jobs]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert holes == []
    assert [log.job(job).head for job in jobs] == [400, 100, 100]
    assert len({position for position, _ in log.read_all(0, 1000)}) == 600


def test_large_events_come_back_whole(log: EventLog) -> None:
    job = new_job(log)
    texts = ["é\u2028\x00'\"\\" * 2_500, "x" * 16_384]
    log.append([said(job, text) for text in texts], owner=OWNER)
    log.append([draft(job, EventType.DIAGNOSTIC_FOUND, finding("a\nb"))], owner=OWNER)
    events = log.read(job, 0, 10)
    assert [text_of(event) for event in events[:2]] == texts
    assert events[2].data["message"] == "a\nb"
