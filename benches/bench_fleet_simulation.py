"""How many machines a large fleet takes: costs that are measured here, and a simulation of its queues.

What is simulated is one chunk of events after the other, from the runner through the broker's stream
to a replica of the server and out to each of its watchers; each of the two is a queue with one server:
a stream has one writer, and a replica one event loop. ``python -m benches.bench_fleet_simulation --help``
has the assumptions that can be changed.
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from benches.bench_events import FINDING
from benches.paired import print_table
from benches.projects import CRACKERJACK
from benches.stream_load import Load, Server, connect
from crackerjack.events.event import draft
from crackerjack.events.hub import Hub
from crackerjack.events.log import JobHeader
from crackerjack.events.nats_log import NatsEventLog
from crackerjack.events.payload import EventType
from crackerjack.types import JobId
from tests.broker import NatsServer, nats_server
from tests.broker import connect as connect_broker

JOB: Final = JobId("bench")
CHUNKS: Final = 3000
"""That are written for one measurement."""
SENT: Final = 1000
"""Of these to watchers."""
SIDE: Final = 50
"""Jobs whose chunks come at once."""
WRITERS: Final = 8
CLIENTS: Final = 100
SIMULATED: Final = 60_000
"""Chunks of one simulation."""
CONNECTION_KIB: Final = 17.0
"""Memory of one watcher's connection: `make bench ARGS=stream` measures it."""
WORST_LAG: Final = 0.25
"""Seconds: what the slowest hundredth of the deliveries may take."""
FULLEST: Final = 0.6
"""The part of its time that a queue may be busy: the rest is for bursts, and for the loss of a machine."""
CORES: Final = 8
GIB: Final = 16
GIGABITS: Final = 10
"""Of one machine: a replica has a core, and all share memory and network."""
SLOTS: Final = 8
"""Jobs at a time on a worker's machine."""
PARTS: Final = (0.4, 0.5, 0.6, 0.75, 1, 1.5, 2)
"""Of the replicas that it takes: what is shown beside them."""
BROKERS: Final = 3
"""Servers that keep the streams of a space."""
SPACES: Final = (1, 2, 4, 8, 16, 32, 64)


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds, as measured."""

    commit: float
    """A runner's, per chunk that it commits."""
    store: float
    """The broker's, per chunk that it stores."""
    copy: float
    """The broker's, per chunk and replica that hears of it."""
    chunk: float
    """A replica's, per chunk, whether somebody watches its job or not."""
    delivery: float
    """A replica's, per chunk and watcher."""
    bytes: float
    """On the wire, per delivery."""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the fleet."""

    jobs: int
    watchers: int
    events: float
    """A second and job, in the mean."""
    burst: float
    """Events that come together, in one chunk."""
    hot: float
    """The part of the watchers that watch a hundredth of the jobs."""

    @property
    def chunks(self) -> float:
        """A second, all jobs."""
        return self.jobs * self.events / self.burst

    @property
    def deliveries(self) -> float:
        """Of chunks, a second, to all watchers."""
        return self.watchers * self.events / self.burst


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How far watchers are behind, and what is busy."""

    p50: float
    p99: float
    broker: float
    """The part of the time in which the stream writes."""
    replica: float


def simulate(demand: Demand, costs: Costs, *, spaces: int, replicas: int, hop: float) -> Lag | None:
    """One space and one of its replicas, the others being like them; None where it falls behind for ever.

    `replicas` are those of one space, `hop` is the time from machine to machine.
    """
    rate = demand.chunks / spaces
    storing = costs.store + replicas * costs.copy
    means = _watchers_per_job(demand, replicas)
    deliveries = sum(mean * share for mean, share in means)
    serving = costs.chunk + deliveries * costs.delivery
    if max(rate * storing, rate * serving) >= 1:
        return None
    chance = random.Random(7)
    now = stored_at = sent_at = 0.0
    lags: list[tuple[float, float]] = []
    for _ in range(SIMULATED):
        now += chance.expovariate(rate)
        stored_at = max(now + hop, stored_at) + chance.expovariate(1 / storing)
        mean = means[0][0] if chance.random() < means[0][1] else means[1][0]
        watching = _poisson(chance, mean)
        begins = max(stored_at + hop, sent_at)
        handled = chance.expovariate(1 / costs.chunk)
        sent_at = begins + handled + watching * costs.delivery
        if watching:
            place = chance.random() * watching
            lags.append((begins + handled + place * costs.delivery + hop - now, watching))
    p50, p99 = _quantiles(lags, (0.5, 0.99))
    return Lag(p50=p50, p99=p99, broker=rate * storing, replica=rate * serving)


