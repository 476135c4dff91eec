"""Names that other modules take from a module, so that an import unused there is used after all.

ruff looks at one file at a time: to it, ``from .compat import json`` elsewhere is no use of the `json`
that ``compat.py`` imports. What is taken is told by the text, and by the last part of a module's name:
that may find too much, and then an import stays.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

_NAME: Final = re.compile(rb"[\w*]+")


def taken_names(
    names: Mapping[str, frozenset[str]], sources: Iterable[tuple[str, bytes]]
) -> dict[str, frozenset[str]]:
    """Return those of the `names` of each module that another module takes from it.

    `names` maps paths of modules to names in them; `sources` are paths and bytes of all modules.
    """
    paths: dict[bytes, list[str]] = defaultdict(list)
    for path in names:
        paths[_module_name(path)].append(path)
    uses = _uses_of(paths)
    taken: dict[str, set[str]] = {path: set() for path in names}
    for source, data in sources:
        for match in uses.finditer(data):
            used = {name.decode("utf-8", "replace") for name in _NAME.findall(match[2] or match[4])}
            for path in paths[match[1] or match[3]]:
                if path != source:
                    taken[path] |= names[path] if "*" in used else names[path] & used
    return {path: frozenset(found) for path, found in taken.items()}


def _uses_of(modules: Iterable[bytes]) -> re.Pattern[bytes]:
    """What takes something from one of these modules: groups 1 and 2, or 3 and 4."""
    module = b"(" + b"|".join(map(re.escape, sorted(modules))) + b")"
    imported = rb"(\((?:[^)#]|#[^\n]*)*|(?:\\\r?\n|[^\n])*)"
    return re.compile(
        rb"\bfrom\s+(?:[\w.]*\.)?"
        + module
        + rb"\s+import\s+"
        + imported
        + rb"|\b"
        + module
        + rb"\.(\w+)"
    )


def _module_name(path: str) -> bytes:
    return path.rpartition("/")[2].partition(".")[0].encode("utf-8", "surrogateescape")
