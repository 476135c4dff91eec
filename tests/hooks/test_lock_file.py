"""Lock files and the pyproject.toml that they were made from.

The locks of uv are its own; the hashes are what poetry 2.5, pdm 2.29 and pdm 2.12 make of these texts.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from crackerjack.hooks.lock_file import check_lock_files
from crackerjack.hooks.look import Found
from crackerjack.types import HookStatus

PYPROJECT = """\
[project]
name = "My_Proj.X"
version = "1"
requires-python = ">=3.11, <4"
dependencies = [
    "idna >= 2 , < 4", "Sniffio[x] ; python_version<'3.13'", "six==1.16.0",
    "h11; python_version<'3.12'", "h11>=0.9; python_version>='3.12'", "anyio>=4.0-rc1",
    "local", "direct @ https://example.org/direct-1.tar.gz",
]
[project.optional-dependencies]
Foo_bar = ["certifi>2022.1.1; sys_platform == 'linux'"]
[dependency-groups]
Dev = ["iniconfig>=2.0.0rc1", {include-group = "li.nt"}]
li-nt = ["packaging"]
empty = []
[tool.uv.sources]
local = {path = "local"}
"""
UV_LOCK = """\
version = 1
revision = 5
requires-python = ">=3.11, <4"

[[package]]
name = "certifi"
version = "2026.10.18"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "my-proj-x"
version = "1"
source = { virtual = "." }
dependencies = [
    { name = "idna" },
]

[package.metadata]
requires-dist = [
    { name = "anyio", specifier = ">=4.0rc1" },
    { name = "certifi", marker = "sys_platform == 'linux' and extra == 'foo-bar'", specifier = ">2022.1.1" },
    { name = "direct", url = "https://example.org/direct-1.tar.gz" },
    { name = "h11", marker = "python_full_version < '3.12'" },
    { name = "h11", marker = "python_full_version >= '3.12'", specifier = ">=0.9" },
    { name = "idna", specifier = ">=2,<4" },
    { name = "local", directory = "local" },
    { name = "six", specifier = "==1.16.0" },
    { name = "sniffio", extras = ["x"], marker = "python_full_version < '3.13'" },
]
provides-extras = ["foo-bar"]

[package.metadata.requires-dev]
dev = [
    { name = "iniconfig", specifier = ">=2.0.0rc1" },
    { name = "packaging" },
]
empty = []
li-nt = [{ name = "packaging" }]

