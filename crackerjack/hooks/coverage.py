"""Test coverage: whether a project measures it, and the ratchet that never lets it fall."""

from __future__ import annotations

import os
import re
from typing import Final

_TABLE: Final = re.compile(rb"^\s*\[(tool\.coverage\.|coverage:)(run|report)\]", re.MULTILINE)


def coverage_holds(percent: float, best: float | None) -> bool:
    """Whether the coverage is no lower than the `best` that was ever reached, both in percent.

    The first time it is. Hundredths count, smaller differences do not. Only the coverage of a run whose
    tests all ran is worth comparing.
    """
    return best is None or round(percent, 2) >= round(best, 2)


def measures_coverage(root: str) -> bool:
    """Whether the project in `root` has a configuration for coverage.py."""
    if os.path.exists(os.path.join(root, ".coveragerc")):
        return True
    for name in ("pyproject.toml", "setup.cfg", "tox.ini"):
        try:
            with open(os.path.join(root, name), "rb") as file:
                if _TABLE.search(file.read()):
                    return True
        except OSError:
            continue
    return False
