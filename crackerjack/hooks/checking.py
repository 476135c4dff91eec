"""One run of one hook: what is known already, what must be looked at, what can be put right."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from crackerjack.config import Config
from crackerjack.hooks.diagnostic import Diagnostic, Severity, printable_path, with_fingerprints
from crackerjack.hooks.entry import FILES
from crackerjack.hooks.execution import Execution, OnOutput, Surroundings
from crackerjack.hooks.files import FileSet, SourceFile
from crackerjack.hooks.hook import HookResult, Scope
from crackerjack.hooks.look import Found, by_file, of_diagnostics, together, without_excluded
from crackerjack.hooks.memory import Memory
from crackerjack.hooks.patterns import path_patterns
from crackerjack.hooks.selection import PlannedHook
from crackerjack.hooks.source_lines import SourceLines
from crackerjack.types import HookStatus

if TYPE_CHECKING:
    from crackerjack.hooks.builtin import FileCheckResult
    from crackerjack.hooks.fixing import Replace
    from crackerjack.hooks.undo import UndoStore

_TOO_LARGE: Final = "there are only very large files for it to look at"
_CANNOT_TELL_FIXABLE: Final = frozenset({"exit-code", "json", "regex", "sarif"})
"""Parsers of output that does not say which finding its tool can put right."""

_LOCK_FILE: Final = "lock-file"
"""The hook that is built in beside the file checks."""


class Fixes(msgspec.Struct, frozen=True, kw_only=True):
    """What was put right, and what was not."""

    changed: tuple[str, ...] = ()
    rules: Mapping[str, tuple[str, ...]] = {}
    """Changed file -> the codes of what was put right."""
    refused: Mapping[str, str] = {}
    """File -> why it was left as it was."""
    trouble: str = ""
    """Why the tool did not come to its end, in its words; empty when it did."""


class HookCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run of a hook needs."""

    entry: PlannedHook
    tool_version: str
    files: FileSet
    """The files that the run looks at."""
    all_files: FileSet
    deleted: tuple[str, ...]
    """Files that are gone: other files may have needed them."""
    tree: Callable[[], FileSet]
    """Returns all files below the project, also those that git ignores."""
    memory: Memory
    undo: UndoStore
    key: str
    """Of the run, in the undo store."""
    lines: SourceLines
    config: Config
    around: Surroundings
    on_output: OnOutput
    limit: float
    """Seconds."""
    limited_by: str

    def run(self, *, fix: bool) -> HookResult:
        """Look, and with `fix` put right what the tool can; never raises for what a tool does."""
        started = time.monotonic()
        result = self._run(started + self.limit, fix=fix)
        return msgspec.structs.replace(
            result, duration=time.monotonic() - started, tool_version=self.tool_version
        )

    def _run(self, deadline: float, *, fix: bool) -> HookResult:
        hook = self.entry.hook
        if not self.entry.runs:
            return self._without_look(HookStatus.TOOL_MISSING, self.entry.reason)
        chosen = self.files.select(hook.patterns)
        is_concerned = any(map(path_patterns(hook.patterns).matches, self.deleted))
        whole = hook.scope is Scope.PROJECT
        if not chosen.files and not (whole and is_concerned):
            return self._without_look(HookStatus.SKIPPED, "there is no file for it to look at")
        if whole:
            chosen = self.all_files.select(hook.patterns)
        found, cached = self._look(chosen.files, deadline)
        fixes = Fixes()
        if fix and hook.fix is not None and found.status is HookStatus.FAILED:
            fixes = self._fix(chosen.files, found, deadline)
        if fixes.trouble:
            found = msgspec.structs.replace(
                found, status=HookStatus.TOOL_ERROR, reason=f"its fix failed: {fixes.trouble}"
            )
        elif fixes.changed:
            # What is left after the fix, the re-run says.
            found = Found(status=HookStatus.FIXED)
        return HookResult(
            hook=hook.name,
            status=found.status,
            duration=0.0,
            diagnostics=found.diagnostics,
            changed=fixes.changed,
            rules=fixes.rules,
            refused=fixes.refused,
            cached=cached,
            files=len(chosen.files),
            exit_code=found.exit_code,
            reason=found.reason,
        )

    def _without_look(self, status: HookStatus, reason: str) -> HookResult:
        return HookResult(hook=self.entry.hook.name, status=status, duration=0.0, reason=reason)

    def _look(self, files: Sequence[SourceFile], deadline: float) -> tuple[Found, bool]:
        """What there is to find, and whether all of it was known from earlier runs."""
        hook = self.entry.hook
        invocation = self.memory.invocation(
            hook,
            tool_version=self.tool_version,
            # What is built in parses with our own interpreter.
            argv=(self.entry.tool.path if self.entry.tool else sys.version, *hook.check),
            python=self.around.python,
            all_files=self.all_files,
        )
        if hook.scope is Scope.PROJECT:
            # A tool that chooses its files itself may see some that git ignores.
            seen = files
            if hook.tool is not None and FILES not in hook.check:
                seen = self.tree().select(hook.patterns).files
            known = self.memory.recall(invocation, seen)
            if known is not None:
                return known, True
            found = self._found_now(files, deadline)
            self.memory.remember(invocation, seen, found)
            return found, False
        each = self.memory.recall_each(invocation, files)
        rest = [file for file in files if file.path not in each]
        if not rest:
            return together(each.values()), True
        found = self._found_now(rest, deadline)
        paths = [file.path for file in rest]
        apart = by_file(
            found, paths, any_fails=hook.any_finding_fails, notes_pass=hook.tool is None
        )
        self.memory.remember_each(invocation, rest, apart)
        return together([*each.values(), found]), False

    def _found_now(self, files: Sequence[SourceFile], deadline: float) -> Found:
        if self.entry.hook.tool is None:
            found = self._built_in(files, deadline)
        else:
            found = _with_odd_name(self._by_tool(files, deadline), files)
        found = without_excluded(found, self.config.exclude)
        if self.entry.hook.fix is None:
            found = _not_fixable(found)
        diagnostics = with_fingerprints(found.diagnostics, self.lines)
        return msgspec.structs.replace(found, diagnostics=diagnostics)

    def _by_tool(self, files: Sequence[SourceFile], deadline: float) -> Found:
        hook = self.entry.hook
        execution = self._execution(hook.check, deadline)
        if FILES not in hook.check:
            return execution.over(())
        large = [file for file in files if hook.largest and file.size > hook.largest]
        notes = of_diagnostics(tuple(_not_looked_into(hook.name, file) for file in large))
        if len(large) == len(files):
            return msgspec.structs.replace(notes, status=HookStatus.SKIPPED, reason=_TOO_LARGE)
        found = execution.over([file.path for file in files if file not in large])
        return together([found, notes])

    def _execution(self, arguments: tuple[str, ...], deadline: float) -> Execution:
        tool = self.entry.tool
        return Execution(
            hook=self.entry.hook,
            executable=tool.path if tool else "",
            arguments=arguments,
            around=self.around,
            on_output=self.on_output,
            deadline=deadline,
            limited_by=self.limited_by,
        )

    def _built_in(self, files: Sequence[SourceFile], deadline: float) -> Found:
        if self.entry.hook.name == _LOCK_FILE:
            from crackerjack.hooks.lock_file import check_lock_files

            return check_lock_files(self.around.root, self.config.pyproject)
        result = self._check_files(files, deadline)
        found = of_diagnostics(tuple(one for own in result.diagnostics.values() for one in own))
        if result.cancelled:
            status = HookStatus.TIMED_OUT
            reason = f"stopped at the time limit of {self.limited_by}"
            if self.around.cancel.is_set:
                status, reason = HookStatus.INCONCLUSIVE, "interrupted"
            found = msgspec.structs.replace(found, status=status, reason=reason)
        return found

    def _check_files(
        self, files: Sequence[SourceFile], deadline: float, replace: Replace | None = None
    ) -> FileCheckResult:
        # 20 ms of import that a run whose files have not changed does not pay.
        from crackerjack.hooks.builtin import CHECKS, FileCheckSettings, check_files

        return check_files(
            self.around.root,
            files,
            CHECKS,
            settings=FileCheckSettings(
                large_file_kb=self.config.large_file_kb,
                requires_python=self._requires_python(),
            ),
            replace=replace,
            cancelled=lambda: self.around.cancel.is_set or time.monotonic() > deadline,
        )

    def _requires_python(self) -> str:
        project = self.config.pyproject.get("project")
        return str(project.get("requires-python", "")) if isinstance(project, dict) else ""

    def _fix(self, files: Sequence[SourceFile], found: Found, deadline: float) -> Fixes:
        """Put right what can be."""
        fixable = {one.path for one in found.diagnostics if one.fixable}
        if self.entry.hook.parser in _CANNOT_TELL_FIXABLE:
            fixable = {printable_path(file.path) for file in files}
        candidates = [file for file in files if printable_path(file.path) in fixable]
        if not candidates:
            return Fixes()
        if self.entry.hook.tool is None:
            return self._fix_built_in(candidates, deadline)
        return self._fix_with_tool(candidates, found, deadline)

    def _fix_built_in(self, files: Sequence[SourceFile], deadline: float) -> Fixes:
        replace = functools.partial(self.undo.replace, self.key, self.around.root)
        result = self._check_files(files, deadline, replace)
        return Fixes(
            changed=tuple(fixed.path for fixed in result.fixed),
            rules={fixed.path: fixed.rules for fixed in result.fixed},
            refused={refusal.path: refusal.reason for refusal in result.refused},
        )

    def _fix_with_tool(self, files: Sequence[SourceFile], found: Found, deadline: float) -> Fixes:
        from crackerjack.hooks.change_watch import ChangeWatch

        execution = self._execution(self.entry.hook.fix or (), deadline)
        own = self.entry.hook.parser in _CANNOT_TELL_FIXABLE
        # What a command of the user's own writes to, nobody can tell beforehand.
        watched = self.all_files.files if own else files
        with ChangeWatch(self.undo, self.key, self.around.root, watched) as watch:
            fixed = execution.over([file.path for file in files])
        broke = fixed.status in {HookStatus.TIMED_OUT, HookStatus.INCONCLUSIVE} or (
            own and fixed.status is HookStatus.TOOL_ERROR
        )
        rules: dict[str, set[str]] = {printable_path(path): set() for path in watch.changed}
        for one in found.diagnostics:
            if one.fixable and one.path in rules:
                rules[one.path].add(one.code)
        return Fixes(
            changed=watch.changed,
            trouble=(fixed.reason or fixed.status) if broke else "",
            rules={path: tuple(sorted(rules[printable_path(path)])) for path in watch.changed},
        )


def _not_looked_into(hook: str, file: SourceFile) -> Diagnostic:
    return Diagnostic(
        hook=hook,
        path=printable_path(file.path),
        line=None,
        column=None,
        code="unread",
        severity=Severity.NOTE,
        message=f"not looked into: {file.size >> 20} MiB",
    )


def _not_fixable(found: Found) -> Found:
    """What a hook found that only looks: its tool could put some of it right, a run will not."""
    diagnostics = tuple(
        msgspec.structs.replace(one, fixable=False) if one.fixable else one
        for one in found.diagnostics
    )
    return msgspec.structs.replace(found, diagnostics=diagnostics)


def _with_odd_name(found: Found, files: Sequence[SourceFile]) -> Found:
    """Name the file that a tool may have broken down at: tools seldom say so themselves."""
    if found.status is not HookStatus.TOOL_ERROR:
        return found
    odd = [printable_path(file.path) for file in files if not _is_utf_8(file.path)]
    if not odd:
        return found
    hint = f"perhaps for the name of {odd[0]}, which is not UTF-8: rename the file"
    return msgspec.structs.replace(found, reason=f"{hint}. {found.reason}")


def _is_utf_8(path: str) -> bool:
    return path == printable_path(path)
