"""The cleaning of files: proposed by ruff, judged by the guards, written one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from crackerjack.hooks.atomic import Refusal, read_regular
from crackerjack.hooks.cleaning.ruff_fixes import Proposal, RunTool, Unfinished, proposals
from crackerjack.hooks.cleaning.ruff_rules import UNUSED_IMPORTS, RuleSet, rule_sets
from crackerjack.hooks.cleaning.taken import taken_names
from crackerjack.hooks.cleaning.unified_diff import DoesNotApply, apply_hunks
from crackerjack.hooks.declared_tools import DeclaredTools, Evidence
from crackerjack.hooks.files import LARGEST, SourceFile
from crackerjack.hooks.fixing import FixedFile, Replace
from crackerjack.hooks.python_source import parse
from crackerjack.types import HookStatus

STRIPPED: Final = "strip-code"
"""The rule that takes out comments and docstrings."""

_OTHER_SORTERS: Final = Evidence(
    tables=("tool.isort", "tool.usort"),
    files=(".isort.cfg",),
    sections=("isort",),
    names=("isort", "usort", "reorder-python-imports"),
)
"""Tools that order imports in a way of their own."""


class CleaningResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was cleaned."""

    status: HookStatus
    """``PASSED`` when there was nothing to clean, ``FIXED``, ``FAILED`` for files that would be changed
    but were not to be; else why it did not come to that."""
    reason: str = ""
    cleaned: tuple[FixedFile, ...] = ()
    """The files that were changed, or would be."""
    refused: tuple[Refusal, ...] = ()
    """What stayed as it was, and why. The other fixes of such a file may have been made."""


