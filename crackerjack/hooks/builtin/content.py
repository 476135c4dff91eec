"""One file as the checks see it: read once, its views made on demand and shared."""

from __future__ import annotations

import functools
from typing import Final

from crackerjack.hooks.diagnostic import Diagnostic, Severity, printable_path
from crackerjack.hooks.python_source import is_python, syntax_error

HOOK: Final = "file-checks"
"""The hook that all findings of the built-in checks carry; their `code` is the check."""

_BINARY_PROBE: Final = 8192
"""Bytes that are searched for a NUL to tell binary files from text, as git does with 8,000."""


class Content:
    """The bytes of one file under its name."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        """Relative, ``/``-separated."""
        self.data = data
        self.name = path[path.rfind("/") + 1 :]
        self.suffix = self.name[max(self.name.rfind("."), 0) :].lower()
        """``.py``; the whole name where it has no dot."""
        self.is_python = is_python(self.name)
        self._line_known = 0, 1

    @functools.cached_property
    def is_text(self) -> bool:
        """Whether it looks like text: no NUL near the start."""
        return self.data.find(b"\0", 0, _BINARY_PROBE) < 0

    @functools.cached_property
    def has_carriage_returns(self) -> bool:
        """Whether some line may end with CRLF."""
        return b"\r" in self.data

    @functools.cached_property
    def syntax_error(self) -> SyntaxError | None:
        """What is wrong with this Python source."""
        return syntax_error(self.data)

    @functools.cached_property
    def is_template(self) -> bool:
        """Whether something fills this file in before it is what its name says.

        ``${{`` is how GitHub writes expressions inside plain YAML.
        """
        plain = self.data.replace(b"${{", b"")
        return "{{" in self.path or b"{{" in plain or b"{%" in plain

    def line_at(self, offset: int) -> int:
        """The line, counted from 1, that the byte at `offset` is on."""
        # Mostly asked in ascending order, in a large file often: counted on from the last answer.
        before, line = self._line_known
        if offset < before:
            before, line = 0, 1
        line += self.data.count(b"\n", before, offset)
        self._line_known = offset, line
        return line

    def finding(
        self,
        code: str,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
        severity: Severity = Severity.ERROR,
        fixable: bool = False,
    ) -> Diagnostic:
        """Say something about this file; `line` and `column` count from 1."""
        return Diagnostic(
            hook=HOOK,
            path=printable_path(self.path),
            line=line,
            column=column,
            code=code,
            severity=severity,
            message=message,
            fixable=fixable,
        )
