"""The text of a source line, for fingerprints and for showing a finding."""

from __future__ import annotations

import codecs
import os
import re
import stat
import threading
from typing import Final

LARGEST: Final = 4 * 1024 * 1024
"""Bytes. Of a larger file no lines are shown: it is data, or generated."""

KEPT: Final = 16 * 1024 * 1024
"""Bytes of source whose lines are held at once; a run asks for the lines of one file together."""

_COOKIE: Final = rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)"
"""PEP 263."""
_TOO_SLOW: Final = "punycode"
"""No source is written in it, and it takes an hour for some MiB."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class SourceLines:
    """Called with a path and a line number, returns the line's text; ``""`` where there is none.

    Takes any path and any number, as tools print them: nothing outside the project is opened, and
    nothing is raised. Any thread may call it.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._lines: dict[str, tuple[int, list[str]]] = {}
        self._kept = 0
        self._lock = threading.Lock()

    def __call__(self, path: str, line: int) -> str:
        """Return line `line`, counted from 1, without its end."""
        with self._lock:
            if path not in self._lines:
                self._read(path)
            lines = self._lines[path][1]
        return lines[line - 1] if 1 <= line <= len(lines) else ""

    def _read(self, path: str) -> None:
        content = _content(self._root, path)
        self._kept += len(content)
        while self._kept > KEPT and self._lines:
            oldest = next(iter(self._lines))
            self._kept -= self._lines.pop(oldest)[0]
        self._lines[path] = (len(content), _split(decode_source(content)))


def decode_source(content: bytes) -> str:
    """Return the text of a source file, whatever it holds.

    The byte order mark decides, then the encoding that the file declares (PEP 263), then UTF-8; what
    is none of these is read as Latin-1.
    """
    for encoding in (_declared(content), "utf-8"):
        try:
            return content.decode(encoding)
        except (LookupError, UnicodeError):
            continue
    return content.decode("latin-1")


def _declared(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    for line in content.split(b"\n", 2)[:2]:
        cookie = re.match(_COOKIE, line)
        if cookie:
            name = cookie[1].decode("ascii", "replace")
            return "utf-8" if name.lower() == _TOO_SLOW else name
    return "utf-8"


def _split(text: str) -> list[str]:
    """Split where Python and the tools do: unlike `str.splitlines`, not at a form feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _content(root: str, path: str) -> bytes:
    inside = os.path.normpath(path)
    if os.path.isabs(inside) or inside.startswith(".."):
        return b""
    try:
        top = os.path.realpath(root)
        real = os.path.realpath(os.path.join(top, inside), strict=True)
        if os.path.commonpath([top, real]) != top:
            return b""  # a link that leads out
        with open(real, "rb", opener=_opened) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
                return b""
            return file.read(LARGEST)
    except (OSError, ValueError):
        return b""


def _opened(path: str, flags: int) -> int:
    """Open at once also what has become a named pipe since it was looked at, and no link."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
