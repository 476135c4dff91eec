"""A terminal for tests: a pseudo-terminal whose other end is a terminal emulator."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import termios
import threading
from types import TracebackType
from typing import Self, TextIO

import pyte

_DEADLINE = 20.0  # seconds


class Terminal:
    """Write to `stream`, then ask what is on the screen."""

    def __init__(self, columns: int = 80, lines: int = 24, encoding: str = "utf-8") -> None:
        self._master, self._slave = pty.openpty()
        self.stream: TextIO = open(self._slave, "w", encoding=encoding)  # noqa: SIM115
        self.screen = pyte.HistoryScreen(columns, lines, history=10_000, ratio=0.001)
        self._parser = pyte.ByteStream(self.screen)
        self.raw = b""
        """All that was written."""
        self._arrived = bytearray()
        self._changed = threading.Condition()
        self._marks = 0
        self._hung_up = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._set_size(columns, lines)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # hung up, with text left in the buffer
            self.stream.close()
        self._reader.join(_DEADLINE)

    def resize(self, columns: int, lines: int, *, reflow: bool = False) -> None:
        """Make the window another size; with `reflow`, lines that are too long are broken anew."""
        self._settle()
        if reflow:
            self._reflow(columns)
        self.screen.resize(lines, columns)
        self._set_size(columns, lines)

    def hang_up(self) -> None:
        """Close the window: from now on nothing can be written."""
        self._settle()
        self._hung_up = True
        os.write(self._slave, b"\0")  # wakes the reader
        self._reader.join(_DEADLINE)

    def display(self) -> list[str]:
        """The lines of the screen, without trailing blanks."""
        self._settle()
        return [line.rstrip() for line in self.screen.display]

    def text(self) -> str:
        """All that can be read, also by scrolling back."""
        self._settle()
        above = [
            "".join(row[column].data for column in range(self.screen.columns)).rstrip()
            for row in self.screen.history.top
        ]
        return "\n".join([*above, *self.display()]).rstrip()

    @property
    def cursor_hidden(self) -> bool:
        """Whether the cursor cannot be seen."""
        self._settle()
        return bool(self.screen.cursor.hidden)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _reflow(self, columns: int) -> None:
        """Break what is on the screen at `columns`, as most terminals do; pyte cuts it off."""
        above = self.display()[: self.screen.cursor.y + 1]
        column = self.screen.cursor.x
        parts = [
            part
            for line in above
            for part in ([line[at : at + columns] for at in range(0, len(line), columns)] or [""])
        ]
        hidden = self.screen.cursor.hidden
        self.screen.reset()
        self.screen.resize(self.screen.lines, columns)
        self._parser.feed("\r\n".join(parts).encode())
        self.screen.cursor.x = column % columns
        self.screen.cursor.hidden = hidden

    def _settle(self) -> None:
        """Wait until all that was written has gone through the emulator."""
        self._marks += 1
        mark = b"\0mark%d\0" % self._marks
        os.write(self._slave, mark)
        with self._changed:
            assert self._changed.wait_for(lambda: mark in self._arrived, _DEADLINE)
            new, _, rest = bytes(self._arrived).partition(mark)
            self._arrived[:] = rest
        self.raw += new
        self._parser.feed(new)

    def _read(self) -> None:
        """Read until either end is closed, then close this one."""
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the other end is closed, on Linux
                break
            if not data:  # the same on macOS
                break
            with self._changed:
                self._arrived += data
                self._changed.notify_all()
            if self._hung_up:
                break
        os.close(self._master)
