"""The built-in checks over the files of a project: the one part of them that reads and writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from crackerjack.hooks.atomic import Refusal, read_regular
from crackerjack.hooks.builtin.check import FileCheckSettings, check_file, fix_file
from crackerjack.hooks.builtin.content import Content
from crackerjack.hooks.builtin.markers import large_file
from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.files import LARGEST, SourceFile
from crackerjack.hooks.fixing import FixedFile, Replace


class FileCheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks found, after fixing where that was asked for."""

    diagnostics: Mapping[str, tuple[Diagnostic, ...]]
    """For each file that was looked at, its findings; for most files none."""
    fixed: tuple[FixedFile, ...] = ()
    refused: tuple[Refusal, ...] = ()
    """Fixes that were not made."""
    cancelled: bool = False
    """Whether it ended before all files were looked at."""


def check_files(
    root: str,
    files: Sequence[SourceFile],
    checks: Collection[str],
    *,
    settings: FileCheckSettings,
    replace: Replace | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> FileCheckResult:
    """Look at each file once with all `checks` (names of :data:`CHECKS`).

    With `replace`, what is fixable is put right first, and the findings are those that are left. A
    file that is gone by now is left out; that one cannot be read, or is too large to be, is a finding.
    `cancelled` is asked before each file.
    """
    look = _Pass(root, checks, settings, replace)
    for file in files:
        if cancelled():
            return look.result(cancelled=True)
        look.at(file)
    return look.result(cancelled=False)


class _Pass:
    """One pass over files, and what it has found so far."""

    def __init__(
        self,
        root: str,
        checks: Collection[str],
        settings: FileCheckSettings,
        replace: Replace | None,
    ) -> None:
        self._root = root
        self._checks = checks
        self._settings = settings
        self._replace = replace
        self._diagnostics: dict[str, tuple[Diagnostic, ...]] = {}
        self._fixed: list[FixedFile] = []
        self._refused: list[Refusal] = []

    def at(self, file: SourceFile) -> None:
        """Check one file, and fix it where that is asked for."""
        if file.size > LARGEST:
            self._diagnostics[file.path] = self._unread(file)
            return
        try:
            data = read_regular(os.path.join(self._root, file.path))
        except FileNotFoundError:
            return
        except OSError as error:
            content = Content(file.path, b"")
            message = f"cannot be read: {error.strerror}"
            self._diagnostics[file.path] = (content.finding("unreadable", message),)
            return
        found = check_file(file.path, data, self._checks, self._settings)
        if self._replace is not None and any(finding.fixable for finding in found):
            data = self._fix(file.path, data, self._replace)
            found = check_file(file.path, data, self._checks, self._settings)
        self._diagnostics[file.path] = found

    def result(self, *, cancelled: bool) -> FileCheckResult:
        """What there is to say of the files so far."""
        return FileCheckResult(
            diagnostics=self._diagnostics,
            fixed=tuple(self._fixed),
            refused=tuple(self._refused),
            cancelled=cancelled,
        )

    def _fix(self, path: str, data: bytes, replace: Replace) -> bytes:
        """Return what the file holds after what could be put right was."""
        better = fix_file(path, data, self._checks)
        if better.refused:
            self._refused.append(Refusal(path, better.refused))
        if not better.rules:
            return data
        refusal = replace(path, data, better.data)
        if refusal is not None:
            self._refused.append(refusal)
            return data
        self._fixed.append(FixedFile(path, better.rules))
        return better.data

    def _unread(self, file: SourceFile) -> tuple[Diagnostic, ...]:
        content = Content(file.path, b"")
        asked = "large-file" in self._checks
        large = large_file(content, file.size, self._settings.large_file_kb) if asked else ()
        message = f"not looked into: {file.size >> 20} MiB"
        return (*large, content.finding("unread", message, severity=Severity.NOTE))