[[package]]
name = "packaging"
version = "26.3"
"""


def check(root: Path, pyproject: str, **locks: str) -> Found:
    for name, text in locks.items():
        (root / f"{name}.lock").write_bytes(text.encode())
    return check_lock_files(str(root), tomllib.loads(pyproject))


def messages(found: Found) -> list[str]:
    return [one.message for one in found.diagnostics]


def test_no_lock_file(tmp_path: Path) -> None:
    found = check(tmp_path, PYPROJECT)
    assert (found.status, found.reason) == (
        HookStatus.SKIPPED,
        "no lock file (uv.lock, poetry.lock, pdm.lock)",
    )


def test_a_uv_lock_that_fits(tmp_path: Path) -> None:
    assert check(tmp_path, PYPROJECT, uv=UV_LOCK) == Found(status=HookStatus.PASSED)


def test_line_endings_do_not_matter(tmp_path: Path) -> None:
    lock = UV_LOCK.replace("\n", "\r\n")
    assert check(tmp_path, PYPROJECT, uv=lock).status is HookStatus.PASSED


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ('"local", ', '"local", "rich", ', "rich is required but not locked"),
        ('"six==1.16.0",', "", "six is locked but no longer required"),
        ("==1.16.0", "==1.17.0", "other versions of six are required than were locked"),
        ("h11>=0.9", "h11>=0.10", "other versions of h11 are required than were locked"),
        ("Foo_bar", "Bar", "certifi (extra bar) is required but not locked"),
        ('"packaging"', '"pluggy"', "pluggy (group dev) is required but not locked"),
        (">=3.11, <4", ">=3.12", "another requires-python is set than was locked"),
    ],
)
def test_a_uv_lock_that_does_not_fit(tmp_path: Path, old: str, new: str, difference: str) -> None:
    assert old in PYPROJECT
    found = check(tmp_path, PYPROJECT.replace(old, new), uv=UV_LOCK)
    assert found.status is HookStatus.FAILED
    assert f"{difference}: run `uv lock`" in messages(found)
    assert {one.path for one in found.diagnostics} == {"uv.lock"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("six==1.16.0", "six==1.16"),
        ("idna >= 2 , < 4", "idna>=2.0,<4.0.0"),
        ("certifi>2022.1.1", "certifi>2022.01.01"),
        (">=3.11, <4", ">=3.11.0, <4.0"),
    ],
)
def test_another_way_to_write_a_version_is_no_difference(
    tmp_path: Path, old: str, new: str
) -> None:
    assert old in PYPROJECT
    found = check(tmp_path, PYPROJECT.replace(old, new), uv=UV_LOCK)
    assert found == Found(status=HookStatus.PASSED)


@pytest.mark.parametrize(
    ("then", "now"), [("~=1.16", "~=1.16.0"), ("==1.*", "==1.0.*"), (">=1.1", ">=1.10")]
)
def test_how_long_a_version_is_may_mean_something(tmp_path: Path, then: str, now: str) -> None:
    lock = UV_LOCK.replace("==1.16.0", then)
    assert check(tmp_path, PYPROJECT.replace("==1.16.0", then), uv=lock).status is HookStatus.PASSED
    found = check(tmp_path, PYPROJECT.replace("==1.16.0", now), uv=lock)
    assert messages(found) == ["other versions of six are required than were locked: run `uv lock`"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("anyio>=4.0-rc1", "anyio>=4.0.rc1"),  # which of these are one version, uv knows
        ("direct-1.tar.gz", "direct-2.tar.gz"),
        (">=3.11, <4", "<4,>= 3.11"),
        (">=3.11, <4", "~=3.11"),
        ('"local", ', '"local>=2", '),
    ],
)
def test_what_cannot_be_compared_is_not(tmp_path: Path, old: str, new: str) -> None:
    assert old in PYPROJECT
    found = check(tmp_path, PYPROJECT.replace(old, new), uv=UV_LOCK)
    assert found.status is HookStatus.PASSED


def test_the_uv_lock_of_a_workspace_is_for_its_members_python(tmp_path: Path) -> None:
    lock = UV_LOCK.replace("\n\n[[", '\n\n[manifest]\nmembers = ["a"]\n\n[[', 1)
    assert check(tmp_path, PYPROJECT.replace("3.11", "3.10"), uv=lock).status is HookStatus.PASSED


def test_the_uv_lock_of_another_project(tmp_path: Path) -> None:
    lock = UV_LOCK.replace("virtual", "registry")
    assert messages(check(tmp_path, PYPROJECT, uv=lock)) == [
        "this project is not in it: run `uv lock`"
    ]


@pytest.mark.parametrize(
    ("pyproject", "lock", "reason"),
    [
        ("", UV_LOCK, "project"),
        ('[project]\ndynamic = ["dependencies"]\n', UV_LOCK, "dynamic"),
        ('[project]\ndependencies = "x"\n', UV_LOCK, "array"),
        ('[project]\ndependencies = ["?"]\n', UV_LOCK, "no requirement"),
        (PYPROJECT, "<<<<<<< HEAD\n" + UV_LOCK, "line 1"),
    ],
)
def test_when_uv_would_have_to_tell(tmp_path: Path, pyproject: str, lock: str, reason: str) -> None:
    found = check(tmp_path, pyproject, uv=lock)
    assert found.status is HookStatus.SKIPPED
    assert reason in found.reason
    assert "`uv lock --check`" in found.reason


FULL = """\
[project]
name = "a"
version = "1"
requires-python = ">=3.11"
dependencies = ["idna>=2", "six"]
[project.optional-dependencies]
Extra = ["h11"]
[dependency-groups]
Dev_x = ["iniconfig", {include-group = "lint"}]
lint = ["ruff"]
[tool.poetry]
package-mode = false
[tool.poetry.dependencies]
six = {source = "x"}
[[tool.poetry.source]]
name = "x"
url = "https://example.org"
[tool.pdm.dev-dependencies]
Lint = ["mypy"]
[tool.pdm.resolution]
excludes = ["x"]
[tool.pdm.resolution.overrides]
six = "1.16"
"""
OLD_POETRY = """\
[tool.poetry]
name = "a"
[tool.poetry.dependencies]
python = "^3.11"
idna = "^3"
[tool.poetry.group.dev.dependencies]
iniconfig = "*"
"""
ONLY_GROUPS = '[dependency-groups]\ndev = ["iniconfig"]\n'
OLD_PDM = """\
[project]
name="a"
dependencies=["idna"]
[tool.pdm.dev-dependencies]
Dev_x=["six"]
"""


def poetry_lock(content_hash: str, version: str = "2.5.1") -> str:
    return (
        f"# This file is automatically @generated by Poetry {version} and should not be changed.\n"
        '\n[[package]]\nname = "idna"\n\n[package.extras]\nall = []\n\n[metadata]\n'
        f'lock-version = "2.1"\npython-versions = ">=3.11"\ncontent-hash = "{content_hash}"\n'
    )


@pytest.mark.parametrize(
    ("pyproject", "content_hash", "version"),
    [
        (FULL, "b91874bd5047259dc23e7134317e6a495d2367b8f4b54d89de677733c7abd12e", "2.5.1"),
        (FULL, "f1daf2f8fc9ef3d2a2a35a810c899b664903bcc08b513b7c6c6546373bf7e353", "2.2.0"),
        (OLD_POETRY, "4175226fb7ebce4550a4960752a5b4862d1f0b4d074c489f237808bda96b8d7e", "1.8.5"),
        (ONLY_GROUPS, "8dfa6938e044f0d440ccd7aeb38704d8b2fa0b20837b571507dafbe8ca9c8cb9", "2.5.1"),
    ],
)
def test_poetry(tmp_path: Path, pyproject: str, content_hash: str, version: str) -> None:
    lock = poetry_lock(content_hash, version)
    assert check(tmp_path, pyproject, poetry=lock).status is HookStatus.PASSED
    changed = pyproject.replace("iniconfig", "pluggy").replace("idna", "h2")
    assert messages(check(tmp_path, changed, poetry=lock)) == [
        "pyproject.toml has changed since it was made: run `poetry lock`"
    ]


def test_new_poetry_does_not_leave_out_the_groups(tmp_path: Path) -> None:
    lock = poetry_lock("f1daf2f8fc9ef3d2a2a35a810c899b664903bcc08b513b7c6c6546373bf7e353")
    assert check(tmp_path, FULL, poetry=lock).status is HookStatus.FAILED


def pdm_lock(content_hash: str) -> str:
    return (
        '# This file is @generated by PDM.\n\n[metadata]\ngroups = ["default"]\n'
        f'lock_version = "4.5.0"\ncontent_hash = "{content_hash}"\n\n'
        '[[metadata.targets]]\nrequires_python = ">=3.11"\n\n[[package]]\nname = "idna"\n'
    )


@pytest.mark.parametrize(
    ("pyproject", "content_hash"),
    [
        (FULL, "c75e15979acc2f1d2006f22b10c032caac396f018a4bb3b11ef1761981c4a0a2"),
        (OLD_PDM, "be8344efcb2ea4da3434662b4520a7aba9cb347fce3d8c69596d495cdd95f062"),
        (FULL, "8945d6f21473d0901e4363c5fc6d4eb2b957002b3748931f391d1b48a2ff826b"),
        (OLD_PDM, "117ab60391576edaf61eaed1eca0912a5b616c6a9d84e6cad4df05366c6e848a"),
    ],
)
def test_pdm(tmp_path: Path, pyproject: str, content_hash: str) -> None:
    lock = pdm_lock(f"sha256:{content_hash}")
    assert check(tmp_path, pyproject, pdm=lock).status is HookStatus.PASSED
    assert messages(check(tmp_path, pyproject.replace("idna", "h2"), pdm=lock)) == [
        "pyproject.toml has changed since it was made: run `pdm lock`"
    ]


def test_locks_that_do_not_say_what_they_were_made_from(tmp_path: Path) -> None:
    found = check(tmp_path, FULL, pdm="[metadata]\nlock_inputs = {}\n", poetry="package = []\n")
    assert found.status is HookStatus.SKIPPED
    assert "`pdm lock --check`" in found.reason
    assert "`poetry check --lock`" in found.reason


def test_one_lock_that_fits_is_evidence(tmp_path: Path) -> None:
    found = check(tmp_path, PYPROJECT, uv=UV_LOCK, pdm="")
    assert found.status is HookStatus.PASSED


def test_a_lock_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").mkdir()
    (tmp_path / "poetry.lock").write_bytes(b"\xff\n")
    assert check(tmp_path, PYPROJECT).status is HookStatus.SKIPPED
