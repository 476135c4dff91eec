"""Debuggers that were left in a program."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

_DEBUGGERS: Final = frozenset(
    {"bpdb", "ipdb", "pdb", "pudb", "remote_pdb", "rpdb", "web_pdb", "wdb"}
)


class Use(NamedTuple):
    """A place in the source; line and column count from 1."""

    line: int
    column: int
    what: str


def uses_of_debuggers(tree: ast.Module) -> Iterator[Use]:
    """Yield calls of `breakpoint` and of a debugger's `set_trace`, and debuggers that are imported only.

    What else a program does with a debugger's module it is built on, and means.
    """
    nodes = list(ast.walk(tree))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    traces = set() if any(map(_binds_breakpoint, nodes)) else {"breakpoint"}
    for node in nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for name, trace in _debuggers(node):
            traces.add(trace)
            if name not in used:
                yield _use(node, f"a debugger that is not used: {name}")
    for node in nodes:
        if isinstance(node, ast.Call) and _dotted(node.func) in traces:
            yield _use(node, f"stops in a debugger: {_dotted(node.func)}()")


def _use(node: ast.stmt | ast.expr, what: str) -> Use:
    return Use(node.lineno, node.col_offset + 1, what)


def _debuggers(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield each name that the import takes from a debugger, and what a call that stops looks like."""
    for alias in node.names:
        if isinstance(node, ast.Import) and alias.name.partition(".")[0] in _DEBUGGERS:
            name = alias.asname or alias.name.partition(".")[0]
            yield name, f"{name}.set_trace"
        elif isinstance(node, ast.ImportFrom) and node.module in _DEBUGGERS and not node.level:
            name = alias.asname or alias.name
            yield name, name if alias.name == "set_trace" else f"{name}.set_trace"


def _dotted(function: ast.expr) -> str:
    """``name`` or ``name.attribute``; empty for anything longer."""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return f"{function.value.id}.{function.attr}"
    return function.id if isinstance(function, ast.Name) else ""


def _binds_breakpoint(node: ast.AST) -> bool:
    """Whether the program gives the name to something of its own."""
    match node:
        case ast.Name(id="breakpoint", ctx=ast.Store()) | ast.arg(arg="breakpoint"):
            return True
        case ast.FunctionDef(name="breakpoint") | ast.AsyncFunctionDef(name="breakpoint"):
            return True
        case ast.alias(name=name, asname=asname):
            return "breakpoint" in {asname, name}
    return False
