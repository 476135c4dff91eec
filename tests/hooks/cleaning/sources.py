"""Python sources as nobody writes them, made by Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

_IMPORTS = [
    "import os",
    "import sys, re",
    "import os.path as p",
    "from typing import (Any,\n    List)",
    "from . import a, b",
    "import json  # noqa: F401",
    "from __future__ import annotations",
    "import abc; x = abc",
]
_STATEMENTS = [
    "x = 1",
    "print(os, re)",
    '"""text"""',
    "'a' \"b\"",
    'x = """two  \n\tlines \t\n  # no comment\n"""',
    "x = [\n    1,  # one\n\n    # two\n    2]",
    "x = 1 + \\\n    2",
    "x = '# no comment'",
    "f(x)(  # comment\n)",
    "# a comment",
    "# type: ignore",
    "# Copyright somebody",
    '"""doc"""; y = 2',
    '"""doc""" # c',
    "('in parentheses')",
    "x = f'{x!r:>{y}} # {1}'",
    'x = f"""{\nx}  \n"""',
    "pass",
    "...",
    "\x0c",
    "",
]
_HEADS = [
    "def f():",
    "async def g(a, *, b=1) -> None:  # comment",
    "class C(object):",
    "@d\n@e(1)  # why\ndef h(self, /):",
    "if x:",
    "try:\n    pass\nexcept Error:",
    "with x as y:",
    "for x in (1,\n    2):",
]
_ENDS = ["\n", "\r\n"]


def _indented(text: str) -> str:
    """Indent what is a line of code; a string's own lines stay as they are."""
    return "\n".join(f"    {line}" if line.strip() else line for line in text.split("\n"))


def _block(statements: list[str]) -> str:
    return "\n".join(statements)


def _compound(head: str, body: str) -> str:
    return f"{head}\n{_indented(body)}"


_simple = st.lists(st.sampled_from(_STATEMENTS + _IMPORTS), min_size=1, max_size=6).map(_block)
_blocks = st.recursive(
    _simple,
    lambda inner: st.lists(
        st.one_of(_simple, st.builds(_compound, st.sampled_from(_HEADS), inner)),
        min_size=1,
        max_size=4,
    ).map(_block),
    max_leaves=6,
)


@st.composite
def sources(draw: st.DrawFn) -> bytes:
    """Return the bytes of a module; some do not parse."""
    first = draw(st.sampled_from(["", "#!/usr/bin/python\n", "# coding: latin-1\nx = 'é'\n"]))
    text = first + draw(_blocks)
    for old, new in draw(
        st.lists(
            st.sampled_from([("\n", " \n"), ("    ", "\t"), ("x", "é"), (":\n", ":  # c\n")]),
            max_size=2,
        )
    ):
        text = text.replace(old, new)
    text += draw(st.sampled_from(["", "\n", "\n\n", "  # end"]))
    text = text.replace("\n", draw(st.sampled_from(_ENDS)))
    encoding = "latin-1" if "latin-1" in text else draw(st.sampled_from(["utf-8", "utf-8-sig"]))
    return text.encode(encoding)
