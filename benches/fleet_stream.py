"""Events by way of a broker: how late they come, what replicas of the server cost, how many go in."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Final

import nats

from benches.paired import Contender, Row, measure, ratio, verdict
from benches.projects import CRACKERJACK
from benches.stream_load import Load, Server, connect, quantile
from benches.stream_servers import JOB, compact, fleet_runner
from tests.broker import NatsServer, nats_server

WRITER: Final = (sys.executable, "-m", "benches.stream_servers", "fleet_writer")
PACED: Final = 1000
"""Events, at 200 a second."""
CLIENTS: Final = 300
"""Of each replica."""
BURST: Final = 2000
ROUNDS: Final = 5
SUSTAINED: Final = 100_000
SINGLE: Final = 2000


def rows() -> Iterator[Row]:
    """All of it; each part has a space of its own."""
    with nats_server() as broker:
        yield _latency(broker)
        yield _replicas(broker)
        yield from _sustained(broker)


def _latency(broker: NatsServer) -> Row:
    with _fleet(broker, "latency", 1) as (writer, (server,)):
        load = Load([connect(server.port)])
        writer.tell(f"pace {PACED} 200")
        delays = load.read_paced(PACED)
        load.close()
    p50, p99 = quantile(delays, 0.5), quantile(delays, 0.99)
    return (
        "worker -> broker -> server -> client, 200 events a second",
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        f"{verdict(p50, 5, ' ms')}; {verdict(p99, 25, ' ms')}",
    )


def _replicas(broker: NatsServer) -> Row:
    """The processor time of one delivery, with one replica and with three."""
    one, three = measure(
        [
            Contender("one", lambda: _cost(broker, 1)),
            Contender("three", lambda: _cost(broker, 3)),
        ],
        rounds=ROUNDS,
        warmups=0,
    )
    more = ratio(three, one)
    return (
        f"three replicas with {CLIENTS} clients each, against one: server CPU of a delivery",
        f"{three.median * 1e6:.1f} µs / {one.median * 1e6:.1f} µs = {more}",
        verdict(more.median, 1.1, "x"),
    )


def _cost(broker: NatsServer, replicas: int) -> float:
    with _fleet(broker, f"cost{os.urandom(4).hex()}", replicas) as (writer, servers):
        load = Load([connect(one.port) for one in servers for _ in range(CLIENTS)])
        writer.publish(100)
        load.read_until(100)
        before = sum(map(_cpu, servers))
        writer.tell(f"pace {BURST} 1000")
        load.read_until(100 + BURST)
        taken = sum(map(_cpu, servers)) - before
        load.close()
    return taken / (BURST * CLIENTS * replicas)


def _sustained(broker: NatsServer) -> Iterator[Row]:
    space = f"{broker.url}/sustained"
    with tempfile.TemporaryDirectory() as state, fleet_runner(space, state) as (publish, settle):
        rates = []
        for _ in range(3):
            began = time.perf_counter()
            for _ in range(SUSTAINED):
                publish()
            settle()
            rates.append(SUSTAINED / (time.perf_counter() - began))
    ours, theirs = statistics.median(rates), asyncio.run(_single(broker))
    yield (
        "events of one runner into JetStream",
        f"{ours:,.0f}/s",
        verdict(ours, 12_000, "/s", at_least=True),
    )
    yield ("nats-py, a message at a time", f"{theirs:,.0f}/s, {ours / theirs:.0f} times fewer", "")


async def _single(broker: NatsServer) -> float:
    client = await nats.connect(broker.url)
    stream = client.jetstream()
    await stream.add_stream(name="single", subjects=["single.*"])
    message = compact(1)
    began = time.perf_counter()
    for _ in range(SINGLE):
        await stream.publish(f"single.{JOB}", message)
    rate = SINGLE / (time.perf_counter() - began)
    await client.close()
    return rate


@contextmanager
def _fleet(
    broker: NatsServer, space: str, replicas: int
) -> Iterator[tuple[Server, tuple[Server, ...]]]:
    """A runner with a job, and servers, each as if on a machine of its own."""
    with ExitStack() as stack:

        def process(*argv: str, listens: bool) -> Server:
            state = stack.enter_context(tempfile.TemporaryDirectory())
            variables = {
                "CRACKERJACK_STATE_DIR": state,
                "CRACKERJACK_BROKER": f"{broker.url}/{space}",
            }
            return stack.enter_context(closing(Server(argv, listens=listens, **variables)))

        writer = process(*WRITER, listens=False)
        servers = [process(CRACKERJACK, "serve", "--port", listens=True) for _ in range(replicas)]
        yield writer, tuple(servers)


def _cpu(server: Server) -> float:
    """Seconds of the processor that it has had."""
    with open(f"/proc/{server.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
