"""What a look at some files found, by a tool, a built-in check or an earlier run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.patterns import PathPatterns
from crackerjack.types import HookStatus


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The findings, and what they come to."""

    status: HookStatus
    diagnostics: tuple[Diagnostic, ...] = ()
    reason: str = ""
    exit_code: int | None = None


_BADNESS: Final = {
    status: rank
    for rank, status in enumerate(
        (
            HookStatus.SKIPPED,
            HookStatus.PASSED,
            HookStatus.FIXED,
            HookStatus.FAILED,
            HookStatus.INCONCLUSIVE,
            HookStatus.TOOL_MISSING,
            HookStatus.TOOL_ERROR,
            HookStatus.TIMED_OUT,
        )
    )
}
"""Of several looks the one that counts: what could not be seen outweighs what was found."""


def together(several: Iterable[Found]) -> Found:
    """Several looks as one: all findings, and the status of the worst. There must be one look."""
    looks = list(several)
    worst = max(looks, key=lambda one: _BADNESS[one.status])
    found = tuple(diagnostic for one in looks for diagnostic in one.diagnostics)
    return msgspec.structs.replace(worst, diagnostics=found)


def of_diagnostics(diagnostics: tuple[Diagnostic, ...]) -> Found:
    """What findings come to by themselves: notes alone fail nothing."""
    failed = any(found.severity is not Severity.NOTE for found in diagnostics)
    status = HookStatus.FAILED if failed else HookStatus.PASSED
    return Found(status=status, diagnostics=diagnostics)


def without_excluded(found: Found, exclude: Sequence[str]) -> Found:
    """The look without findings in files that the project excludes.

    Tools that choose their files themselves look at these too. One that failed for nothing else
    passed.
    """
    excluded = PathPatterns(exclude).matches
    kept = tuple(one for one in found.diagnostics if not any(map(excluded, _upwards(one.path))))
    if len(kept) == len(found.diagnostics):
        return found
    if found.status is HookStatus.FAILED and not kept:
        return Found(status=HookStatus.PASSED, exit_code=found.exit_code)
    return msgspec.structs.replace(found, diagnostics=kept)


def _upwards(path: str) -> Iterator[str]:
    """Yield the path and the directories that it lies in."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def by_file(
    found: Found, paths: Iterable[str], *, any_fails: bool = False, notes_pass: bool = False
) -> dict[str, Found]:
    """Take a look at several files apart, for the files whose own outcome is beyond doubt.

    A file without findings passed. One with findings is left out when findings differ in severity:
    whether its own would have failed the hook, only the tool knows, unless `any_fails`, or with
    `notes_pass` all but notes do. Nothing is known when a finding lies outside the files, or when the
    tool failed without any.
    """
    apart: dict[str, list[Diagnostic]] = {path: [] for path in paths}
    for diagnostic in found.diagnostics:
        if diagnostic.path not in apart:
            return {}
        apart[diagnostic.path].append(diagnostic)
    if found.status not in {HookStatus.PASSED, HookStatus.FAILED}:
        return {}
    if found.status is HookStatus.FAILED and not found.diagnostics:
        return {}
    if notes_pass:
        return {path: of_diagnostics(tuple(own)) for path, own in apart.items()}
    certain = any_fails or len({diagnostic.severity for diagnostic in found.diagnostics}) <= 1
    return {
        path: Found(status=found.status if own else HookStatus.PASSED, diagnostics=tuple(own))
        for path, own in apart.items()
        if certain or not own
    }
