"""Hooks that users define, and what is said of those that cannot work."""

from __future__ import annotations

import pytest

from crackerjack.config import HookTable
from crackerjack.errors import ConfigError
from crackerjack.hooks.hook import Scope, Strategy
from crackerjack.hooks.own_hooks import own_hook

PATTERN = r"(?P<path>[^:]+):(?P<line>\d+): (?P<message>.*)"


def test_a_table_is_a_hook() -> None:
    table = HookTable(
        command=("semgrep", "--sarif"),
        fix=("semgrep", "--autofix"),
        strategy="fast",
        scope="file",
        parser="sarif",
        files=("*.py",),
        args=("--quiet", "{files}"),
        timeout=9,
        install="pip install semgrep",
        findings_exit=(1, 2),
        config_files=("semgrep.yml",),
    )

    hook = own_hook("semgrep", table)

    assert (hook.tool, hook.check) == ("semgrep", ("--sarif", "--quiet", "{files}"))
    assert hook.fix == ("--autofix", "--quiet", "{files}")
    assert (hook.strategy, hook.scope) == (Strategy.FAST, Scope.FILE)
    assert (hook.parser, hook.parser_options) == ("sarif", {"findings_exit": "1,2"})
    assert (hook.patterns, hook.timeout, hook.install) == (("*.py",), 9, "pip install semgrep")
    assert hook.config_files == ("semgrep.yml",)
    assert hook.version_args == ()


def test_without_a_parser_the_exit_code_decides() -> None:
    hook = own_hook("mine", HookTable(command=("make", "lint")))

    assert (hook.parser, hook.patterns, hook.fix) == ("exit-code", ("*",), None)
    assert hook.timeout == 600


def test_options_of_the_parsers() -> None:
    regex = own_hook("a", HookTable(command=("t",), parser="regex", pattern=PATTERN))
    fields = {"path": "file", "message": "text"}
    json = own_hook("b", HookTable(command=("t",), parser="json", items="a[*]", fields=fields))

    assert regex.parser_options == {"findings_exit": "1", "pattern": PATTERN}
    assert json.parser_options == {
        "findings_exit": "1",
        "items": "a[*]",
        "field.path": "file",
        "field.message": "text",
    }


@pytest.mark.parametrize(
    ("name", "table", "says"),
    [
        ("Bad Name", HookTable(command=("t",)), "is no name for a hook"),
        ("mine", HookTable(command=("",)), "command: is empty"),
        ("mine", HookTable(command=("t",), parser="sarfi"), "did you mean 'sarif'?"),
        ("mine", HookTable(command=("t",), fix=("u",)), "runs another tool"),
        ("mine", HookTable(command=("t",), pattern="x"), "only read by the parser 'regex'"),
        (
            "mine",
            HookTable(command=("t",), parser="sarif", items="a"),
            "only read by the parser 'json'",
        ),
        ("mine", HookTable(command=("t",), parser="regex", pattern="("), "no regular expression"),
        ("mine", HookTable(command=("t",), parser="regex"), "lacks the named group 'path'"),
        (
            "mine",
            HookTable(command=("t",), parser="regex", pattern=r"(?P<path>x)"),
            "add (?P<message>...)",
        ),
        (
            "mine",
            HookTable(command=("t",), parser="regex", pattern=r"(?P<path>x)(?P<mesage>y)"),
            "did you mean 'message'?",
        ),
        (
            "mine",
            HookTable(command=("t",), parser="json", fields={"path": "a"}),
            "lacks the field 'message'",
        ),
        (
            "mine",
            HookTable(command=("t",), parser="json", fields={"path": "a..b", "message": "m"}),
            "fields.path: cannot read '..b'",
        ),
        (
            "mine",
            HookTable(
                command=("t",), parser="json", items="a[", fields={"path": "a", "message": "m"}
            ),
            "items: cannot read '['",
        ),
    ],
)
def test_what_cannot_work_is_said_with_its_place(name: str, table: HookTable, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        own_hook(name, table)

    text = str(raised.value)
    assert text.startswith(f"pyproject.toml: tool.crackerjack.hooks.{name}")
    assert says in text