def _watchers_per_job(demand: Demand, replicas: int) -> tuple[tuple[float, float], ...]:
    """The watchers of a hot and of another job on one replica, with the part of the jobs that are so."""
    # A job's watchers are spread over the replicas of its own space alone.
    here = demand.watchers / replicas
    hot_jobs = max(1.0, demand.jobs / 100)
    others = demand.jobs - hot_jobs
    return (
        (here * demand.hot / hot_jobs, hot_jobs / demand.jobs),
        (here * (1 - demand.hot) / others, others / demand.jobs),
    )


def _poisson(chance: random.Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, chance.random()
    while product > limit:
        count += 1
        product *= chance.random()
    return count


def _quantiles(weighted: Sequence[tuple[float, float]], parts: Sequence[float]) -> list[float]:
    ordered = sorted(weighted)
    sums = list(itertools.accumulate(weight for _, weight in ordered))
    return [ordered[bisect.bisect_left(sums, part * sums[-1])][0] for part in parts]


# Measuring.


def measured() -> Costs:
    """The costs on this machine."""
    with nats_server() as server:
        commit, store = _commit(server, "alone")
        _, storing = _commit(server, "copies", followers=4)
        unwatched, watched = _serve(server, 0), _serve(server, CLIENTS)
        return Costs(
            commit=commit,
            store=store,
            copy=max(0.0, storing - store) / 4,
            chunk=_overhear(server),
            delivery=max(0.0, watched - unwatched) / CLIENTS,
            bytes=len(msgspec.json.encode(FINDING)) + 120.0,
        )


def _commit(server: NatsServer, space: str, followers: int = 0) -> tuple[float, float]:
    """CPU seconds of a runner and of the broker for a chunk with one event, with so many that follow.

    Several runners write at once, as in a fleet: a broker that has more to do does more in one go.
    """
    with ExitStack() as stack:
        for _ in range(followers):
            follower = stack.enter_context(closing(NatsEventLog(connect_broker(server, space))))
            follower.follow(Hub())
        writers = [
            stack.enter_context(_writer(server, space, name=f"{JOB}-{number}"))
            for number in range(WRITERS)
        ]
        pool = stack.enter_context(ThreadPoolExecutor(WRITERS))
        ours, theirs = time.process_time(), _cpu(server.pid)
        for done in [pool.submit(write, CHUNKS // WRITERS) for write in writers]:
            done.result()
        return (time.process_time() - ours) / CHUNKS, (_cpu(server.pid) - theirs) / CHUNKS


def _serve(server: NatsServer, clients: int) -> float:
    """CPU seconds of a replica per chunk, with so many watchers of its job."""
    space = f"watched{clients}"
    with _replica(server, space) as replica, _writer(server, space) as write:
        load = Load([connect(replica.port) for _ in range(clients)])
        write(100)
        load.read_until(100) if clients else time.sleep(0.5)
        before = _cpu(replica.pid)
        # One by one, so that each chunk is sent by itself, as in a fleet, where jobs take turns.
        for number in range(1, SENT + 1):
            write(1)
            load.read_until(100 + number) if clients else time.sleep(0.0005)
        cost = (_cpu(replica.pid) - before) / SENT
        load.close()
    return cost


def _overhear(server: NatsServer) -> float:
    """CPU seconds of a replica per chunk of a job that nobody watches, where many come at once."""
    with _replica(server, "overheard") as replica, _writer(server, "overheard", SIDE) as write:
        write(10)
        time.sleep(0.5)
        before = _cpu(replica.pid)
        write(CHUNKS // SIDE)
        time.sleep(0.5)
        return (_cpu(replica.pid) - before) / CHUNKS


@contextmanager
def _replica(server: NatsServer, space: str) -> Iterator[Server]:
    argv = (CRACKERJACK, "serve", "--broker", f"{server.url}/{space}", "--port")
    with tempfile.TemporaryDirectory() as directory:
        replica = Server(argv, CRACKERJACK_STATE_DIR=directory)
        try:
            yield replica
        finally:
            replica.close()


@contextmanager
def _writer(
    server: NatsServer, space: str, jobs: int = 1, name: str = JOB
) -> Iterator[Callable[[int], None]]:
    """Writes so often an event of each of the jobs."""
    log = NatsEventLog(connect_broker(server, space))
    names = [JobId(f"{name}{number or ''}") for number in range(jobs)]
    for job_id in names:
        header = JobHeader(job_id=job_id, project="/p", workflow="x", created=0.0, owner="bench")
        log.create_job(header, time.time() + 3600)

    def write(count: int) -> None:
        for _ in range(count):
            found = [draft(job_id, EventType.DIAGNOSTIC_FOUND, FINDING) for job_id in names]
            log.append(found, owner="bench")

    yield write
    log.close()


def _cpu(pid: int) -> float:
    """CPU seconds of all threads of a process so far; Linux alone counts them so finely."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


# Telling.


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet that is large enough."""

    spaces: int
    replicas: int
    """Of each space."""
    lag: Lag
    machines: int
    """With replicas."""


def smallest(demand: Demand, costs: Costs, spaces: int, hop: float) -> Size | None:
    """The fewest replicas with which so many spaces do it; None where no number does."""
    for replicas in range(1, 2000):
        all_replicas = spaces * replicas
        storing = demand.chunks / spaces * (costs.store + replicas * costs.copy)
        idle = demand.chunks / spaces * costs.chunk
        if storing > FULLEST or idle > FULLEST:
            return None  # more replicas make the one worse and the other no better
        busy = idle + demand.deliveries * costs.delivery / all_replicas
        if busy > FULLEST:
            continue
        lag = simulate(demand, costs, spaces=spaces, replicas=replicas, hop=hop)
        if lag is None or lag.p99 > WORST_LAG:
            continue
        machines = max(
            all_replicas / CORES,
            demand.watchers * CONNECTION_KIB / (GIB * 0.75 * 2**20),
            demand.deliveries * costs.bytes * 8 / (GIGABITS * 1e9 * FULLEST),
        )
        return Size(spaces=spaces, replicas=replicas, lag=lag, machines=math.ceil(machines))
    return None


def tell(demand: Demand, costs: Costs, hop: float) -> None:
    _tell_assumptions(demand, costs, hop)
    sizes = [
        size for spaces in SPACES if (size := smallest(demand, costs, spaces, hop)) is not None
    ]
    if not sizes:
        print("\nNo number of spaces up to 64 does it: fewer events, or larger chunks.")
        return
    best = min(sizes, key=lambda size: size.machines + BROKERS * size.spaces)
    rows: list[tuple[str, ...]] = []
    for spaces in SPACES:
        size = next((size for size in sizes if size.spaces == spaces), None)
        if size is None:
            rate = demand.chunks / spaces
            least = f"{rate * costs.chunk:.0%}", f"{rate * (costs.store + costs.copy):.0%}"
            rows.append(
                (str(spaces), "none does it", *(f"{one} at least" for one in least), "", "")
            )
            continue
        rows.append(_row(str(spaces), size.replicas, size.lag, str(size.machines)))
    header = (
        "spaces",
        "replicas of each",
        "a replica is busy",
        "a stream is",
        "lag p50, p99",
        "machines",
    )
    print_table(
        f"What it takes: lag p99 up to {WORST_LAG:g} s, nothing busier than {FULLEST:.0%}",
        header,
        rows,
    )
    varied: list[tuple[str, ...]] = []
    for replicas in sorted({max(1, round(best.replicas * part)) for part in PARTS}):
        lag = simulate(demand, costs, spaces=best.spaces, replicas=replicas, hop=hop)
        varied.append(_row(str(best.spaces), replicas, lag, ""))
    print_table("The same with fewer and with more replicas", header, varied)
    print(
        f"\n{best.spaces} space{'s' * (best.spaces > 1)}, each with a broker of {BROKERS} servers:"
        f" {BROKERS * best.spaces} machines; {best.spaces * best.replicas} replicas of `crackerjack serve`:"
        f" {best.machines} machines; {demand.jobs:,} jobs at a time, {SLOTS} on a worker:"
        f" {math.ceil(demand.jobs / SLOTS):,} machines."
    )


def _row(spaces: str, replicas: int, lag: Lag | None, machines: str) -> tuple[str, ...]:
    if lag is None:
        return (spaces, str(replicas), "over 100%", "", "falls behind", machines)
    told = f"{lag.p50 * 1000:.1f}, {lag.p99 * 1000:.1f} ms"
    return (spaces, str(replicas), f"{lag.replica:.0%}", f"{lag.broker:.0%}", told, machines)


def _tell_assumptions(demand: Demand, costs: Costs, hop: float) -> None:
    rows = [
        ("jobs at a time", f"{demand.jobs:,}", "assumed"),
        ("watchers", f"{demand.watchers:,}", "assumed"),
        ("of these on a hundredth of the jobs", f"{demand.hot:.0%}", "assumed"),
        ("events a second of a job", f"{demand.events:g}", "assumed"),
        ("events that come together, in one chunk", f"{demand.burst:g}", "assumed"),
        ("from machine to machine", f"{hop * 1000:g} ms", "assumed"),
        ("a runner, per chunk that it commits", f"{costs.commit * 1e6:.0f} us", "measured, CPU"),
        ("the broker, per chunk that it stores", f"{costs.store * 1e6:.1f} us", "measured, CPU"),
        ("the broker, per copy to a replica", f"{costs.copy * 1e6:.1f} us", "measured, CPU"),
        ("a replica, per chunk", f"{costs.chunk * 1e6:.0f} us", "measured, CPU"),
        ("a replica, per chunk and watcher", f"{costs.delivery * 1e6:.1f} us", "measured, CPU"),
        ("a watcher's connection", f"{CONNECTION_KIB:g} KiB", "`make bench ARGS=stream`"),
        ("chunks a second", f"{demand.chunks:,.0f}", "follows"),
        ("deliveries a second", f"{demand.deliveries:,.0f}", "follows"),
        ("a machine", f"{CORES} cores, {GIB} GiB, {GIGABITS} Gbit/s", "assumed"),
    ]
    print_table("Assumptions", ("what", "how much", "from where"), rows)
    print(
        "\nChunks come as a Poisson process; storing and handling one takes an exponentially"
        " distributed time around the measured mean. A stream writes one chunk at a time, whatever"
        " cores the broker has, and a replica hears of every chunk of its space."
    )


def main(argv: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--watchers", type=int, default=1_000_000)
    parser.add_argument("--events", type=float, default=5.0, help="a second and job")
    parser.add_argument("--burst", type=float, default=3.0, help="events in a chunk")
    parser.add_argument("--hot", type=float, default=0.5)
    parser.add_argument("--hop", type=float, default=0.0005, help="seconds from machine to machine")
    chosen = parser.parse_args(argv)
    demand = Demand(
        jobs=chosen.jobs,
        watchers=chosen.watchers,
        events=chosen.events,
        burst=chosen.burst,
        hot=chosen.hot,
    )
    tell(demand, measured(), chosen.hop)


if __name__ == "__main__":
    main(sys.argv[1:])
