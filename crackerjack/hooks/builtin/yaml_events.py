"""YAML without its values: the parser's events, looked at as they come.

Events and not nodes, because composing nodes recurses (in C, without a limit) and refuses an anchor that
is defined again, which YAML allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import yaml

_DEEPEST: Final = 200
"""Levels. The time that libyaml takes grows with their square: 100,000 take it a minute."""


class YamlProblem(NamedTuple):
    """What is wrong, and where: line and column count from 1."""

    message: str
    line: int | None
    column: int | None


class NestedTooDeeply(Exception):
    """The document was not read to its end."""


def yaml_events(data: bytes) -> Iterator[yaml.Event]:
    """Yield the events of all documents. Raises :exc:`yaml.YAMLError` and :exc:`NestedTooDeeply`."""
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    depth = 0
    for event in yaml.parse(data, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise NestedTooDeeply
        yield event


def yaml_problems(data: bytes) -> list[YamlProblem]:
    """Return what is wrong with the documents, up to the first error of syntax.

    Raises :exc:`NestedTooDeeply`.
    """
    problems: list[YamlProblem] = []
    try:
        problems.extend(_contradictions(yaml_events(data)))
    except yaml.YAMLError as error:
        problems.append(_syntax_problem(error))
    return problems


class _Open:
    """A collection whose end is yet to come."""

    def __init__(self, start: yaml.Event) -> None:
        self._is_mapping = isinstance(start, yaml.MappingStartEvent)
        self._at_key = self._is_mapping
        self._keys: set[tuple[str | None, bool, str]] = set()

    def repeated_key(self, node: yaml.Event) -> str | None:
        """Take the next node; return its text if it is a key that was there before.

        ``1`` and ``"1"`` are two keys, and ``<<`` is none: it merges.
        """
        at_key = self._at_key
        self._at_key = self._is_mapping and not at_key
        if not at_key or not isinstance(node, yaml.ScalarEvent) or node.value == "<<":
            return None
        key = (node.tag, node.implicit[0], node.value)
        repeated = key in self._keys
        self._keys.add(key)
        return node.value if repeated else None


def _contradictions(events: Iterable[yaml.Event]) -> Iterator[YamlProblem]:
    """Find keys that are there twice and aliases of nothing."""
    opened: list[_Open] = []
    anchors: set[str | None] = set()
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            anchors.clear()
        elif isinstance(event, yaml.CollectionEndEvent):
            opened.pop()
        elif isinstance(event, yaml.NodeEvent):
            key = opened[-1].repeated_key(event) if opened else None
            if key is not None:
                yield _problem(f"key {key!r} twice in one mapping", event.start_mark)
            if isinstance(event, yaml.AliasEvent) and event.anchor not in anchors:
                problem = f"alias of an anchor that is not there: *{event.anchor}"
                yield _problem(problem, event.start_mark)
            anchors.add(event.anchor)
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append(_Open(event))


def _problem(message: str, mark: Any) -> YamlProblem:
    """Say where in lines and columns from 1. `mark` is of one class in C and another in Python."""
    if mark is None:
        return YamlProblem(message, None, None)
    return YamlProblem(message, mark.line + 1, mark.column + 1)


def _syntax_problem(error: yaml.YAMLError) -> YamlProblem:
    if not isinstance(error, yaml.MarkedYAMLError):
        # A byte that no text has: the reader knows where, but not on which line.
        return _problem(f"not YAML: {getattr(error, 'reason', error)}", None)
    context = f" ({error.context})" if error.context else ""
    return _problem(f"not YAML: {error.problem}{context}", error.problem_mark)
