"""Which tests passed and which failed at one content: one that did both is flaky."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

WENT_WELL: Final[Mapping[str, bool]] = {
    "passed": True,
    "xfailed": True,
    "failed": False,
    "error": False,
    "xpassed": False,
}
"""Outcome -> whether all is well; what was skipped says nothing."""


class Outcomes:
    """How tests have ended at one content, in however many runs."""

    def __init__(self) -> None:
        self._seen: defaultdict[tuple[str, str], set[bool]] = defaultdict(set)

    def add(self, hook: str, nodeid: str, outcome: str, reruns: int) -> bool:
        """Take in a result; returns whether the test has ended the other way too.

        `reruns` is how often it had failed before that in the same run.
        """
        well = WENT_WELL.get(outcome)
        seen = self._seen[hook, nodeid]
        if reruns:
            seen.add(False)
        if well is None:
            return False
        seen.add(well)
        return len(seen) > 1
