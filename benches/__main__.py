"""``make bench``: measure crackerjack against others, or only ``ARGS="checks noop"``."""

from __future__ import annotations

import importlib
import sys

from benches.paired import machine

BENCHES = ("checks", "noop", "startup", "output", "events", "stream", "agents", "dashboard")


def main() -> None:
    names = sys.argv[1:] or BENCHES
    unknown = sorted(set(names) - set(BENCHES))
    if unknown:
        sys.exit(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    print(f"{machine()}. Medians; ratios round by round, with their range.")
    for name in names:
        importlib.import_module(f"benches.bench_{name}").main()


main()
