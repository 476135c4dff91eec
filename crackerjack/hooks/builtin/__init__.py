"""The checks that need no tool: all of them in one pass over each file.

:func:`check_file` and :func:`fix_file` take the bytes of a file and say what is wrong with them, or
what they would be with that put right; the outcome depends on their arguments alone, so it can be
kept. :func:`check_files` reads and writes.
"""

from __future__ import annotations

from crackerjack.hooks.builtin.check import (
    CHECKS,
    FIXABLE,
    FileCheckSettings,
    Fixed,
    check_file,
    fix_file,
)
from crackerjack.hooks.builtin.content import HOOK
from crackerjack.hooks.builtin.run import FileCheckResult, check_files

__all__ = [
    "CHECKS",
    "FIXABLE",
    "HOOK",
    "FileCheckResult",
    "FileCheckSettings",
    "Fixed",
    "check_file",
    "check_files",
    "fix_file",
]
