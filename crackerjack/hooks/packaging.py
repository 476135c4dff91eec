"""What a project says of where its code is: in pyproject.toml for the build backends that say it plainly,
and one thing in setup.py and setup.cfg, without which the names of modules would be wrong.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

_NOTHING: Final[Mapping[str, Any]] = {}
_MOST: Final = 256 * 1024  # bytes of a file that are looked at
_FINDS_NAMESPACES: Final = {
    "setup.py": re.compile(rb"\bfind_namespace_packages\s*\((?!\s*(?:where\s*=|[\"']))"),
    "setup.cfg": re.compile(
        rb"\A(?!.*^where\s*=).*^packages\s*=\s*find_namespace:", re.MULTILINE | re.DOTALL
    ),
}


class PackagingHints(msgspec.Struct, frozen=True):
    """Paths are relative to the project. Nothing says that they exist."""

    name: str = ""
    """The project's name."""
    packages: tuple[str, ...] = ()
    """Directories and files that are shipped."""
    source_roots: tuple[str, ...] = ()
    """Directories with packages in them."""
    test_paths: tuple[str, ...] = ()
    """Where pytest looks for tests."""
    namespaces: bool = False
    """Whether the names of packages begin at the top, with or without ``__init__.py`` on the way."""


def packaging_hints(pyproject: Mapping[str, Any], *, namespaces: bool = False) -> PackagingHints:
    """Read the hints from a parsed pyproject.toml; what has an unexpected type is no hint."""
    poetry = _table(pyproject, "tool", "poetry")
    setuptools = _table(pyproject, "tool", "setuptools")
    roots = [
        _table(setuptools, "package-dir").get(""),
        *_strings(_table(setuptools, "packages", "find").get("where")),
        _table(pyproject, "tool", "pdm", "build").get("package-dir"),
        _table(pyproject, "tool", "uv", "build-backend").get("module-root"),
        _table(pyproject, "tool", "maturin").get("python-source"),
    ]
    packages = [
        *_strings(_table(pyproject, "tool", "hatch", "build", "targets", "wheel").get("packages")),
        *_poetry_packages(poetry),
        *_setuptools_packages(setuptools),
    ]
    pytest = _table(pyproject, "tool", "pytest", "ini_options")
    name = _table(pyproject, "project").get("name") or poetry.get("name")
    return PackagingHints(
        name=name if isinstance(name, str) else "",
        packages=_paths(packages),
        source_roots=_paths(roots),
        test_paths=_paths(_strings(pytest.get("testpaths"))),
        namespaces=namespaces or _finds_namespaces_by_default(setuptools),
    )


def _finds_namespaces_by_default(setuptools: Mapping[str, Any]) -> bool:
    """In pyproject.toml, other than in setup.py, setuptools does unless it is told not to."""
    find = _table(setuptools, "packages").get("find")
    if not isinstance(find, dict) or find.get("namespaces") is False:
        return False
    roots = [*_strings(find.get("where")), _table(setuptools, "package-dir").get("")]
    return not _paths(roots)


def finds_namespaces(root: str) -> bool:
    """Whether setuptools looks for namespace packages from the top of the project in `root`."""
    for name, says in _FINDS_NAMESPACES.items():
        try:
            with open(os.path.join(root, name), "rb") as file:
                if says.search(file.read(_MOST)):
                    return True
        except OSError:
            continue
    return False


def _poetry_packages(poetry: Mapping[str, Any]) -> Iterator[str]:
    packages = poetry.get("packages")
    for entry in packages if isinstance(packages, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("include"), str):
            yield f"{entry.get('from', '.')}/{entry['include']}"


def _setuptools_packages(setuptools: Mapping[str, Any]) -> Iterator[str]:
    """The topmost of the packages, which are listed one by one with dots."""
    directories = _table(setuptools, "package-dir")
    root = directories.get("", ".")
    packages = _strings(setuptools.get("packages"))
    for name in packages:
        if name.rpartition(".")[0] not in packages:
            yield directories.get(name) or f"{root}/{name.replace('.', '/')}"
    for name in _strings(setuptools.get("py-modules")):
        yield f"{root}/{name.replace('.', '/')}.py"


def _table(table: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        found = table.get(key)
        table = found if isinstance(found, dict) else _NOTHING
    return table


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _paths(values: list[Any]) -> tuple[str, ...]:
    """Bring paths to the form of the file list; ``.`` says nothing and is left out."""
    parts = (
        [part for part in value.split("/") if part not in {"", "."}]
        for value in values
        if isinstance(value, str)
    )
    return tuple("/".join(path) for path in parts if path)
