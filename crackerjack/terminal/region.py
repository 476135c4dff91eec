"""The last lines of a terminal, drawn over and over, while everything else scrolls above them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from crackerjack.reports.style import Line, width_of
from crackerjack.terminal.output import Output

# ECMA-48 control sequences, and DEC private modes as xterm documents them.
_BEGIN_FRAME: Final = "\x1b[?2026h"  # synchronized output: the frame is shown whole, or ignored
_END_FRAME: Final = "\x1b[?2026l"
_ERASE_BELOW: Final = "\x1b[J"
_ERASE_RIGHT: Final = "\x1b[K"


class Region:
    """Draws frames at the end of the terminal, one write each.

    Between frames the cursor stands behind the last line of the region. It is not hidden, nor is any
    other mode of the terminal changed: who is killed has nothing to restore. The lines of a frame are
    cut to less than the terminal's width, so that none of them wraps.
    """

    def __init__(self, output: Output) -> None:
        self._output: Final = output
        self._widths: list[int] = []
        """Cells of each line of the last frame; empty when nothing is drawn."""
        self._columns = 0

    @property
    def drawn(self) -> bool:
        """Whether a frame stands on the terminal."""
        return bool(self._widths)

    def draw(self, above: Sequence[Line], frame: Sequence[Line], size: os.terminal_size) -> None:
        """Print the lines of `above` for good, and the frame below them in place of the last one."""
        look = self._output.look
        fitted = [look.fit(line, size.columns - 1) for line in frame[: size.lines - 1]]
        resized = size.columns != self._columns
        start = _BEGIN_FRAME + self._to_top(size.columns)
        lines = [f"{look.paint(line)}\n" for line in above]
        body = "\n".join(look.paint(line) + _ERASE_RIGHT for line in fitted)
        clear = _ERASE_BELOW if above or resized else ""
        self._output.write(f"{start}{clear}{''.join(lines)}{body}{_ERASE_BELOW}{_END_FRAME}")
        self._widths = [width_of(line) for line in fitted]
        self._columns = size.columns

    def erase(self) -> None:
        """Take the frame away; the cursor is where it began."""
        if self.drawn:
            top = self._to_top(self._output.size().columns)
            self._output.write(f"{top}{_ERASE_BELOW}")
            self._widths = []

    def _to_top(self, columns: int) -> str:
        """Moves the cursor to where the frame begins, also when a resize has broken its lines."""
        rows = sum(
            -(-width // columns) if width and self._output.reflows else 1 for width in self._widths
        )
        return f"\r\x1b[{rows - 1}A" if rows > 1 else "\r"
