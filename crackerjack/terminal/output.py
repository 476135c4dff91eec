"""The stream that a person reads: what it can show, and a way to write to it that cannot fail on text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from crackerjack.config import find_project
from crackerjack.errors import UsageError
from crackerjack.reports.style import Line, Look

_PIPE_COLUMNS: Final = 100  # the width of tables where there is no terminal
_TERMINAL: Final = os.terminal_size((80, 24))  # of one that does not say


class Output:
    """A text stream, a terminal or not. Raises :exc:`OSError` when it cannot be written."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream: Final = stream
        self._encoding: Final = stream.encoding or "ascii"
        self.is_terminal: Final = stream.isatty()
        term = environ.get("TERM", "")
        self.is_plain: Final = bool(
            not self.is_terminal or environ.get("NO_COLOR") or term in {"", "dumb"}
        )
        """Whether it takes lines and nothing else: no cursor is moved."""
        self.reflows: Final = "XTERM_VERSION" not in environ and not term.startswith(
            ("linux", "rxvt", "screen.")
        )
        """Whether the terminal breaks long lines anew when it becomes narrower: most do."""
        self.look: Final = Look(
            color=not environ.get("NO_COLOR")
            and (bool(environ.get("FORCE_COLOR")) or not self.is_plain),
            unicode=self._encoding.lower().replace("-", "").replace("_", "") == "utf8",
            project=_project_here(),
        )

    def size(self) -> os.terminal_size:
        """Columns and lines, now."""
        if not self.is_terminal:
            return os.terminal_size((_PIPE_COLUMNS, _TERMINAL.lines))
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):  # a terminal only in name
            return _TERMINAL
        return os.terminal_size((size.columns or _TERMINAL.columns, size.lines or _TERMINAL.lines))

    def write(self, text: str) -> None:
        """Write at once; what the encoding lacks is written as an escape."""
        encoded = text.encode(self._encoding, "backslashreplace")
        self._stream.write(encoded.decode(self._encoding))
        self._stream.flush()

    def write_lines(self, lines: Iterable[Line]) -> None:
        """Write lines, as they are long."""
        if text := "".join(f"{self.look.paint(line)}\n" for line in lines):
            self.write(text)


def _project_here() -> str:
    try:
        return find_project(None)
    except UsageError:  # no project to name; commands that need one say why
        return ""
