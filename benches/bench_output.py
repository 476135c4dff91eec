"""What a tool prints: how soon it is an event on a pipe, and what a flood of it costs in memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benches.paired import milliseconds, print_table, verdict
from benches.projects import CRACKERJACK, PEERS, commit_all, environment, fresh
from benches.runners import Check, configure

TALKER: Final = """
import time
for _ in range(20):
    time.sleep(0.1)
    print(f"said at {time.time():.6f} end", flush=True)
"""
FLOOD: Final = """
import sys
for number in range(0, 1_000_000, 1000):
    sys.stdout.write("".join(f"line {n} of a million\\n" for n in range(number, number + 1000)))
"""


def latency() -> None:
    """From a hook printing a line to the line being readable on the runner's standard output."""
    project = fresh("talker")
    talker = (sys.executable, "talker.py")
    (project / "talker.py").write_text(TALKER)
    (project / "pyproject.toml").write_text(_hook("talker", talker))
    configure([Check("talker", talker)], project)
    commit_all(project)
    runs = {
        "crackerjack --json": [CRACKERJACK, "run", "--json", "--no-cache", "--hook", "talker"],
        "prek": [str(PEERS / "prek"), "run", "--all-files", "--verbose"],
        "lefthook": [str(PEERS / "lefthook"), "run", "checks", "--force", "--no-auto-install"],
        "pre-commit": [str(PEERS / "pre-commit"), "run", "--all-files", "--verbose"],
    }
    delays = {name: _delays(argv, project) for name, argv in runs.items()}
    rows = [
        (name, milliseconds(statistics.median(taken)), milliseconds(max(taken)))
        for name, taken in delays.items()
    ]
    print_table("A tool prints a line -> the line is on a pipe", ("runner", "median", "max"), rows)
    ours = statistics.median(delays["crackerjack --json"])
    print(f"\nmedian: {verdict(ours * 1000, 50, ' ms')}")


def _delays(argv: Sequence[str], project: Path) -> list[float]:
    """How long each of the talker's lines took to arrive, in seconds."""
    taken: list[float] = []
    with subprocess.Popen(
        argv, cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        for line in iter(process.stdout.readline, b""):
            now = time.time()
            said = line.split(b"said at ")[1:]
            taken += [now - float(words.split()[0]) for words in said]
    if len(taken) != 20:
        raise RuntimeError(f"{argv}: {len(taken)} of the talker's 20 lines arrived")
    return taken


def flood() -> None:
    """The peak memory of a run whose tool prints a million lines, over one whose tool says nothing."""
    project = fresh("flood")
    (project / "flood.py").write_text(FLOOD)
    hooks = [_hook("flood", (sys.executable, "flood.py")), _hook("silence", ("true",))]
    (project / "pyproject.toml").write_text("\n".join(hooks))
    commit_all(project)
    idle, idle_time = _peak_memory("silence", project)
    flooded, flooded_time = _peak_memory("flood", project)
    rows = [
        ("a tool that says nothing", f"{idle / 2**20:.0f} MiB", milliseconds(idle_time)),
        (
            "a tool that prints 1,000,000 lines",
            f"{flooded / 2**20:.0f} MiB",
            milliseconds(flooded_time),
        ),
    ]
    print_table("Memory under a flood", ("run of", "peak", "took"), rows)
    print(f"\nover the idle run: {verdict((flooded - idle) / 2**20, 150, ' MiB')}")


_PEAK_OF: Final = """
import os, sys
sink = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[sink])
_, status, used = os.wait4(pid, 0)
print(used.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Prints a command's peak. A process begins with that of the one that started it: so a small one."""


def _peak_memory(hook: str, project: Path) -> tuple[int, float]:
    """The largest resident size, in bytes, of any process of a passing run; and its time."""
    argv = [CRACKERJACK, "run", "--json", "--no-cache", "--hook", hook]
    started = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-S", "-c", _PEAK_OF, *argv],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return int(ran.stdout), time.perf_counter() - started


def _hook(name: str, argv: Sequence[str]) -> str:
    words = ", ".join(f'"{word}"' for word in argv)
    return f"[tool.crackerjack.hooks.{name}]\ncommand = [{words}]\n"


def main() -> None:
    latency()
    flood()
