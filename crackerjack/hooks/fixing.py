"""What fixing a file takes and gives back, whoever fixes it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from crackerjack.hooks.atomic import Refusal

Replace = Callable[[str, bytes, bytes], Refusal | None]
"""``replace(path, before, after)`` gives a file of the project new content.

`path` is relative to the project. Returns None when the file holds `after`, else why it is as it was. It
is called before anything is written, so it is the place to record what undoing takes.
"""


class FixedFile(msgspec.Struct, frozen=True):
    """A file that was put right, or would be."""

    path: str
    """Relative to the project, ``/``-separated."""
    rules: tuple[str, ...]
    """The codes of what was put right, sorted."""