class _Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to become of one file."""

    before: bytes
    after: bytes
    rules: frozenset[str]
    lost: frozenset[str] = frozenset()
    """Names that it no longer imports."""


def clean(
    root: str,
    files: Sequence[SourceFile],
    *,
    project: Sequence[SourceFile],
    pyproject: Mapping[str, Any],
    ruff: str,
    run: RunTool,
    replace: Replace | None,
    strip: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
) -> CleaningResult:
    """Clean the Python files among `files`.

    `project` are all files of the project: what they import from a file stays in it. `ruff` is the
    path of the executable and `run` starts it in `root`. Without `replace` nothing is written. With
    `strip`, comments and docstrings go as well. `cancelled` is asked before each file is written.
    """
    paths = [file.path for file in _sources(files)]
    declared = DeclaredTools(root, pyproject).declared(_OTHER_SORTERS)
    cleaning = _Cleaning(root, project, replace, cancelled)
    try:
        if strip:
            cleaning.strip(paths)
        for rules in rule_sets(root, cleaning.nameable(paths), uses_isort=bool(declared)):
            cleaning.take_fixes(ruff, run, rules)
    except Unfinished as early:
        return cleaning.result(early.status, early.reason)
    except OSError as error:
        reason = f"{ruff} cannot be started: {error.strerror}"
        return cleaning.result(HookStatus.TOOL_ERROR, reason)
    return cleaning.result()


class _Cleaning:
    """Makes of each file what is to become of it, and remembers that."""

    def __init__(
        self,
        root: str,
        project: Sequence[SourceFile],
        replace: Replace | None,
        cancelled: Callable[[], bool],
    ) -> None:
        self._root = root
        self._project = project
        self._replace = replace
        self._cancelled = cancelled
        self._cleaned: dict[str, frozenset[str]] = {}
        self._refused: list[Refusal] = []

    def strip(self, paths: Iterable[str]) -> None:
        """Take out comments and docstrings: first, since what is left may sort another way."""
        from crackerjack.hooks.cleaning.strip_code import CannotStrip, strip_code

        for path in paths:
            try:
                before = self._read(path)
                after = strip_code(before)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._refused.append(Refusal(path, f"cannot be read: {error.strerror}"))
            except CannotStrip as why:
                self._refused.append(Refusal(path, f"comments and docstrings stay: it {why}"))
            else:
                self._put(path, _Change(before=before, after=after, rules=frozenset({STRIPPED})))

    def nameable(self, paths: Iterable[str]) -> list[str]:
        """The paths that can be told in what ruff prints; it is not asked about the others."""
        found = []
        for path in paths:
            if path.isprintable():
                found.append(path)
            else:
                self._refused.append(Refusal(path, "ruff does not clean a file with such a name"))
        return found

    def take_fixes(self, ruff: str, run: RunTool, rules: RuleSet) -> None:
        """Take what ruff proposes by these rules and the guards let pass."""
        proposed = proposals(self._root, ruff, run, rules)
        self._refused += proposed.unread
        changes = self._judged(proposed.by_path)
        kept = self._taken_elsewhere(changes)
        for path, names in kept.items():
            del changes[path]
            reason = "unused imports stay that other modules take from here: "
            self._refused.append(Refusal(path, reason + ", ".join(sorted(names))))
        if kept:
            again = RuleSet(rules.arguments, tuple(kept))
            others = proposals(self._root, ruff, run, again, without=[UNUSED_IMPORTS])
            for path, change in self._judged(others.by_path).items():
                if kept[path].isdisjoint(change.lost):
                    changes[path] = change
        for path, change in sorted(changes.items()):
            self._put(path, change)

    def result(self, status: HookStatus | None = None, reason: str = "") -> CleaningResult:
        """What came of it; `status` and `reason` where it ended early."""
        done = HookStatus.FAILED if self._replace is None else HookStatus.FIXED
        failures = [refusal for refusal in self._refused if refusal.failed]
        if failures and status is None:
            status = HookStatus.TOOL_ERROR
            count = "1 file" if len(failures) == 1 else f"{len(failures)} files"
            reason = f"{count} {failures[0].reason}"
        return CleaningResult(
            status=status or (done if self._cleaned else HookStatus.PASSED),
            reason=reason,
            cleaned=tuple(
                FixedFile(path, tuple(sorted(rules)))
                for path, rules in sorted(self._cleaned.items())
            ),
            refused=tuple(self._refused),
        )

    def _put(self, path: str, change: _Change) -> None:
        """Give the file its new content, if it is one and is wanted."""
        if self._cancelled():
            raise Unfinished(HookStatus.INCONCLUSIVE, "stopped before all files were cleaned")
        if change.after == change.before:
            return
        if self._replace is not None:
            refusal = self._replace(path, change.before, change.after)
            if refusal is not None:
                self._refused.append(refusal)
                return
        self._cleaned[path] = self._cleaned.get(path, frozenset()) | change.rules

    def _taken_elsewhere(self, changes: Mapping[str, _Change]) -> dict[str, frozenset[str]]:
        """The files that would lose imports which other modules of the project take, and which."""
        lost = {path: change.lost for path, change in changes.items() if change.lost}
        taken = taken_names(lost, self._texts()) if lost else {}
        return {path: names for path, names in taken.items() if names}

    def _judged(self, proposed: Mapping[str, Proposal]) -> dict[str, _Change]:
        """The proposals that the guards let pass."""
        changes: dict[str, _Change] = {}
        for path, proposal in proposed.items():
            try:
                change = _judge(self._read(path), proposal)
            except (_Rejected, OSError) as why:
                self._refused.append(Refusal(path, f"ruff's fixes were not taken: {why}"))
            else:
                changes[path] = change
        return changes

    def _texts(self) -> Iterator[tuple[str, bytes]]:
        """Yield the Python files of the project that can be read."""
        for file in _sources(self._project):
            try:
                yield file.path, self._read(file.path)
            except OSError:
                continue

    def _read(self, path: str) -> bytes:
        return read_regular(os.path.join(self._root, path))


class _Rejected(Exception):
    """A proposal that was not taken; ``str`` says why."""


def _judge(before: bytes, proposal: Proposal) -> _Change:
    """Return the change that is proposed if it is safe; raises :exc:`_Rejected`."""
    from crackerjack.hooks.cleaning.guard import imported_names, why_differs

    try:
        after = apply_hunks(before, proposal.hunks)
    except DoesNotApply as error:
        raise _Rejected("they are for another content than the file has") from error
    try:
        tree = parse(before)
    except SyntaxError as error:
        raise _Rejected(f"the file cannot be parsed: {error.msg}") from error
    try:
        new_tree = parse(after)
        reason = why_differs(tree, new_tree, proposal.rules)
    except (SyntaxError, RecursionError) as error:
        raise _Rejected(f"the result cannot be parsed: {error}") from error
    if reason:
        raise _Rejected(reason)
    return _Change(
        before=before,
        after=after,
        rules=proposal.rules,
        lost=imported_names(tree) - imported_names(new_tree),
    )


def _sources(files: Sequence[SourceFile]) -> list[SourceFile]:
    return [file for file in files if file.path.endswith((".py", ".pyi")) and file.size <= LARGEST]
