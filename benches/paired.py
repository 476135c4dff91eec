"""Paired measurements: every contender runs once in each round, so a slow moment of the machine meets
them all, and what counts is the ratio within a round."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec


class Contender(msgspec.Struct, frozen=True):
    """Something that does a piece of work once and returns what it took."""

    name: str
    run: Callable[[], float]


class Series(msgspec.Struct, frozen=True):
    """What one contender took, a value for each round."""

    name: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)


class Ratio(msgspec.Struct, frozen=True):
    """One contender against another, round by round."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def measure(contenders: Sequence[Contender], *, rounds: int, warmups: int = 1) -> list[Series]:
    """Run every contender `warmups` times unmeasured, then `rounds` times in turn.

    Who begins changes from round to round, so that nobody always follows the same neighbour.
    """
    for _ in range(warmups):
        for contender in contenders:
            contender.run()
    values: list[list[float]] = [[] for _ in contenders]
    for turn in range(rounds):
        for offset in range(len(contenders)):
            index = (turn + offset) % len(contenders)
            values[index].append(contenders[index].run())
    return [
        Series(contender.name, tuple(taken))
        for contender, taken in zip(contenders, values, strict=True)
    ]


def ratio(ours: Series, theirs: Series) -> Ratio:
    """How much of `theirs` `ours` takes: below 1 is better."""
    pairs = [one / other for one, other in zip(ours.values, theirs.values, strict=True)]
    return Ratio(statistics.median(pairs), min(pairs), max(pairs))


def command(
    name: str,
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    accept: Collection[int] = (0, 1),
) -> Contender:
    """A contender that is a whole process; its wall time in seconds.

    Raises :exc:`RuntimeError` with what it said when its exit code is not one of `accept`: a run that
    broke is not a fast run.
    """

    def run() -> float:
        started = time.perf_counter()
        done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, check=False)
        taken = time.perf_counter() - started
        if done.returncode not in accept:
            said = (done.stdout + done.stderr).decode(errors="backslashreplace")
            raise RuntimeError(f"{name}: exit {done.returncode}\n{said[-4000:]}")
        return taken

    return Contender(name, run)


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table with a title."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    print(f"\n## {title}\n")
    for row in (header, ["-" * width for width in widths], *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("| " + " | ".join(cells) + " |")
    sys.stdout.flush()


Row = tuple[str, str, str]
"""Of a table: what was measured, what it came to, and the bar."""


def verdict(value: float, bar: float, unit: str = "", *, at_least: bool = False) -> str:
    """Whether `value` keeps to a bar that it must not pass, or must reach."""
    sign, holds = (">=", value >= bar) if at_least else ("<=", value <= bar)
    return f"{'holds' if holds else 'MISSED'}: {sign} {bar:g}{unit}"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def machine() -> str:
    """What this was measured on, in a line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.platform()}, {cores} cores, Python {platform.python_version()}"
