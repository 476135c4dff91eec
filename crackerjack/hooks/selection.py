"""Which hooks run in a project, with which tool, and why the others do not.

Starts no process: it looks at pyproject.toml, a few files beside it and where executables are.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Final

import msgspec

from crackerjack.config import Config, HookTable
from crackerjack.errors import ConfigError, UsageError
from crackerjack.hooks.catalog import ENTRIES
from crackerjack.hooks.declared_tools import DeclaredTools, Evidence
from crackerjack.hooks.entry import Entry
from crackerjack.hooks.fitting import Project, decided_by_project, fit
from crackerjack.hooks.hook import Hook, When
from crackerjack.hooks.layout import Layout
from crackerjack.hooks.tools import Tool, Toolbox

_PYTHON: Final = "{python}"
_BLACK: Final = Evidence(tables=("tool.black",), names=("black",))
_RUFF_FORMAT: Final = Evidence(tables=("tool.ruff.format",), names=("ruff-format",))
_BASEDPYRIGHT: Final = Evidence(tables=("tool.basedpyright",), names=("basedpyright",))
_CATALOGUE: Final = frozenset(entry.hook.name for entry in ENTRIES)

NOT_ASKED_FOR: Final = "nothing in this project asks for it"
"""Begins the reason why a hook does not run that waits to be asked for."""


class PlannedHook(msgspec.Struct, frozen=True, kw_only=True):
    """A hook of this project, and whether it runs.

    One that is `asked` for and does not run lacks its tool: it ends as ``tool_missing``. One that is
    neither is no part of the run.
    """

    hook: Hook
    """As it runs here: fitted to the project's layout and configuration."""
    tool: Tool | None
    """None when the hook does not run, or needs none."""
    runs: bool
    reason: str = ""
    """Why it does not run, and what to do about it; empty when it runs."""
    asked: bool = False
    """Whether it belongs to the run: always on, chosen by the project, or named by the user."""


def select_hooks(
    config: Config,
    layout: Layout,
    toolbox: Toolbox,
    *,
    names: Collection[str] = (),
    wanted: Collection[str] = (),
    everything: bool = False,
) -> tuple[PlannedHook, ...]:
    """Every hook there is for this project: the catalogue's, then the user's own.

    With `names` (``--hook``) just these run, also those that the project disables or does not ask
    for. Those in `wanted`, which a workflow names, count as enabled. With `everything`, hooks with opinions that only look run wherever their tool is found.
    Raises :exc:`UsageError` for a name that no hook has, :exc:`ConfigError` for a table that cannot
    work.
    """
    tables = {**config.hooks, **{name: _enabled(config.hooks.get(name)) for name in wanted}}
    selection = _Selection(config, tables, layout, toolbox, names=names, everything=everything)
    planned = tuple(selection.planned())
    known = {one.hook.name for one in planned}
    for name in (*names, *wanted):
        if name not in known:
            from crackerjack.hooks.own_hooks import did_you_mean

            raise UsageError(f"there is no hook {name!r}: {did_you_mean(name, known)}")
    return planned


_ONLY_WANTED: Final = HookTable(enabled=True)
"""Of a hook that the configuration does not mention but a workflow names."""


