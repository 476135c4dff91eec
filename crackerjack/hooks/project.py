"""One project as the hooks see it: its files, its tools, and which hooks run."""

from __future__ import annotations

import functools
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final, Self

import msgspec

from crackerjack.config import Config
from crackerjack.errors import UsageError
from crackerjack.hooks.checking import HookCheck
from crackerjack.hooks.execution import OnOutput, Surroundings
from crackerjack.hooks.files import FileSet, discover, is_within, walk
from crackerjack.hooks.git import changed_files, deleted_files
from crackerjack.hooks.hook import Hook, HookResult, Strategy
from crackerjack.hooks.layout import Layout, discover_layout
from crackerjack.hooks.look import Found
from crackerjack.hooks.memory import Memory
from crackerjack.hooks.patterns import path_patterns
from crackerjack.hooks.process import Cancellation
from crackerjack.hooks.process_groups import NoGroups, ProcessGroups
from crackerjack.hooks.selection import PlannedHook, select_hooks
from crackerjack.hooks.source_lines import SourceLines
from crackerjack.hooks.tools import Toolbox
from crackerjack.hooks.undo import UndoStore
from crackerjack.types import HookStatus

if TYPE_CHECKING:  # what only some runs need is imported where it is used
    from crackerjack.hooks.cleaning import CleaningResult
    from crackerjack.hooks.pytest_session import TestResult
    from crackerjack.hooks.tested_content import TestedContent
    from crackerjack.hooks.testing import Shard, TestRun

_NO_FILE: Final = "there is no file for it to look at"
_NO_RUFF: Final = "ruff is not installed: install it with `pip install ruff`"
_CLEANING: Final = Hook(
    name="cleaning",
    strategy=Strategy.FAST,
    tool="ruff",
    patterns=("*.py", "*.pyi"),
    config_files=("ruff.toml", ".ruff.toml", ".isort.cfg"),
    sees_other_files=True,
)
"""What the results of the cleaning depend on: with nothing to clean before, there is nothing now."""


_IMPORT_NOT_FOUND: Final = frozenset(
    {"import-not-found", "reportMissingImports", "unresolved-import", "missing-import"}
)
"""What mypy and zuban, pyright, ty and pyrefly call it."""


def check_request(
    config: Config,
    *,
    names: Collection[str],
    wanted: Collection[str],
    changed_only: bool,
    since: str,
    paths: Collection[str],
) -> None:
    """Refuse what cannot be asked of this project before a run of it begins.

    Raises what :meth:`Project.look` would.
    """
    if names or wanted or config.hooks:
        select_hooks(config, Layout(), Toolbox(config.root, None), names=names, wanted=wanted)
    if changed_only or since:
        changed_files(config.root, since or None)
    for path in paths:
        if not os.path.exists(os.path.join(config.root, path)):
            raise UsageError(f"--path {path}: there is no such file or directory in {config.root}")


