"""What should never have been committed: conflicts, private keys, very large files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from crackerjack.hooks.builtin.content import Content
from crackerjack.hooks.diagnostic import Diagnostic, Severity

_MARKER: Final = re.compile(rb"^(?:<{7} .*|={7}\r?|>{7} .*)$", re.MULTILINE)
_KEY_BEGINS: Final = re.compile(rb"-----BEGIN ((?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?)-----")
_ENCODED: Final = re.compile(rb"[A-Za-z0-9+/]{16,}")
"""A stretch of base64 that is no word: the shortest line of a key."""
_ESCAPES: Final = re.compile(rb"\\[nrt]")
_LONGEST_KEY: Final = 32 * 1024
"""Bytes from the header of a key to its footer."""
_SHORTEST_KEY: Final = 60
"""Characters of base64: Ed25519 has 64."""
_VARIETY: Final = 16
"""Different characters: a placeholder such as ``xxxx`` has fewer, a random key has more."""


def merge_conflict(content: Content) -> Iterator[Diagnostic]:
    """Find what git leaves of a conflict: the three markers, in their order, each on a line."""
    if b"<<<<<<< " not in content.data:
        return
    if content.is_python and content.syntax_error is None:
        return  # then they stand in a string: a conflict is no Python
    begins: int | None = None
    divided = False
    for match in _MARKER.finditer(content.data):
        marker = match[0][:1]
        if marker == b"<":
            begins, divided = match.start(), False
        elif marker == b"=":
            divided = begins is not None
        elif begins is not None and divided:
            line = content.line_at(begins)
            yield content.finding("merge-conflict", "unresolved merge conflict", line=line)
            begins = None


def private_key(content: Content) -> Iterator[Diagnostic]:
    """Find private keys in PEM or PGP armour: header, footer, and between them what can be a key."""
    if b"PRIVATE KEY" not in content.data:
        return
    headers = list(_KEY_BEGINS.finditer(content.data))
    for header, following in zip_longest(headers, headers[1:]):
        # No key holds another: nothing is read twice.
        end = following.start() if following else len(content.data)
        last = min(end, header.end() + _LONGEST_KEY)
        footer = content.data.find(b"-----END " + header[1] + b"-----", header.end(), last)
        if footer >= 0 and _can_be_key(content.data[header.end() : footer]):
            kind = header[1].decode().lower()
            line = content.line_at(header.start())
            yield content.finding("private-key", f"{kind} in a file", line=line)


def _can_be_key(body: bytes) -> bool:
    encoded = b"".join(_ENCODED.findall(_ESCAPES.sub(b" ", body)))
    return len(encoded) >= _SHORTEST_KEY and len(set(encoded)) >= _VARIETY


def large_file(content: Content, size: int, limit: int) -> Iterator[Diagnostic]:
    """Find a file that is better kept elsewhere. `size` is in bytes, `limit` in KiB."""
    if size > limit * 1024:
        yield content.finding(
            "large-file",
            f"{size // 1024} KiB; large_file_kb is {limit}",
            severity=Severity.WARNING,
        )
