"""Whoever takes a job of the queue has it alone, as long as it says so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from crackerjack.fleet.leases import Leases
from crackerjack.fleet.queued_job import QueuedJob
from crackerjack.fleet.submission import waiting_for
from crackerjack.fleet.work_queue import Claim, WorkQueue
from crackerjack.types import JobId
from tests.broker import NatsServer, connect
from tests.fleet.home import wait_for

RACERS = 6


@pytest.fixture
def queues(server: NatsServer) -> Iterator[list[WorkQueue]]:
    """The same queue over connections of their own."""
    space = f"t{os.urandom(6).hex()}"
    brokers = [connect(server, space) for _ in range(RACERS)]
    yield [WorkQueue(broker, Leases(broker)) for broker in brokers]
    for broker in brokers:
        broker.close()


def job(name: str, **fields: object) -> QueuedJob:
    return QueuedJob(job_id=JobId(name), project="/p", bundle="b", **fields)  # type: ignore[arg-type]


def all_at_once(queues: list[WorkQueue]) -> list[Claim]:
    with ThreadPoolExecutor(len(queues)) as pool:
        claims = pool.map(lambda one: one[1].claim(f"w{one[0]}", {}), enumerate(queues))
        return [claim for claim in claims if claim is not None]


def test_of_many_who_race_for_a_job_one_has_it(queues: list[WorkQueue]) -> None:
    for number in range(5):
        queues[0].put(job(f"job{number}"))
        queues[0].put(job(f"job{number}"))  # is there already
        (claim,) = wait_for(lambda: all_at_once(queues), "one of them has it")
        assert claim.keep()
        claim.done()
        assert queues[0].find(JobId(f"job{number}")) is None


def test_a_project_has_no_more_places_than_it_may(queues: list[WorkQueue]) -> None:
    for number in range(4):
        queues[0].put(job(f"job{number}", most_at_once=2))
    claims = all_at_once(queues) + all_at_once(queues)
    assert len(claims) == 2
    claims[0].done()
    claims[1].give_back()
    assert len(all_at_once(queues) + all_at_once(queues)) == 2


def test_who_has_a_job_does_not_take_it_again_when_it_was_silent(queues: list[WorkQueue]) -> None:
    queues[0].put(job("job"))
    claim = queues[0].claim("w0", {})
    assert claim is not None
    claim.give_back()  # to the broker this is what silence is
    assert queues[0].claim("w0", {}, having={"job"}) is None
    other = wait_for(lambda: queues[1].claim("w1", {}), "another has it")
    assert not claim.keep()
    claim.lost()
    assert other.keep()


def test_a_place_that_the_broker_forgot_is_taken_again(
    server: NatsServer, queues: list[WorkQueue]
) -> None:
    queues[0].put(job("job", most_at_once=1))
    claim = queues[0].claim("w0", {})
    assert claim is not None
    broker = connect(server, queues[0].subjects.partition(".")[0])
    broker.request(f"$JS.API.STREAM.PURGE.{broker.address.space}_leases")
    assert Leases(broker).running() == []
    assert claim.keep()
    assert [one.worker for one in Leases(broker).running()] == ["w0"]
    broker.close()


def test_who_waits_is_told_for_what() -> None:
    waits = job("job", needs=("os=linux",), most_at_once=1)
    assert waiting_for(waits) == (
        "a worker with os=linux; at most 1 run of the project goes on at a time"
    )
