"""Which of ruff's rules clean which files: the project's own choice, else a few certain ones."""

from __future__ import annotations

import os
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

SORTED_IMPORTS: Final = "I001"
UNUSED_IMPORTS: Final = "F401"
WHITE_SPACE: Final = frozenset({"W291", "W292", "W293", "W391"})

_RULES: Final = (SORTED_IMPORTS, UNUSED_IMPORTS, "W291", "W292", "W293")
"""What is cleaned where nobody has chosen rules for ruff."""

_FIXTURES: Final = ("conftest.py", "test_*.py", "*_test.py")
"""Where pytest finds fixtures by the names that are imported, and ruff sees no use of them."""

_CONFIGURATIONS: Final = (".ruff.toml", "ruff.toml", "pyproject.toml")
"""In ruff's order: in one directory, the first that is there counts."""


class RuleSet(msgspec.Struct, frozen=True):
    """Files that are cleaned by the same rules."""

    arguments: tuple[str, ...]
    """For ``ruff check``; empty where what its configuration selects holds."""
    paths: tuple[str, ...]


def rule_sets(root: str, paths: Sequence[str], *, uses_isort: bool) -> list[RuleSet]:
    """Divide the files by the rules that clean them.

    Where the nearest configuration of ruff selects rules, these hold alone: a project that does not
    select the order of imports may well have its own. What it ignores stays ignored. With
    `uses_isort`, imports are not sorted but by the project's choice, for isort sorts differently.
    """
    settings = _NearestSettings(root)
    divided: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path in paths:
        arguments = _arguments(settings[os.path.dirname(path)], uses_isort=uses_isort)
        if arguments is not None:
            divided[arguments].append(path)
    return [RuleSet(arguments, tuple(some)) for arguments, some in divided.items()]


def _arguments(settings: Mapping[str, Any], *, uses_isort: bool) -> tuple[str, ...] | None:
    """What to tell ruff; None when there is nothing to clean by."""
    lint = {**settings, **_table(settings, "lint")}
    if not {"select", "extend-select", "extend"}.isdisjoint(lint):
        return ()
    ignored = tuple(str(rule) for rule in (*_list(lint, "ignore"), *_list(lint, "extend-ignore")))
    rules = [rule for rule in _RULES if not rule.startswith(ignored)]
    if uses_isort and SORTED_IMPORTS in rules:
        rules.remove(SORTED_IMPORTS)
    if not rules:
        return None
    kept = ",".join(f"{pattern}:{UNUSED_IMPORTS}" for pattern in _FIXTURES)
    return ("--select", ",".join(rules), "--extend-per-file-ignores", kept)


class _NearestSettings(dict[str, Mapping[str, Any]]):
    """The settings of ruff for a directory (relative to `root`), from the nearest place upwards."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self._root = root

    def __missing__(self, directory: str) -> Mapping[str, Any]:
        here = os.path.normpath(os.path.join(self._root, directory))
        above = os.path.dirname(here)
        settings = _settings_in(here)
        if settings is None:
            settings = {} if above == here else self[above]
        self[directory] = settings
        return settings


def _settings_in(directory: str) -> Mapping[str, Any] | None:
    """What the configuration in this directory says; None without one."""
    for name in _CONFIGURATIONS:
        try:
            with open(os.path.join(directory, name), "rb") as file:
                document = tomllib.load(file)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError):
            return {}  # ruff says what is wrong with it
        if name != "pyproject.toml":
            return document
        if "ruff" in _table(document, "tool"):
            return _table(document["tool"], "ruff")
    return None


def _table(settings: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = settings.get(key)
    return value if isinstance(value, dict) else {}


def _list(settings: Mapping[str, Any], key: str) -> list[Any]:
    value = settings.get(key)
    return value if isinstance(value, list) else []
