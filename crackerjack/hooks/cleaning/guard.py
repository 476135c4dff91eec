"""Whether source still means what it meant: the guard of every rewrite of Python."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from crackerjack.hooks.cleaning.ruff_rules import SORTED_IMPORTS, UNUSED_IMPORTS, WHITE_SPACE

_NARROW: Final = WHITE_SPACE | {SORTED_IMPORTS, UNUSED_IMPORTS}
"""The rules of ruff of which the guard knows what they may change in the tree."""


def why_differs(before: ast.Module, after: ast.Module, rules: Collection[str]) -> str:
    """Return why these rules must not make one tree of the other; empty when they may.

    White space changes nothing. Sorting changes the order of imports that stand together, and nothing
    else; removing unused ones may leave some out. What other rules may change is ruff's to know: that
    its fix is safe, and that the result parses.
    """
    if not _NARROW.issuperset(rules):
        return ""
    if WHITE_SPACE.issuperset(rules):
        same = ast.dump(before) == ast.dump(after)
    else:
        same = _Comparison(may_lose_imports=UNUSED_IMPORTS in rules).alike(before, after)
    return "" if same else "the result would not mean the same"


def imported_names(tree: ast.Module) -> frozenset[str]:
    """The names that importing the module binds in it by its own imports."""
    return frozenset(_imported(tree.body))


def without_docstrings(tree: ast.Module) -> ast.Module:
    """Take the docstrings out of the tree, and what would become one without them; returns it."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED):
            while node.body and is_text(node.body[0]):
                del node.body[0]
            if not node.body and not isinstance(node, ast.Module):
                node.body.append(ast.Pass())
    return tree


DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
"""What can have a docstring."""


def is_text(statement: ast.stmt) -> bool:
    """Whether the statement is nothing but a string."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _imported(statements: Sequence[ast.stmt]) -> Iterator[str]:
    for statement in statements:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                yield alias.asname or alias.name.partition(".")[0]
        elif not isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _imported(getattr(statement, field, ()))


class _Comparison:
    """Compares trees by everything but the order of imports that stand together.

    `pass` does not count: removing the only statement of a block leaves one.
    """

    def __init__(self, *, may_lose_imports: bool) -> None:
        self._may_lose_imports = may_lose_imports

    def alike(self, before: Any, after: Any) -> bool:
        if type(before) is not type(after):
            return False
        if isinstance(before, ast.AST):
            return all(
                self.alike(getattr(before, field, None), getattr(after, field, None))
                for field in before._fields
            )
        if not isinstance(before, list):
            return repr(before) == repr(after)  # unlike ==, tells 1 from True and 0.0 from -0.0
        if before and isinstance(before[0], ast.stmt):
            return self._alike_blocks(before, after)
        return len(before) == len(after) and all(map(self.alike, before, after))

    def _alike_blocks(self, before: list[ast.stmt], after: list[ast.stmt]) -> bool:
        (statements, imports), (statements_after, imports_after) = _parts(before), _parts(after)
        return (
            len(statements) == len(statements_after)
            and all(map(self.alike, statements, statements_after))
            and all(map(self._may_become, imports, imports_after))
        )

    def _may_become(self, before: set[Any], after: set[Any]) -> bool:
        return after <= before if self._may_lose_imports else after == before


def _parts(block: list[ast.stmt]) -> tuple[list[ast.stmt], list[set[tuple[str | None, ...]]]]:
    """Return the statements of a block, and what is imported before each of them and at the end."""
    statements: list[ast.stmt] = []
    imports: list[set[tuple[str | None, ...]]] = [set()]
    for statement in block:
        match statement:
            case ast.Import(names=names):
                imports[-1].update((None, name.name, name.asname) for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                source = "." * level + (module or "")
                imports[-1].update((source, name.name, name.asname) for name in names)
            case ast.Pass():
                continue
            case _:
                statements.append(statement)
                imports.append(set())
    return statements, imports
