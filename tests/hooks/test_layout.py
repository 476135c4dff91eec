from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from crackerjack.hooks.environment import environment_python
from crackerjack.hooks.files import discover
from crackerjack.hooks.layout import Layout, discover_layout
from tests.hooks.trees import make_repository, make_tree


def layout_of(root: Path, *paths: str, pyproject: Mapping[str, Any] | None = None) -> Layout:
    make_tree(root, *paths)
    files = discover(str(root))
    return discover_layout(str(root), files, pyproject=pyproject, environment={})


def test_flat(tmp_path: Path) -> None:
    found = layout_of(
        tmp_path,
        "pyproject.toml",
        "setup.py",
        "noxfile.py",
        "httpx/__init__.py",
        "httpx/_transports/__init__.py",
        "docs/conf.py",
        "scripts/release.py",
        "tests/__init__.py",
        "tests/test_api.py",
    )
    assert found.packages == found.targets == ("httpx",)
    assert found.modules == ()
    assert found.source_roots == (".",)
    assert found.test_dirs == ("tests",)
    assert found.has_tests
    assert not found.namespace


def test_src(tmp_path: Path) -> None:
    found = layout_of(
        tmp_path,
        "src/attr/__init__.py",
        "src/attr/sub/__init__.py",
        "src/attrs/__init__.pyi",
        "src/single.py",
        "conftest.py",
        "release.py",
        "bench/__init__.py",
        "other/__init__.py",
        "tests/test_x.py",
    )
    assert found.packages == ("src/attr", "src/attrs")
    assert found.modules == ("src/single.py",)
    assert found.targets == ("src/attr", "src/attrs", "src/single.py")
    assert found.source_roots == ("src",)


@pytest.mark.parametrize("name", ["build", "utils", "docs"])
def test_names_below_src_need_no_guess(tmp_path: Path, name: str) -> None:
    found = layout_of(tmp_path, f"src/{name}/__init__.py", f"src/{name}/a.py")
    assert found.packages == (f"src/{name}",)


def test_a_package_called_src(tmp_path: Path) -> None:
    found = layout_of(tmp_path, "src/__init__.py", "src/app.py", "src/sub/__init__.py")
    assert found.packages == ("src",)
    assert found.source_roots == (".",)


def test_namespace_below_src(tmp_path: Path) -> None:
    found = layout_of(
        tmp_path, "src/zope/interface/__init__.py", "src/zope/interface/tests/test_a.py"
    )
    assert found.packages == ("src/zope/interface",)
    assert found.source_roots == ("src",)
    assert found.test_dirs == ("src/zope/interface/tests",)
    assert found.namespace
    assert found.has_tests


def test_namespace_without_any_init(tmp_path: Path) -> None:
    found = layout_of(tmp_path, "src/acme/cloud/a.py", "src/acme/cloud/deep/b.py")
    assert found.packages == ("src/acme/cloud",)
    assert found.namespace


def test_flat_namespace_that_the_projects_name_tells(tmp_path: Path) -> None:
    found = layout_of(
        tmp_path,
        "jaraco/functools/__init__.py",
        "test_functools.py",
        "conftest.py",
        "docs/conf.py",
        pyproject={"project": {"name": "Jaraco.functools"}},
    )
    assert found.packages == ("jaraco/functools",)
    assert found.source_roots == (".",)
    assert found.namespace
    assert found.has_tests
    assert found.test_dirs == ()


FIND_NAMESPACES = {
    "setup.py": "packages = [p for p in setuptools.find_namespace_packages() if p != 'x']\n",
    "setup.cfg": "[options]\npackages = find_namespace:\n\n[options.packages.find]\nexclude = x\n",
}
FIND_BELOW = {
    "setup.py": "setup(packages=find_namespace_packages(\n    where='backend'))\n",
    "setup.cfg": "[options]\npackages = find_namespace:\n\n[options.packages.find]\nwhere = backend\n",
}


@pytest.mark.parametrize("name", FIND_NAMESPACES)
def test_flat_namespaces_that_setuptools_looks_for(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FIND_NAMESPACES[name])
    paths = ("google/cloud/client/__init__.py", "google/cloud/_http/__init__.py", "tests/test_a.py")
    found = layout_of(tmp_path, *paths)
    assert found.packages == ("google/cloud/_http", "google/cloud/client")
    assert found.source_roots == (".",)
    assert found.namespace


