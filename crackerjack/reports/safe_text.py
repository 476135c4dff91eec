"""Text from tools and file names, made inert, and measured in the cells of a terminal.

Whatever a tool prints or a file is called is data: no terminal may act on it. Control characters,
escape sequences, characters that reorder or hide text, and lone surrogates are shown as escapes
(``\\x1b``, ``\\u202e``), so that what is hostile is seen. Colour codes alone are dropped: tools that
print them mean no harm and lose nothing.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Compiled at first use, a millisecond: all text of many runs is plain.
_COLOUR: Final = r"\x1b\[[0-9;:]*m"
_HOSTILE: Final = (
    "["
    "\x00-\x1f\x7f-\x9f"  # controls, C1 too: some terminals act on them
    "\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # unseen, or reorder
    "\ud800-\udfff"  # bytes that were not UTF-8
    "\U000e0000-\U000e007f"  # tags: unseen text
    "]"
)
_TAB: Final = 4  # cells
_JOINERS: Final = "\u200c\u200d"
_PICTURES: Final = re.compile(
    "[\u2600-\u26ff\u4dc0-\u4dff\U0001d300-\U0001d37f\U0001f000-\U0003ffff]"
)
"""Wide in some terminals."""
_EMOJI_STYLE: Final = "\ufe0f"  # makes the character before it wide, in some terminals


def inert(text: str) -> str:
    """Return `text` on one line, every character that is not plainly visible as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_HOSTILE, _escape, re.sub(_COLOUR, "", text))


def one_line(text: str) -> str:
    """Return a message on one inert line, its line breaks and tabs folded into spaces."""
    return inert(" ".join(text.split()))


def inert_lines(text: str) -> list[str]:
    """Return the lines of `text`, each inert, tabs expanded; a carriage return ends a line too."""
    parts = re.split(r"\r\n|\n|\r", text)
    if parts[-1] == "":
        parts.pop()
    return [inert(part.expandtabs(_TAB)) for part in parts]


def cells(text: str) -> int:
    """How many cells of a terminal the inert `text` takes, at most."""
    return len(text) if text.isascii() else sum(map(_width, text))


def clip(text: str, width: int, ellipsis: str) -> str:
    """Return `text` cut to at most `width` cells, its end replaced with `ellipsis` when cut."""
    if cells(text) <= width:
        return text
    room = width - cells(ellipsis)
    if room < 0:
        return ""
    taken = 0
    for index, char in enumerate(text):
        taken += _width(char)
        if taken > room:
            return text[:index] + ellipsis
    return text


def _width(char: str) -> int:
    """Cells of one character: where terminals differ, or know more of Unicode than we, the most."""
    category = unicodedata.category(char)
    if char in _JOINERS or (category in {"Mn", "Me"} and char != _EMOJI_STYLE):
        return 0
    if category == "Cn" or unicodedata.east_asian_width(char) in "WF" or _PICTURES.match(char):
        return 2
    return 1


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if "\udc80" <= char <= "\udcff":  # surrogateescape: show the byte
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
