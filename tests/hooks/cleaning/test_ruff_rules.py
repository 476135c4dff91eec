from __future__ import annotations

from pathlib import Path

import pytest

from crackerjack.hooks.cleaning.ruff_rules import rule_sets


def rules(root: Path, *paths: str, uses_isort: bool = False) -> dict[str, str]:
    """File -> the rules that it is told to be cleaned by; empty where its configuration tells."""
    return {
        path: dict(zip(one.arguments[::2], one.arguments[1::2], strict=True)).get("--select", "")
        for one in rule_sets(str(root), paths, uses_isort=uses_isort)
        for path in one.paths
    }


ALL = "I001,F401,W291,W292,W293"


def test_without_configuration(tmp_path: Path) -> None:
    assert rules(tmp_path, "m.py", "pkg/n.py") == {"m.py": ALL, "pkg/n.py": ALL}
    assert rules(tmp_path, "m.py", uses_isort=True) == {"m.py": ALL.removeprefix("I001,")}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("ruff.toml", "line-length = 100\n", ALL),
        ("ruff.toml", "lint.select = []\n", ""),
        (".ruff.toml", "select = ['E']\n", ""),
        ("ruff.toml", "extend = '../ruff.toml'\n", ""),
        ("ruff.toml", "lint.extend-select = ['I']\n", ""),
        ("ruff.toml", "lint.ignore = ['W', 'F401']\n", "I001"),
        ("ruff.toml", "extend-ignore = ['I']\n", "F401,W291,W292,W293"),
        ("ruff.toml", "lint = 1\nignore = 'W'\n", ALL),
        ("ruff.toml", "[lint\n", ALL),
        ("pyproject.toml", "[tool.ruff.lint]\nselect = ['E']\n", ""),
        ("pyproject.toml", "[tool.black]\n", ALL),
    ],
)
def test_with_configuration(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / name).write_text(text)
    assert rules(tmp_path, "pkg/sub/m.py") == {"pkg/sub/m.py": expected}


def test_nothing_is_left_to_clean_by(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("lint.ignore = ['I', 'F', 'W']\n")
    assert rules(tmp_path, "m.py") == {}


def test_the_nearest_configuration_counts(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("lint.select = ['E']\n")
    (tmp_path / "project" / "own").mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "project" / "own" / "ruff.toml").write_text("line-length = 90\n")
    assert rules(tmp_path / "project", "m.py", "own/m.py") == {"m.py": "", "own/m.py": ALL}
