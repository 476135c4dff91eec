"""The project of the episode: much that is wrong with it, and tests that take their time."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benches.projects import BIN, commit_all, fresh

FINDINGS: Final[Mapping[str, tuple[int, str]]] = {
    "F401": (90, "def {name}(thing):\n    import json\n\n    return thing"),
    "F841": (70, "def {name}(thing):\n    value = thing.price\n    return thing"),
    "E711": (60, "def {name}(thing):\n    return thing.owner == None"),
    "E712": (50, "def {name}(thing):\n    return thing.sold == True"),
    "E741": (40, "def {name}(thing):\n    l = thing.lines\n    return l[0]"),
    "E731": (30, "def {name}(thing):\n    double = lambda price: price * 2\n    return double(thing)"),
    "F541": (20, "def {name}(thing):\n    return thing.name + f' in stock'"),
    "C408": (15, "def {name}(thing):\n    return thing.tags or dict()"),
    "B006": (10, "def {name}(things=[]):\n    return things"),
    "B007": (8, "def {name}(things, count=0):\n    for thing in things:\n        count += 1\n    return count"),
    "E722": (5, "def {name}(thing):\n    try:\n        return thing.price\n    except:\n        return None"),
    "E721": (2, "def {name}(thing):\n    return type(thing) == type('')"),
}  # fmt: skip
"""Rule -> how many functions have such a finding, and the function."""
LINT_FINDINGS: Final = sum(count for count, _ in FINDINGS.values())
TYPE_ERRORS: Final = 3
TESTS: Final = 600
FAILING: Final = (100, 400)
SECONDS_A_TEST: Final = 0.1
_MODULES: Final = 20

_PYPROJECT: Final = """\
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"

[tool.ruff.lint]
select = ["B", "C4", "E", "F"]

[tool.mypy]
files = ["shop"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
"""
_PRICES: Final = """\
def net(gross: int) -> int:
    return gross * 100 // 119


def label(price: int) -> str:
    return price


def cheapest(prices: list[int]) -> int:
    least: str = min(prices)
    return net(str(least))
"""
_TOTALS: Final = """\
WRONG = {wrong}


def total(number):
    return number * 3 + (number in WRONG)
"""
_TEST: Final = """\
import pytest

from shop.totals import total


@pytest.mark.parametrize("number", range({first}, {last} + 1))
def test_total_of_order(number):
    assert total(number) == number * 3, "the total of an order is three times its number"
"""
_CONFTEST: Final = """\
import time

import pytest

SECONDS = {seconds}


@pytest.fixture(autouse=True)
def takes_its_time():
    time.sleep(SECONDS)
"""


class Shop:
    """A new copy of it, under git."""

    def __init__(self) -> None:
        self.root: Final = fresh("shop")
        self._write("pyproject.toml", _PYPROJECT)
        self._write("shop/__init__.py", "")
        self._write("shop/prices.py", _PRICES)
        self._write_modules()
        self.set_tests(FAILING, SECONDS_A_TEST)
        for first in range(1, TESTS, 100):
            text = _TEST.format(first=first, last=first + 99)
            self._write(f"tests/test_orders_{first:03}.py", text)
        subprocess.run([str(BIN / "ruff"), "format", "--quiet", "."], cwd=self.root, check=True)
        commit_all(self.root)

    def set_tests(self, failing: tuple[int, ...], seconds: float) -> None:
        """Let these tests fail, and each test take so long."""
        self._write("shop/totals.py", _TOTALS.format(wrong=set(failing)))
        self._write("tests/conftest.py", _CONFTEST.format(seconds=seconds))

    def add_finding(self) -> None:
        """One more of a rule that there is."""
        with (self.root / "shop/totals.py").open("a") as file:
            file.write("\n\ndef is_free(number):\n    return total(number) == None\n")

    def _write_modules(self) -> None:
        functions: list[list[str]] = [[] for _ in range(_MODULES)]
        seen: Counter[str] = Counter()
        bodies = [(code, body) for code, (count, body) in FINDINGS.items() for _ in range(count)]
        for number, (code, body) in enumerate(bodies):
            seen[code] += 1
            name = f"{code.lower()}_{seen[code]}"
            functions[number % _MODULES].append(body.format(name=name))
        for number, texts in enumerate(functions):
            self._write(f"shop/part_{number:02}.py", "\n\n\n".join(texts) + "\n")

    def _write(self, path: str, text: str) -> None:
        file: Path = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