@pytest.mark.parametrize(
    ("find", "root"),
    [
        ({}, "."),
        ({"where": ["."]}, "."),
        ({"namespaces": False}, "google/cloud"),
        ({"where": ["google"]}, "google"),
    ],
)
def test_setuptools_in_pyproject_looks_for_namespaces_by_default(
    tmp_path: Path, find: dict[str, Any], root: str
) -> None:
    pyproject = {"tool": {"setuptools": {"packages": {"find": find}}}}
    found = layout_of(tmp_path, "google/cloud/client/__init__.py", pyproject=pyproject)
    assert found.source_roots == (root,)


@pytest.mark.parametrize("name", FIND_BELOW)
def test_namespaces_are_looked_for_below_a_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FIND_BELOW[name])
    found = layout_of(tmp_path, "backend/app/__init__.py")
    assert found.source_roots == ("backend",)
    assert not found.namespace


@pytest.mark.parametrize("root", ["lib", "python", "backend"])
def test_packages_in_a_directory_that_is_not_part_of_their_name(tmp_path: Path, root: str) -> None:
    found = layout_of(
        tmp_path,
        f"{root}/app/__init__.py",
        f"{root}/app/sub/__init__.py",
        pyproject={"project": {"name": "shop"}},
    )
    assert found.packages == (f"{root}/app",)
    assert found.source_roots == (root,)
    assert not found.namespace


def test_several_packages_and_a_module(tmp_path: Path) -> None:
    found = layout_of(tmp_path, "manage.py", "site1/__init__.py", "polls/__init__.py", "main.py")
    assert found.packages == ("polls", "site1")
    assert found.modules == ("main.py",)
    assert found.targets == ("main.py", "polls", "site1")


def test_a_single_module(tmp_path: Path) -> None:
    found = layout_of(tmp_path, "six.py", "setup.py", "test_six.py", "documentation/conf.py")
    assert found.modules == found.targets == ("six.py",)
    assert found.packages == ()
    assert found.has_tests


def test_an_application_without_init_files(tmp_path: Path) -> None:
    found = layout_of(tmp_path, "main.py", "app/routes.py", "app/db/models.py", "scripts/seed.py")
    assert found.targets == ("app", "main.py")
    assert found.namespace


def test_a_project_that_is_only_scripts(tmp_path: Path) -> None:
    assert layout_of(tmp_path, "scripts/a.py", "not-a-name/b.py").targets == ("not-a-name",)
    assert layout_of(tmp_path / "2", "scripts/a.py", "setup.py").targets == ("scripts", "setup.py")


def test_a_project_that_is_only_tests(tmp_path: Path) -> None:
    found = layout_of(tmp_path, "tests/test_a.py", "tests/helpers.py", "conftest.py")
    assert found.targets == ()
    assert found.has_tests


def test_a_project_without_python(tmp_path: Path) -> None:
    found = layout_of(tmp_path, "README.md", "pyproject.toml")
    assert found == Layout()


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("rich/__init__.py", "rich/console.py"), False),
        (("django/__init__.py", "django/test/__init__.py", "django/test/client.py"), False),
        (("a/__init__.py", "tests/__init__.py", "tests/conftest.py"), False),
        (("a/__init__.py", "a/thing_test.py"), True),
        (("a/__init__.py", "a/tests/test_x.py"), True),
        (("a/__init__.py", "a/tests.py"), True),
        (("a/__init__.py", "js_tests/README"), False),
        (("a/__init__.py", "tests/checks.py"), True),
    ],
)
def test_whether_there_are_tests(tmp_path: Path, paths: tuple[str, ...], expected: bool) -> None:
    found = layout_of(tmp_path, *paths)
    assert found.has_tests is expected
    assert found.targets == (paths[0].partition("/")[0],)


def test_where_pytest_looks_for_tests(tmp_path: Path) -> None:
    pytest_options = {"tool": {"pytest": {"ini_options": {"testpaths": ["./checks/", "gone"]}}}}
    found = layout_of(
        tmp_path,
        "pkg/__init__.py",
        "checks/unit/a.py",
        "checks/tests/b.py",
        pyproject=pytest_options,
    )
    assert found.test_dirs == ("checks",)
    assert found.has_tests


