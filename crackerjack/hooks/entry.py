"""One line of the catalogue: a hook, and what decides whether and how it runs in a project."""

from __future__ import annotations

from typing import Final

import msgspec

from crackerjack.hooks.declared_tools import Evidence
from crackerjack.hooks.hook import Hook

FILES: Final = "{files}"
TARGETS: Final = "{targets}"
"""Replaced, when hooks are selected, by what the layout says is shipped; a tool whose own
configuration says what to look at gets nothing in its place."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A hook of the catalogue."""

    hook: Hook
    evidence: Evidence = Evidence()
    instead_of: str = ""
    """The hook that this one replaces in a project that uses it and not that."""
    unprepared: tuple[str, ...] = ()
    """Further arguments in a project that does not configure the tool."""
    unprepared_patterns: tuple[str, ...] = ()
    """The only files to look at in such a project."""
    target_keys: tuple[str, ...] = ()
    """Keys of the tool's configuration that say what to look at."""
    targets_only: bool = False
    """Whether it looks at shipped code only, not at tests, scripts and documentation."""
