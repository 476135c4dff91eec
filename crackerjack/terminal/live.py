"""The view for terminals: what runs now in the last lines, findings and failures above them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

from crackerjack.events.event import WorkflowEvent
from crackerjack.reports.safe_text import one_line
from crackerjack.reports.style import Line, wrap
from crackerjack.reports.summary import ending
from crackerjack.terminal.frame import frame
from crackerjack.terminal.narration import VERBOSE, Narration
from crackerjack.terminal.output import Output
from crackerjack.terminal.region import Region

_CALM: Final = 0.3  # seconds: a run that is over by then draws no frame
_FRAME: Final = 0.1  # seconds between two frames
_INDENT: Final = 4  # cells, of the further lines of a finding


class LiveView:
    """Draws what runs now, at most ten times a second, and prints what stays above it."""

    def __init__(self, output: Output, *, verbosity: int, clock: Callable[[], float]) -> None:
        self._output: Final = output
        self._clock: Final = clock
        self._narration: Final = Narration(
            output.look, verbosity=verbosity, hook_lines=verbosity >= VERBOSE
        )
        self._region: Final = Region(output)
        self._pending: list[Line] = []
        self._begun = self._drawn_at = clock()

    def handle(self, event: WorkflowEvent) -> None:
        """Take in the next event of the job."""
        self._print(self._narration.tell(event))
        if event.terminal:
            self._region.erase()
            columns = self._output.size().columns
            self._pending += ending(self._narration.job, self._output.look, columns)
        self.tick()

    def tick(self) -> None:
        """Print what waits, and draw the next frame when it is time."""
        job = self._narration.job
        now = self._clock()
        calm = not self._region.drawn and abs(now - self._begun) < _CALM
        if not job.seq or job.finished or calm:
            self._flush()
        elif abs(now - self._drawn_at) >= _FRAME:  # abs: the clock may be set back
            size = self._output.size()
            self._region.draw(self._pending, frame(job, self._output.look, size, now), size)
            self._pending = []
            self._drawn_at = now

    def note(self, text: str) -> None:
        """Show a message that is not an event."""
        self._print([[("warn", f"crackerjack: {one_line(text)}")]])
        self.tick()

    def close(self) -> None:
        """Take the frame away and print what waits."""
        with contextlib.suppress(OSError):  # the terminal is gone
            self._region.erase()
            self._flush()

    def _print(self, lines: list[Line]) -> None:
        """Keep lines for the next frame, broken between words: terminals break anywhere."""
        if lines:
            columns = self._output.size().columns
            self._pending += [part for line in lines for part in wrap(line, columns, _INDENT)]

    def _flush(self) -> None:
        """Print what waits; only while no frame is drawn."""
        pending, self._pending = self._pending, []
        self._output.write_lines(pending)
