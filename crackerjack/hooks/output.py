"""A tool's output on its way to people: whole lines, a few at a time, and never too much of it."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterator
from typing import Final

CHUNK: Final = 16 * 1024
"""Bytes of UTF-8 in one call, at most."""
PASSED_ON: Final = 1024 * 1024
"""Bytes of one process that are passed on as they come; after that only the end is."""
TAIL: Final = 64 * 1024
"""Bytes of the end of each stream that are passed on when there was too much."""
INTERVAL: Final = 0.02
"""Seconds that lines are gathered for after a call, so that a chatty tool makes few calls."""
REPORT_LINE: Final = 1024 * 1024
"""Bytes; no report of ours is as long."""


class OutputRelay:
    """Passes on what a process prints.

    `on_output(stream, text)` gets whole lines, at most 16 KiB in one call: a line that is longer
    comes in pieces, a last line without an end as it is. A line after a pause is passed on at once,
    the next ones within `INTERVAL`. After 1 MiB nothing more is passed on until :meth:`finish`, which
    says how much was left out and gives the end of it. Bytes that are not UTF-8 become ``\\xNN``.

    Not thread-safe; the caller calls :meth:`flush` when `due` (on the clock of `now`) has come.
    """

    def __init__(self, on_output: Callable[[str, str], None]) -> None:
        self._on_output = on_output
        self._passed = 0
        self._streams: dict[str, _Stream] = {}
        self._last_flush = -math.inf
        self.due = math.inf

    def feed(self, stream: str, data: bytes, now: float) -> None:
        """Take what `stream` printed; `now` is a monotonic time in seconds."""
        source = self._streams.setdefault(stream, _Stream())
        if self._passed >= PASSED_ON:
            source.leave_out(source.take_all() + data)
            return
        source.pending += data
        if now >= self._last_flush + INTERVAL or len(source.pending) >= CHUNK:
            self.flush(now)
        elif b"\n" in data:
            self.due = self._last_flush + INTERVAL

    def flush(self, now: float) -> None:
        """Pass on every whole line that waits."""
        self.due = math.inf
        for name, source in self._streams.items():
            whole = source.take_lines()
            if whole:
                self._last_flush = now
                self._pass_on(name, source, whole)

    def finish(self) -> None:
        """Pass on the rest; nothing is fed after this."""
        for name, source in self._streams.items():
            self._pass_on(name, source, source.take_all())
        for name, source in self._streams.items():
            left_out, tail = source.take_tail()
            if left_out:
                start = "" if source.at_line_start else "\n"
                notice = f"{start}[{left_out:,} bytes of output are left out here]\n"
                self._on_output(name, notice)
            for _, text in pieces(tail):
                self._on_output(name, text)

    def _pass_on(self, name: str, source: _Stream, data: bytes) -> None:
        for raw, text in pieces(data):
            if self._passed + len(raw) > PASSED_ON:
                self._passed = PASSED_ON
                source.leave_out(raw)
                continue
            self._passed += len(raw)
            source.at_line_start = raw.endswith(b"\n")
            self._on_output(name, text)


class _Stream:
    """What one stream holds: lines that wait, and the end of what is not passed on."""

    def __init__(self) -> None:
        self.pending = bytearray()
        self.at_line_start = True
        self._tail = bytearray()
        self._dropped = 0

    def take_lines(self) -> bytes:
        """The whole lines that wait, and the line after them if it is too long to wait for."""
        end = self.pending.rfind(b"\n") + 1
        if len(self.pending) - end >= CHUNK:
            end = len(self.pending)
        taken = bytes(self.pending[:end])
        del self.pending[:end]
        return taken

    def take_all(self) -> bytes:
        """All that waits."""
        taken = bytes(self.pending)
        self.pending.clear()
        return taken

    def leave_out(self, data: bytes) -> None:
        self._tail += data
        excess = len(self._tail) - TAIL
        if excess > TAIL:  # seldom, because it moves the rest
            self._drop(excess)

    def take_tail(self) -> tuple[int, bytes]:
        """How many bytes are lost, and the whole lines after them."""
        excess = len(self._tail) - TAIL
        if excess > 0:
            line_end = self._tail.find(b"\n", excess - 1) + 1
            self._drop(line_end or excess)
        return self._dropped, bytes(self._tail)

    def _drop(self, count: int) -> None:
        del self._tail[:count]
        self._dropped += count


class Capture:
    """One stream of a process: its beginning is kept, all of it goes to the relay."""

    def __init__(self, name: str, keep: int, relay: OutputRelay | None) -> None:
        self._name = name
        self._room = keep
        self._relay = relay
        self._kept = io.BytesIO()
        self.truncated = False
        """Whether there was more than is kept."""

    def take(self, data: bytes) -> None:
        """Take what the process printed."""
        self._kept.write(data[: self._room])
        self.truncated = self.truncated or len(data) > self._room
        self._room -= min(len(data), self._room)
        if self._relay is not None:
            self._relay.feed(self._name, data, time.monotonic())

    def kept(self) -> bytes:
        """The first `keep` bytes."""
        return self._kept.getvalue()


class ReportLines:
    """Cuts reports into lines; what goes on for more than 1 MiB is no report and is dropped."""

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def take(self, data: bytes) -> None:
        """Take what the process wrote."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > REPORT_LINE:
            self._rest = b""
        for line in lines:
            self._on_line(line)


def pieces(data: bytes) -> Iterator[tuple[bytes, str]]:
    """Cut `data` where lines end into pieces whose text has at most `CHUNK` bytes of UTF-8."""
    start = 0
    while start < len(data):
        raw = data[start : _cut(data, start, CHUNK)]
        text = raw.decode("utf-8", "backslashreplace")
        if len(text.encode()) > CHUNK:  # \xNN is four times as long as the byte that it stands for
            raw = data[start : _cut(data, start, CHUNK // 4)]
            text = raw.decode("utf-8", "backslashreplace")
        yield raw, text
        start += len(raw)


def _cut(data: bytes, start: int, size: int) -> int:
    """Where a piece of at most `size` bytes ends: after a line, else at least after a character."""
    limit = start + size
    if limit >= len(data):
        return len(data)
    line_end = data.rfind(b"\n", start, limit) + 1
    if line_end:
        return line_end
    for end in range(limit, limit - 4, -1):
        if data[end] & 0xC0 != 0x80:  # not in the middle of a character
            return end
    return limit
