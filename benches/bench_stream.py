"""Events on their way to clients: fan-out, latency, memory and replay, against peers and a floor."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Final

from benches.paired import print_table, verdict
from benches.projects import CRACKERJACK, PEERS, ROOT, WORK
from benches.stream_load import MARK, SPACED, Load, Server, connect, on_the_other_core, timed

SERVERS: Final = "benches.stream_servers"
OURS: Final = (sys.executable, "-m", SERVERS, "crackerjack")
NAIVE: Final = (str(PEERS / "python"), "-m", SERVERS, "naive")
BROADCAST: Final = (sys.executable, "-m", SERVERS, "broadcast")
WRITER: Final = (sys.executable, "-m", SERVERS, "writer")
ROUNDS: Final = 5


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


def burst(argv: Sequence[str], clients: int, events: int, mark: bytes = MARK) -> float:
    """Deliveries a second, the best of some rounds' median, to clients that were there before."""
    server = Server(argv, mark)
    try:
        rates = []
        load = Load([connect(server.port) for _ in range(clients)], mark)
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
    contenders: dict[str, tuple[tuple[str, ...], int, bytes]] = {
        "the naive loop": (NAIVE, 40, MARK),
        "websockets broadcast()": (BROADCAST, 400, SPACED),
    }
    if (program := floor()) is not None:
        contenders["C, epoll, coalescing"] = (program, 4000, MARK)
    ours = burst(OURS, clients, 4000)
    rows = [("crackerjack", f"{ours:,.0f}", "1", "")]
    for name, (argv, events, mark) in contenders.items():
        theirs = burst(argv, clients, events * 100 // clients or 1, mark)
        ratio = ours / theirs
        bar = bars.get(name)
        told = "" if bar is None else f"{'holds' if ratio >= bar else 'MISSED'}: >= {bar:g}x"
        rows.append((name, f"{theirs:,.0f}", f"{ratio:.2f}", told))
    if program is None:
        rows.append(("C, epoll, coalescing", "skipped: no compiler", "", ""))
    header = ("server", "deliveries/s", "crackerjack / this", "bar")
    print_table(f"A burst to {clients:,} clients of one job, committed to SQLite", header, rows)


def paced() -> None:
    rows = []
    p50s: dict[str, float] = {}
    p99s: dict[str, float] = {}
    for name, argv in (("crackerjack", OURS), ("the naive loop", NAIVE)):
        server = Server(argv)
        try:
            load = Load([connect(server.port) for _ in range(100)], MARK)
            server.tell("pace 1000 200")
            load.read_until(1000, timed=True)
            load.close()
        finally:
            server.close()
        ordered = sorted(load.delays)
        p50s[name], p99s[name] = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
        rows.append((name, f"{p50s[name] * 1000:.2f} ms", f"{p99s[name] * 1000:.2f} ms"))
    print_table("200 events a second to 100 clients", ("server", "p50", "p99"), rows)
    print(f"\np50, commit included: {verdict(p50s['crackerjack'] * 1000, 3, ' ms')}")
    ratio = p99s["crackerjack"] / p99s["the naive loop"]
    print(f"p99 against the naive loop's, {ratio:.2f}: {verdict(ratio, 0.5, 'x')}")


def across_processes() -> None:
    """A run in one process, ``crackerjack serve`` in another, a client in a third."""
    with tempfile.TemporaryDirectory() as state:
        server = Server((CRACKERJACK, "serve", "--port"), CRACKERJACK_STATE_DIR=state)
        writer = Server(WRITER, listens=False, CRACKERJACK_STATE_DIR=state)
        try:
            load = Load([connect(server.port)], MARK)
            writer.tell("pace 1000 200")
            load.read_until(1000, timed=True)
            load.close()
        finally:
            writer.close()
            server.close()
    ordered = sorted(load.delays)
    p50, p99 = ordered[len(ordered) // 2] * 1000, ordered[len(ordered) * 99 // 100] * 1000
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
        load = Load([connect(server.port) for _ in range(99)], MARK)
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
        server.tell("burst 100000")
        server.answer()
        taken = {}
        for clients in (1, 50):
            load = Load([connect(server.port, "since=0&batch=1") for _ in range(clients)], MARK)
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
    """1,000 clients come back at once, each from where it was."""
    server = Server(OURS)
    try:
        server.tell("burst 50000")
        server.answer()
        places = [number * 50 for number in range(1000)]
        clients = [connect(server.port, f"since={since}&batch=1") for since in places]
        load = Load(clients, MARK)
        load.counts.update(zip(clients, places, strict=True))
        taken = timed(lambda: load.read_until(50_000))
        load.close()
    finally:
        server.close()
    events = sum(50_000 - since for since in places)
    rows = [("1,000", f"{events:,}", f"{taken:.2f} s", f"{events / taken:,.0f}")]
    print_table(
        "Clients that come back at once, each from another event",
        ("clients", "events that they missed", "all caught up after", "events/s"),
        rows,
    )


def main() -> None:
    on_the_other_core()
    fan_out(
        100,
        {"the naive loop": 20, "websockets broadcast()": 4, "C, epoll, coalescing": 0.6},
    )
    fan_out(1000, {"the naive loop": 20, "C, epoll, coalescing": 0.6})
    paced()
    across_processes()
    memory()
    replay()
    resume_storm()
