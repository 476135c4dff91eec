"""Test coverage: whether a project measures it, and the ratchet that never lets it fall."""

from __future__ import annotations

import os
import re
from typing import Final

import msgspec

_TABLE: Final = re.compile(rb"^\s*\[(tool\.coverage\.|coverage:)(run|report)\]", re.MULTILINE)


class CoverageVerdict(msgspec.Struct, frozen=True):
    """What the ratchet says to a measurement."""

    success: bool
    best: float
    """Percent, for the next time: it never falls."""


def judge_coverage(percent: float, best: float | None, tolerance: float = 0.0) -> CoverageVerdict:
    """Compare with the `best` that was ever reached, all in percent; the first time succeeds.

    Hundredths count, smaller differences do not. Only the coverage of a run whose tests all ran is
    worth comparing.
    """
    if best is None:
        return CoverageVerdict(True, percent)
    success = round(percent, 2) >= round(best - tolerance, 2)
    return CoverageVerdict(success, max(percent, best))


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
