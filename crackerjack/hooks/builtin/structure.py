"""Data files: whether YAML, TOML and JSON can be read, and say nothing twice."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from crackerjack.hooks.builtin.content import Content
from crackerjack.hooks.diagnostic import Diagnostic, Severity

_WITH_COMMENTS: Final = re.compile(
    r"(?:^|/)(?:[tj]sconfig[^/]*|\.?eslintrc|\.swcrc|\.?devcontainer|api-extractor|babel\.config"
    r"|biome|deno|language-configuration|pyrightconfig|turbo|wrangler)\.json\Z"
    r"|(?:^|/)\.(?:vscode|zed|devcontainer)/"
)
"""Files called .json whose readers take comments and trailing commas."""

_TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")


def yaml(content: Content) -> Iterator[Diagnostic]:
    """Find what no YAML reader takes, and keys that a mapping has twice. Any tag will do."""
    if content.suffix not in {".yaml", ".yml"}:
        return
    from crackerjack.hooks.builtin.yaml_events import NestedTooDeeply, yaml_problems

    try:
        problems = yaml_problems(content.data)
    except NestedTooDeeply:
        yield _not_checked(content, "yaml")
        return
    if problems and content.is_template:
        return
    for problem in problems:
        yield content.finding("yaml", problem.message, line=problem.line, column=problem.column)


def toml(content: Content) -> Iterator[Diagnostic]:
    """Find what is not TOML 1.0, which is what Python and its tools read."""
    if content.suffix != ".toml":
        return
    text = _utf_8(content)
    if text is None:
        yield _not_utf_8(content, "toml")
        return
    try:
        tomllib.loads(text)
    except ValueError as error:  # also of a number with thousands of digits
        if not content.is_template:
            yield _toml_error(content, str(error))
    except RecursionError:
        yield _not_checked(content, "toml")


def json(content: Content) -> Iterator[Diagnostic]:
    """Find what is not JSON (RFC 8259), and names that an object has twice."""
    if content.suffix != ".json" or _WITH_COMMENTS.search(content.path):
        return
    text = _utf_8(content)
    if text is None:
        yield _not_utf_8(content, "json")
        return
    from json import JSONDecodeError, loads

    twice: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            twice.extend(name for name, count in counts.items() if count > 1)

    try:
        # Numbers stay text: only their syntax is of interest, and some are too long to convert.
        loads(text, object_pairs_hook=members, parse_int=str, parse_float=str)
    except JSONDecodeError as error:
        if not content.is_template:
            yield content.finding(
                "json", f"not JSON: {error.msg}", line=error.lineno, column=error.colno
            )
    except RecursionError:
        yield _not_checked(content, "json")
    else:
        for name in twice:
            yield content.finding("json", f"name {name!r} twice in one object")


def _utf_8(content: Content) -> str | None:
    try:
        return content.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _not_utf_8(content: Content, code: str) -> Diagnostic:
    return content.finding(code, f"not {code.upper()}: not encoded in UTF-8")


def _not_checked(content: Content, code: str) -> Diagnostic:
    return content.finding(code, "not checked: nested too deeply", severity=Severity.NOTE)


def _toml_error(content: Content, message: str) -> Diagnostic:
    place = _TOML_PLACE.search(message)
    line, column = (int(place[1]), int(place[2])) if place and place[1] else (None, None)
    if place and line is None:
        line = content.line_at(len(content.data.rstrip()))
    return content.finding(
        "toml", f"not TOML: {_TOML_PLACE.sub('', message)}", line=line, column=column
    )
