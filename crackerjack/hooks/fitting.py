"""Fits a hook of the catalogue to one project: its layout, its environment, its configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from crackerjack.hooks.declared_tools import DeclaredTools
from crackerjack.hooks.entry import FILES, TARGETS, Entry
from crackerjack.hooks.files import as_argument
from crackerjack.hooks.hook import Hook, Scope
from crackerjack.hooks.layout import Layout
from crackerjack.hooks.tools import Tool, Toolbox

_SELECT: Final = "--select="
_PYTHON_REQUIRES: Final = r"python_requires\s*=\s*[\"']?>=?\s*3\.(\d+)"
_OLDEST_FOR_RUFF: Final = 7  # of Python 3


class Project(msgspec.Struct, frozen=True):
    """What hooks are fitted to."""

    layout: Layout
    declared: DeclaredTools
    toolbox: Toolbox

    @property
    def targets(self) -> tuple[str, ...]:
        """What a tool that judges shipped code is pointed at; the whole project when nothing is."""
        return self.layout.targets or (".",)


def fit(entry: Entry, tool: Tool | None, project: Project, extra: tuple[str, ...]) -> Hook:
    """The hook as it runs in this project, with the user's `extra` arguments.

    These count as configuration of the tool: the project is not unprepared for it then. That the
    project requires the tool, or has pre-commit run it, does not: with what arguments, is not known.
    """
    hook = entry.hook
    prepared = bool(extra) or bool(project.declared.configured(entry.evidence))
    added = extra if prepared else entry.unprepared
    hook = _with_arguments(hook, *added)
    if not prepared and entry.unprepared_patterns:
        hook = msgspec.structs.replace(hook, patterns=entry.unprepared_patterns)
    if entry.targets_only:
        hook = _for_targets(hook, project)
    if tool is not None and (special := _SPECIAL.get(tool.name)):
        hook = special(hook, tool, project)
    if not any(TARGETS in arguments for arguments in (hook.check, hook.fix or ())):
        return hook
    targets = () if _says_what_to_look_at(entry, project.declared) else project.targets
    return _replaced(hook, TARGETS, tuple(map(as_argument, targets)))


def decided_by_project(hook: Hook, declared: DeclaredTools) -> bool:
    """Whether the project itself selects or ignores all the ruff rules that this hook adds."""
    added = _added_rules(hook)
    return bool(added) and not _undecided(added, declared)


def _undecided(rules: list[str], declared: DeclaredTools) -> list[str]:
    decided = _ruff_decisions(declared)
    return [rule for rule in rules if not any(_covers(chosen, rule) for chosen in decided)]


def _covers(chosen: str, rule: str) -> bool:
    """Whether a selector of ruff stands for a rule: ``S`` and ``S1`` for S103, ``F`` not for FURB."""
    rest = rule.removeprefix(chosen)
    return chosen == "ALL" or rest == "" or (rest != rule and rest.isdecimal())


def _added_rules(hook: Hook) -> list[str]:
    for argument in hook.check:
        if argument.startswith(_SELECT):
            return argument.removeprefix(_SELECT).split(",")
    return []


def _ruff_configuration(declared: DeclaredTools) -> Mapping[str, Any]:
    """ruff reads one of these, the first; ``extend`` is not followed."""
    for name in (".ruff.toml", "ruff.toml"):
        if found := declared.toml(name):
            return found
    table = declared.setting("tool.ruff")
    return table if isinstance(table, Mapping) else {}


def _ruff_decisions(declared: DeclaredTools) -> list[str]:
    """The rules, or beginnings of rules, that the project's configuration names."""
    configuration = _ruff_configuration(declared)
    lint = configuration.get("lint")
    tables = [configuration, lint if isinstance(lint, Mapping) else {}]
    keys = ("select", "extend-select", "ignore", "extend-ignore")
    chosen = [table.get(key) for table in tables for key in keys]
    named = [rule for rules in chosen if isinstance(rules, list) for rule in rules]
    return [rule for rule in named if rule and isinstance(rule, str)]


def _fit_ruff(hook: Hook, tool: Tool, project: Project) -> Hook:
    configuration = _ruff_configuration(project.declared)
    if any(configuration.get(key) for key in ("include", "extend-include")):
        # Files that are named on its command line count as included: let it choose by itself.
        hook = msgspec.structs.replace(_replaced(hook, FILES, (".",)), scope=Scope.PROJECT)
    if undecided := _undecided(_added_rules(hook), project.declared):
        hook = _replaced(
            hook, _SELECT + ",".join(_added_rules(hook)), (_SELECT + ",".join(undecided),)
        )
    if "UP" in _added_rules(hook) and not configuration.get("target-version"):
        hook = _with_arguments(hook, *_oldest_python(project.declared))
    return _fit_ruff_format(hook, project.toolbox.installed_version(tool))


def _oldest_python(declared: DeclaredTools) -> list[str]:
    """The option that tells ruff the oldest Python of the project where ruff does not look for it.

    What is new in a Python that the project need not have is no better way to say a thing.
    """
    if declared.setting("project.requires-python"):
        return []
    says = (
        str(declared.setting("tool.poetry.dependencies.python")),
        declared.section("setup.cfg", "options"),
        declared.text("setup.py"),
    )
    for text, pattern in zip(says, (r"3\.(\d+)", *[_PYTHON_REQUIRES] * 2), strict=True):
        if oldest := re.search(pattern, text):
            return [f"--target-version=py3{max(int(oldest[1]), _OLDEST_FOR_RUFF)}"]
    return []


