"""What a project says of the tools that it uses."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from crackerjack.hooks.declared_tools import DeclaredTools, Evidence

TOOL = Evidence(
    tables=("tool.some",),
    files=("some.toml", ".config/some.toml"),
    sections=("some",),
    names=("some-tool",),
)


def declared(root: Path, pyproject: str = "") -> DeclaredTools:
    return DeclaredTools(str(root), tomllib.loads(pyproject))


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("some.toml", "", "some.toml"),
        (".config/some.toml", "", ".config/some.toml"),
        ("setup.cfg", "[metadata]\n[some]\nx = 1\n", "[some] in setup.cfg"),
        ("setup.cfg", "[some-other.*]\n", ""),
        ("tox.ini", "[tool:some]\n", "[some] in tox.ini"),
        ("other.toml", "", ""),
    ],
)
def test_configuration_beside_pyproject(
    tmp_path: Path, name: str, content: str, where: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)

    assert declared(tmp_path).configured(TOOL) == where


def test_configuration_in_pyproject_even_when_it_is_empty(tmp_path: Path) -> None:
    assert declared(tmp_path, "[tool.some]").configured(TOOL) == "[tool.some] in pyproject.toml"
    assert declared(tmp_path, "[tool.other]").configured(TOOL) == ""


@pytest.mark.parametrize(
    "pyproject",
    [
        '[dependency-groups]\nlint = ["pytest", {include-group = "x"}, "Some_Tool>=2"]',
        "[project.optional-dependencies]\ndev = [\"some.tool[extra]; python_version > '3'\"]",
        '[tool.uv]\ndev-dependencies = ["some-tool"]',
        '[tool.pdm.dev-dependencies]\nlint = ["some-tool"]',
        '[tool.poetry.group.dev.dependencies]\nsome-tool = "^1"',
        '[tool.poetry.dev-dependencies]\nsome-tool = "^1"',
        '[tool.hatch.envs.lint]\ndependencies = ["some-tool"]',
    ],
)
def test_requirements_in_pyproject(tmp_path: Path, pyproject: str) -> None:
    found = declared(tmp_path, pyproject)

    assert found.declared(TOOL) == "some-tool among the project's requirements"
    assert found.configured(TOOL) == ""


@pytest.mark.parametrize(
    "name",
    ["requirements.txt", "dev-requirements.in", "requirements-lint.txt", "requirements/dev.txt"],
)
def test_requirements_in_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("-e .\n# some-other\npytest\nsome-tool==1 \\\n  --hash=x\n")

    assert declared(tmp_path).declared(TOOL) == "some-tool among the project's requirements"


def test_a_requirement_of_the_library_itself_is_no_tool(tmp_path: Path) -> None:
    assert declared(tmp_path, '[project]\ndependencies = ["some-tool"]').declared(TOOL) == ""


def test_hooks_of_pre_commit(tmp_path: Path) -> None:
    config = "repos:\n- repo: x\n  hooks:\n  #- id: other\n  - id: 'some-tool'\n    args: [a]\n"
    (tmp_path / ".pre-commit-config.yaml").write_text(config)

    assert declared(tmp_path).declared(TOOL) == "some-tool in .pre-commit-config.yaml"
    assert declared(tmp_path).declared(Evidence(names=("other",))) == ""


def test_a_section_of_an_ini_file(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").write_text("[a]\nfiles = x\n[some]\nfiles = y\nz = 1\n[b.c]\nz = 2\n")
    found = declared(tmp_path)

    assert found.section("setup.cfg", "some") == "\nfiles = y\nz = 1\n"
    assert found.section("setup.cfg", "none") == ""
    assert found.section("gone.cfg", "some") == ""


def test_files_that_cannot_be_used_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "some.toml").mkdir()
    (tmp_path / "requirements.txt").mkdir()
    (tmp_path / "ruff.toml").write_text("[broken")
    (tmp_path / ".pre-commit-config.yaml").write_bytes(b"\xff\xfe id: x")

    found = declared(tmp_path, "tool = 3")

    assert found.declared(Evidence(tables=("tool.some",), names=("x",))) == ""
    assert found.toml("ruff.toml") == {}
    assert declared(tmp_path / "gone").declared(TOOL) == ""
