from __future__ import annotations

import ast

import pytest
from hypothesis import given

from crackerjack.hooks.cleaning import strip_code as strip_code_module
from crackerjack.hooks.cleaning.guard import without_docstrings
from crackerjack.hooks.cleaning.strip_code import CannotStrip, strip_code
from crackerjack.hooks.python_source import decode, parse
from tests.hooks.cleaning.sources import sources


def stripped(source: str) -> str:
    return strip_code(source.encode()).decode()


def test_comments_go() -> None:
    assert stripped(
        "# one\nx = 1  # two\nif x:  # three\n    # four\n    y = [  # five\n    ]\n"
    ) == ("x = 1\nif x:\n    y = [\n    ]\n")


def test_docstrings_go() -> None:
    source = '"""Module."""\n\nclass C:\n    """Class."""\n\n    x = 1\n\n    def f(self):\n        """F."""\n'
    assert stripped(source) == "\nclass C:\n\n    x = 1\n\n    def f(self):\n        pass\n"


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ('def f(): "doc"\n', "def f(): pass\n"),
        ('def f(): "doc"; return 1\n', "def f(): return 1\n"),
        ('def f():\n    "one"  # two\n    "three"\n    return 1\n', "def f():\n    return 1\n"),
        ('def f():\n    "one"\n    "two"\n', "def f():\n    pass\n"),
        ("def f():\n    'a' \\\n    'b'\n    return 1\n", "def f():\n    return 1\n"),
        ("é = 1; x = '# é'  # é\n", "é = 1; x = '# é'\n"),
        ('def é(): "é"; x = 1\n', "def é(): x = 1\n"),
        ("x = '''# text \n'''  # c", "x = '''# text \n'''"),
        ('"doc"', ""),
        ('async def f():\r\n\t"""Two\r\n\tlines."""\r\n', "async def f():\r\n\tpass\r\n"),
    ],
)
def test_odd_places(source: str, result: str) -> None:
    assert stripped(source) == result


@pytest.mark.parametrize(
    "source",
    [
        "#!/usr/bin/python\n# -*- coding: utf-8 -*-\nx = 1\n",
        "# Copyright Ada\n# All rights reserved.\nx = 1\n",
        "\n# SPDX-License-Identifier: MIT\nx = 1\n",
        "x = 1  # noqa: E501\n",
        "x = []  # type: list[int]\n",
        "if x:  # pragma: no cover\n    pass\n",
        "# fmt: off\nx = 1\n# fmt: on\n",
        "# ruff: noqa\n# mypy: strict\n# pylint: disable=all\n# isort: skip_file\nx = 1  # nosec\n",
        '# /// script\n# dependencies = [\n#   "rich",\n# ]\n# ///\nx = 1\n',
        'def f():\n    ("in parentheses")\n    return 1\n',
        'x = "not a docstring"\n"nor this"\n',
        'def f():\n    f"{x}"\n',
        '"""Usage: x."""\nprint(__doc__)\n',
    ],
)
def test_what_stays(source: str) -> None:
    assert stripped(source) == source


def test_a_cookie_counts_on_the_first_two_lines_only() -> None:
    assert stripped("\n\n# coding: latin-1\nx = 1\n") == "\n\nx = 1\n"


def test_encodings_survive() -> None:
    assert strip_code("# coding: latin-1\nx = 'é'  # é\n".encode("latin-1")) == (
        "# coding: latin-1\nx = 'é'\n".encode("latin-1")
    )
    assert strip_code("\N{BYTE ORDER MARK}# c\nx = 1\n".encode()) == (
        "\N{BYTE ORDER MARK}x = 1\n".encode()
    )


@pytest.mark.parametrize("source", [b"x = (\n", b"\xff\n", b"x = 1\ry = 2\n", b"x = 1\0\n"])
def test_what_cannot_be_stripped(source: bytes) -> None:
    with pytest.raises(CannotStrip):
        strip_code(source)


def test_what_would_change_the_meaning_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strip_code_module, "_without", lambda text, tree: text.replace("1", "2"))
    with pytest.raises(CannotStrip, match="would not mean the same"):
        strip_code(b"x = 1\n")


@given(sources())
def test_nothing_else_is_lost(source: bytes) -> None:
    try:
        result = strip_code(source)
    except CannotStrip:
        return
    assert strip_code(result) == result
    assert decode(result)[1] == decode(source)[1]
    assert result.count(b"\r\n") == (result.count(b"\n") if b"\r\n" in source else 0)
    before, after = without_docstrings(parse(source)), without_docstrings(parse(result))
    assert ast.dump(before) == ast.dump(after)
