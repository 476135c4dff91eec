"""What ruff would make of files, without letting it write: its safe fixes, applied in memory."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from crackerjack.hooks.atomic import Refusal
from crackerjack.hooks.cleaning.ruff_rules import RuleSet
from crackerjack.hooks.cleaning.unified_diff import split_by_file
from crackerjack.hooks.process import ProcessResult
from crackerjack.types import HookStatus

RunTool = Callable[[Sequence[str]], ProcessResult]
"""Runs a command in the project's directory, within the time that is left."""

_ARGUMENT_BYTES: Final = 96 * 1024
"""Of file names in one command: less than every system takes."""

_CHECK: Final = (
    "check",
    "--no-fix",  # whatever the configuration says: it is us who write
    "--no-unsafe-fixes",
    "--no-cache",  # without a trace in the project
    "--force-exclude",
)
_UNREAD: Final = re.compile(rb"^warning: Failed to lint (.+): (.+)$", re.MULTILINE)
_WORDS: Final = 2000
"""Characters of ruff's own words in a reason."""


class Unfinished(Exception):
    """The cleaning ended early; carries what to say of it."""

    def __init__(self, status: HookStatus, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


class Proposal(msgspec.Struct, frozen=True):
    """What ruff would change in one file."""

    hunks: bytes
    """For :func:`apply_hunks`."""
    rules: frozenset[str]


class Proposals(msgspec.Struct, frozen=True):
    """What ruff would change, by file, and the files that it could not read."""

    by_path: Mapping[str, Proposal]
    unread: tuple[Refusal, ...]


class _Fix(msgspec.Struct):
    applicability: str


class _Finding(msgspec.Struct):
    code: str | None
    filename: str
    fix: _Fix | None = None


_FINDINGS: Final = msgspec.json.Decoder(_Finding)


def proposals(
    root: str, ruff: str, run: RunTool, rules: RuleSet, *, without: Sequence[str] = ()
) -> Proposals:
    """Return the safe fixes for the files that have any, but for those of the rules `without`.

    Raises :exc:`Unfinished`, and :exc:`OSError` when ruff cannot be started.
    """
    command = [ruff, *_CHECK, *rules.arguments]
    for rule in without:
        command += ["--ignore", rule]
    found: dict[str, Proposal] = {}
    unread: list[Refusal] = []
    for paths in _chunks(rules.paths):
        listed = _finished(run([*command, "--output-format=json-lines", "--", *paths]))
        unread += _unread(paths, listed.stderr)
        fixable = _fixable(root, paths, listed.stdout)
        if fixable:
            diff = _finished(run([*command, "--diff", "--", *fixable])).stdout
            for path, hunks in split_by_file(diff, fixable).items():
                found[path] = Proposal(hunks, frozenset(fixable[path]))
    return Proposals(found, tuple(unread))


def _chunks(paths: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for path in paths:
        length = len(path.encode()) + 1
        if chunk and size + length > _ARGUMENT_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(path)
        size += length
    if chunk:
        yield chunk


def _finished(result: ProcessResult) -> ProcessResult:
    """Return the result of ruff if it did its work; it exits with 1 when there are findings."""
    if result.timed_out:
        raise Unfinished(HookStatus.TIMED_OUT, f"ruff was stopped after {result.duration:.1f} s")
    if result.cancelled:
        raise Unfinished(HookStatus.INCONCLUSIVE, "interrupted")
    if result.truncated or result.returncode not in {0, 1}:
        words = result.stderr.decode("utf-8", "backslashreplace")[-_WORDS:].strip()
        reason = f"ruff exited with {result.returncode}: {words}"
        raise Unfinished(HookStatus.TOOL_ERROR, reason)
    return result


def _fixable(root: str, paths: Sequence[str], output: bytes) -> Mapping[str, set[str]]:
    """The files with safe fixes, and the rules that these are of."""
    real_root = os.path.realpath(root)
    known = {os.path.normpath(os.path.join(real_root, path)): path for path in paths}
    rules: dict[str, set[str]] = defaultdict(set)
    try:
        findings = _FINDINGS.decode_lines(output)
    except msgspec.MsgspecError as error:
        reason = f"what ruff printed cannot be read: {error}"
        raise Unfinished(HookStatus.TOOL_ERROR, reason) from error
    for finding in findings:
        path = known.get(finding.filename)
        if (
            path is not None
            and finding.code
            and finding.fix
            and finding.fix.applicability == "safe"
        ):
            rules[path].add(finding.code)
    return rules


def _unread(paths: Sequence[str], words: bytes) -> Iterator[Refusal]:
    known = {path.encode(): path for path in paths}
    for name, reason in _UNREAD.findall(words):
        if name in known:
            yield Refusal(known[name], f"ruff cannot read it: {reason.decode('utf-8', 'replace')}")
