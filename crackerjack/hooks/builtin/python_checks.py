"""Python source: whether it parses, and whether a debugger was left in it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Final

from crackerjack.hooks.builtin.content import Content
from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.python_source import PYTHON, parse

_HINTS: Final = (b"breakpoint", b"pdb", b"pudb", b"wdb")
"""Source without any of these names no debugger; most has none, and is not parsed for it."""

_FLOOR: Final = re.compile(r"(?:>=|==|~=|>)\s*(\d+)\.(\d+)")
"""What a version specifier says of the oldest Python that will do."""

_SUPPRESSED: Final = re.compile(rb"#\s*noqa(?:\s*:.*\bT10|(?!\s*:))", re.IGNORECASE)
"""The comment that ruff and flake8 take for this; T100 is what they call the same finding."""


def syntax(content: Content, requires_python: str) -> Iterator[Diagnostic]:
    """Find source that this interpreter does not parse.

    Where the project requires a newer one, as `requires_python` says, that proves nothing: a note.
    """
    if not content.is_python or content.syntax_error is None:
        return
    if "{{" in content.path:
        return  # a project template; in the source itself braces prove nothing
    error = content.syntax_error
    needs_newer = any(
        (int(major), int(minor)) > sys.version_info[:2]
        for major, minor in _FLOOR.findall(requires_python)
    )
    yield content.finding(
        "ast",
        f"not {PYTHON}: {error.msg}",
        line=error.lineno or 1,
        column=error.offset if error.offset and error.offset > 0 else None,
        severity=Severity.NOTE if needs_newer else Severity.ERROR,
    )


def debug_statements(content: Content) -> Iterator[Diagnostic]:
    """Find what only debugging needs; see :func:`uses_of_debuggers`."""
    if not content.is_python or not any(hint in content.data for hint in _HINTS):
        return
    if content.syntax_error is not None:
        return
    from crackerjack.hooks.builtin.debuggers import uses_of_debuggers

    lines = content.data.split(b"\n")
    for use in uses_of_debuggers(parse(content.data)):
        if not _SUPPRESSED.search(lines[use.line - 1]):
            yield content.finding(
                "debug-statement",
                use.what,
                line=use.line,
                column=use.column,
                severity=Severity.WARNING,
            )
