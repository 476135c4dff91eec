"""The hooks of a first run, with the real tools: the arguments are understood, and what is found is
little and certain.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from crackerjack.config import load_config
from crackerjack.hooks.files import discover
from crackerjack.hooks.layout import discover_layout
from crackerjack.hooks.parsers import PARSERS, Parsed, ToolOutput
from crackerjack.hooks.selection import PlannedHook, select_hooks
from crackerjack.hooks.tools import Toolbox
from crackerjack.types import HookStatus
from tests.hooks.parsers.seeded import filled_in

MODULE = "pkg/module.py"

OPINIONS = """\
import os.path as path
from os import *
import nothing.known as nk
try:
    import threading
except ImportError:
    threading = None

ser = "nd te ot"
assert path
values = []
pickle = eval


class COnly:
    def __init__(self):
        self.asend = self.view(aadd=COnly)
        self.known = nk.known(sep)

    def later(self, view_args, view_kwargs):
        self.unknown = threading.none.of.this
        return self.missing
"""
"""Nothing here is certainly wrong."""

ERRORS = """\
import os
import requests


def run(command: str) -> int:
    return undefined_name


def number() -> int:
    return "speling recieve"


def fetch():
    return requests.get("https://example.org", verify=False)
"""


def run_all(root: Path, source: str) -> dict[str, Parsed]:
    """Run every hook of a first run that has a tool over a project with one module."""
    (root / "pkg").mkdir()
    (root / "pkg" / "__init__.py").write_text("from pkg.module import something\n")
    (root / MODULE).write_text(source)
    return {
        one.hook.name: run(root, one) for one in planned(root) if one.runs and one.tool is not None
    }


def planned(root: Path, *, everything: bool = False) -> tuple[PlannedHook, ...]:
    config = load_config(str(root), environment={}, overrides={})
    files = discover(str(root))
    layout = discover_layout(str(root), files, pyproject=config.pyproject, environment={})
    toolbox = Toolbox(str(root), None, environment={})
    return select_hooks(config, layout, toolbox, everything=everything)


def run(root: Path, one: PlannedHook, *, fix: bool = False) -> Parsed:
    assert one.tool is not None
    files = discover(str(root)).select(one.hook.patterns).paths
    arguments = (one.hook.fix or ()) if fix else one.hook.check
    ran = subprocess.run(
        [one.tool.path, *filled_in(arguments, files, str(root.parent / "report"))],
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    output = ToolOutput(
        stdout=ran.stdout,
        stderr=ran.stderr,
        exit_code=ran.returncode,
        root=str(root),
        report=_text(root.parent / "report"),
    )
    return PARSERS[one.hook.parser](one.hook.name, output)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


def test_opinions_are_not_found(root: Path) -> None:
    results = run_all(root, OPINIONS)

    assert set(results) == {"codespell", "ruff-check", "mypy", "ruff-security"}
    found = [(name, one.code, one.message) for name, r in results.items() for one in r.diagnostics]
    assert found == []


def test_errors_are_found(root: Path) -> None:
    results = run_all(root, ERRORS)

    codes = {name: sorted({one.code for one in r.diagnostics}) for name, r in results.items()}
    assert codes == {
        "codespell": ["spelling"],
        "ruff-check": ["F401", "F821"],
        "mypy": ["name-defined", "return-value"],
        "ruff-security": ["S113", "S501"],
    }
    assert {result.status for result in results.values()} == {HookStatus.FAILED}


def test_an_import_is_found_to_be_unused_but_left_to_the_cleaning(root: Path) -> None:
    (root / "test_six.py").write_text(
        "def test_import():\n"
        "    from six.moves import urljoin  # once failed\n"
        "    from six.moves.urllib import urljoin\n"
        "    print(f'done')\n"
    )
    ruff = next(one for one in planned(root) if one.hook.name == "ruff-check")

    found = run(root, ruff)
    run(root, ruff, fix=True)

    assert {one.code: one.fixable for one in found.diagnostics} == {
        "F401": False,
        "F811": False,
        "F541": True,
    }
    assert (root / "test_six.py").read_text() == (
        "def test_import():\n"
        "    from six.moves import urljoin  # once failed\n"
        "    from six.moves.urllib import urljoin\n"
        "    print('done')\n"
    )


def test_every_command_of_a_comprehensive_run_is_understood(root: Path) -> None:
    (root / "pyproject.toml").write_text('[project]\nname = "pkg"\nversion = "1"\n')
    run_all(root, ERRORS)

    results = {one.hook.name: run(root, one) for one in planned(root, everything=True) if one.tool}

    errors = {n: r.reason for n, r in results.items() if r.status is HookStatus.TOOL_ERROR}
    assert errors == {}
    assert {"ruff-modernize", "ruff-complexity", "vulture", "deptry"} <= set(results)


def test_a_namespace_package_that_shadows_a_standard_module(root: Path) -> None:
    package = root / "ns" / "functools"
    package.mkdir(parents=True)
    (root / "pyproject.toml").write_text('[project]\nname = "ns.functools"\nversion = "1"\n')
    (package / "__init__.py").write_text(
        "import functools\nfrom ns.functools.other import number\n"
    )
    (package / "other.py").write_text("def number() -> int:\n    return 'x'\n")
    mypy = next(one for one in planned(root) if one.hook.name == "mypy")

    result = run(root, mypy)

    assert [(one.path, one.code) for one in result.diagnostics] == [
        ("ns/functools/other.py", "return-value")
    ], result.reason
