"""``make bench``: measure crackerjack against others, or only ``ARGS="checks noop"``."""

from __future__ import annotations

import importlib
import sys

from benches.paired import machine

BENCHES = ("checks", "noop", "startup", "output", "events", "stream", "agents", "dashboard")
ON_DEMAND = ("fleet", "fleet_simulation")
"""Only when named: they compare with nobody."""


def main() -> None:
    names = sys.argv[1:] or BENCHES
    known = (*BENCHES, *ON_DEMAND)
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.exit(f"no such bench: {', '.join(unknown)}; there are {', '.join(known)}")
    print(f"{machine()}. Medians; ratios round by round, with their range.")
    for name in names:
        importlib.import_module(f"benches.bench_{name}").main()


main()
