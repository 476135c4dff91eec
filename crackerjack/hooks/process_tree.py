"""Whom a child has started, directly or not: also those that left its process group."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Final, NamedTuple

_PROC: Final = "/proc"


class Seen(NamedTuple):
    """A process, as it was when the system was asked."""

    parent: int
    group: int
    session: int
    """The process that began its session; 0 where the system does not say."""
    start: str
    """When it began: another process that gets its number later began later."""


class ProcessTree:
    """The descendants of a process that left its group: `timeout` has one of its own, and so have shells' jobs.

    They are remembered, for once their parents have ended nothing tells of them, and looked for by
    need, which takes milliseconds. `root` must have begun a session.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._known: dict[int, str] = {}

    def signal(self, number: signal.Signals) -> None:
        """Send this to all that are alive and not in the group of the root, those seen before included."""
        there = _processes()
        found = {pid for pid, start in self._known.items() if _start(there, pid) == start}
        self._add(there, found)
        self._known = {pid: there[pid].start for pid in found}
        for pid in found:
            if there[pid].group == self._root:
                continue  # who signals the group tells it
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def _add(self, there: dict[int, Seen], found: set[int]) -> None:
        """Add who is in the session of the root, and the children of whom there are."""
        found.update(pid for pid, seen in there.items() if seen.session == self._root)
        parents = found | {self._root}
        while parents:
            parents = {pid for pid, seen in there.items() if seen.parent in parents} - found
            found |= parents
        found.discard(self._root)


def _start(there: dict[int, Seen], pid: int) -> str | None:
    seen = there.get(pid)
    return None if seen is None else seen.start


def _processes() -> dict[int, Seen]:
    """Every process of this system."""
    if not os.path.exists(f"{_PROC}/self/stat"):
        return _by_ps()
    found = {}
    for name in os.listdir(_PROC):
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"{_PROC}/{name}/stat", "rb") as file:
                stat = file.read()
                # proc(5): "pid (name) state parent group session ..."; the name may hold anything.
                fields = stat[stat.rindex(b")") + 2 :].decode().split()
                parent, group, session = map(int, fields[1:4])
                found[int(name)] = Seen(parent, group, session, fields[19])
    return found


def _by_ps() -> dict[int, Seen]:
    """On macOS, and any other system with POSIX's ``ps``."""
    try:
        said = subprocess.run(
            ["ps", "-A", "-o", "pid=", "-o", "ppid=", "-o", "pgid=", "-o", "lstart="],
            capture_output=True,
            check=False,
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )
    except OSError:  # no process can be started now; the group is told anyway
        return {}
    rows = [line.split(None, 3) for line in said.stdout.decode(errors="replace").splitlines()]
    return {
        int(row[0]): Seen(int(row[1]), int(row[2]), 0, row[3].strip())
        for row in rows
        if len(row) == 4
    }
