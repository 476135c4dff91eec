"""Random histories of a log against plain lists: whatever happens, every cursor sees every event once."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from crackerjack.errors import FutureCursor, JobEnded, UnknownJob
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.hub import Hub
from crackerjack.events.log import EventLog
from crackerjack.events.memory_log import MemoryEventLog
from crackerjack.events.nats_log import NatsEventLog
from crackerjack.events.payload import EventType
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.events.subscription import Subscription
from crackerjack.types import JobId
from tests.broker import NatsServer, connect
from tests.events.writing import END, OWNER, finding, line, new_job, said, text_of

TYPES = st.sampled_from(
    [None, ("hook_output",), ("hook_*",), ("*",), ("workflow_*", "diagnostic_found"), ()]
)


class Follower:
    """A cursor, what it may see, and what it saw: both as ``(seq, text)``."""

    def __init__(self, job: JobId, since: int, types: tuple[str, ...] | None) -> None:
        self.job = job
        self.since = since
        self.types = types
        self.cursor = since
        self.seen: list[tuple[int, str]] = []

    def wants(self, text: str) -> bool:
        kind = text if text in {"diagnostic_found", "workflow_completed"} else "hook_output"
        return self.types is None or any(
            pattern in {"*", kind} or (pattern[-1] == "*" and kind.startswith(pattern[:-1]))
            for pattern in self.types
        )


class Histories(RuleBasedStateMachine):
    """Publish, subscribe, cut, resume, filter, end, delete, reopen."""

    jobs = Bundle[JobId]("jobs")
    followers = Bundle[Follower]("followers")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[JobId, list[str]] = {}
        self.positions: dict[int, tuple[JobId, int]] = {}
        self.made = 0
        self.hub = Hub()
        self.log = self.new_log()
        self.bus = WorkflowEventBus(self.log, self.hub, owner=OWNER)

    def new_log(self) -> EventLog:
        raise NotImplementedError

    def opened_again(self) -> EventLog:
        """The log as another process finds it, where it can be opened twice."""
        return self.log

    def over(self, job: JobId) -> bool:
        return "workflow_completed" in self.model.get(job, ["workflow_completed"])

    @initialize(target=jobs)
    def first_job(self) -> JobId:
        return self.new_job()

    @rule(target=jobs)
    def create(self) -> JobId:
        return self.new_job()

    def new_job(self) -> JobId:
        self.made += 1
        job = new_job(self.log, f"job{self.made}")
        self.model[job] = []
        return job

    @rule(job=jobs, count=st.integers(1, 150), flush=st.booleans())
    def publish(self, job: JobId, count: int, flush: bool) -> None:
        if self.over(job):
            return
        for _ in range(count):
            text = str(len(self.model[job]) + 1)
            self.bus.publish(job, EventType.HOOK_OUTPUT, line(text))
            self.model[job].append(text)
        if flush:
            self.bus.flush()

    @rule(job=jobs)
    def publish_another_type(self, job: JobId) -> None:
        if not self.over(job):
            self.bus.publish(job, EventType.DIAGNOSTIC_FOUND, finding("finding"))
            self.model[job].append("diagnostic_found")

    @rule(one=jobs, two=jobs)
    def append_a_mixed_batch(self, one: JobId, two: JobId) -> None:
        self.bus.flush()
        batch = [said(one, "mixed"), said(two, "mixed")]
        if self.over(one) or self.over(two):
            with pytest.raises((JobEnded, UnknownJob)):
                self.log.append(batch, owner=OWNER)
            return
        self.log.append(batch, owner=OWNER)
        self.model[one].append("mixed")
        self.model[two].append("mixed")

    @rule(job=jobs)
    def end(self, job: JobId) -> None:
        if not self.over(job):
            self.bus.publish(job, EventType.WORKFLOW_COMPLETED, END)
            self.model[job].append("workflow_completed")

    @rule(job=jobs)
    def delete(self, job: JobId) -> None:
        self.bus.flush()
        ended = job in self.model and self.over(job)
        assert self.log.delete_jobs([job]) == int(ended)
        if ended:
            del self.model[job]

    @rule()
    def reopen(self) -> None:
        self.bus.close()
        self.log = self.opened_again()
        self.hub = Hub()
        self.bus = WorkflowEventBus(self.log, self.hub, owner=OWNER)

    @rule(target=followers, job=jobs, share=st.floats(0, 1), types=TYPES)
    def subscribe(self, job: JobId, share: float, types: tuple[str, ...] | None) -> Any:
        if job not in self.model:
            with pytest.raises(UnknownJob):
                Subscription(self.log, self.hub, job)
            return multiple()
        self.bus.flush()
        head = len(self.model[job])
        with pytest.raises(FutureCursor):
            Subscription(self.log, self.hub, job, since=head + 1)
        return Follower(job, round(share * head), types)

    @rule(follower=followers, cut=st.integers(0, 400))
    def resume_and_cut(self, follower: Follower, cut: int) -> None:
        """Read on from the cursor with a new subscription, and leave it after `cut` events."""
        if follower.job not in self.model:
            return
        self.bus.flush()
        subscription = self._resumed(follower)
        if cut % 2:
            events = subscription.read(0)
        else:
            left = sum(seq > follower.cursor for seq, _ in self._wanted(follower))
            events = list(itertools.islice(subscription, min(cut, left)))
        follower.seen += [(event.seq, text_of(event)) for event in events]
        follower.cursor = subscription.cursor

    @rule(follower=consumes(followers))
    def catch_up(self, follower: Follower) -> None:
        """Read to the head: then the follower has seen exactly what it wants of what there is."""
        if follower.job not in self.model:
            return
        self.bus.flush()
        subscription = self._resumed(follower)
        while events := subscription.read(0):
            follower.seen += [(event.seq, text_of(event)) for event in events]
        assert subscription.cursor == len(self.model[follower.job])
        assert subscription.ended == self.over(follower.job)
        assert follower.seen == self._wanted(follower)

    def _resumed(self, follower: Follower) -> Subscription:
        return Subscription(
            self.log, self.hub, follower.job, since=follower.cursor, types=follower.types
        )

    def _wanted(self, follower: Follower) -> list[tuple[int, str]]:
        numbered = list(enumerate(self.model[follower.job], start=1))[follower.since :]
        return [(seq, text) for seq, text in numbered if follower.wants(text)]

    @invariant()
    def the_log_is_the_model(self) -> None:
        self.bus.flush()
        for job, texts in self.model.items():
            events = self.log.read(job, 0, len(texts) + 1)
            assert [text_of(event) for event in events] == texts
            assert [event.seq for event in events] == list(range(1, len(texts) + 1))

    @invariant()
    def positions_keep_their_events(self) -> None:
        found = {
            position: (event.job_id, event.seq)
            for position, event in self.log.read_all(0, 1_000_000)
        }
        kept = {at: key for at, key in self.positions.items() if key[0] in self.model}
        assert kept.items() <= found.items()
        assert list(found) == sorted(found)
        self.positions = found

    def teardown(self) -> None:
        self.bus.close()
        self.log.close()


class MemoryHistories(Histories):
    def new_log(self) -> EventLog:
        return MemoryEventLog()


class SqliteHistories(Histories):
    def new_log(self) -> EventLog:
        self.directory = Path(tempfile.mkdtemp())
        return SqliteEventLog(self.directory / "events.db")

    def opened_again(self) -> EventLog:
        self.log.close()
        return SqliteEventLog(self.directory / "events.db")

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.directory)


class NatsHistories(Histories):
    server: NatsServer

    def new_log(self) -> EventLog:
        broker = connect(self.server)
        self.space = broker.address.space
        return NatsEventLog(broker)

    def opened_again(self) -> EventLog:
        self.log.close()
        return NatsEventLog(connect(self.server, self.space))


@pytest.fixture(scope="module", autouse=True)
def _server(broker_server: NatsServer) -> None:
    NatsHistories.server = broker_server


MODERATE = settings(max_examples=max(1, settings().max_examples // 4), stateful_step_count=25)
TestMemoryHistories = MemoryHistories.TestCase
TestMemoryHistories.settings = MODERATE
TestSqliteHistories = SqliteHistories.TestCase
TestSqliteHistories.settings = MODERATE
TestNatsHistories = NatsHistories.TestCase
TestNatsHistories.settings = settings(
    max_examples=max(1, settings().max_examples // 20),
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow],
)
