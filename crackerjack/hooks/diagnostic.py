"""One finding, in the one shape that all tools are normalised to."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from crackerjack.hashing import blake2b


class Severity(enum.StrEnum):
    """How bad a finding is, in SARIF's words."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of one hook.

    `path` is relative to the project and ``/``-separated, printable (bytes that are not UTF-8 are
    shown as ``\\xNN``); empty when the finding is about the project as a whole. `line` and `column`
    are 1-based, or None where the tool gives none.
    """

    hook: str
    path: str
    line: int | None
    column: int | None
    code: str
    severity: Severity
    message: str
    fixable: bool = False
    fingerprint: str = ""
    """Survives moved lines; filled in by :func:`with_fingerprints`."""


def with_fingerprints(
    diagnostics: Iterable[Diagnostic], source_line: Callable[[str, int], str]
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics with fingerprints that survive moved lines.

    A fingerprint covers hook, path, code, message, the text of the source line (white space folded)
    and, among findings that agree in all of these, the ordinal. `source_line(path, line)` returns
    that text, or ``""`` when there is none.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    result: list[Diagnostic] = []
    for found in diagnostics:
        text = "" if found.line is None else " ".join(source_line(found.path, found.line).split())
        key = (found.hook, found.path, found.code, found.message, text)
        material = "\0".join((*key, str(seen[key])))
        seen[key] += 1
        digest = blake2b(material.encode("utf-8", "backslashreplace"), digest_size=12)
        result.append(msgspec.structs.replace(found, fingerprint=digest.hexdigest()))
    return tuple(result)


def printable_path(path: str) -> str:
    """Return `path` without surrogates: a byte that is not UTF-8 becomes ``\\xNN``."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
