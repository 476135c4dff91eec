"""``[tool.crackerjack]`` in pyproject.toml, read once into a frozen :class:`Config`."""

# Without `from __future__ import annotations`: msgspec would compile the type of each field from its
# text, at every start.

import errno
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from crackerjack.errors import ConfigError, UsageError

PYPROJECT: Final = "pyproject.toml"

Seconds = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
StrategyName = Literal["fast", "comprehensive"]
ScopeName = Literal["file", "project"]


class HookTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.crackerjack.hooks.NAME]``: adjusts a hook of the catalogue, or, with a `command`,
    defines one.
    """

    command: tuple[str, ...] = ()
    """The arguments of a hook of the user's own, the tool first."""
    fix: tuple[str, ...] = ()
    """The arguments with which that tool writes."""
    strategy: StrategyName = "comprehensive"
    scope: ScopeName = "project"
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
    timeout: Seconds | None = None
    enabled: bool | None = None
    install: str = ""
    config_files: tuple[str, ...] = ()


class StepTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of a workflow of the user's own."""

    action: str
    name: str = ""
    """How other steps need it; the action without ``run_`` when empty."""
    needs: tuple[str, ...] = ()
    timeout: Seconds | None = None
    retries: Count = 0
    hooks: tuple[str, ...] = ()
    """The hooks that this step runs; all of its strategy when empty."""


class WorkflowTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.crackerjack.workflows.NAME]``."""

    steps: tuple[StepTable, ...]
    title: str = ""
    timeout: Seconds | None = None


class BundleTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.crackerjack.bundle]``: what of the project may travel to a worker."""

    max_files: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 50_000
    max_mb: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 512
    """MiB of all files together."""
    max_file_mb: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 64
    """MiB of a single file."""
    include: tuple[str, ...] = ()
    """Files and directories, relative to the project, that travel although git ignores them or they
    look like secrets."""


class FleetTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tool.crackerjack.fleet]``: the project's runs on workers."""

    priority: Annotated[int, msgspec.Meta(ge=0, le=9)] = 5
    """Who has a higher one goes first."""
    needs: tuple[str, ...] = ()
    """Labels that a worker must have, as ``KEY=VALUE``."""
    max_running: Count = 0
    """Runs of the project at the same time; 0 for any number."""
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    """Workers that a run may lose before it is given up."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of ``[tool.crackerjack]`` with their defaults."""

    workflow: str = "standard"
    exclude: tuple[str, ...] = ()
    """Patterns of files that nothing is reported of; a tool that chooses its files may look at them."""
    check: bool = False
    """Never write; the default is true when ``CI`` is set."""
    cache: bool = True
    fail_fast: bool = False
    jobs: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    """Hooks side by side; 0 for as many as there are cores."""
    timeout: Seconds = 3600.0
    """For the whole run."""
    coverage_ratchet: bool = False
    """Fail when the coverage is lower than the best that the project has reached."""
    large_file_kb: Count = 500
    strip_code: bool = False
    """Whether cleaning removes comments and docstrings."""
    test_args: tuple[str, ...] = ()
    """Further arguments for pytest."""
    keep_jobs: Annotated[int, msgspec.Meta(ge=1)] = 500
    """How many ended jobs of a project the store keeps."""
    bundle: BundleTable = BundleTable()
    fleet: FleetTable = FleetTable()
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


def find_project(start: str | None) -> str:
    """The directory `start`, links resolved; without one the project around the working directory.

    That is the nearest directory upwards with a pyproject.toml or a ``.git``, else the working
    directory itself. Raises :exc:`UsageError` when there is no such directory.
    """
    root = here = _directory(start or ".")
    while start is None:
        if is_project(here):
            return here
        parent = os.path.dirname(here)
        if parent == here:
            break
        here = parent
    return root


def is_project(directory: str) -> bool:
    """Whether a directory says itself that it is a project."""
    return any(os.path.exists(os.path.join(directory, marker)) for marker in (PYPROJECT, ".git"))


def _directory(path: str) -> str:
    try:
        real = os.path.realpath(path)
    except FileNotFoundError:
        raise UsageError("the working directory is gone: go to one that exists") from None
    try:
        real.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(real).decode("utf-8", "backslashreplace")
        raise UsageError(
            f"the path {shown} is not UTF-8, as reports must be: rename the directory"
        ) from None
    if not os.path.isdir(real):
        raise UsageError(f"no such directory: {path}; give --project an existing project")
    return real


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
        if key not in Settings.__struct_fields__:  # a worker hears of them from others
            raise ConfigError("the command line", f"there is no setting {key[:80]!r}")
        changes[key] = value
        origins[key] = "command line"
    values = {**msgspec.structs.asdict(settings), **changes}
    return Config(**values, root=root, pyproject=pyproject, origins=origins)


def state_dir(environment: Mapping[str, str]) -> str:
    """Where the store lives: ``CRACKERJACK_STATE_DIR``, else below the user's state directory.

    Raises :exc:`UsageError` for a user without a home.
    """
    named = environment.get("CRACKERJACK_STATE_DIR")
    if named:
        return os.path.abspath(os.path.expanduser(named))
    base = environment.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # which the specification of XDG tells to ignore
        base = os.path.join(_home(environment), ".local", "state")
    return os.path.join(base, "crackerjack")


def _home(environment: Mapping[str, str]) -> str:
    home = environment.get("HOME", "")
    if os.path.isabs(home):
        return home
    from pwd import getpwuid

    try:
        return getpwuid(os.getuid()).pw_dir
    except KeyError:
        raise UsageError("nobody knows your home directory: set CRACKERJACK_STATE_DIR") from None


