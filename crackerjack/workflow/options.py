"""What one run was asked to do."""

from __future__ import annotations

import msgspec


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The choices of one run; what is for every run of a project stands in its configuration."""

    workflow: str = ""
    """A workflow's key; the project's default when empty."""
    fast: bool = False
    comprehensive: bool = False
    tests: bool = False
    skip_hooks: bool = False
    skip_cleaning: bool = False
    hooks: tuple[str, ...] = ()
    """Only these hooks, by name."""
    changed_only: bool = False
    """Only files that differ from the last commit."""
    since: str = ""
    """Only files that differ from where this revision and the project parted."""