class _Selection:
    """The choice for one project."""

    def __init__(
        self,
        config: Config,
        tables: Mapping[str, HookTable],
        layout: Layout,
        toolbox: Toolbox,
        *,
        names: Collection[str],
        everything: bool,
    ) -> None:
        self._declared = DeclaredTools(config.root, config.pyproject)
        self._project = Project(layout, self._declared, toolbox)
        self._tables = tables
        self._names = names
        self._everything = everything
        self._used = {entry.hook.name: self._where_declared(entry) for entry in ENTRIES}

    def planned(self) -> Iterator[PlannedHook]:
        for entry in ENTRIES:
            yield self._of_catalogue(entry, self._tables.get(entry.hook.name, HookTable()))
        for name, table in self._tables.items():
            if name not in _CATALOGUE and table != _ONLY_WANTED:
                yield self._own(name, table)

    def _of_catalogue(self, entry: Entry, table: HookTable) -> PlannedHook:
        name = entry.hook.name
        if table.command:
            raise ConfigError(
                f"pyproject.toml: tool.crackerjack.hooks.{name}.command",
                "would replace a hook of the catalogue",
                "give your own hook another name and this one `enabled = false`",
            )
        if reason := self._why_named_not(name, table) or self._why_not(entry, table):
            return PlannedHook(hook=entry.hook, tool=None, runs=False, reason=reason)
        tool = self._project.toolbox.find(entry.hook.tool)
        hook = _adjusted(fit(entry, tool, self._project, table.args), table)
        return _with_tool(hook, tool, asked=self._is_wanted(entry, table))

    def _own(self, name: str, table: HookTable) -> PlannedHook:
        from crackerjack.hooks.own_hooks import did_you_mean, own_hook

        if not table.command:
            raise ConfigError(
                f"pyproject.toml: tool.crackerjack.hooks.{name}",
                "is no hook of the catalogue, and without `command` none of your own",
                did_you_mean(name, _CATALOGUE),
            )
        hook = own_hook(name, table)
        if reason := self._why_named_not(name, table):
            return PlannedHook(hook=hook, tool=None, runs=False, reason=reason)
        if hook.tool == _PYTHON:
            python = self._interpreter()
            hook = msgspec.structs.replace(hook, tool=python.name)
            return _with_tool(hook, python, asked=True)
        return _with_tool(hook, self._project.toolbox.find(hook.tool), asked=True)

    def _why_named_not(self, name: str, table: HookTable) -> str:
        """Why the user does not want this hook; empty when they do, or say nothing."""
        if self._names:
            return "" if name in self._names else "not asked for: --hook names others"
        if table.enabled is False:
            return f"disabled: [tool.crackerjack.hooks.{name}] says enabled = false"
        return ""

    def _why_not(self, entry: Entry, table: HookTable) -> str:
        """Why the project does not want this hook, when the user says nothing."""
        name = entry.hook.name
        if name == "codespell" and self._codespell_writes():
            return (
                "the project's configuration has write-changes, with which codespell cannot only look: "
                "remove it, and run codespell -w by hand"
            )
        if name in self._names or table.enabled:
            return ""
        if other := self._used_instead(name):
            return f"this project uses {other} instead ({self._used[other]})"
        if decided_by_project(entry.hook, self._declared):
            return "the project's ruff configuration decides on these rules: ruff-check does that"
        if self._is_wanted(entry, table) or self._comes_with_everything(entry):
            return ""
        return self._not_asked_for(entry)

    def _not_asked_for(self, entry: Entry) -> str:
        if entry.hook.name == "ruff-format" and (black := self._declared.declared(_BLACK)):
            return f"this project formats with black ({black}): run with --hook ruff-format to try"
        return f"{NOT_ASKED_FOR}: {_how_to_ask(entry)}"

    def _codespell_writes(self) -> bool:
        texts = [
            self._declared.section(name, "codespell") for name in ("setup.cfg", ".codespellrc")
        ]
        return self._declared.setting("tool.codespell.write-changes") is not None or any(
            line.lower().startswith("write-changes") for text in texts for line in text.split("\n")
        )

    def _is_wanted(self, entry: Entry, table: HookTable) -> bool:
        """Whether it belongs to the run even when its tool is missing."""
        name = entry.hook.name
        always = entry.hook.when is When.ALWAYS
        return always or name in self._names or bool(table.enabled) or bool(self._used[name])

    def _comes_with_everything(self, entry: Entry) -> bool:
        hook = entry.hook
        return (
            self._everything and hook.tool is not None and hook.fix is None and not entry.instead_of
        )

    def _used_instead(self, name: str) -> str:
        """The hook that the project uses and this one not; empty when there is none."""
        if self._used[name]:
            return ""
        others = (entry.hook.name for entry in ENTRIES if entry.instead_of == name)
        return next((other for other in others if self._used[other]), "")

    def _where_declared(self, entry: Entry) -> str:
        """Where the project says that it uses the hook's tool; empty when it does not.

        A requirement alone says so only where the tool is installed: many a project names, for some
        job of its CI, tools that are in nobody's environment.
        """
        evidence = entry.evidence
        if entry.hook.name == "ruff-format" and self._declared.declared(_BLACK):
            evidence = _RUFF_FORMAT  # its configuration of ruff may be for the linter only
        if entry.hook.name == "pyright" and self._declared.declared(_BASEDPYRIGHT):
            # It reads pyright's configuration, so that does not tell which of the two it is.
            evidence = Evidence(names=evidence.names)
        if where := self._declared.configured(evidence):
            return where
        where = self._declared.declared(evidence)
        return where if where and self._project.toolbox.find(entry.hook.tool) else ""

    def _interpreter(self) -> Tool:
        python = self._project.layout.python
        if python:
            return Tool("python", python, "project")
        return Tool("python", sys.executable, "crackerjack")


def _enabled(table: HookTable | None) -> HookTable:
    """The table of a hook that a workflow names; one that the project disables stays so."""
    if table is None:
        return _ONLY_WANTED
    return table if table.enabled is False else msgspec.structs.replace(table, enabled=True)


def _adjusted(hook: Hook, table: HookTable) -> Hook:
    """The hook with what the user's table changes of it, but for its arguments."""
    return msgspec.structs.replace(
        hook,
        patterns=table.files or hook.patterns,
        timeout=hook.timeout if table.timeout is None else table.timeout,
        install=table.install or hook.install,
        config_files=(*hook.config_files, *table.config_files),
        config_tables=(*hook.config_tables, f"tool.crackerjack.hooks.{hook.name}"),
    )


def _with_tool(hook: Hook, tool: Tool | None, *, asked: bool) -> PlannedHook:
    """The hook that is to run, unless its tool is missing."""
    if hook.tool is None or tool is not None:
        return PlannedHook(hook=hook, tool=tool, runs=True, asked=asked)
    reason = (
        f"{hook.tool} is no program: it must be an executable file whose interpreter exists"
        if "/" in hook.tool
        else f"{hook.tool} is not installed in the project's environment, beside crackerjack or on PATH"
    )
    if hook.install:
        reason += f": {hook.install}"
    return PlannedHook(hook=hook, tool=None, runs=False, reason=reason, asked=asked)


def _how_to_ask(entry: Entry) -> str:
    name = entry.hook.name
    configure = [f"configure it in [{table}]" for table in entry.evidence.tables[:1]]
    enable = f"set enabled = true in [tool.crackerjack.hooks.{name}]"
    return ", ".join([*configure, enable, f"or run with --hook {name}"])
