"""Which paths may travel: what both ends check, since either may be hostile to the other."""

from __future__ import annotations

import re
from typing import Final

LONGEST_PATH: Final = 1024
"""Bytes; a system takes 4096, and the worker's directory comes before it."""
LONGEST_NAME: Final = 255
"""Bytes of one component, as file systems have it."""
DEEPEST: Final = 64
"""Components of a path."""

_DOTS: Final = frozenset({b"", b".", b".."})
_UNSEEN: Final = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
"""Characters that the file system of a Mac ignores in a name."""


def why_not(path: bytes) -> str:
    """Return why a file of this path may not travel, half a sentence; empty when it may.

    A path is relative, ``/``-separated and without ``.``, ``..`` and empty components, and none of
    these is ``.git``: what stands there, git obeys.
    """
    parts = path.split(b"/")
    wrong = {
        "its path is empty, absolute or holds a NUL": path[:1] in {b"", b"/"} or b"\0" in path,
        f"its path is longer than {LONGEST_PATH} bytes": len(path) > LONGEST_PATH,
        f"it lies deeper than {DEEPEST} directories": len(parts) > DEEPEST,
        "its path has an empty component, . or ..": not _DOTS.isdisjoint(parts),
        f"a name in its path is longer than {LONGEST_NAME} bytes": max(map(len, parts))
        > LONGEST_NAME,
        "what lies in .git belongs to git": any(map(_is_git, parts)),
    }
    return next((reason for reason, is_so in wrong.items() if is_so), "")


def why_no_link(path: bytes, target: bytes) -> str:
    """Return why a symbolic link at `path` may not travel, half a sentence; empty when it may.

    A target climbs first, not above the project, and then only descends. So it ends inside, whatever
    other links of this kind it passes: ``a/../..`` need not, where ``a`` is a link.
    """
    if not target or target.startswith(b"/") or b"\0" in target or len(target) > LONGEST_PATH:
        return "it is a link to an absolute path, or to one too long"
    parts = [part for part in target.split(b"/") if part not in {b"", b"."}]
    climbed = 0
    while climbed < len(parts) and parts[climbed] == b"..":
        climbed += 1
    if climbed > path.count(b"/"):
        return "it is a link to something outside of the project"
    if b".." in parts[climbed:]:
        return "it is a link that climbs after it has descended"
    if any(map(_is_git, parts)):
        return "it is a link into .git"
    return ""


def _is_git(name: bytes) -> bool:
    if b"g" not in name and b"G" not in name:
        return False
    return _UNSEEN.sub("", name.decode("utf-8", "replace")).lower() == ".git"
