"""Events on their way to clients: fan-out, latency, memory and replay, against peers and a floor."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from benches.paired import print_table, verdict
from benches.projects import CRACKERJACK, PEERS, ROOT, WORK
from benches.stream_load import (
    Delays,
    Load,
    Server,
    Watchers,
    connect,
    connect_at_once,
    on_the_other_core,
    quantile,
    timed,
)
from benches.stream_servers import nchan_module

SERVERS: Final = "benches.stream_servers"
OURS: Final = (sys.executable, "-m", SERVERS, "crackerjack")
BROADCAST: Final = (sys.executable, "-m", SERVERS, "broadcast")
NCHAN: Final = (sys.executable, "-m", SERVERS, "nchan")
WRITER: Final = (sys.executable, "-m", SERVERS, "writer")
NAIVE: Final = "the naive loop"
FLOOR: Final = "C, epoll, coalescing"
ROUNDS: Final = 5
PACED: Final = 600
"""Events, at 200 a second."""


def naive() -> tuple[str, ...]:
    return (str(PEERS / "python"), "-m", SERVERS, "naive")


def floor() -> tuple[str, ...] | None:
    """The C writer that coalesces as we do, compiled; None without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    WORK.mkdir(parents=True, exist_ok=True)
    program = str(WORK / "coalescing_writer")
    source = str(ROOT / "benches" / "coalescing_writer.c")
    subprocess.run([compiler, "-O2", "-o", program, source], check=True)
    return ("taskset", "-c", "0", program) if shutil.which("taskset") else (program,)


def burst(argv: Sequence[str], clients: int, events: int) -> float:
    """Deliveries a second, the median of some rounds, to clients that were there before."""
    server = Server(argv)
    try:
        rates = []
        load = Load([connect(server.port) for _ in range(clients)])
        for turn in range(1, ROUNDS + 1):
            server.tell(f"burst {events}")
            target = turn * events
            rates.append(clients * events / timed(lambda: load.read_until(target)))  # noqa: B023
            server.answer()
        load.close()
        return statistics.median(rates)
    finally:
        server.close()


