"""All checks over the bytes of one file, and the fixes of those that have one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

import msgspec

from crackerjack.hooks.builtin.content import Content
from crackerjack.hooks.builtin.markers import large_file, merge_conflict, private_key
from crackerjack.hooks.builtin.python_checks import debug_statements, syntax
from crackerjack.hooks.builtin.structure import json, toml, yaml
from crackerjack.hooks.builtin.tokens import access_token
from crackerjack.hooks.builtin.whitespace import (
    end_of_file,
    mixed_line_endings,
    trailing_whitespace,
    with_one_line_ending,
    with_one_newline,
    without_trailing_whitespace,
)
from crackerjack.hooks.diagnostic import Diagnostic

_TEXT_CHECKS: Final[dict[str, Callable[[Content], Iterator[Diagnostic]]]] = {
    "trailing-whitespace": trailing_whitespace,
    "end-of-file": end_of_file,
    "mixed-line-endings": mixed_line_endings,
    "merge-conflict": merge_conflict,
    "private-key": private_key,
    "access-token": access_token,
    "yaml": yaml,
    "toml": toml,
    "json": json,
    "debug-statement": debug_statements,
}
_FIXES: Final[dict[str, Callable[[Content], bytes]]] = {
    "mixed-line-endings": with_one_line_ending,
    "trailing-whitespace": without_trailing_whitespace,
    "end-of-file": with_one_newline,
}
"""In the order in which they are made: each may leave the next something to do."""

CHECKS: Final = (*_TEXT_CHECKS, "ast", "large-file")
FIXABLE: Final = tuple(_FIXES)


class FileCheckSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the project can choose."""

    large_file_kb: int = 500
    """From how many KiB on a file is large."""
    requires_python: str = ""
    """What pyproject.toml has under that name."""


class Fixed(msgspec.Struct, frozen=True):
    """The bytes of a file with what is fixable put right."""

    data: bytes
    rules: tuple[str, ...]
    """The checks that were put right; empty when nothing had to be."""
    refused: str = ""
    """Why something was left as it was."""


def check_file(
    path: str, data: bytes, checks: Collection[str], settings: FileCheckSettings
) -> tuple[Diagnostic, ...]:
    """Return the findings of these checks in a file with this name and these bytes, line by line."""
    content = Content(path, data)
    found: list[Diagnostic] = []
    if "large-file" in checks:
        found.extend(large_file(content, len(data), settings.large_file_kb))
    if "ast" in checks:
        found.extend(syntax(content, settings.requires_python))
    if content.is_text:
        for name, check in _TEXT_CHECKS.items():
            if name in checks:
                found.extend(check(content))
    found.sort(key=lambda finding: finding.line or 0)
    return tuple(found)


def fix_file(path: str, data: bytes, checks: Collection[str]) -> Fixed:
    """Return the file with what these checks find put right, as far as that keeps its meaning."""
    from crackerjack.hooks.builtin.meaning import why_meaning_differs

    content = Content(path, data)
    rules, refused = [], []
    if content.is_text:
        for name, fix in _FIXES.items():
            if name not in checks or not any(_TEXT_CHECKS[name](content)):
                continue
            fixed = Content(path, fix(content))
            if reason := why_meaning_differs(path, content.data, fixed.data):
                refused.append(f"{name}: {reason}")
            else:
                content = fixed
                rules.append(name)
    return Fixed(content.data, tuple(rules), "; ".join(refused))
