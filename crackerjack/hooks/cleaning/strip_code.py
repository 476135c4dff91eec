"""Taking comments and docstrings out of source, and nothing that a program could notice."""

from __future__ import annotations

import ast
import itertools
import re
import tokenize
from collections.abc import Iterator
from io import StringIO
from typing import Final, NamedTuple

from crackerjack.hooks.cleaning.guard import DOCUMENTED, is_text, without_docstrings
from crackerjack.hooks.python_source import decode, parse

_DIRECTIVE: Final = re.compile(
    r"#\s*(?:!|-\*-|type:|noqa|nosec|pragma|fmt:|ruff:|mypy:|ty:|pyright:|pyre-|pyrefly:|pytype:|pylint:"
    r"|isort:|flake8:|yapf:|black:|autopep8:|vulture:|codespell:|typos:|nosemgrep|noinspection|cython:"
    r"|distutils:|doctest:|coverage:|skylos:|sourcery|vim:)",
    re.IGNORECASE,
)
"""Comments that some program reads."""

_SCRIPT_BEGINS: Final = re.compile(r"# /// [\w-]+")
_SCRIPT_ENDS: Final = "# ///"
"""Around the metadata of a script (PEP 723)."""

_COOKIE: Final = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")
"""The encoding (PEP 263), on one of the first two lines."""

_LICENCE: Final = re.compile(r"copyright|licen[cs]e|SPDX-|\(c\)", re.IGNORECASE)

_CUT: Final = "\0"
"""Marks where something was taken out; source has no NUL."""
_CUT_LINE: Final = re.compile(r"^[ \t\f]*\0[\0 \t\f]*(?:\r?\n|\Z)", re.MULTILINE)
_CUT_AT_END: Final = re.compile(r"[ \t\f]*\0[\0 \t\f]*(?=\r?\n|\Z)")
_CUT_BEFORE: Final = re.compile(r"\0[ \t]*")

_ENDS: Final = frozenset({tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER})
"""Tokens that end a statement."""


class CannotStrip(Exception):
    """The source is left as it is; ``str`` is half a sentence that says why."""


def strip_code(source: bytes) -> bytes:
    """Return the source without comments and docstrings; a body that was only one becomes ``pass``.

    Comments that programs read stay (shebang, encoding, ``# type:``, ``# noqa``, script metadata), and
    so does a licence at the top. Docstrings stay where the program uses `__doc__`. But for docstrings,
    the tree of the result is that of the source; :exc:`CannotStrip` where it would not be.
    """
    try:
        tree = parse(source)
        text, encoding = decode(source)
        stripped = _without(text, tree).encode(encoding)
        if stripped == source:
            return source
        same = ast.dump(without_docstrings(tree)) == ast.dump(without_docstrings(parse(stripped)))
    except (SyntaxError, tokenize.TokenError, RecursionError) as error:
        raise CannotStrip(f"cannot be parsed: {error}") from error
    if not same:
        raise CannotStrip("without its comments it would not mean the same")
    return stripped


class _Edit(NamedTuple):
    """Offsets in the text, and what comes there instead."""

    start: int
    end: int
    text: str = _CUT


class _Source:
    """A source's text and tokens, and where in the text these are."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.tokens = list(tokenize.generate_tokens(StringIO(text, newline="\n").readline))
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def offset(self, position: tuple[int, int]) -> int:
        """The offset of a row (from 1) and a column (from 0, in characters)."""
        row, column = position
        return self._starts[row - 1] + column

    def place(self, node: ast.stmt) -> tuple[int, int]:
        """Row and column of a statement, whose `col_offset` counts the bytes of UTF-8."""
        before = self.lines[node.lineno - 1].encode()[: node.col_offset]
        return node.lineno, len(before.decode())


def _without(text: str, tree: ast.Module) -> str:
    if "\r" in text.replace("\r\n", ""):
        raise CannotStrip("it has carriage returns that end no line")
    source = _Source(text)
    edits = list(_comments(source))
    if not any(token.string == "__doc__" for token in source.tokens):
        edits += _docstrings(source, tree)
    pieces, position = [], 0
    for edit in sorted(edits):
        pieces += [text[position : edit.start], edit.text]
        position = edit.end
    cut = "".join([*pieces, text[position:]])
    for where in (_CUT_LINE, _CUT_AT_END, _CUT_BEFORE):
        cut = where.sub("", cut)
    return cut


def _comments(source: _Source) -> Iterator[_Edit]:
    """Yield the comments that no program reads."""
    licence = _licence_rows(source)
    in_script = False
    for token in source.tokens:
        if token.type != tokenize.COMMENT:
            continue
        comment, row = token.string.rstrip("\r"), token.start[0]
        in_script = in_script or _SCRIPT_BEGINS.fullmatch(comment) is not None
        is_cookie = row <= 2 and _COOKIE.match(token.line) is not None
        if not (in_script or is_cookie or row in licence or _DIRECTIVE.match(comment)):
            start = source.offset(token.start)
            yield _Edit(start, start + len(comment))
        in_script = in_script and comment != _SCRIPT_ENDS


def _licence_rows(source: _Source) -> range:
    """The rows of the first block of comments, if that is a licence."""
    first = next((row for row, line in enumerate(source.lines, 1) if line.strip()), 1)
    last = first
    while last <= len(source.lines) and source.lines[last - 1].startswith("#"):
        last += 1
    block = "\n".join(source.lines[first - 1 : last - 1])
    return range(first, last if _LICENCE.search(block) else first)


def _docstrings(source: _Source, tree: ast.Module) -> Iterator[_Edit]:
    """Yield the docstrings, and the strings after them that would become docstrings."""
    indices = {token.start: index for index, token in enumerate(source.tokens)}
    for node in ast.walk(tree):
        if not isinstance(node, DOCUMENTED):
            continue
        texts = list(itertools.takewhile(is_text, node.body))
        needs_body = len(texts) == len(node.body) and not isinstance(node, ast.Module)
        for number, text in enumerate(texts):
            replacement = "pass" if needs_body and number == 0 else _CUT
            yield from _text_statement(source, indices[source.place(text)], replacement)


def _text_statement(source: _Source, index: int, replacement: str) -> Iterator[_Edit]:
    """Yield the edit for the statement whose first token this is; none for one in parentheses."""
    start = source.offset(source.tokens[index].start)
    while source.tokens[index].type == tokenize.STRING:
        index += 1
    end = source.offset(source.tokens[index - 1].end)
    following = source.tokens[index]
    if following.string == ";" and replacement == _CUT:
        yield _Edit(start, source.offset(following.end), replacement)
    elif following.string == ";" or following.type in _ENDS:
        yield _Edit(start, end, replacement)
