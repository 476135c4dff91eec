"""What the environment of a project is made from, by the files of the project alone."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from crackerjack.errors import EnvironmentFailed
from crackerjack.hooks.atomic import read_regular
from crackerjack.hooks.cache import key_of
from crackerjack.hooks.uv_lock import normalised_name

GROUPS: Final = ("dev", "test", "tests")
"""The dependency groups and extras that hold what the tests need, and the tools."""

_REQUIREMENTS: Final = re.compile(r"requirements([-_.](dev|tests?|lock(ed)?))*\.(txt|lock)")
"""Names of requirements files that stand for the project and its tests, not for its documentation."""
_INPUTS: Final = re.compile(
    r"(.*requirements.*|.*constraints.*|pylock(\..*)?|uv)\.(txt|in|lock|toml)"
)
"""Names of files that may be read on the way, for one requirements file may name others."""
_SELF: Final = re.compile(r"\s*([A-Za-z0-9._-]+)\s*\[([^\]]*)\]\s*")
_LARGEST: Final = 16 * 1024 * 1024  # bytes of one such file


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How to make an environment; the project itself is no part of it."""

    source: str
    """The files it is made from, for the user: ``uv.lock``."""
    tool: str
    """``uv-sync`` of uv.lock, ``uv`` for a pylock.toml, or ``pip``."""
    arguments: tuple[str, ...] = ()
    """Of the tool; names of files are relative to the project."""
    requirements: tuple[str, ...] = ()
    """Lines for a requirements file, instead."""
    key: bytes
    """The same for all projects whose files say the same."""


def environment_recipe(root: str, pyproject: Mapping[str, Any], *, has_uv: bool) -> Recipe | None:
    """Return the recipe for the project in `root`; None when its files say nothing of what it needs.

    The first of these counts: uv.lock and pylock.toml where there is uv; requirements files with hashes;
    the dependencies in pyproject.toml with the groups and extras called dev, test or tests; any
    requirements files. Raises :exc:`EnvironmentFailed` for a file that cannot be read.
    """
    inputs = dict(_inputs(root))
    names = sorted(name for name in inputs if _REQUIREMENTS.fullmatch(os.path.basename(name)))
    hashed = [name for name in names if b"--hash=" in inputs[name]]
    declared = tuple(_declared(pyproject))
    arguments: tuple[str, ...] = ()
    if has_uv and "uv.lock" in inputs:
        source, tool, arguments = "uv.lock", "uv-sync", tuple(_uv_choice(pyproject))
        inputs["pyproject.toml"] = _content(root, "pyproject.toml")
    elif has_uv and "pylock.toml" in inputs:
        source, tool, arguments = "pylock.toml", "uv", ("-r", "pylock.toml")
    elif hashed:
        source, tool = ", ".join(hashed), "pip"
        arguments = tuple(word for name in hashed for word in ("-r", name))
    elif declared:
        source, tool = "pyproject.toml", "pip"
    elif names:
        source, tool = ", ".join(names), "pip"
        arguments = tuple(word for name in names for word in ("-r", name))
    else:
        return None
    requirements = () if arguments or tool != "pip" else declared
    read = (part for name in sorted(inputs) for part in (os.fsencode(name), inputs[name]))
    words = (*arguments, "", *requirements)
    key = key_of(tool.encode(), *(word.encode("utf-8", "surrogateescape") for word in words), *read)
    return Recipe(source=source, tool=tool, arguments=arguments, requirements=requirements, key=key)


def read_pyproject(root: str) -> Mapping[str, Any]:
    """Return the parsed pyproject.toml; empty without one. Raises :exc:`EnvironmentFailed`."""
    content = _content(root, "pyproject.toml")
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise EnvironmentFailed("pyproject.toml", f"it is not valid TOML ({error})") from None


def table(of: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return a table inside of tables; empty where there is none."""
    for key in keys:
        value = of.get(key)
        of = value if isinstance(value, Mapping) else {}
    return of


def _inputs(root: str) -> Iterator[tuple[str, bytes]]:
    for directory in ("", "requirements"):
        try:
            names = os.listdir(os.path.join(root, directory))
        except OSError:
            continue
        for name in names:
            path = os.path.join(directory, name)
            if _INPUTS.fullmatch(name) or (directory and name.endswith((".txt", ".in"))):
                yield path, _content(root, path)


def _content(root: str, path: str) -> bytes:
    try:
        content = read_regular(os.path.join(root, path))
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise EnvironmentFailed(path, f"it cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise EnvironmentFailed(path, f"it has more than {_LARGEST} bytes")
    return content


def _uv_choice(pyproject: Mapping[str, Any]) -> Iterator[str]:
    groups = table(pyproject, "dependency-groups")
    extras = table(pyproject, "project", "optional-dependencies")
    for name in GROUPS:
        if name in groups:
            yield from ("--group", name)
        if name in extras:
            yield from ("--extra", name)


def _declared(pyproject: Mapping[str, Any]) -> Iterator[str]:
    """The requirements, each once."""
    groups = table(pyproject, "dependency-groups")
    found: dict[str, None] = {}
    for requirement in _lines(table(pyproject, "project").get("dependencies")):
        found[requirement] = None
    for name in GROUPS:
        found.update(dict.fromkeys(_of_extra(pyproject, name, ())))
        found.update(dict.fromkeys(_of_group(groups, name, ())))
    yield from found


def _of_extra(pyproject: Mapping[str, Any], extra: str, within: tuple[str, ...]) -> Iterator[str]:
    """What an extra needs; one that names others of the project itself needs what they need."""
    own = normalised_name(str(table(pyproject, "project").get("name", "")))
    extras = table(pyproject, "project", "optional-dependencies")
    for requirement in _lines(extras.get(extra)):
        itself = _SELF.fullmatch(requirement)
        if itself is None or normalised_name(itself[1]) != own:
            yield requirement
            continue
        for other in itself[2].split(","):
            if other.strip() not in (*within, extra):
                yield from _of_extra(pyproject, other.strip(), (*within, extra))


def _of_group(groups: Mapping[str, Any], name: str, within: tuple[str, ...]) -> Iterator[str]:
    entries = groups.get(name)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, str):
            yield from _lines([entry])
        elif isinstance(entry, Mapping) and entry.get("include-group") not in (*within, name):
            yield from _of_group(groups, str(entry.get("include-group")), (*within, name))


def _lines(requirements: object) -> list[str]:
    """Those that are one line and no option: pip would obey what else stands in its file."""
    lines = requirements if isinstance(requirements, list) else []
    return [
        line.strip()
        for line in lines
        if isinstance(line, str) and line.strip()[:1] not in {"", "-", "#"} and "\n" not in line
    ]
