"""White space that says nothing: at the ends of lines, at the end of the file, in line endings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from crackerjack.hooks.builtin.content import Content
from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.python_source import lines_in_strings

_LISTED: Final = 20
"""Lines of one file that are named; of the rest, only the number is."""

_NOT_FREE: Final = re.compile(
    r"\.(?:ambr|diff|eml|map|mbox|min\.css|min\.js|patch|rej|snap|svg|tab|tsv)\Z", re.IGNORECASE
)
"""Names of files in which white space is content (a column, a line of context, a snapshot), and of files
that programs write for programs."""

_COMPARED: Final = frozenset({".py", ".pyi", ".toml", ".yaml", ".yml"})
"""Files whose meaning is compared when they are fixed, so that they may be judged anywhere."""

_PRINTED_OR_READ: Final = re.compile(
    r"(?:\A|/)(?:cassettes|corpora|corpus|fixtures?|fuzz(?:ers?|ing)?|snapshots?|templates?"
    r"|test[-_]?data|testing|tests?)/",
    re.IGNORECASE,
)
"""Directories of what programs print as it is, of what tests compare with and fuzzers begin with."""

_MARKDOWN: Final = frozenset({".md", ".markdown", ".mdx", ".qmd", ".rmd"})
_LONE_LF: Final = re.compile(rb"(?<!\r)\n")


class _Span(NamedTuple):
    """White space at the end of a line: the line's number and the offsets of the bytes."""

    line: int
    start: int
    end: int


def trailing_whitespace(content: Content) -> Iterator[Diagnostic]:
    """Find spaces and tabs at the ends of lines."""
    spans = _trailing_spans(content)
    for span in spans[:_LISTED]:
        yield content.finding(
            "trailing-whitespace",
            "trailing whitespace",
            line=span.line,
            column=span.start - content.data.rfind(b"\n", 0, span.start),
            severity=Severity.WARNING,
            fixable=True,
        )
    if len(spans) > _LISTED:
        yield content.finding(
            "trailing-whitespace",
            f"trailing whitespace on {len(spans) - _LISTED} more lines, the first of them this one",
            line=spans[_LISTED].line,
            severity=Severity.WARNING,
            fixable=True,
        )


def without_trailing_whitespace(content: Content) -> bytes:
    """Return the bytes without what :func:`trailing_whitespace` finds."""
    kept, position = [], 0
    for span in _trailing_spans(content):
        kept.append(content.data[position : span.start])
        position = span.end
    return b"".join((*kept, content.data[position:]))


def end_of_file(content: Content) -> Iterator[Diagnostic]:
    """Find a last line without a newline, and empty lines at the end. An empty file is fine."""
    data = content.data
    if not data:
        return
    if not data.endswith((b"\n", b"\r")):
        message = "no newline at the end of the file"
        line = data.count(b"\n") + 1
    elif data.endswith((b"\n\n", b"\n\r\n")):
        message = "empty lines at the end of the file"
        line = data.rstrip(b"\r\n").count(b"\n") + 2
    else:
        return
    if _white_space_is_content(content):
        return
    yield content.finding(
        "end-of-file",
        message,
        line=line,
        severity=Severity.WARNING,
        fixable=True,
    )


def with_one_newline(content: Content) -> bytes:
    """Return the bytes with one newline at the end, of the kind that most lines have."""
    return content.data.rstrip(b"\r\n") + _usual_newline(content.data)


def mixed_line_endings(content: Content) -> Iterator[Diagnostic]:
    """Find files that end some lines with CRLF and others with LF."""
    if not content.has_carriage_returns:
        return
    data = content.data
    windows = data.count(b"\r\n")
    unix = data.count(b"\n") - windows
    if not windows or not unix or _white_space_is_content(content):
        return
    lone = _LONE_LF.search(data)
    rare = data.find(b"\r\n") if lone is None or windows <= unix else lone.start()
    yield content.finding(
        "mixed-line-endings",
        f"{windows} lines end with CRLF and {unix} with LF",
        line=content.line_at(rare),
        severity=Severity.WARNING,
        fixable=True,
    )


def with_one_line_ending(content: Content) -> bytes:
    """Return the bytes with the line ending that most lines have; LF where it is a draw."""
    unix = content.data.replace(b"\r\n", b"\n")
    return unix.replace(b"\n", _usual_newline(content.data))


def _usual_newline(data: bytes) -> bytes:
    windows = data.count(b"\r\n")
    return b"\r\n" if windows > data.count(b"\n") - windows else b"\n"


def _trailing_spans(content: Content) -> list[_Span]:
    """Where the trailing white space is that means nothing."""
    data = content.data
    # Most files have none, and this finds that out in a tenth of the time.
    ends = (b" \n", b"\t\n", b" \r", b"\t\r") if content.has_carriage_returns else (b" \n", b"\t\n")
    suspect = any(end in data for end in ends)
    if not (suspect or data.endswith((b" ", b"\t"))) or _white_space_is_content(content):
        return []
    spans, start = [], 0
    for number, line in enumerate(data.split(b"\n"), 1):
        bare = line.removesuffix(b"\r")
        text = bare.rstrip(b" \t")
        if len(text) < len(bare):
            spans.append(_Span(number, start + len(text), start + len(bare)))
        start += len(line) + 1
    if content.suffix in _MARKDOWN:
        return [span for span in spans if not _is_hard_break(data, span)]
    if content.is_python and (b'"""' in data or b"'''" in data):
        # In a string it is content, and where strings end only source that parses can tell.
        inside = lines_in_strings(data) if content.syntax_error is None else None
        return [] if inside is None else [span for span in spans if span.line not in inside]
    return spans


def _white_space_is_content(content: Content) -> bool:
    """Whether the white space of this file may matter to whoever reads it."""
    if content.suffix in _COMPARED:
        return False
    named_so = _NOT_FREE.search(content.name) or _PRINTED_OR_READ.search(content.path)
    return named_so is not None or content.is_template


def _is_hard_break(data: bytes, span: _Span) -> bool:
    """Two spaces after text end a line: https://spec.commonmark.org/0.31.2/#hard-line-breaks."""
    width = span.end - span.start
    after_text = span.start > 0 and data[span.start - 1] != ord("\n")
    return width >= 2 and after_text and data[span.start : span.end] == b" " * width