def fan_out(clients: int, bars: dict[str, float]) -> None:
    contenders: dict[str, tuple[tuple[str, ...] | None, int, str]] = {
        NAIVE: (naive(), 40, ""),
        "websockets broadcast()": (BROADCAST, 400, ""),
        "nginx with nchan": (NCHAN if nchan_module() else None, 400, "nginx with nchan is missing"),
        FLOOR: (floor(), 4000, "no compiler"),
    }
    ours = burst(OURS, clients, 4000)
    rows = [("crackerjack", f"{ours:,.0f}", "1", "")]
    for name, (argv, events, missing) in contenders.items():
        if argv is None:
            rows.append((name, f"skipped: {missing}", "", ""))
            continue
        theirs = burst(argv, clients, events * 100 // clients or 1)
        ratio = ours / theirs
        bar = bars.get(name)
        told = "" if bar is None else f"{'holds' if ratio >= bar else 'MISSED'}: >= {bar:g}x"
        rows.append((name, f"{theirs:,.0f}", f"{ratio:.2f}", told))
    header = ("server", "deliveries/s", "crackerjack / this", "bar")
    print_table(f"A burst to {clients:,} clients of one job, committed to SQLite", header, rows)


def paced_delays(argv: Sequence[str], clients: int, *, beside_stalled: bool = False) -> Delays:
    """Those of events that come 200 a second."""
    server = Server(argv)
    try:
        load = Load([connect(server.port) for _ in range(clients)])
        stalled = [connect(server.port)] if beside_stalled else []
        before = (
            20_000 if stalled else 0
        )  # more than the kernel takes for a client that does not read
        server.tell(f"burst {before}")
        load.read_until(before)
        server.answer()
        server.tell(f"pace {PACED} 200")
        delays = load.read_paced(before + PACED)
        for one in stalled:
            one.close()
        load.close()
        return delays
    finally:
        server.close()


def in_turn(contenders: dict[str, Callable[[], Delays]]) -> dict[str, list[Delays]]:
    taken: dict[str, list[Delays]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, measured in contenders.items():
            taken[name].append(measured())
    return taken


def medians(rounds: Sequence[Delays]) -> tuple[float, float]:
    """The 50th and the 99th percentile of the delays, in milliseconds, in the middle one of the rounds."""
    p50s, p99s = ([quantile(delays, part) for delays in rounds] for part in (0.5, 0.99))
    return statistics.median(p50s), statistics.median(p99s)


def p99_ratio(ours: Sequence[Delays], theirs: Sequence[Delays]) -> float:
    pairs = zip(ours, theirs, strict=True)
    return statistics.median(quantile(one, 0.99) / quantile(other, 0.99) for one, other in pairs)


def print_delays(title: str, first: str, taken: dict[str, list[Delays]]) -> None:
    rows = [
        (name, *(f"{value:.2f} ms" for value in medians(rounds))) for name, rounds in taken.items()
    ]
    print_table(title, (first, "p50", "p99"), rows)


def paced() -> None:
    contenders = {"crackerjack": OURS, NAIVE: naive()}
    if (program := floor()) is not None:
        contenders[FLOOR] = program
    taken = in_turn({name: partial(paced_delays, argv, 100) for name, argv in contenders.items()})
    print_delays("200 events a second to 100 clients", "server", taken)
    print(f"\np50, commit included: {verdict(medians(taken['crackerjack'])[0], 3, ' ms')}")
    ratio = p99_ratio(taken["crackerjack"], taken[NAIVE])
    print(f"p99 against the naive loop's, {ratio:.2f}: {verdict(ratio, 0.5, 'x')}")
    if program is not None:
        least = p99_ratio(taken[FLOOR], taken[NAIVE])
        print(f"of which writing to so many clients takes, in C and without a commit, {least:.2f}")


def beside_one_that_never_reads() -> None:
    alone, beside = "99 clients", "the same beside one that never reads"
    measured = partial(paced_delays, OURS, 99)
    taken = in_turn({alone: measured, beside: partial(measured, beside_stalled=True)})
    print_delays("200 events a second, beside a client that never reads", "delays of", taken)
    ratio = p99_ratio(taken[beside], taken[alone])
    print(f"\np99 beside it / without it, {ratio:.2f}: {verdict(ratio, 1.2, 'x')}")


def across_processes() -> None:
    """A run in one process, ``crackerjack serve`` in another, a client in a third."""
    with tempfile.TemporaryDirectory() as state:
        server = Server((CRACKERJACK, "serve", "--port"), CRACKERJACK_STATE_DIR=state)
        writer = Server(WRITER, listens=False, CRACKERJACK_STATE_DIR=state)
        try:
            load = Load([connect(server.port)])
            writer.tell("pace 1000 200")
            delays = load.read_paced(1000)
            load.close()
        finally:
            writer.close()
            server.close()
    p50, p99 = quantile(delays, 0.5), quantile(delays, 0.99)
    rows = [("run -> store -> server -> client", f"{p50:.2f} ms", f"{p99:.2f} ms")]
    print_table("Across processes, 200 events a second", ("way", "p50", "p99"), rows)
    print(f"\np50: {verdict(p50, 5, ' ms')}; p99: {verdict(p99, 20, ' ms')}")


def memory() -> None:
    server = Server(OURS)
    try:
        warm = [connect(server.port) for _ in range(100)]
        before = server.rss()
        idle = [connect(server.port) for _ in range(2000)]
        each = (server.rss() - before) / len(idle)
        print_table("Memory", ("2,000 idle connections", "each"), [("resident", f"{each:.1f} KiB")])
        print(f"\nidle connection: {verdict(each, 20, ' KiB')}")
        for client in (*warm, *idle):
            client.close()
    finally:
        server.close()
    one_that_never_reads()


def one_that_never_reads() -> None:
    server = Server(OURS)
    try:
        stalled = connect(server.port)
        load = Load([connect(server.port) for _ in range(99)])
        server.tell("burst 2000")
        load.read_until(2000)
        server.answer()
        before = server.rss()
        for turn in range(1, 6):  # in pieces: what waits for the log takes memory too
            server.tell("burst 2040")
            load.read_until(2000 + turn * 2040)
            server.answer()
        grown = (server.rss() - before) / 1024
        load.close()
        stalled.close()
    finally:
        server.close()
    print(f"1,000,000 deliveries beside one that never reads: {verdict(grown, 5, ' MiB')}")


def replay() -> None:
    server = Server(OURS)
    try:
        server.publish(100000)
        taken = {}
        for clients in (1, 50):
            load = Load([connect(server.port, "since=0&batch=1") for _ in range(clients)])
            taken[clients] = timed(lambda: load.read_until(100_000))  # noqa: B023
            load.close()
    finally:
        server.close()
    rate, ratio = 100_000 / taken[1], taken[50] / taken[1]
    rows = [
        ("1 client", f"{taken[1] * 1000:.0f} ms", f"{rate:,.0f} events/s"),
        ("50 clients", f"{taken[50] * 1000:.0f} ms", f"{50 * rate / ratio:,.0f} events/s"),
    ]
    print_table("Replay of 100,000 events, batch=1", ("clients", "took", "rate"), rows)
    print(f"\none client: {'holds' if rate >= 150_000 else 'MISSED'}: >= 150,000 events/s")
    print(f"50 clients cost {ratio:.1f}x one: {verdict(ratio, 3, 'x')}")


def resume_storm() -> None:
    """1,000 clients come back at once, each from where it was, while others watch what happens now."""
    live = 2000
    server = Server(OURS)
    watchers = None
    try:
        server.publish(50000)
        watchers = Watchers(server.port, "since=50000", 100, live)
        server.tell(f"pace {live} 200")
        places = [number * 50 for number in range(1000)]
        began = time.time()
        load = Load(connect_at_once(server.port, [f"since={since}&batch=1" for since in places]))
        load.counts.update(zip(load.counts, places, strict=True))
        load.read_until(50_000, most=50_000 + live)
        caught_up = time.time()
        load.read_until(50_000 + live)
        load.close()
        meanwhile = [one for one in watchers.delays() if began <= one[0] <= caught_up]
    finally:
        if watchers is not None:
            watchers.close()
        server.close()
    events = sum(50_000 - since for since in places)
    taken = caught_up - began
    rows = [("1,000", f"{events:,}", f"{taken:.2f} s", f"{events / taken:,.0f}")]
    print_table(
        "Clients that come back at once, each from another event",
        ("clients", "events that they missed", "all caught up after", "events/s"),
        rows,
    )
    p99 = quantile(meanwhile, 0.99)
    print("\neach has as many events as it missed, and those that came meanwhile")
    print(f"p99 of 100 other clients meanwhile, {p99:.0f} ms: {verdict(p99, 250, ' ms')}")


def main() -> None:
    on_the_other_core()
    fan_out(100, {NAIVE: 20, "websockets broadcast()": 4, "nginx with nchan": 4, FLOOR: 0.6})
    fan_out(1000, {NAIVE: 20, FLOOR: 0.6})
    paced()
    beside_one_that_never_reads()
    across_processes()
    memory()
    replay()
    resume_storm()
