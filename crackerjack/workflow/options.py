"""What one run was asked to do."""

from __future__ import annotations

import msgspec

from crackerjack.config import Config


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
    paths: tuple[str, ...] = ()
    """Only these files and what is in these directories, relative to the project; all when empty."""
    outputs: tuple[str, ...] = ()
    """Files that what the run says is written to: no part of the project. Real, absolute paths."""

    def how_much(self, config: Config) -> tuple[str, ...]:
        """The options in force that decide how much there is to do, as one would type them."""
        given = {
            "--fast": self.fast,
            "--comp": self.comprehensive,
            "--run-tests": self.tests,
            "--skip-hooks": self.skip_hooks,
            "--skip-cleaning": self.skip_cleaning,
            "--changed-only": self.changed_only,
            f"--since {self.since}": bool(self.since),
            "--check": config.check,
            "--no-cache": not config.cache,
        }
        hooks = [f"--hook {name}" for name in sorted(set(self.hooks))]
        paths = [f"--path {path}" for path in sorted(set(self.paths))]
        return (*(option for option, is_given in given.items() if is_given), *hooks, *paths)
