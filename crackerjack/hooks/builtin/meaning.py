"""The guard of fixing white space: whether a file says after it what it said before."""

from __future__ import annotations

import tomllib

import yaml

from crackerjack.hooks.builtin.content import Content
from crackerjack.hooks.builtin.yaml_events import NestedTooDeeply, yaml_events
from crackerjack.hooks.python_source import dump, parse


class _Unreadable(Exception):
    """What the file says cannot be told."""


def why_meaning_differs(path: str, before: bytes, after: bytes) -> str:
    """Return why these are not two ways to write the same; empty when they are.

    Of formats without a reader here, such as plain text, white space is no part of the meaning.
    """
    try:
        said = _meaning(Content(path, before))
    except _Unreadable:
        return "it cannot be parsed, so what white space means in it is not known"
    try:
        says = _meaning(Content(path, after))
    except _Unreadable:
        return "it could not be parsed after that"
    return "" if said == says else "that would change what it says"


def _meaning(content: Content) -> str:
    """What the file says, in a form that can be compared."""
    try:
        if content.is_python:
            return dump(parse(content.data))
        if content.suffix == ".toml":
            return repr(tomllib.loads(content.data.decode()))
        if content.suffix in {".yaml", ".yml"}:
            return repr(list(yaml_events(content.data)))
    except (SyntaxError, ValueError, RecursionError, NestedTooDeeply, yaml.YAMLError) as error:
        raise _Unreadable from error
    return ""
