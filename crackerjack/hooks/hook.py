"""What a hook is, what it is given and what it gives back: values only."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.files import LARGEST
from crackerjack.types import HookStatus


class Strategy(enum.StrEnum):
    """When a hook runs: while one types, or before one pushes."""

    FAST = "fast"
    COMPREHENSIVE = "comprehensive"


class Scope(enum.StrEnum):
    """What a finding depends on, and so what the cache may keep apart."""

    FILE = "file"
    """Each file's findings depend on that file alone: cached, and re-run, file by file."""
    PROJECT = "project"
    """Findings depend on all files together: one changed file runs the hook again."""


class When(enum.StrEnum):
    """Whether a hook runs in a project that says nothing about it."""

    ALWAYS = "always"
    CONFIGURED = "configured"
    """A hook with opinions: where the project configures or enables it, or is asked for by name."""


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the catalogue: how to run a tool and read what it says.

    Arguments may hold ``{files}`` (replaced by the selected files, one argument each; the command is
    split when they are too many), ``{root}`` (the project directory), ``{report}`` (a temporary file
    that the tool writes its findings to and the parser reads) and ``{python}`` (the interpreter of
    the project's environment, or ours).
    """

    name: str
    """``[a-z0-9-]+``, unique in a project."""
    strategy: Strategy
    tool: str | None = None
    """The executable's name; None for a check that is built in."""
    check: tuple[str, ...] = ()
    """Arguments that look and never write."""
    fix: tuple[str, ...] | None = None
    """Arguments that write; None for a hook that only looks."""
    parser: str = ""
    """Name in :data:`crackerjack.hooks.parsers.PARSERS`."""
    parser_options: Mapping[str, str] = {}
    """For the parsers ``regex`` and ``json`` of the user's own hooks."""
    scope: Scope = Scope.PROJECT
    when: When = When.ALWAYS
    patterns: tuple[str, ...] = ("*.py", "*.pyi")
    """Which files it looks at (fnmatch on the name, or on the path where there is a ``/``)."""
    largest: int | None = LARGEST
    """Bytes; the tool is not given the name of a larger file. None for no limit."""
    config_files: tuple[str, ...] = ()
    """Files beside pyproject.toml that configure the tool; the cache watches them."""
    config_tables: tuple[str, ...] = ()
    """Tables of pyproject.toml that configure the tool, such as ``tool.ruff``."""
    sees_other_files: bool = False
    """Scope FILE: whether findings in a file depend on which other files there are."""
    any_finding_fails: bool = False
    """Scope FILE: whether the tool fails for every finding, however small: else what a file's own
    findings come to cannot be told where severities differ, and they are not reused file by file."""
    asks_network: bool = False
    """Whether findings depend on what is elsewhere, so that no earlier result may be reused."""
    reads_environment: bool = False
    """Whether findings depend on the packages installed in the project's environment."""
    version_args: tuple[str, ...] = ("--version",)
    install: str = ""
    """The command that installs the tool, shown when it is missing."""
    timeout: float = 600.0
    """Seconds."""


class HookResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one hook did and found."""

    hook: str
    status: HookStatus
    duration: float
    """Seconds."""
    diagnostics: tuple[Diagnostic, ...] = ()
    changed: tuple[str, ...] = ()
    """Files that it changed, relative to the project."""
    rules: Mapping[str, tuple[str, ...]] = {}
    """Changed file -> the codes of what was put right, where that is known."""
    refused: Mapping[str, str] = {}
    """File -> why a fix was not made; the file is as it was."""
    cached: bool = False
    files: int = 0
    """How many files it looked at."""
    exit_code: int | None = None
    reason: str = ""
    """Why it was skipped, missing, inconclusive or an error: the tool's words where it has any."""
    tool_version: str = ""

    @property
    def findings(self) -> int:
        """How many of the diagnostics are findings: a note is none, as it is for the tools."""
        return sum(one.severity is not Severity.NOTE for one in self.diagnostics)