class Project:
    """A project during one run; a context manager. :meth:`look` comes first.

    `key` names the run in the undo store. Hooks that only look may run side by side, from any
    thread; one that writes must run alone.
    """

    def __init__(
        self,
        config: Config,
        *,
        state_dir: str,
        key: str,
        cancel: Cancellation,
        groups: ProcessGroups,
    ) -> None:
        self.config: Final = config
        self.cores: Final = os.cpu_count() or 1
        self.files = FileSet(config.root, ())
        """The files that this run looks at."""
        self.all_files = self.files
        self.deleted: tuple[str, ...] = ()
        """The files that are gone, where this run looks at what has changed."""
        self.layout = Layout()
        self.planned: tuple[PlannedHook, ...] = ()
        """Every hook there is for this project, those that run and those that do not."""
        self.writes = 0
        """How many times hooks have changed files."""
        self._tree: FileSet | None = None
        self._outputs: set[str] = set()
        self._key = key
        self._cancel = cancel
        self._groups = groups
        self._undo = UndoStore(state_dir)
        self._memory = Memory(state_dir, config.root, enabled=config.cache)
        self._toolbox = Toolbox(config.root, None)
        self._lines = SourceLines(config.root)
        self._state_dir = state_dir
        self._scratch = os.path.join(state_dir, "scratch", key)

    @classmethod
    def to_look_at(
        cls,
        config: Config,
        state_dir: str,
        *,
        wanted: Collection[str] = (),
        everything: bool = False,
    ) -> Self:
        """A project of which only the hooks are wanted, looked at already; nothing can be undone.

        `wanted` and `everything` are those of :meth:`look`, and so is what is raised.
        """
        project = cls(
            config, state_dir=state_dir, key="none", cancel=Cancellation(), groups=NoGroups()
        )
        project.look(wanted=wanted, everything=everything)
        return project

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._memory.close()
        self._undo.close()
        if os.path.isdir(self._scratch):
            from shutil import rmtree

            # A tool may have made a directory of its report, or leave orphans that still write: the
            # job has ended, and what stays of this changes nothing.
            rmtree(self._scratch, ignore_errors=True)

    def look(
        self,
        *,
        changed_only: bool = False,
        since: str = "",
        paths: Collection[str] = (),
        names: Collection[str] = (),
        wanted: Collection[str] = (),
        everything: bool = False,
        outputs: Collection[str] = (),
    ) -> None:
        """Find files, layout and tools, and so the hooks. The `outputs` of this run are left out.

        Raises :exc:`UsageError` for a name that no hook has and for a revision that git does not
        know, :exc:`ConfigError` for a hook of the user's own that cannot work.
        """
        root, exclude = self.config.root, (*self.config.exclude, *self._our_own_files())
        ours = self._outputs = {os.path.relpath(path, root) for path in outputs}
        self.all_files = self.files = discover(root, exclude=exclude).without(ours)
        if changed_only or since:
            changed = discover(
                root, exclude=exclude, changed_only=changed_only, changed_since=since or None
            )
            self.files = changed.without(ours)
            self.deleted = tuple(deleted_files(root, since or None))
        if paths:
            self.files = self.files.within(paths)
            self.deleted = tuple(path for path in self.deleted if is_within(path, paths))
        self.layout = discover_layout(root, self.all_files, pyproject=self.config.pyproject)
        self._toolbox = Toolbox(root, self.layout.python, self._memory.versions)
        self.planned = select_hooks(
            self.config,
            self.layout,
            self._toolbox,
            names=names,
            wanted=wanted,
            everything=everything,
        )

    def _our_own_files(self) -> tuple[str, ...]:
        """A pattern for the store, should it lie in the project: no hook may write to that."""
        inside = os.path.relpath(os.path.realpath(self._state_dir), self.config.root)
        if inside == "." or inside.startswith(".."):
            return ()
        return (re.sub(r"([*?[])", r"[\1]", inside) + "/*",)

    @property
    def trouble(self) -> str:
        """What is wrong with the cache, a sentence; empty while nothing is."""
        return self._memory.trouble

    def tool_version(self, entry: PlannedHook) -> str:
        """The version of the hook's tool; empty for a built-in check and a missing tool."""
        if entry.tool is None:
            return ""
        return self._toolbox.version(entry.tool, entry.hook.version_args)

    def concerns(self, entry: PlannedHook, changed: Collection[str]) -> bool:
        """Whether the hook looks at one of these files."""
        return any(map(path_patterns(entry.hook.patterns).matches, changed))

    def run_hook(
        self,
        entry: PlannedHook,
        *,
        fix: bool,
        limit: float,
        limited_by: str,
        on_output: OnOutput,
    ) -> HookResult:
        """Run one hook for at most `limit` seconds; with `fix` it may write what it can put right."""
        check = HookCheck(
            entry=entry,
            tool_version=self.tool_version(entry),
            files=self.files,
            all_files=self.all_files,
            deleted=self.deleted,
            tree=self._whole_tree,
            memory=self._memory,
            undo=self._undo,
            key=self._key,
            lines=self._lines,
            config=self.config,
            around=self._surroundings(),
            on_output=on_output,
            limit=limit,
            limited_by=limited_by,
        )
        result = check.run(fix=fix)
        if self.layout.python is None:
            result = _without_environment(result)
        if result.changed:
            self._refresh(result.changed)
        return result

    def clean(self, *, limit: float) -> CleaningResult:
        """Clean the code for at most `limit` seconds, or in a check run say what would be cleaned."""
        from crackerjack.hooks.cleaning import CleaningResult, clean

        if not self.files.select(_CLEANING.patterns).files:
            return CleaningResult(status=HookStatus.SKIPPED, reason=_NO_FILE)
        ruff = self._toolbox.find("ruff")
        if ruff is None:
            return CleaningResult(status=HookStatus.TOOL_MISSING, reason=_NO_RUFF)
        sources = self.all_files.select(_CLEANING.patterns).files
        invocation = self._memory.invocation(
            _CLEANING,
            tool_version=self._toolbox.version(ruff),
            argv=(ruff.path, "strip" if self.config.strip_code else ""),
            python="",
            all_files=self.all_files,
        )
        if self._memory.recall(invocation, sources) is not None:
            return CleaningResult(status=HookStatus.PASSED)
        around = self._surroundings()
        deadline = time.monotonic() + limit
        undoable = functools.partial(self._undo.replace, self._key, self.config.root)
        result = clean(
            self.config.root,
            self.files.files,
            project=self.all_files.files,
            pyproject=self.config.pyproject,
            ruff=ruff.path,
            run=lambda argv: around.run(argv, timeout=deadline - time.monotonic()),
            replace=None if self.config.check else undoable,
            strip=self.config.strip_code,
            cancelled=lambda: self._cancel.is_set or time.monotonic() > deadline,
        )
        if (
            result.status is HookStatus.PASSED
            and not result.refused
            and self.files == self.all_files
        ):
            self._memory.remember(invocation, sources, Found(status=HookStatus.PASSED))
        if not self.config.check:
            self._refresh([fixed.path for fixed in result.cleaned])
        return result

    def run_tests(
        self,
        *,
        limit: float,
        on_collected: Callable[[int, int], None],
        on_test: Callable[[TestResult], None],
        on_output: OnOutput,
        shard: Shard | None = None,
    ) -> TestRun:
        """Run the project's tests, or a `shard` of them, for at most `limit` seconds."""
        from crackerjack.hooks.testing import run_tests

        return run_tests(
            self.config.root,
            self.layout.python,
            timeout=limit,
            cancel=self._cancel,
            groups=self._groups,
            on_collected=on_collected,
            on_test=on_test,
            on_output=on_output,
            args=self.config.test_args,
            source_roots=self.layout.source_roots,
            has_tests=self.layout.has_tests,
            shard=shard,
        )

    def tested_content(self) -> TestedContent:
        """What tests that begin now run against."""
        from crackerjack.hooks.tested_content import TestedContent

        files = self.all_files
        if self.config.exclude:  # tests may well read what no hook shall look at
            exclude = self._our_own_files()
            files = discover(self.config.root, exclude=exclude).without(self._outputs)
        python = self.layout.python or sys.executable
        return TestedContent.of(self._memory, files, python)

    def still_holds(self, tested: TestedContent) -> bool:
        """Whether nothing that the tests ran against has changed since."""
        return tested.holds(self._memory)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            root=self.config.root,
            python=self.layout.python or sys.executable,
            scratch=self._scratch,
            cancel=self._cancel,
            groups=self._groups,
        )

    def _whole_tree(self) -> FileSet:
        """All files below the project, also those that git ignores; looked for once."""
        if self._tree is None:
            known = {file.path: file for file in self.all_files.files}
            found = sorted(walk(self.config.root, known=known), key=lambda file: file.path)
            self._tree = FileSet(self.config.root, tuple(found))
        return self._tree

    def _refresh(self, changed: Sequence[str]) -> None:
        """See what files hold now that were written to."""
        self._tree = None
        self.writes += 1
        self.files = self.files.refreshed(changed)
        self.all_files = self.all_files.refreshed(changed)
        self._lines = SourceLines(self.config.root)


def _without_environment(result: HookResult) -> HookResult:
    """The result in a project that has no environment, and why imports were not found in it."""
    missing = sum(one.code in _IMPORT_NOT_FOUND for one in result.diagnostics)
    if not missing or result.reason:
        return result
    imports = "1 import was" if missing == 1 else f"{missing} imports were"
    reason = f"{imports} not found, for the project has no environment of its own (.venv)"
    return msgspec.structs.replace(result, reason=reason)
