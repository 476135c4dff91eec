"""Which paths a list of patterns names: one rule for hooks, for `exclude` and for reports."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Sequence
from typing import Final

_MAGIC: Final = frozenset("*?[")


class PathPatterns:
    """Patterns as :mod:`fnmatch` knows them, compiled once.

    A pattern with a ``/`` is held against the whole path (and there ``*`` crosses ``/``), any other
    against the file's name. Case counts. The common shapes ``*.py`` and ``setup.py`` are answered
    without a regular expression: a run asks about each file once per hook.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        plain = [pattern.removeprefix("./").rstrip("/") for pattern in patterns]
        names = [pattern for pattern in plain if pattern and "/" not in pattern]
        self._suffixes = tuple(name[1:] for name in names if _is_suffix(name))
        self._names = frozenset(name for name in names if not _MAGIC & set(name))
        self._name = _union(name for name in names if not _is_suffix(name) and _MAGIC & set(name))
        self._path = _union(pattern for pattern in plain if "/" in pattern)
        self._suffixes_only = not self._names and self._name is None and self._path is None

    def matches(self, path: str) -> bool:
        """Whether a pattern names this file. `path` is relative, separated with ``/``."""
        if path.endswith(self._suffixes):
            return True
        if self._suffixes_only:
            return False
        name = path[path.rfind("/") + 1 :]
        if name in self._names or (self._name is not None and self._name.match(name)):
            return True
        return self._path is not None and self._path.match(path) is not None


@functools.lru_cache(maxsize=256)
def path_patterns(patterns: tuple[str, ...]) -> PathPatterns:
    """Return the compiled patterns; the same object for the same patterns."""
    return PathPatterns(patterns)


def _is_suffix(pattern: str) -> bool:
    return pattern[0] == "*" and not _MAGIC & set(pattern[1:])


def _union(patterns: Iterable[str]) -> re.Pattern[str] | None:
    """One expression for all patterns, None without any."""
    expression = "|".join(map(fnmatch.translate, patterns))
    return re.compile(expression) if expression else None
