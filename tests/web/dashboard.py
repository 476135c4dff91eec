"""The dashboard in a browser, and what its tests ask of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.web.browser import Tab
from tests.web.serving import SECONDS

ROOT: Final = Path(__file__).parents[2]
_MODULES: Final = (
    Path(os.environ.get("NODE_PATH") or ROOT / "build" / "node" / "node_modules"),
    ROOT / "build" / "node" / "node_modules",
)
SEQ: Final = "Number(document.querySelector('[data-count=seq]').textContent)"
"""The last event that the page of a job has."""
LIVE: Final = "document.querySelector('#connection').textContent === '\N{BLACK CIRCLE} live'"
_CHECK: Final = 50
"""Milliseconds between two looks at a condition in the page, beside the frames: hidden tabs have none."""


def node_module(name: str) -> Path:
    """The directory of a package of npm; skips where it is missing."""
    for modules in _MODULES:
        if (modules / name).is_dir():
            return modules / name
    pytest.skip(f"no npm package {name} here: `.ci/run` fetches it into build/node")


def until(tab: Tab, condition: str, seconds: float = SECONDS - 5) -> None:
    """Wait in the page until an expression is true; fails before the driver gives up."""
    found = tab.evaluate(
        f"""new Promise((done) => {{
          const end = Date.now() + {seconds * 1000};
          const look = () => {{
            let value;
            try {{ value = {condition}; }} catch (error) {{ value = undefined; }}
            if (value || Date.now() > end) done(Boolean(value));
            else setTimeout(look, {_CHECK});
          }};
          look();
        }})"""
    )
    if not found:
        text = tab.evaluate("document.body.innerText")
        pytest.fail(f"{condition} did not come about; {tab.console()}; the page says:\n{text}")


def visit(tab: Tab, url: str) -> None:
    """Open a page anew, also when only what is after its # differs."""
    tab.open("about:blank")
    tab.open(url)


def press(tab: Tab, *keys: str) -> None:
    """Type keys, as a person does."""
    for key in keys:
        names = {"Enter": ("\r", 13), "Tab": ("\t", 9), "Escape": ("", 27)}
        text, code = names.get(key, (key, ord(key[0].upper())))
        common: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code}
        if key in names:
            common["code"] = key
        tab.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        tab.call("Input.dispatchKeyEvent", type="keyUp", **common)


def shop(directory: Path) -> Path:
    """A project with findings, something to fix, and a failing test."""
    project = directory / "shop"
    project.mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
    (project / "shop.py").write_text(
        "import os\n\n\ndef total(prices):\n    return sum( prices )\n\n\nx = undefined\n"
    )
    (project / "test_total.py").write_text(
        "import time\n\n\ndef test_right():\n    time.sleep(0.5)\n\n\n"
        "def test_wrong():\n    assert sum([1]) == 2\n"
    )
    return project


def run(project: Path, *arguments: str) -> list[dict[str, Any]]:
    """Run crackerjack there to its end; the events that it printed."""
    argv = [sys.executable, "-m", "crackerjack", "run", "--json", *arguments]
    ran = subprocess.run(argv, cwd=project, capture_output=True, timeout=2 * SECONDS, check=False)
    assert ran.returncode in {0, 1, 3}, ran.stderr
    return [msgspec.json.decode(line) for line in ran.stdout.splitlines()]


def typescript() -> list[str]:
    """The command of the TypeScript compiler; skips where it is missing."""
    if shutil.which("node") is None:
        pytest.skip("no node here to run the TypeScript compiler")
    return [str(node_module("typescript").parent / ".bin" / "tsc")]