def test_a_monorepo(tmp_path: Path) -> None:
    found = layout_of(
        tmp_path,
        "pyproject.toml",
        "packages/one/pyproject.toml",
        "packages/one/src/one/__init__.py",
        "packages/one/tests/test_one.py",
        "packages/two/setup.py",
        "packages/two/two/__init__.py",
        "packages/two/two/template/pyproject.toml",
        "packages/two/two/template/src/x.py",
        "tools/three/pyproject.toml",
        "tools/three/three/__init__.py",
        "examples/demo/pyproject.toml",
        "examples/demo/demo/__init__.py",
    )
    assert found.packages == ("packages/one/src/one", "packages/two/two", "tools/three/three")
    assert found.source_roots == ("packages/one/src", "packages/two", "tools/three")
    assert found.test_dirs == ("packages/one/tests",)
    assert not found.namespace


HINTS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"hatch": {"build": {"targets": {"wheel": {"packages": ["code/one"]}}}}}, ("code/one",)),
    ({"poetry": {"packages": [{"include": "one", "from": "code"}, 7, {}]}}, ("code/one",)),
    ({"poetry": {"packages": [{"include": "tools"}]}}, ("tools",)),
    (
        {"setuptools": {"packages": ["one", "one.sub"], "package-dir": {"": "code"}}},
        ("code/one",),
    ),
    (
        {"setuptools": {"packages": ["x"], "package-dir": {"x": "code/two"}}},
        ("code/two",),
    ),
    ({"setuptools": {"packages": {"find": {"where": ["code"]}}}}, ("code/one", "code/two")),
    ({"setuptools": {"py-modules": ["setup"]}}, ("setup.py",)),
    ({"pdm": {"build": {"package-dir": "code"}}}, ("code/one", "code/two")),
    ({"uv": {"build-backend": {"module-root": "code"}}}, ("code/one", "code/two")),
    ({"maturin": {"python-source": "code"}}, ("code/one", "code/two")),
    ({"hatch": {"build": {"targets": {"wheel": {"packages": ["gone"]}}}}}, ("code/one", "pkg")),
    (
        {"hatch": {"build": "nonsense"}, "setuptools": 3, "poetry": {"packages": "x"}},
        ("code/one", "pkg"),
    ),
]


@pytest.mark.parametrize(("tool", "targets"), HINTS)
def test_what_pyproject_says_plainly(
    tmp_path: Path, tool: dict[str, Any], targets: tuple[str, ...]
) -> None:
    found = layout_of(
        tmp_path,
        "setup.py",
        "pkg/__init__.py",
        "code/one/__init__.py",
        "code/one/sub/__init__.py",
        "code/two/a.py",
        "tools/__init__.py",
        pyproject={"tool": tool},
    )
    assert found.targets == targets


def test_git_is_told(tmp_path: Path) -> None:
    assert not layout_of(tmp_path / "walked", "a.py").has_git
    assert layout_of(make_repository(tmp_path / "repository"), "a.py").has_git


def make_environment(directory: Path) -> str:
    make_tree(directory, "pyvenv.cfg", "bin/")
    (directory / "bin" / "python").symlink_to(sys.executable)
    return str(directory / "bin" / "python")


def test_the_projects_environment(tmp_path: Path) -> None:
    root = str(tmp_path)
    conda = make_environment(tmp_path / "conda")
    active = make_environment(tmp_path / "active")
    variables = {"CONDA_PREFIX": str(tmp_path / "conda")}
    assert environment_python(root, {}) is None
    assert environment_python(root, variables) == conda
    variables["VIRTUAL_ENV"] = str(tmp_path / "active")
    assert environment_python(root, variables) == active
    venv = make_environment(tmp_path / "venv")
    assert environment_python(root, variables) == venv
    dot_venv = make_environment(tmp_path / ".venv")
    assert environment_python(root, variables) == dot_venv
    layout = discover_layout(root, discover(root), environment=variables)
    assert layout.python == dot_venv


def test_an_environment_that_does_not_work_is_none(tmp_path: Path) -> None:
    make_tree(tmp_path, ".venv/bin/", "venv/bin/python")
    os.symlink("/nowhere/python3", tmp_path / ".venv" / "bin" / "python")
    (tmp_path / "venv" / "bin" / "python").chmod(0o644)
    assert environment_python(str(tmp_path), {"VIRTUAL_ENV": "/nowhere"}) is None
