"""Python source as Python itself reads it: its errors, its tree, its text."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ast

PYTHON: Final = "Python {}.{}".format(*sys.version_info)
"""Whose syntax is meant: that of the interpreter that runs us."""

_NAME: Final = "<checked source>"
"""The file name that the compiler is told: it marks the warnings that are about the user's code."""

_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


def is_python(path: str) -> bool:
    """Whether the name says that this is Python source."""
    return path.endswith((".py", ".pyi", ".pyw"))


def syntax_error(source: bytes) -> SyntaxError | None:
    """Return why this interpreter would not compile the source; None when it would.

    The symbol table is made a third faster than the tree, and shows more: arguments of one name, say.
    """
    from symtable import symtable

    try:
        with _problems_as_syntax_error(source):
            symtable(source, _NAME, "exec")  # type: ignore[arg-type]  # bytes are fine
    except SyntaxError as error:
        return error
    return None


def parse(source: bytes) -> ast.Module:
    """Return the tree. Raises :exc:`SyntaxError`, also for what the interpreter cannot digest."""
    from ast import parse as parse_source

    with _problems_as_syntax_error(source):
        return parse_source(source, _NAME)


def dump(tree: ast.AST) -> str:
    """Return the tree as text that is the same for trees that mean the same."""
    import ast

    return ast.dump(tree)


def decode(source: bytes) -> tuple[str, str]:
    """Return the text, line endings as they are, and the encoding that gives back the same bytes.

    The byte order mark decides, then the cookie (PEP 263), then UTF-8. Raises :exc:`SyntaxError`
    where Python does: for an unknown encoding, and for bytes that are not in it.
    """
    from io import BytesIO
    from tokenize import detect_encoding

    encoding, _ = detect_encoding(BytesIO(source).readline)
    try:
        return source.decode(encoding), encoding
    except UnicodeDecodeError as error:
        raise SyntaxError(f"byte {error.start} is not {encoding}: {error.reason}") from error


@contextlib.contextmanager
def _problems_as_syntax_error(source: bytes) -> Iterator[None]:
    """Turn what else the compiler raises into :exc:`SyntaxError`, and keep its warnings to ourselves.

    Set at each use, since others may reset the filters; `warnings.catch_warnings` is not for threads.
    """
    if source.startswith(_UTF_16):
        raise SyntaxError("this is UTF-16, which Python does not read as source")
    warnings.filterwarnings("ignore", module=_NAME)
    try:
        yield
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise SyntaxError(str(error) or "nested too deeply") from error


def lines_in_strings(source: bytes) -> frozenset[int] | None:
    """The lines, counted from 1, whose end lies inside a string; None where that cannot be told."""
    import tokenize
    from io import StringIO

    lines: set[int] = set()
    formatted: list[int] = []  # the lines on which f-strings began that have not ended
    try:
        text, _ = decode(source)
        for token in tokenize.generate_tokens(StringIO(text, newline="\n").readline):
            kind = tokenize.tok_name[token.type]
            if kind == "STRING":
                lines.update(range(token.start[0], token.end[0]))
            elif kind.endswith("STRING_START"):
                formatted.append(token.start[0])
            elif kind.endswith("STRING_END"):
                lines.update(range(formatted.pop(), token.end[0]))
    except (SyntaxError, tokenize.TokenError):
        return None
    return frozenset(lines)
