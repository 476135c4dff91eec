from __future__ import annotations

import ast

import pytest

from crackerjack.hooks.cleaning.guard import imported_names, why_differs

SORT = {"I001"}
REMOVE = {"F401"}
BLANK = {"W291"}


def allowed(before: str, after: str, rules: set[str]) -> bool:
    return not why_differs(ast.parse(before), ast.parse(after), rules)


@pytest.mark.parametrize(
    ("before", "after", "rules"),
    [
        ("import b\nimport a\nx = 1", "import a\nimport b\n\nx = 1", SORT),
        ("import b, a", "import a\nimport b", SORT),
        ("from x import b\nfrom x import a as c", "from x import a as c, b", SORT),
        ("import a\nimport a", "import a", SORT),
        ("import a\nimport b\nx = a", "import a\nx = a", REMOVE),
        ("from x import a, b\nx = a", "from x import a\nx = a", REMOVE),
        ("if x:\n    import a", "if x:\n    pass", REMOVE),
        (
            "try:\n    import a\nexcept E:\n    b = 1",
            "try:\n    pass\nexcept E:\n    b = 1",
            REMOVE,
        ),
        ("import a\nx = 1 ", "x = 1", REMOVE | BLANK),
        ("x  =  1 ", "x = 1", BLANK),
        ("x = 1", "x = 2", {"UP006"}),
    ],
)
def test_what_rules_may_do(before: str, after: str, rules: set[str]) -> None:
    assert allowed(before, after, rules)


@pytest.mark.parametrize(
    ("before", "after", "rules"),
    [
        ("import a\nimport b", "import a", SORT),
        ("import a", "import a\nimport b", SORT | REMOVE),
        ("import a as b", "import a", SORT | REMOVE),
        ("from .a import b", "from a import b", SORT | REMOVE),
        ("import a\nf()\nimport b", "import a\nimport b\nf()", SORT | REMOVE),
        ("import a\nimport b", "import b", BLANK),
        ("import b\nimport a", "import a\nimport b", BLANK),
        ("import a\nx = 1", "import a\nx = True", SORT),
        ("import a\nx = 0.0", "import a\nx = -0.0", SORT),
        ("import a\nx = 'y '", "import a\nx = 'y'", SORT | REMOVE | BLANK),
        ("import a\nf(1, 2)", "import a\nf(1)", REMOVE),
        ("def f():\n    import a\n    return 1", "def f():\n    import a", REMOVE),
        ("def f():\n    import a\n    return a", "import a\ndef f():\n    return a", SORT),
    ],
)
def test_what_they_may_not(before: str, after: str, rules: set[str]) -> None:
    assert not allowed(before, after, rules)


def test_imported_names() -> None:
    tree = ast.parse(
        "import a.b, c as d\nfrom e import f\nif x:\n    import g\nelse:\n    import h\n"
        "try:\n    import i\nexcept E:\n    import j\nfinally:\n    import k\n"
        "def z():\n    import l\nclass Y:\n    import m\n"
        "with w:\n    import n\nmatch x:\n    case 1:\n        import o\n"
    )
    assert imported_names(tree) == frozenset("adfghijkno")
