"""Hooks that the user defines in ``[tool.crackerjack.hooks.NAME]``, checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from crackerjack.config import HookTable
from crackerjack.errors import ConfigError
from crackerjack.hooks.hook import Hook, Scope, Strategy
from crackerjack.hooks.parsers import PARSERS

FIELDS: Final = ("path", "line", "column", "code", "severity", "message")
"""What a parser of the user's own may fill in of a diagnostic."""

_DEFAULT_SECONDS: Final = 600.0
_REQUIRED: Final = ("path", "message")
_NAME: Final = re.compile(r"[a-z0-9-]+")
_PARSER_KEYS: Final = {"pattern": "regex", "items": "json", "fields": "json"}
"""Keys of a table that only this parser reads."""


def own_hook(name: str, table: HookTable) -> Hook:
    """The hook that the table defines. Raises :exc:`ConfigError` for one that cannot work."""
    if not _NAME.fullmatch(name):
        raise _error(name, "", "is no name for a hook", "use a-z, 0-9 and -")
    if not table.command or not table.command[0].strip():
        raise _error(name, "command", "is empty", 'say what to run: command = ["tool", "--flag"]')
    _check_parser(name, table)
    tool, *arguments = table.command
    return Hook(
        name=name,
        strategy=Strategy(table.strategy),
        tool=tool,
        check=(*arguments, *table.args),
        fix=_fix(name, table),
        parser=table.parser or "exit-code",
        parser_options=_options(table),
        scope=Scope(table.scope),
        patterns=table.files or ("*",),
        largest=None,  # whoever names the files knows how large they are
        config_files=table.config_files,
        config_tables=(f"tool.crackerjack.hooks.{name}",),
        version_args=(),  # what a command of the user's own does with --version, we cannot know
        install=table.install,
        timeout=_DEFAULT_SECONDS if table.timeout is None else table.timeout,
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a word that is not known."""
    import difflib

    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"


def _fix(name: str, table: HookTable) -> tuple[str, ...] | None:
    """The arguments that write, which the user gives with the tool in front, like `command`."""
    if not table.fix:
        return None
    if table.fix[0] != table.command[0]:
        hint = f"begin with {table.command[0]!r}"
        raise _error(name, "fix", "runs another tool than `command`", hint)
    return (*table.fix[1:], *table.args)


def _check_parser(name: str, table: HookTable) -> None:
    if table.parser and table.parser not in PARSERS:
        raise _error(
            name,
            "parser",
            f"names no parser: {table.parser!r}",
            did_you_mean(table.parser, PARSERS),
        )
    for key, parser in _PARSER_KEYS.items():
        if getattr(table, key) and table.parser != parser:
            raise _error(
                name, key, f"is only read by the parser {parser!r}", f"parser = {parser!r}"
            )
    if table.parser == "regex":
        _check_pattern(name, table.pattern)
    if table.parser == "json":
        _check_paths(name, table)


def _check_pattern(name: str, pattern: str) -> None:
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, OverflowError, RecursionError) as why:
        raise _error(name, "pattern", f"is no regular expression: {why}", "") from None
    _check_fields(name, "pattern", groups, "named group", "(?P<{}>...)")


def _check_paths(name: str, table: HookTable) -> None:
    from crackerjack.hooks.parsers.json_paths import steps

    _check_fields(name, "fields", table.fields, "field", '{} = "path.to.it"')
    for key, path in (("items", table.items), *_dotted("fields", table.fields)):
        try:
            steps(path)
        except ValueError as why:
            raise _error(name, key, str(why), "a path is like results[*].location.line") from None


def _check_fields(
    name: str, key: str, found: Mapping[str, object], what: str, example: str
) -> None:
    for field in found:
        if field not in FIELDS:
            raise _error(name, key, f"has an unknown {what} {field!r}", did_you_mean(field, FIELDS))
    for field in _REQUIRED:
        if field not in found:
            raise _error(name, key, f"lacks the {what} {field!r}", f"add {example.format(field)}")


def _options(table: HookTable) -> Mapping[str, str]:
    options = {"findings_exit": ",".join(map(str, table.findings_exit))}
    if table.parser == "regex":
        options["pattern"] = table.pattern
    if table.parser == "json":
        options["items"] = table.items
        options.update({f"field.{field}": path for field, path in table.fields.items()})
    return options


def _dotted(key: str, table: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"{key}.{name}", value) for name, value in table.items()]


def _error(name: str, key: str, problem: str, hint: str) -> ConfigError:
    where = f"pyproject.toml: tool.crackerjack.hooks.{name}"
    return ConfigError(f"{where}.{key}" if key else where, problem, hint)
