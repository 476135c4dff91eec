"""Whether the lock files of a project still fit its pyproject.toml.

Told from the files alone: no tool is started and no index is asked. Where they say too little, the
check is skipped, and says which command would know.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from crackerjack.hooks.atomic import read_regular
from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.look import Found, of_diagnostics
from crackerjack.hooks.uv_lock import normalised_name, uv_lock_differences
from crackerjack.types import HookStatus

HOOK: Final = "lock-file"

_METADATA: Final = re.compile(r"^\[metadata\]\n(?:(?!\[).*\n?)*", re.MULTILINE)
"""The table that says what a lock was made from; all of a large lock takes a second to parse."""

_POETRY: Final = re.compile(r"# This file is .*? by Poetry (\d+)\.(\d+)")

_CHANGED: Final = "pyproject.toml has changed since it was made"


class _Lock(NamedTuple):
    """A kind of lock file."""

    differences: Callable[[str, Mapping[str, Any]], list[str]]
    """Takes the lock and pyproject.toml; raises :exc:`LookupError` when it cannot be told."""
    update: str
    """The command that makes the lock fit."""
    check: str
    """The command that knows."""


def check_lock_files(root: str, pyproject: Mapping[str, Any]) -> Found:
    """Compare each lock file in the project's directory with `pyproject`.

    ``FAILED`` when one does not fit, ``PASSED`` when one fits, ``SKIPPED`` with the reason when there
    is none, or none of which it can be told.
    """
    diagnostics: list[Diagnostic] = []
    undecided: list[str] = []
    decided = False
    for name, lock in _LOCKS.items():
        try:
            text = read_regular(os.path.join(root, name)).decode().replace("\r\n", "\n")
            differences = lock.differences(text, pyproject)
        except FileNotFoundError:
            continue
        except (LookupError, OSError, UnicodeDecodeError) as why:
            undecided.append(f"{name} was not compared ({why}): `{lock.check}` does it")
        else:
            decided = True
            diagnostics += (_finding(name, difference, lock) for difference in differences)
    if decided:
        return of_diagnostics(tuple(diagnostics))
    return Found(
        status=HookStatus.SKIPPED,
        reason="; ".join(undecided) or f"no lock file ({', '.join(_LOCKS)})",
    )


def _finding(name: str, difference: str, lock: _Lock) -> Diagnostic:
    return Diagnostic(
        hook=HOOK,
        path=name,
        line=None,
        column=None,
        code="stale",
        severity=Severity.ERROR,
        message=f"{difference}: run `{lock.update}`",
    )


def _poetry_differences(lock: str, pyproject: Mapping[str, Any]) -> list[str]:
    """Compare hashes, as poetry does (``poetry/packages/locker.py``)."""
    locked = _metadata(lock).get("content-hash")
    if locked is None:
        raise LookupError("it has no content-hash")
    groups = _table(pyproject, "dependency-groups")
    hashes = {_hash(_poetry_content(pyproject, groups))}
    writer = _POETRY.match(lock)
    if writer is None or (int(writer[1]), int(writer[2])) < (2, 3):
        hashes.add(_hash(_poetry_content(pyproject, {})))
    return [] if locked in hashes else [_CHANGED]


def _poetry_content(pyproject: Mapping[str, Any], groups: Mapping[str, Any]) -> Mapping[str, Any]:
    project = _present(
        _table(pyproject, "project"), "requires-python", "dependencies", "optional-dependencies"
    )
    poetry = _table(_table(pyproject, "tool"), "poetry")
    own_keys = ("dependencies", "source", "extras", "dev-dependencies")
    if not project and not groups:
        return {key: poetry.get(key) for key in own_keys} | _present(poetry, "group")
    content: dict[str, Any] = {"tool": {"poetry": _present(poetry, *own_keys, "group")}}
    if project:
        content["project"] = project
    if groups:
        content["dependency-groups"] = groups
    return content


def _pdm_differences(lock: str, pyproject: Mapping[str, Any]) -> list[str]:
    """Compare hashes, as pdm did until it came to write its inputs (``pdm/project/project_file.py``)."""
    algorithm, _, locked = str(_metadata(lock).get("content_hash", "")).partition(":")
    pdm = _table(_table(pyproject, "tool"), "pdm")
    if algorithm != "sha256" or "workspace" in pdm:
        raise LookupError("it has no hash of pyproject.toml alone")
    project = _table(pyproject, "project")
    content = {
        "sources": pdm.get("source", []),
        "dependencies": project.get("dependencies", []),
        "optional-dependencies": project.get("optional-dependencies", {}),
        "requires-python": project.get("requires-python", ""),
    }
    own_groups = _table(pdm, "dev-dependencies")
    groups: dict[str, list[Any]] = {}
    for name, group in (*_table(pyproject, "dependency-groups").items(), *own_groups.items()):
        groups.setdefault(normalised_name(name), []).extend(group)
    resolution = _table(pdm, "resolution")
    hashes = {
        _hash({**content, "dev-dependencies": groups, "resolution": resolution}),
        # Until pdm 2.12:
        _hash(
            {
                **content,
                "dev-dependencies": own_groups,
                "overrides": resolution.get("overrides", {}),
            }
        ),
    }
    return [] if locked in hashes else [_CHANGED]


_LOCKS: Final = {
    "uv.lock": _Lock(uv_lock_differences, "uv lock", "uv lock --check"),
    "poetry.lock": _Lock(_poetry_differences, "poetry lock", "poetry check --lock"),
    "pdm.lock": _Lock(_pdm_differences, "pdm lock", "pdm lock --check"),
}


def _metadata(lock: str) -> Mapping[str, Any]:
    table = _METADATA.search(lock)
    try:
        return _table(tomllib.loads(table[0] if table else ""), "metadata")
    except (ValueError, RecursionError) as error:
        raise LookupError(str(error)) from error


def _hash(content: Mapping[str, Any]) -> str:
    """What poetry and pdm take for the hash: of JSON as Python's module writes it."""
    from json import dumps

    try:
        return hashlib.sha256(dumps(content, sort_keys=True).encode()).hexdigest()
    except TypeError as error:  # a date, say
        raise LookupError(str(error)) from error


def _present(table: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: table[key] for key in keys if key in table}


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key)
    return value if isinstance(value, Mapping) else {}
