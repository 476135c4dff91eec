"""JSON of any shape, from the ``{report}`` file or else from stdout; a document a line also will do.

Option `items` is the path to the findings, such as ``results[*].issues[*]`` (empty: the document is
the list of them); option `field.NAME` is the path inside a finding to that field of a diagnostic.
A path is keys with dots between them, ``[*]`` for every item of a list and ``[0]`` for one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from crackerjack.hooks.diagnostic import Diagnostic
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.exit_code import findings_exit
from crackerjack.hooks.parsers.reading import (
    ProjectPaths,
    broke,
    decode_any,
    judge,
    position,
    severity,
)

FIELD: Final = "field."
"""Begins the option that says where a field is."""

_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\*|\d+)\]")
EVERY: Final = "*"


def parse(hook: str, output: ToolOutput) -> Parsed:
    """Where `items` leads to nothing there are no findings; an unreadable report is an error."""
    document = decode_any(output.report or output.stdout)
    if document is None:
        return broke(hook, output, "without a readable JSON report")
    paths = ProjectPaths(output.root)
    places = {
        name.removeprefix(FIELD): steps(path)
        for name, path in output.options.items()
        if name.startswith(FIELD)
    }
    found = []
    for item in _items(document, steps(output.options.get("items", ""))):
        values = {name: next(follow(item, place), None) for name, place in places.items()}
        found.append(_diagnostic(hook, values, paths))
    return judge(hook, output, found, findings_exit=findings_exit(output))


def steps(path: str) -> tuple[str | int, ...]:
    """The steps of a path. Raises :exc:`ValueError` when it is none."""
    result: list[str | int] = []
    end = 0
    for match in _STEP.finditer(path):
        if match.start() != end:
            break
        end = match.end()
        key, index = match.groups()
        result.append(key or (EVERY if index == EVERY else int(index)))
    if end != len(path):
        raise ValueError(f"cannot read {path[end:]!r} in the path {path!r}")
    return tuple(result)


def follow(value: Any, path: tuple[str | int, ...]) -> Iterator[Any]:
    """Yield what the path leads to; nothing where it leads nowhere."""
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    if isinstance(value, list):
        if step == EVERY:
            for item in value:
                yield from follow(item, rest)
        elif isinstance(step, int) and step < len(value):
            yield from follow(value[step], rest)
    elif isinstance(value, dict) and step in value:
        yield from follow(value[step], rest)


def _items(document: Any, path: tuple[str | int, ...]) -> Iterator[Any]:
    for value in follow(document, path):
        if isinstance(value, list):
            yield from value
        else:
            yield value


def _diagnostic(hook: str, values: dict[str, Any], paths: ProjectPaths) -> Diagnostic:
    return Diagnostic(
        hook=hook,
        path=paths(_text(values.get("path"))),
        line=_number(values.get("line")),
        column=_number(values.get("column")),
        code=_text(values.get("code")),
        severity=severity(_text(values.get("severity"))),
        message=_text(values.get("message")),
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        value = int(value)
    return position(value) if isinstance(value, int) and not isinstance(value, bool) else None
