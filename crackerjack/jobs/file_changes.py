"""What a job changed in the files of its project, to be shown: file by file, as a diff."""

from __future__ import annotations

import difflib
import enum
import os
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from crackerjack.hooks.atomic import read_regular
from crackerjack.hooks.diagnostic import printable_path
from crackerjack.hooks.files import content_digest
from crackerjack.hooks.source_lines import decode_source
from crackerjack.hooks.undo import GONE, FileChange

_LARGEST: Final = 512 * 1024
"""Bytes of a file, before or after: the diff of a larger one takes seconds."""
_MOST_LINES: Final = 8000
"""Of a file: what a diff costs grows with their square."""
_LONGEST_DIFF: Final = 64 * 1024  # characters
_MOST: Final = 2 * 1024 * 1024
"""Characters of all diffs of a job."""


class FileState(enum.StrEnum):
    """What a file that a job changed is now."""

    AS_LEFT = "as_left"
    """It is what the job made of it."""
    AS_BEFORE = "as_before"
    """It is what it was before the job: the change was undone."""
    CHANGED_SINCE = "changed_since"
    GONE = "gone"
    """It was there when the job ended."""
    UNREADABLE = "unreadable"


class ChangedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that a job changed."""

    path: str
    """Relative to the project."""
    state: FileState
    removed: bool
    """Whether the job took it away."""
    added_lines: int
    removed_lines: int
    """Of the diff; 0 without one."""
    diff: str | None
    """Unified, from what the file held before the job to what the job left; secrets are masked."""
    why: str
    """Why there is no diff, or not all of it; half a sentence, else empty."""


def changed_files(
    root: str, changes: Iterable[FileChange], mask: Callable[[str], str]
) -> list[ChangedFile]:
    """Say what each change was, and what the files in `root` are now.

    A diff is given of files that are as the job left them: the log holds what was before, not what the
    job wrote. Nothing is raised for a file that cannot be read.
    """
    left = _MOST
    files = []
    for change in changes:
        state, after = _now(root, change)
        diff, why = None, _NO_DIFF.get(state, "")
        if after is not None:
            diff, why = _diff(change, after, mask) if left > 0 else (None, "there are too many")
        left -= len(diff or "")
        files.append(_file(change, state, diff, why))
    return files


_NO_DIFF: Final = {
    FileState.AS_BEFORE: "it holds what it held before",
    FileState.CHANGED_SINCE: "it was changed since",
    FileState.GONE: "the file is gone",
    FileState.UNREADABLE: "the file cannot be read",
}


def _now(root: str, change: FileChange) -> tuple[FileState, bytes | None]:
    """What the file is, and what the job left in it where that is known."""
    try:
        current = read_regular(os.path.join(root, change.path), change.most)
    except FileNotFoundError:
        if change.after_digest == GONE:
            return FileState.AS_LEFT, b""
        return FileState.GONE, None
    except OSError:
        return FileState.UNREADABLE, None
    if current == change.before:
        return FileState.AS_BEFORE, None
    if content_digest(current) == change.after_digest:
        return FileState.AS_LEFT, current
    return FileState.CHANGED_SINCE, None


def _diff(change: FileChange, after: bytes, mask: Callable[[str], str]) -> tuple[str | None, str]:
    """The diff, and why it is not all of it."""
    before = change.before
    if b"\0" in before or b"\0" in after:
        return None, "it is no text"
    if max(len(before), len(after)) > _LARGEST:
        return None, "the file is too large"
    # Masked before they are compared: a key of several lines could not be told in pieces of a diff.
    old, new = (_lines(mask(decode_source(content))) for content in (before, after))
    if max(len(old), len(new)) > _MOST_LINES:
        return None, "the file has too many lines"
    path = printable_path(change.path)
    target = "/dev/null" if change.after_digest == GONE else f"b/{path}"
    diff = "".join(
        f"{line}\n" for line in difflib.unified_diff(old, new, f"a/{path}", target, lineterm="")
    )
    if not diff:
        return None, "only bytes that a diff does not show, or secrets, differ"
    if len(diff) > _LONGEST_DIFF:
        return diff[:_LONGEST_DIFF].rpartition("\n")[0] + "\n", "the diff is longer"
    return diff, ""


def _lines(text: str) -> list[str]:
    """The lines with their ends made visible where they are not the usual ones."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    elif lines:
        lines[-1] += _NO_END
    return [line[:-1] + "␍" if line.endswith("\r") else line for line in lines]


_NO_END: Final = "␃"
"""Shows that a file ends without a newline, which is a change that cleaning makes."""


def _file(change: FileChange, state: FileState, diff: str | None, why: str) -> ChangedFile:
    lines = (diff or "").split("\n")[2:]
    return ChangedFile(
        path=printable_path(change.path),
        state=state,
        removed=change.after_digest == GONE,
        added_lines=sum(line.startswith("+") for line in lines),
        removed_lines=sum(line.startswith("-") for line in lines),
        diff=diff,
        why=why,
    )