def _read_pyproject(root: str) -> tuple[str, dict[str, Any]]:
    path = os.path.join(root, PYPROJECT)
    try:
        data = _read_file(path)
    except FileNotFoundError:
        return "", {}
    except OSError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}") from None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        where = _position(data[: error.start].decode())
        problem = f"byte {error.start} is not UTF-8"
        raise ConfigError(f"{PYPROJECT}:{where}", problem, "save the file as UTF-8") from None
    if text.startswith("\ufeff"):
        hint = "save the file as UTF-8 without it: TOML knows none"
        raise ConfigError(f"{PYPROJECT}:1:1", "begins with a byte order mark", hint)
    try:
        return text, tomllib.loads(text)
    except ValueError as error:  # also of a number with thousands of digits
        raise _toml_error(str(error), text) from None
    except RecursionError:
        raise ConfigError(PYPROJECT, "not valid TOML: nested too deeply") from None


def _read_file(path: str) -> bytes:
    """Read the file unless it is a pipe or a device, which would be waited for in vain."""
    if stat.S_ISREG(os.stat(path).st_mode):
        with open(path, "rb") as stream:
            return stream.read()
    raise OSError(errno.EINVAL, "it is no regular file")


def _position(before: str) -> str:
    """Line and column, counted from 1, of what comes after this text."""
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def _toml_error(message: str, text: str) -> ConfigError:
    found = re.search(
        r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", message, re.DOTALL
    )
    if not found:
        return ConfigError(PYPROJECT, f"not valid TOML: {message}")
    problem, line, column = found.groups()
    where = f"{line}:{column}" if line else _position(text)
    return ConfigError(f"{PYPROJECT}:{where}", f"not valid TOML: {problem}")


def _table(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    tool = pyproject.get("tool", {})
    table = tool.get("crackerjack", {}) if isinstance(tool, dict) else tool
    if not isinstance(table, dict):
        key = "tool.crackerjack" if isinstance(tool, dict) else "tool"
        raise ConfigError(f"{PYPROJECT}: {key}", "expected a table")
    return table


def _convert(table: Mapping[str, Any], text: str) -> Settings:
    if keys := _where_nul(table):
        raise _error_at(keys, "holds a NUL, which no path and no argument can", "", text)
    try:
        return msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), table, text) from None


_ENTRIES: Final[dict[str, type[msgspec.Struct]]] = {"hooks": HookTable, "workflows": WorkflowTable}
_TABLES: Final[dict[str, type[msgspec.Struct]]] = {**_ENTRIES, "bundle": BundleTable}
_CHOICES: Final = {"strategy": get_args(StrategyName), "scope": get_args(ScopeName)}
_TYPES: Final = {
    "object": "a table",
    "array": "a list",
    "str": "a string",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
}
"""What msgspec says, in the words of TOML."""


def _where_nul(value: object) -> list[str]:
    """The keys that lead to a string with a NUL; none where there is no such string."""
    pairs: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value, start=1)
    for key, inner in pairs:
        if "\0" in (str(key) + inner if isinstance(inner, str) else str(key)):
            return [str(key)]
        if keys := _where_nul(inner):
            return [str(key), *keys]
    return []


def _invalid(message: str, table: Mapping[str, Any], text: str) -> ConfigError:
    """Turn msgspec's sentence, ``... - at `$.hooks[...].timeout```, into one about the file."""
    problem, _, place = message.partition(" - at ")
    keys = re.findall(r"[A-Za-z_]\w*", place)
    if keys and keys[0] in _ENTRIES and "[...]" in place:
        keys.insert(1, _wrong_entry(table[keys[0]], _ENTRIES[keys[0]]))
    unknown = re.search(r"unknown field `(.+)`", problem)
    if unknown:
        name = unknown.group(1)
        return _error_at([*keys, name], f"unknown key {name!r}", _did_you_mean(keys, name), text)
    missing = re.search(r"missing required field `(.+)`", problem)
    if missing:
        return _error_at(keys, f"the key {missing.group(1)!r} is missing", "", text)
    problem = re.sub("`(.+?)`", lambda found: _TYPES.get(found[1], found[1]), problem)
    problem = problem.replace("Expected", "expected")
    if "enum" in problem:
        return _error_at(keys, f"expected {' or '.join(_CHOICES[keys[-1]])}", "", text)
    return _error_at(keys, problem, "", text)


def _wrong_entry(entries: Mapping[str, Any], kind: type[msgspec.Struct]) -> str:
    """The name of the entry that the error is in: msgspec does not say."""
    for name, value in entries.items():
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return name
    return "*"


def _did_you_mean(keys: list[str], name: str) -> str:
    import difflib

    owner: type[msgspec.Struct] = Settings
    if keys:
        owner = StepTable if "steps" in keys else _TABLES[keys[0]]
    known = owner.__struct_fields__
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"


def _error_at(keys: list[str], problem: str, hint: str, text: str) -> ConfigError:
    line = _line_of(["tool", "crackerjack", *keys], text)
    where = f"{PYPROJECT}:{line}" if line else PYPROJECT
    return ConfigError(f"{where}: {'.'.join(['tool.crackerjack', *keys])}", problem, hint)


def _line_of(path: list[str], text: str) -> int | None:
    """The line that most likely holds the key: the TOML reader keeps no positions."""
    best: int | None = None
    depth = 0
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("["):
            here = table = _dotted(line.partition("]")[0])
        else:
            here = table + _dotted(line.partition("=")[0])
        if len(here) > depth and here == path[: len(here)]:
            best, depth = number, len(here)
    return best


def _dotted(key: str) -> list[str]:
    """The parts of a key such as ``tool."a b".c``."""
    return [word.strip("\"'") for word in re.findall(r"\"[^\"]*\"|'[^']*'|[\w-]+", key)]
