"""``[tool.crackerjack]`` in pyproject.toml, read once into a frozen :class:`Config`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from crackerjack.errors import ConfigError, UsageError

PYPROJECT: Final = "pyproject.toml"


class HookTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.crackerjack.hooks.NAME]``: adjusts a hook of the catalogue, or, with a `command`,
    defines one.
    """

    command: tuple[str, ...] = ()
    """The arguments of a hook of the user's own, the tool first."""
    fix: tuple[str, ...] = ()
    """The arguments with which that tool writes."""
    strategy: Literal["fast", "comprehensive"] = "comprehensive"
    scope: Literal["file", "project"] = "project"
    parser: str = ""
    """A parser by name; without one the exit code alone decides."""
    pattern: str = ""
    """Parser ``regex``: named groups path, line, column, code, severity, message."""
    items: str = ""
    """Parser ``json``: the path to the list of findings, such as ``results[*].issues``."""
    fields: Mapping[str, str] = {}
    """Parser ``json``: a finding's field -> the path to it inside an item."""
    findings_exit: tuple[int, ...] = (1,)
    """Exit codes that mean "found something"; any other but 0 is an error of the tool."""
    files: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    """Further arguments for a hook of the catalogue."""
    timeout: float | None = None
    """Seconds."""
    enabled: bool | None = None
    install: str = ""
    config_files: tuple[str, ...] = ()


class StepTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of a workflow of the user's own."""

    action: str
    name: str = ""
    """How other steps need it; the action without ``run_`` when empty."""
    needs: tuple[str, ...] = ()
    timeout: float | None = None
    """Seconds."""
    retries: int = 0
    hooks: tuple[str, ...] = ()
    """The hooks that this step runs; all of its strategy when empty."""


class WorkflowTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.crackerjack.workflows.NAME]``."""

    steps: tuple[StepTable, ...]
    title: str = ""
    timeout: float | None = None
    """Seconds."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of ``[tool.crackerjack]`` with their defaults."""

    workflow: str = "standard"
    exclude: tuple[str, ...] = ()
    """Patterns of files that no hook looks at."""
    check: bool = False
    """Never write; the default is true when ``CI`` is set."""
    cache: bool = True
    fail_fast: bool = False
    jobs: int = 0
    """Hooks side by side; 0 for as many as there are cores."""
    timeout: float = 3600.0
    """Seconds for the whole run."""
    coverage_ratchet: bool = False
    """Fail when the coverage is lower than the best that the project has reached."""
    large_file_kb: int = 500
    strip_code: bool = False
    """Whether cleaning removes comments and docstrings."""
    test_args: tuple[str, ...] = ()
    """Further arguments for pytest."""
    keep_jobs: int = 500
    """How many ended jobs of a project the store keeps."""
    hooks: Mapping[str, HookTable] = {}
    workflows: Mapping[str, WorkflowTable] = {}


class Config(Settings, frozen=True, kw_only=True):
    """The effective configuration of one project."""

    root: str
    """Absolute path of the project, links resolved."""
    pyproject: Mapping[str, Any]
    """The parsed pyproject.toml; empty without one."""
    origins: Mapping[str, str]
    """Setting -> ``default``, ``pyproject.toml``, ``environment`` or ``command line``."""


def find_project(start: str) -> str:
    """The project that `start` lies in: the nearest directory upwards with a pyproject.toml, else
    with a ``.git``, else `start` itself. Raises :exc:`UsageError` when it is not a directory.
    """
    root = os.path.realpath(start)
    if not os.path.isdir(root):
        raise UsageError(f"no such directory: {start}; give --project an existing project")
    for marker in (PYPROJECT, ".git"):
        here = root
        while True:
            if os.path.exists(os.path.join(here, marker)):
                return here
            parent = os.path.dirname(here)
            if parent == here:
                break
            here = parent
    return root


