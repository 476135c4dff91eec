"""The composition root for a broker: the container's parts on its log, and those of the fleet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import msgspec

from crackerjack.container import Container, open_container
from crackerjack.errors import UsageError
from crackerjack.events.broker_address import BrokerAddress

try:
    from crackerjack.events.broker import Broker
except ModuleNotFoundError as error:
    raise UsageError(
        "a broker needs what is not installed here: pip install 'crackerjack[nats]'"
    ) from error
from crackerjack.events.nats_log import NatsEventLog
from crackerjack.fleet.broker_objects import BrokerObjects
from crackerjack.fleet.fleet_jobs import FleetJobs
from crackerjack.fleet.leases import Leases
from crackerjack.fleet.work_queue import WorkQueue


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that a command works with when a broker holds the jobs."""

    container: Container
    broker: Broker
    log: NatsEventLog
    leases: Leases
    queue: WorkQueue
    objects: BrokerObjects


@contextmanager
def open_fleet(
    address: BrokerAddress, environment: Mapping[str, str], *, role: str
) -> Iterator[Fleet]:
    """Connect to a broker and build everything on it; `role` is what the broker shows of us.

    Raises :exc:`StoreUnavailable` when it cannot be reached or used.
    """
    broker = Broker(address, name=f"crackerjack {role}")
    try:
        log = NatsEventLog(broker)
        leases = Leases(broker)
        queue, objects = WorkQueue(broker, leases), BrokerObjects(broker)
    except BaseException:
        broker.close()
        raise
    with open_container(
        environment, log, partial(FleetJobs, queue, leases, log.records)
    ) as container:
        yield Fleet(
            container=container,
            broker=broker,
            log=log,
            leases=leases,
            queue=queue,
            objects=objects,
        )
