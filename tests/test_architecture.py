"""The shape of the house: who may import whom, how large a room is, what a start-up may cost."""

from __future__ import annotations

import ast
import functools
import graphlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "crackerjack"

LEVELS: Final = (
    {"errors"},
    {"types"},
    {"decoding", "hashing", "masking"},
    {"config"},
    {"hooks", "events"},
    {"workflow"},
    {"jobs"},
    {"reports", "client"},
    {"terminal", "web", "fleet"},
    {"mcp"},
    {"container"},
    {"server_container", "fleet_container"},
    {"worker_container"},
    {"cli"},
    {"__main__"},
)
"""The rooms from the ground up: each imports from the levels below it and from itself, and rooms on
one level are blind to each other."""
LEVEL_OF: Final = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

LONGEST_MODULE: Final = 400
LONGEST_FUNCTION: Final = 40


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package, parsed."""
    parsed = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        parsed[name] = ast.parse(path.read_text(), str(path))
    return parsed


def imports(module: str, tree: ast.Module) -> Iterator[str]:
    """Modules of ours that `module` imports anywhere: in functions and for type checking too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # "package.module:function": the command line imports it when it is needed
            names = re.findall(r"^(crackerjack(?:\.\w+)+)(?::\w+)?$", node.value)
        else:
            continue
        yield from filter(None, map(_module, names))


def _module(name: str) -> str | None:
    """The module of ours that holds `name`; None for other people's."""
    if not f"{name}.".startswith("crackerjack."):
        return None
    while name not in modules():
        name = name.rpartition(".")[0]
    return name


def room(module: str) -> str:
    return module.split(".")[1]


def test_every_room_has_its_level() -> None:
    assert {room(name) for name in modules() if "." in name} <= set(LEVEL_OF)


@pytest.mark.parametrize("module", sorted(name for name in modules() if "." in name))
def test_imports_go_one_way(module: str) -> None:
    here = room(module)
    for imported in imports(module, modules()[module]):
        if imported == "crackerjack":
            continue
        there = room(imported)
        assert there == here or LEVEL_OF[there] < LEVEL_OF[here], f"{module} imports {imported}"


def test_no_module_takes_part_in_a_cycle() -> None:
    graph = {name: set(imports(name, tree)) - {name} for name, tree in modules().items()}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", sorted(modules()))
def test_rooms_are_small(module: str) -> None:
    tree = modules()[module]
    too_long = [
        f"{node.name}: {length} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (length := _length(node)) > LONGEST_FUNCTION
    ]
    assert not too_long
    lines = max((node.end_lineno or 0 for node in tree.body), default=0)
    assert lines <= LONGEST_MODULE


def _length(function: ast.FunctionDef) -> int:
    """The lines of a function's body, its docstring aside."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    body = function.body[1:] if has_docstring else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_the_plugin_brings_nothing_of_ours_into_the_tested_project() -> None:
    for name, tree in modules().items():
        if name.startswith("crackerjack.hooks.pytest_plugin."):
            assert not list(imports(name, tree)), name


NOBODYS_BUSINESS: Final = {
    "a directory of one machine": re.compile(r"/(?:root|work)/\w"),
    "a directory beside the repository": re.compile(r"\.\./shared\b"),
    "a package index": re.compile(r"--(?:extra-)?index-url\b|--find-links\b"),
}


@pytest.mark.parametrize("what", NOBODYS_BUSINESS)
def test_nothing_here_depends_on_one_machine(what: str) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    offenders = [
        f"{name}: {found.group()}"
        for name in listed.stdout.rstrip("\0").split("\0")
        if (path := ROOT / name).is_file() and path != Path(__file__)
        if (found := NOBODYS_BUSINESS[what].search(path.read_text(errors="replace")))
    ]
    assert not offenders


def test_requirements_name_no_host() -> None:
    for path in [*ROOT.glob("requirements/*.txt"), *ROOT.glob("benches/*.txt")]:
        assert "://" not in path.read_text(), path


HEAVY: Final = {
    "asyncio",
    "fastapi",
    "logging",
    "mcp",
    "pydantic",
    "rich",
    "starlette",
    "uvicorn",
    "websockets",
    "yaml",
}
"""Each of these takes longer to import than a quick command takes altogether."""


@pytest.mark.parametrize(
    ("arguments", "not_needed"),
    [
        (["--version"], HEAVY | {"sqlite3", "subprocess", "tomllib"}),
        (["--help"], HEAVY | {"sqlite3", "subprocess", "tomllib"}),
        (["jobs"], HEAVY),
        (["run", "--check", "--no-cache", "--hook", "nothing"], HEAVY),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_imports_only_what_it_needs(
    arguments: list[str], not_needed: set[str], tmp_path: Path
) -> None:
    hook = '[tool.crackerjack.hooks.nothing]\ncommand = ["true"]\n'
    (tmp_path / "pyproject.toml").write_text(hook)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "crackerjack", *arguments],
        cwd=tmp_path,
        env={**os.environ, "CRACKERJACK_STATE_DIR": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)
    assert "crackerjack" in imported
    assert not not_needed & set(imported)


def test_no_garbage_is_looked_for_while_a_command_is_imported() -> None:
    program = """if True:
        import gc, sys
        before = gc.get_stats()[0]["collections"]
        from crackerjack.__main__ import entry
        sys.argv[1:] = ["--version"]
        try:
            entry()
        except SystemExit:
            print(gc.get_stats()[0]["collections"] - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[-1]) <= 1