def load_config(
    root: str, *, environment: Mapping[str, str], overrides: Mapping[str, Any]
) -> Config:
    """Read the configuration of the project at `root`.

    `overrides` are settings from the command line. Raises :exc:`ConfigError` with file, line and
    column, or file and key, for what cannot be used.
    """
    text, pyproject = _read_pyproject(root)
    table = _table(pyproject)
    settings = _convert(table, text)
    origins = dict.fromkeys(Settings.__struct_fields__, "default")
    origins.update(dict.fromkeys(table, PYPROJECT))
    changes: dict[str, Any] = {}
    if environment.get("CI", "").lower() not in {"", "0", "false"} and "check" not in table:
        changes["check"] = True
        origins["check"] = "environment (CI)"
    for key, value in overrides.items():
        changes[key] = value
        origins[key] = "command line"
    values = {**msgspec.structs.asdict(settings), **changes}
    return Config(**values, root=root, pyproject=pyproject, origins=origins)


def state_dir(environment: Mapping[str, str]) -> str:
    """Where the store lives: ``CRACKERJACK_STATE_DIR``, else below the user's state directory."""
    named = environment.get("CRACKERJACK_STATE_DIR")
    if named:
        return os.path.abspath(os.path.expanduser(named))
    base = environment.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(base, "crackerjack")


def _read_pyproject(root: str) -> tuple[str, dict[str, Any]]:
    path = os.path.join(root, PYPROJECT)
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    except FileNotFoundError:
        return "", {}
    except UnicodeDecodeError as error:
        raise ConfigError(
            PYPROJECT, f"byte {error.start} is not UTF-8", "save the file as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigError(path, error.strerror or str(error)) from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _toml_error(str(error)) from None


def _toml_error(message: str) -> ConfigError:
    found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", message, re.DOTALL)
    if not found:
        return ConfigError(PYPROJECT, f"not valid TOML: {message}")
    problem, line, column = found.groups()
    return ConfigError(f"{PYPROJECT}:{line}:{column}", f"not valid TOML: {problem}")


def _table(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    tool = pyproject.get("tool", {})
    table = tool.get("crackerjack", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError(f"{PYPROJECT}: tool.crackerjack", "expected a table")
    return table


def _convert(table: Mapping[str, Any], text: str) -> Settings:
    try:
        settings = msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), text) from None
    for key in ("timeout", "jobs", "large_file_kb", "keep_jobs"):
        if getattr(settings, key) < 0:
            raise _error_at([key], "must not be negative", "", text)
    return settings


def _invalid(message: str, text: str) -> ConfigError:
    """Turn msgspec's sentence, ``... - at `$.hooks[...].timeout```, into one about the file."""
    problem, _, place = message.partition(" - at ")
    keys = re.findall(r"[A-Za-z_][\w-]*|\*", place.strip("`").replace("[...]", ".*"))
    unknown = re.search(r"unknown field `(.+)`", problem)
    if not unknown:
        problem = problem.replace("`", "").replace("Expected", "expected")
        return _error_at(keys, problem, "", text)
    name = unknown.group(1)
    return _error_at([*keys, name], f"unknown key {name!r}", _did_you_mean(keys, name), text)


def _did_you_mean(keys: list[str], name: str) -> str:
    import difflib

    owner: type[msgspec.Struct] = Settings
    if keys[:1] == ["hooks"]:
        owner = HookTable
    elif keys[:1] == ["workflows"]:
        owner = StepTable if "steps" in keys else WorkflowTable
    known = owner.__struct_fields__
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"


def _error_at(keys: list[str], problem: str, hint: str, text: str) -> ConfigError:
    line = _line_of(keys, text)
    where = f"{PYPROJECT}:{line}" if line else PYPROJECT
    return ConfigError(f"{where}: {'.'.join(['tool.crackerjack', *keys])}", problem, hint)


def _line_of(keys: list[str], text: str) -> int | None:
    """The line that most likely holds the key: the TOML reader keeps no positions."""
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("["):
            inside = "tool.crackerjack" in line
        if inside and keys and re.match(rf"\s*[\"']?{re.escape(keys[-1])}\b", line):
            return number
    return None
