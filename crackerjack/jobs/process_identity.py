"""Which process is it, and does it still live: ``host:pid:start``."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Final

_ENDED_STATES: Final = frozenset("ZXx")
"""A zombie has ended; only its parent has not asked how."""


def this_process() -> str:
    """Name this process so that no other, before or after it, has the same name."""
    return identity_of(os.getpid()) or f"{_host()}:{os.getpid()}:unknown"


def identity_of(pid: int) -> str | None:
    """Name a process of this host; None when there is none with this number."""
    start = _start(pid)
    return None if start is None else f"{_host()}:{pid}:{start}"


def is_alive(identity: str) -> bool | None:
    """Whether that process still runs; None when it cannot be told: it is on another host.

    A stopped process (SIGSTOP, a sleeping laptop) is alive. Another process that got the same number
    later is not the same process.
    """
    if not (pid := pid_of(identity)):
        return None
    start = identity.split(":", 2)[2]  # which may have colons
    found = _start(pid)
    return found is not None and start in {found, "unknown"}


def pid_of(identity: str) -> int:
    """The number of that process; 0 when it is on another host."""
    host, _, rest = identity.partition(":")
    pid = rest.partition(":")[0]
    return int(pid) if host == _host() and pid.isdecimal() else 0


def _host() -> str:
    return os.uname().nodename.replace(":", "-")


def _start(pid: int) -> str | None:
    """When the process began, in whatever words the system has for it; None without a process."""
    if os.path.exists("/proc/self/stat"):
        return _start_on_linux(pid)
    return _start_by_ps(pid)


def _start_on_linux(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): "pid (name) state ppid ..."; the name may hold anything, also ")". Field 22 is the start
    # in clock ticks since the system began.
    fields = stat[stat.rindex(b")") + 2 :].decode().split()
    return None if fields[0] in _ENDED_STATES else fields[19]


def _start_by_ps(pid: int) -> str | None:
    """On macOS, and any other system with POSIX's ``ps``."""
    said = subprocess.run(
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        check=False,
        env={"PATH": os.defpath, "LC_ALL": "C"},
    )
    state, _, start = said.stdout.decode(errors="replace").strip().partition(" ")
    if not state or state[0] in _ENDED_STATES:
        return None
    return re.sub(r"[^A-Za-z0-9]+", "-", start.strip())
