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

GROUPS: Final = ("dev", "test", "testing", "tests")
"""The dependency groups and extras that hold what the tests need, and the tools."""

_REQUIREMENTS: Final = re.compile(
    r"(?:(?:requirements/)?requirements(?:[-_.](?:dev|test(?:s|ing)?|lock(?:ed)?))*"
    r"|requirements/(?:base|main|dev|test(?:s|ing)?))\.(?:txt|lock)"
)
"""Paths of requirements files that stand for the project and its tests, not for its documentation."""
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
    """Lines for a requirements file of their own."""
    passed_over: str = ""
    """A lock file that would count before `source`, were there uv to read it."""
    key: bytes
    """The same for all projects whose files say the same."""


def environment_recipe(root: str, pyproject: Mapping[str, Any], *, has_uv: bool) -> Recipe | None:
    """Return the recipe for the project in `root`; None when its files say nothing of what it needs.

    The first of these counts: uv.lock and pylock.toml where there is uv; requirements files with hashes;
    the dependencies in pyproject.toml with the groups and extras in :data:`GROUPS`; any requirements
    files. A pyproject.toml with neither groups nor extras of these names and requirements files count
    together. Raises :exc:`EnvironmentFailed` for a file that cannot be read.
    """
    inputs = dict(_inputs(root))
    names = sorted(filter(_REQUIREMENTS.fullmatch, inputs))
    hashed = [name for name in names if b"--hash=" in inputs[name]]
    needed, for_tests = tuple(_needed(pyproject)), tuple(_for_tests(pyproject))
    arguments: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    if has_uv and "uv.lock" in inputs:
        source, tool, arguments = "uv.lock", "uv-sync", tuple(_uv_choice(pyproject))
        inputs["pyproject.toml"] = _content(root, "pyproject.toml")
    elif has_uv and "pylock.toml" in inputs:
        source, tool, arguments = "pylock.toml", "uv", ("-r", "pylock.toml")
    elif hashed:
        source, tool = ", ".join(hashed), "pip"
        arguments = tuple(word for name in hashed for word in ("-r", name))
    elif for_tests or (needed and not names):
        source, tool, requirements = "pyproject.toml", "pip", (*needed, *for_tests)
    elif names:
        source, tool = ", ".join(["pyproject.toml"] * bool(needed) + names), "pip"
        arguments = tuple(word for name in names for word in ("-r", name))
        requirements = needed
    else:
        return None
    locks = () if has_uv else ("uv.lock", "pylock.toml")
    passed_over = next((lock for lock in locks if lock in inputs), "")
    read = (part for name in sorted(inputs) for part in (os.fsencode(name), inputs[name]))
    words = (*arguments, "", *requirements)
    key = key_of(tool.encode(), *(word.encode("utf-8", "surrogateescape") for word in words), *read)
    return Recipe(
        source=source,
        tool=tool,
        arguments=arguments,
        requirements=tuple(dict.fromkeys(requirements)),
        passed_over=passed_over,
        key=key,
    )


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


def _needed(pyproject: Mapping[str, Any]) -> list[str]:
    """What the project itself needs."""
    return _lines(table(pyproject, "project").get("dependencies"))


def _for_tests(pyproject: Mapping[str, Any]) -> Iterator[str]:
    """What its tests and those who work on it need."""
    groups = table(pyproject, "dependency-groups")
    for name in GROUPS:
        yield from _of_extra(pyproject, name, ())
        yield from _of_group(groups, name, ())


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
