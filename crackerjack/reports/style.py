"""How lines look: colours and symbols where the terminal has them, plain text elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Final

import msgspec

from crackerjack.jobs.states import RUNNING, STOPPED, WAITING
from crackerjack.reports.safe_text import cells, clip
from crackerjack.types import HookStatus

Span = tuple[str, str]
"""A style and the text that has it. Styles: ``good bad warn faint strong path``; ``""`` for none."""
Line = list[Span]
"""One line of inert text."""

_SGR: Final[Mapping[str, str]] = {
    "good": "32",
    "bad": "31",
    "warn": "33",
    "faint": "2",
    "strong": "1",
    "path": "36",
}
"""The sixteen colours of the terminal's own theme, so that they fit light and dark ones."""

STYLE_OF: Final[Mapping[str, str]] = {
    HookStatus.PASSED: "good",
    HookStatus.FIXED: "good",
    HookStatus.FAILED: "bad",
    HookStatus.TIMED_OUT: "warn",
    HookStatus.TOOL_MISSING: "warn",
    HookStatus.TOOL_ERROR: "warn",
    HookStatus.INCONCLUSIVE: "warn",
    HookStatus.SKIPPED: "faint",
    STOPPED: "warn",
    RUNNING: "",
    WAITING: "faint",
}
_SYMBOLS: Final[Mapping[str, tuple[str, str]]] = {
    "good": ("✓", "+"),
    "bad": ("✗", "x"),
    "warn": ("!", "!"),
    "faint": ("-", "-"),
    "": (">", ">"),
}


class Look(msgspec.Struct, frozen=True):
    """What the place that lines go to can show."""

    color: bool = False
    unicode: bool = True
    project: str = ""
    """The project that its reader is in; empty where that is not known."""

    @property
    def ellipsis(self) -> str:
        """What stands for text that was cut off."""
        return "…" if self.unicode else "..."

    def symbol(self, status: str) -> Span:
        """The mark of a hook's or a step's status."""
        style = STYLE_OF.get(status, "")
        return style, _SYMBOLS[style][0 if self.unicode else 1]

    def paint(self, line: Iterable[Span]) -> str:
        """The line as text, with colours where there are any."""
        if not self.color:
            return "".join(text for _, text in line)
        painted = ""
        # A line that was wrapped has a span for each word: one colour is switched on once.
        for style, spans in groupby((span for span in line if span[1]), key=itemgetter(0)):
            text = "".join(text for _, text in spans)
            painted += f"\x1b[{_SGR[style]}m{text}\x1b[0m" if style else text
        return painted

    def fit(self, line: Iterable[Span], width: int) -> Line:
        """The line cut to `width` cells."""
        fitted: Line = []
        for style, text in line:
            cut = clip(text, width, self.ellipsis)
            fitted.append((style, cut))
            width -= cells(cut)
            if cut != text:
                break
        return fitted


PLAIN: Final = Look()


def width_of(line: Iterable[Span]) -> int:
    """How many cells the line takes."""
    return sum(cells(text) for _, text in line)


def wrap(line: Line, width: int, indent: int) -> list[Line]:
    """Break the line between words into lines of at most `width` cells, all but the first indented.

    A word that is wider than that stays whole: a path or a command must survive being copied.
    """
    if width_of(line) <= width:
        return [line]
    lines: list[Line] = [[]]
    room = width
    for space, word in _words(line):
        size = width_of(word)
        if space and size + 1 > room and lines[-1]:
            lines.append([("", " " * indent)])
            room, space = width - indent, []  # noqa: PLW2901  the space has become the line break
        lines[-1] += [*space, *word]
        room -= width_of(space) + size
    return lines


def _words(line: Line) -> Iterator[tuple[Line, Line]]:
    """The words of the line, each with the one space before it, if any; a word may change style."""
    space: Line = []
    word: Line = []
    for style, text in line:
        first, *others = text.split(" ")
        word.append((style, first))
        for other in others:
            yield space, word
            space, word = [(style, " ")], [(style, other)]
    yield space, word
