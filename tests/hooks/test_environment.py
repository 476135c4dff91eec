from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from crackerjack.hooks import environment
from crackerjack.hooks.environment import environment_digest
from tests.hooks.trees import make_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "project", "a.py", "src/pkg/__init__.py")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The packages of a small virtual environment."""
    make_tree(tmp_path / "env", "bin/", "pyvenv.cfg")
    (tmp_path / "env" / "pyvenv.cfg").write_text("include-system-site-packages = false\n")
    (tmp_path / "env" / "bin" / "python").symlink_to(sys.executable)
    return make_tree(
        tmp_path / "env" / "lib" / "python3.11" / "site-packages",
        "attr/__init__.py",
        "attrs-26.1.dist-info/METADATA",
        "_local.pth",
    )


def digest(site: Path, root: Path) -> bytes:
    found = environment_digest(str(site.parents[2] / "bin" / "python"), root=str(root))
    assert found is not None
    return found


def installed_editable(site: Path, source: Path, *, editable: str = "true") -> None:
    make_tree(site, f"{source.name}-1.0.dist-info/METADATA")
    url = str(source).replace(" ", "%20")
    (site / f"{source.name}-1.0.dist-info" / "direct_url.json").write_text(
        f'{{"url": "file://{url}", "dir_info": {{"editable": {editable}}}}}'
    )


def test_the_same_environment(site: Path, root: Path) -> None:
    first = digest(site, root)
    make_tree(site, "__pycache__/x.pyc", "attr/__pycache__/y.pyc")
    (root / "a.py").write_text("changed\n")
    assert digest(site, root) == first


def test_every_installation_makes_another(site: Path, root: Path) -> None:
    seen = [digest(site, root)]
    make_tree(site, "rich/__init__.py", "rich-15.0.dist-info/METADATA")
    seen.append(digest(site, root))
    (site / "attrs-26.1.dist-info").rename(site / "attrs-26.2.dist-info")
    seen.append(digest(site, root))
    (site / "rich-15.0.dist-info" / "METADATA").unlink()  # as when it is installed anew
    seen.append(digest(site, root))
    (site / "_local.pth").write_text("/somewhere/else\n")
    seen.append(digest(site, root))
    (site.parents[2] / "pyvenv.cfg").write_text("version = 3.12\n")
    seen.append(digest(site, root))
    assert all(one != other for one, other in itertools.combinations(seen, 2))


def test_the_sources_of_editable_packages_count(site: Path, root: Path, tmp_path: Path) -> None:
    sibling = make_tree(tmp_path / "the sibling", "src/sib/a.py", "README.md")
    installed_editable(site, sibling)
    first = digest(site, root)
    (sibling / "README.md").write_text("changed\n")
    assert digest(site, root) == first
    (sibling / "src" / "sib" / "a.py").write_text("changed\n")
    assert digest(site, root) != first


def test_the_project_itself_may_be_editable(site: Path, root: Path) -> None:
    installed_editable(site, root)
    (site / "_project.pth").write_text(f"{root}/src\n")
    first = digest(site, root)
    (root / "src" / "pkg" / "__init__.py").write_text("changed\n")
    assert digest(site, root) == first


def test_a_directory_that_a_pth_file_names(site: Path, root: Path, tmp_path: Path) -> None:
    other = make_tree(tmp_path / "other", "b.py")
    (site / "_other.pth").write_text(f"import os\n{other}\n/nowhere\n")
    first = digest(site, root)
    (other / "b.py").write_text("changed\n")
    assert digest(site, root) != first


@pytest.mark.parametrize("content", ["", "editable", '{"url": 3, "dir_info": {"editable": 1}}'])
def test_an_origin_that_says_nothing(site: Path, root: Path, content: str) -> None:
    (site / "attrs-26.1.dist-info" / "direct_url.json").write_text(content)
    assert digest(site, root) == digest(site, root)


def test_an_installation_from_a_directory_is_a_copy(site: Path, root: Path, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "source", "a.py")
    installed_editable(site, source, editable="false")
    first = digest(site, root)
    (source / "a.py").write_text("changed\n")
    assert digest(site, root) == first


def test_a_source_too_large_to_look_at(
    site: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_MANY", 3)
    installed_editable(site, make_tree(tmp_path / "large", "a.py", "b.py", "c.py"))
    assert environment_digest(str(site.parents[2] / "bin" / "python"), root=str(root)) is None


def test_packages_of_the_system_count_where_they_are_seen(
    site: Path, root: Path, tmp_path: Path
) -> None:
    make_tree(tmp_path / "base", "bin/python3", "lib/python3.11/site-packages/x.dist-info/METADATA")
    python = site.parents[2] / "bin" / "python"
    python.unlink()
    python.symlink_to(tmp_path / "base" / "bin" / "python3")
    apart = digest(site, root)
    make_tree(tmp_path / "base", "lib/python3.11/site-packages/y.dist-info/METADATA")
    assert digest(site, root) == apart
    (site.parents[2] / "pyvenv.cfg").write_text("include-system-site-packages = True\n")
    together = digest(site, root)
    make_tree(tmp_path / "base", "lib/python3.11/site-packages/z.dist-info/METADATA")
    assert digest(site, root) != together


def test_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_system_packages", set)
    make_tree(tmp_path, "bin/python")
    assert environment_digest(str(tmp_path / "bin" / "python"), root=str(tmp_path)) is None


def test_the_environment_that_runs_this(root: Path) -> None:
    assert environment_digest(sys.executable, root=str(root)) is not None
