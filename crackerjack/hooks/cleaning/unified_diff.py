"""Applying a unified diff to the bytes that it was made from, or not at all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

_FILE: Final = re.compile(rb"^--- (.+)\n\+\+\+ \1\n(?=@@ )", re.MULTILINE)
_HUNK: Final = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@\n", re.MULTILINE)
_LINE: Final = re.compile(rb"[^\n]*\n|[^\n]+")


class DoesNotApply(Exception):
    """The diff was made from another content, or cannot be read."""


class _Hunk(NamedTuple):
    start: int
    """Index of the line that it begins with."""
    old: list[bytes]
    new: list[bytes]


def split_by_file(diff: bytes, paths: Collection[str]) -> dict[str, bytes]:
    """Return the hunks of each of these files that the diff changes. A path holds no newline."""
    known = {path.encode(): path for path in paths}
    headers = [match for match in _FILE.finditer(diff) if match[1] in known]
    ends = [match.start() for match in headers[1:]] + [len(diff)]
    return {
        known[header[1]]: diff[header.end() : end]
        for header, end in zip(headers, ends, strict=True)
    }


def apply_hunks(before: bytes, hunks: bytes) -> bytes:
    """Return `before` with the hunks applied; raises :exc:`DoesNotApply` unless each line fits."""
    lines = _LINE.findall(before)
    result: list[bytes] = []
    position = 0
    for hunk in _hunks(hunks):
        end = hunk.start + len(hunk.old)
        if hunk.start < position or lines[hunk.start : end] != hunk.old:
            raise DoesNotApply
        result += lines[position : hunk.start] + hunk.new
        position = end
    return b"".join(result + lines[position:])


def _hunks(text: bytes) -> Iterator[_Hunk]:
    headers = list(_HUNK.finditer(text))
    ends = [match.start() for match in headers[1:]] + [len(text)]
    for header, end in zip(headers, ends, strict=True):
        old, new = _sides(text[header.end() : end])
        counts = [1 if count is None else int(count) for count in header.group(2, 3)]
        if [len(old), len(new)] != counts:
            raise DoesNotApply
        # The number of no lines is that of the line before them.
        yield _Hunk(int(header[1]) - 1 if old else int(header[1]), old, new)


def _sides(body: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the lines of a hunk before and after."""
    old: list[bytes] = []
    new: list[bytes] = []
    sides = {b" ": (old, new), b"-": (old,), b"+": (new,)}
    last: tuple[list[bytes], ...] = ()
    for line in _LINE.findall(body):
        if line == b"\n":  # after the hunks of a file; an empty line in them is a space and this
            break
        if line.startswith(b"\\"):  # "\ No newline at end of file", said of the line before
            for side in last:
                side[-1] = side[-1].removesuffix(b"\n")
            continue
        last = sides.get(line[:1], ())
        for side in last:
            side.append(line[1:])
    return old, new
