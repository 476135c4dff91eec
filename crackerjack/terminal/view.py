"""The one door of this room: a view of a run for the stream that a person reads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TextIO

from crackerjack.events.event import WorkflowEvent
from crackerjack.terminal.narration import QUIET
from crackerjack.terminal.output import Output
from crackerjack.terminal.plain import PlainView


class View(Protocol):
    """Shows one job to a person: a client of its events that shows nothing else.

    It is called from one thread. Every method but `close` may raise :exc:`OSError` when the stream
    cannot be written, as when the reader of a pipe is gone.
    """

    def handle(self, event: WorkflowEvent) -> None:
        """Take in the next event of the job, all of them from the first; the last one ends the view."""
        ...

    def tick(self) -> None:
        """Let time pass; called a few times a second while no event comes."""
        ...

    def note(self, text: str) -> None:
        """Show a message that is not an event, such as that the log cannot be written."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was. Must be called, whatever happened; again does nothing."""
        ...


def make_view(
    stream: TextIO,
    *,
    verbosity: int = 0,
    environ: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.time,
) -> View:
    """A live view on a terminal, else lines.

    `verbosity` is -1 (findings, failures and the verdict), 0 or 1 (all that hooks print, every test).
    A pipe, ``NO_COLOR``, a dumb terminal and -1 get lines; ``FORCE_COLOR`` gives these colours, where
    ``NO_COLOR`` does not forbid them. `clock` gives seconds since the epoch.
    """
    output = Output(stream, environ)
    if output.is_plain or verbosity <= QUIET:
        return PlainView(output, verbosity=verbosity, clock=clock)
    from crackerjack.terminal.live import LiveView

    return LiveView(output, verbosity=verbosity, clock=clock)
