"""Small projects, each seeded with one kind of trouble, and the commands of the catalogue over them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from crackerjack.hooks.catalog import CATALOG
from crackerjack.hooks.entry import TARGETS
from crackerjack.hooks.hook import Hook
from crackerjack.hooks.parsers import PARSERS, Parsed, ToolOutput

PYPROJECT = """\
[project]
name = "demo"
version = "0.1"
dependencies = ["unused-distribution"]
"""

GOOD = '''\
"""Nothing to complain about."""


def double(value: int) -> int:
    """Return twice the value."""
    return value + value


print(double(2))
'''

BAD = '''\
"""A module with a mispelled word."""

import os
import subprocess

import trio


def run(command: str) -> int:
    return subprocess.call(command, shell=True)


def wrong(value: int) -> str:
    return value


def raises() -> None:
    raise ValueError
    print("never")


def branches(a: list[list[int]], b: bool) -> int:
    for row in a:
        if row:
            for cell in row:
                if cell and b or not b:
                    while cell:
                        if cell > 3 and b:
                            if row: return cell
                        elif cell > 2:
                            return 2
    return 0
'''

BROKEN = "def broken(:\n    pass\n"

AWS, GITHUB = "AKIA", "ghp_"

TROUBLED_FILES = {
    "notes.md": "# Title\n\n### Skipped a level\ntext\n",
    "troubled.yaml": "a: 1\nb:  2\na: 3\n",
    "unparsable.yaml": "a: [1\nb: }\n",
    "sound.yaml": "---\na: 1\n",
    ".github/workflows/ci.yml": (
        "name: ci\non: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    stepz: []\n"
    ),
    ".github/workflows/sound.yml": (
        "name: ci\non: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n"
        "    steps:\n      - run: make test\n"
    ),
    # Neither opens anything: both were made up in the shape of the real ones. They are put together
    # here so that this file itself holds no secret.
    "src/demo/secret.py": f"KEY = '{AWS}Q3EGRIZ2ABCDEFG7'\n"
    f"TOKEN = '{GITHUB}Zx8aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uVw'\n",
}

MODULE = "src/demo/module.py"


def project(root: Path, source: str) -> Path:
    """Write a project with one module, `MODULE`, and return its directory."""
    package = root / "src" / "demo"
    package.mkdir(parents=True)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (package / "__init__.py").write_text("")
    (root / MODULE).write_text(source)
    return root


def catalogue_hook(name: str) -> Hook:
    """The hook of that name."""
    return next(hook for hook in CATALOG if hook.name == name)


def executable(tool: str) -> str:
    """The tool's path beside this interpreter; the test is skipped where it is not installed."""
    path = os.path.join(os.path.dirname(sys.executable), tool)
    if not os.path.exists(path):
        pytest.skip(f"{tool} is not installed: pip install --group dev")
    return path


def filled_in(arguments: Sequence[str], paths: Sequence[str], report: str) -> list[str]:
    """The arguments without placeholders."""
    result: list[str] = []
    for argument in arguments:
        if argument in {"{files}", TARGETS}:
            result += paths
        else:
            result.append(argument.replace("{report}", report))
    return result


def run_hook(
    name: str,
    root: Path,
    paths: Sequence[str] = (MODULE,),
    extra: Sequence[str] = (),
    arguments: Sequence[str] | None = None,
) -> ToolOutput:
    """Run a catalogue hook's real tool over these paths of a project."""
    hook = catalogue_hook(name)
    assert hook.tool is not None
    report = root.parent / "report"
    filled = filled_in(hook.check if arguments is None else arguments, paths, str(report))
    ran = subprocess.run(
        [executable(hook.tool), *filled, *extra],
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
    )
    return ToolOutput(
        stdout=ran.stdout.decode("utf-8", "backslashreplace"),
        stderr=ran.stderr.decode("utf-8", "backslashreplace"),
        exit_code=ran.returncode,
        root=str(root),
        report=report.read_text() if report.exists() else "",
        files=tuple(paths),
    )


def parsed(name: str, output: ToolOutput) -> Parsed:
    """What the hook's parser makes of it."""
    return PARSERS[catalogue_hook(name).parser](name, output)
