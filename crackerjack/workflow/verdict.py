"""What a run comes to: the exit code and the sentence, from what its parts found."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from crackerjack.types import ExitCode, HookStatus

_BROKEN: Final = frozenset(
    {
        HookStatus.TIMED_OUT,
        HookStatus.TOOL_MISSING,
        HookStatus.TOOL_ERROR,
        HookStatus.INCONCLUSIVE,
    }
)
"""The tool did not look, or not to the end: no evidence either way."""

GOOD: Final = frozenset({HookStatus.PASSED, HookStatus.FIXED, HookStatus.SKIPPED})
"""What ends in a ``*_completed`` event; everything else in a ``*_failed`` one."""

WORTH_RETRYING: Final = frozenset(
    {HookStatus.TIMED_OUT, HookStatus.TOOL_ERROR, HookStatus.INCONCLUSIVE}
)
"""What may end otherwise the next time."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """How one hook, the cleaning or the tests ended."""

    name: str
    step_id: str
    status: HookStatus
    reason: str = ""
    findings: int = 0
    fixed: frozenset[str] = frozenset()
    """Paths of the files that it changed."""
    tests_failed: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a run that was not interrupted."""

    exit_code: ExitCode
    reason: str
    findings: int
    fixed: int
    """Files changed, by whatever part or parts."""
    tests_failed: int


def judge(parts: Collection[Part], *, nothing_to_do: str = "") -> Verdict:
    """Sum up the parts of a run.

    Findings and failing tests weigh more than broken tools; a run in which nothing was looked at is
    never passed. `nothing_to_do` is the reason why that is as it should be, say that no file changed.
    """
    counts = {
        "findings": sum(part.findings for part in parts),
        "fixed": len(frozenset().union(*(part.fixed for part in parts))),
        "tests_failed": sum(part.tests_failed for part in parts),
    }

    def named(*statuses: HookStatus) -> str:
        return ", ".join(part.name for part in parts if part.status in statuses)

    broken = named(*_BROKEN)
    if failed := named(HookStatus.FAILED):
        reason = f"failed: {failed}{f'; could not be run: {broken}' if broken else ''}"
        return Verdict(exit_code=ExitCode.FINDINGS, reason=reason, **counts)
    if broken:
        return Verdict(exit_code=ExitCode.TOOL, reason=f"could not be run: {broken}", **counts)
    if named(HookStatus.PASSED, HookStatus.FIXED):
        return Verdict(exit_code=ExitCode.PASSED, reason="", **counts)
    if nothing_to_do:
        return Verdict(exit_code=ExitCode.PASSED, reason=nothing_to_do, **counts)
    reasons = dict.fromkeys(part.reason for part in parts if part.reason)
    why = "; ".join(reasons) or "no hook is to run here"
    return Verdict(
        exit_code=ExitCode.USAGE,
        reason=f"nothing was checked ({why}); `crackerjack hooks` lists what could be",
        **counts,
    )