def _fit_ruff_format(hook: Hook, version: str) -> Hook:
    """Its formatter learnt to report in 0.13, and in 0.16 to format the code in Markdown."""
    if hook.check[0] != "format" or not version:
        return hook
    if _older(version, 0, 13):
        return _replaced(hook, "--output-format=json", ())
    if _older(version, 0, 16):
        return hook
    return msgspec.structs.replace(hook, patterns=(*hook.patterns, "*.md"))


def _fit_mypy(hook: Hook, tool: Tool, project: Project) -> Hook:
    python = project.layout.python
    configured = project.declared.setting("tool.mypy.python_executable")
    if tool.origin != "project" and python and not configured:
        hook = _with_arguments(hook, f"--python-executable={python}")
    if _older(project.toolbox.installed_version(tool), 1, 11):
        hook = _replaced(
            hook, "--output=json", ("--no-pretty", "--show-error-codes", "--show-column-numbers")
        )
    if project.layout.namespace and "--ignore-missing-imports" in hook.check:
        # Unprepared: else mypy takes ns/functools/__init__.py for a module `functools`.
        hook = _with_arguments(hook, "--explicit-package-bases")
    return hook


def _fit_pyright(hook: Hook, _tool: Tool, project: Project) -> Hook:
    """Its JSON configuration is not read here: one that names an environment wins over no option."""
    python = project.layout.python
    configured = project.declared.text("pyrightconfig.json") or any(
        project.declared.setting(f"tool.{name}.{key}")
        for name in ("pyright", "basedpyright")
        for key in ("venv", "pythonPath")
    )
    return _with_arguments(hook, f"--pythonpath={python}") if python and not configured else hook


def _fit_bandit(hook: Hook, _tool: Tool, project: Project) -> Hook:
    """It finds no configuration by itself when it is given files."""
    declared = project.declared
    if declared.setting("tool.bandit") is not None:
        return _with_arguments(hook, "-c", "pyproject.toml")
    for name in ("bandit.yaml", "bandit.yml"):
        if declared.text(name):
            return _with_arguments(hook, "-c", name)
    if text := declared.text(".bandit"):
        is_ini = re.search(r"^\[", text, re.MULTILINE) is not None
        return _with_arguments(hook, "--ini" if is_ini else "-c", ".bandit")
    return hook


def _fit_pip_audit(hook: Hook, tool: Tool, project: Project) -> Hook:
    """It audits the environment that it is installed in, unless it is told another."""
    python = project.layout.python
    if tool.origin == "project" or python is None:
        return hook
    libraries = os.path.join(os.path.dirname(os.path.dirname(python)), "lib")
    try:
        versions = sorted(name for name in os.listdir(libraries) if name.startswith("python"))
    except OSError:
        return hook
    paths = [os.path.join(libraries, name, "site-packages") for name in versions]
    return _with_arguments(hook, *(f"--path={path}" for path in paths if os.path.isdir(path)))


_SPECIAL: Final[Mapping[str, Callable[[Hook, Tool, Project], Hook]]] = {
    "ruff": _fit_ruff,
    "mypy": _fit_mypy,
    "pyright": _fit_pyright,
    "basedpyright": _fit_pyright,
    "bandit": _fit_bandit,
    "pip-audit": _fit_pip_audit,
}


def _for_targets(hook: Hook, project: Project) -> Hook:
    """The hook for shipped code only; ruff can leave out tests that are shipped, too."""
    hook = msgspec.structs.replace(hook, patterns=_inside(hook.patterns, project.targets))
    if hook.tool == "ruff" and project.layout.test_dirs:
        hook = _with_arguments(
            hook, *(f"--extend-exclude={one}" for one in project.layout.test_dirs)
        )
    return hook


def _says_what_to_look_at(entry: Entry, declared: DeclaredTools) -> bool:
    tables = entry.evidence.tables
    if any(declared.setting(f"{table}.{key}") for table in tables for key in entry.target_keys):
        return True
    if not entry.target_keys:
        return False
    assigned = re.compile(rf"^\s*(?:{'|'.join(entry.target_keys)})\s*=", re.MULTILINE)
    # setup.cfg belongs to several tools, and to some of them the same keys mean other things.
    texts = [declared.text(name) for name in entry.evidence.files]
    texts += [declared.section("setup.cfg", section) for section in entry.evidence.sections]
    return any(assigned.search(text) for text in texts)


def _with_arguments(hook: Hook, *arguments: str) -> Hook:
    """The hook with further arguments, before what it looks at."""
    fix = None if not hook.fix else _inserted(hook.fix, arguments)
    return msgspec.structs.replace(
        hook, check=_inserted(hook.check, arguments), fix=hook.fix if fix is None else fix
    )


def _inserted(command: tuple[str, ...], arguments: tuple[str, ...]) -> tuple[str, ...]:
    at = next((n for n, one in enumerate(command) if one in {FILES, TARGETS}), len(command))
    return (*command[:at], *arguments, *command[at:])


def _replaced(hook: Hook, placeholder: str, arguments: tuple[str, ...]) -> Hook:
    def fill(command: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            filled for one in command for filled in (arguments if one == placeholder else (one,))
        )

    fix = None if hook.fix is None else fill(hook.fix)
    return msgspec.structs.replace(hook, check=fill(hook.check), fix=fix)


def _inside(patterns: tuple[str, ...], targets: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns, but only for what lies in these directories or is one of these files."""
    if "." in targets:
        return patterns
    return tuple(
        target if target.endswith((".py", ".pyi")) else f"{target}/{pattern}"
        for target in targets
        for pattern in patterns
    )


def _older(version: str, *than: int) -> bool:
    """Whether the version is known and lower than that."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[: len(than)])
    return bool(numbers) and numbers < than
