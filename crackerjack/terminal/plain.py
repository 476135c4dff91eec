"""The view for pipes, logs and simple terminals: one line for each thing that matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crackerjack.events.event import WorkflowEvent
from crackerjack.reports import wording
from crackerjack.reports.safe_text import inert, one_line
from crackerjack.reports.style import Line
from crackerjack.reports.summary import ending
from crackerjack.terminal.narration import QUIET, Narration
from crackerjack.terminal.output import Output

_SILENCE: Final = 60.0  # seconds: a build server gives up on a job that is silent for long


class PlainView:
    """Writes lines as they come and moves no cursor."""

    def __init__(self, output: Output, *, verbosity: int, clock: Callable[[], float]) -> None:
        self._output: Final = output
        self._quiet: Final = verbosity <= QUIET
        self._clock: Final = clock
        self._narration: Final = Narration(output.look, verbosity=verbosity, hook_lines=True)
        self._last = clock()

    def handle(self, event: WorkflowEvent) -> None:
        """Take in the next event of the job."""
        self._write(self._narration.tell(event))
        if event.terminal:
            self._write(self._ending())

    def tick(self) -> None:
        """After a long silence, say what is still running."""
        job = self._narration.job
        if not job.seq or job.finished or self._quiet:
            return
        now = self._clock()
        if now - self._last < _SILENCE:
            return
        running = [
            f"{inert(hook.name)} {wording.seconds(now - (hook.started or now))}"
            for hook in job.hooks.values()
            if hook.running
        ]
        doing = ", ".join(running) or one_line(job.message)
        self._write([[("faint", f"Still running: {doing}")]])

    def note(self, text: str) -> None:
        """Print a message that is not an event."""
        self._write([[("warn", f"crackerjack: {one_line(text)}")]])

    def close(self) -> None:
        """Nothing to restore."""

    def _ending(self) -> list[Line]:
        job = self._narration.job
        if self._quiet:
            return [wording.verdict(job)]
        return ending(job, self._output.look, self._output.size().columns)

    def _write(self, lines: list[Line]) -> None:
        if lines:
            self._last = self._clock()
            self._output.write_lines(lines)
