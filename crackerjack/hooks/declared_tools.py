"""Which tools a project says that it uses, and where it says so."""

from __future__ import annotations

import functools
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

PRE_COMMIT: Final = ".pre-commit-config.yaml"
_INI_FILES: Final = ("setup.cfg", "tox.ini")
_HOOK_ID: Final = r"(?m)^[\s-]*id:\s*[\"']?([\w.-]+)"
_REQUIREMENTS_FILE: Final = r"[\w.-]*requirements[\w.-]*\.(?:txt|in)"
_REQUIREMENT: Final = r"(?m)^\s*([A-Za-z0-9][\w.-]*)"
_SECTION: Final = r"(?m)^\[(?:tool:)?([\w.-]+)"
_MOST: Final = 256 * 1024
"""Bytes of a file that are looked at: a list of requirements is shorter."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What in a project says that it uses a tool."""

    tables: tuple[str, ...] = ()
    """Tables of pyproject.toml: ``tool.mypy``."""
    files: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    """Sections of setup.cfg and tox.ini."""
    names: tuple[str, ...] = ()
    """Distributions that the project requires for its development, and hooks of its pre-commit
    configuration."""


class DeclaredTools:
    """What the project at `root` declares. Files are read when first asked for, and each once."""

    def __init__(self, root: str, pyproject: Mapping[str, Any]) -> None:
        self._root = root
        self._pyproject = pyproject

    def configured(self, evidence: Evidence) -> str:
        """Where the project configures the tool: ``[tool.mypy] in pyproject.toml``, or empty."""
        for table in evidence.tables:
            if self.setting(table) is not None:
                return f"[{table}] in pyproject.toml"
        for name in evidence.files:
            if name in self._names if "/" not in name else os.path.exists(self._path(name)):
                return name
        for section in evidence.sections:
            if section in self._sections:
                return f"[{section}] in {self._sections[section]}"
        return ""

    def declared(self, evidence: Evidence) -> str:
        """Where the project configures the tool, requires it or has it run by pre-commit; or empty."""
        if where := self.configured(evidence):
            return where
        for name in evidence.names:
            if name in self._pre_commit_ids:
                return f"{name} in {PRE_COMMIT}"
            if name in self._requirements:
                return f"{name} among the project's requirements"
        return ""

    def setting(self, dotted: str) -> Any:
        """The value at this dotted key of pyproject.toml, None without one."""
        value: Any = self._pyproject
        for key in dotted.split("."):
            if not isinstance(value, Mapping) or key not in value:
                return None
            value = value[key]
        return value

    def text(self, name: str) -> str:
        """The text of a file beside pyproject.toml; empty without one."""
        return self._read(name) if name in self._names else ""

    def toml(self, name: str) -> Mapping[str, Any]:
        """A TOML file beside pyproject.toml; empty without a readable one: its tool will say so."""
        try:
            return tomllib.loads(self.text(name))
        except (ValueError, RecursionError):
            return {}

    def section(self, name: str, section: str) -> str:
        """The text of one section of an INI file; empty without it."""
        parts = re.split(r"^\[(?:tool:)?([^\]\n]+)\]", self.text(name), flags=re.MULTILINE)
        return dict(zip(parts[1::2], parts[2::2], strict=True)).get(section, "")

    @functools.cached_property
    def _names(self) -> frozenset[str]:
        try:
            return frozenset(os.listdir(self._root))
        except OSError:
            return frozenset()

    @functools.cached_property
    def _sections(self) -> Mapping[str, str]:
        """Section -> the INI file that it is in."""
        return {
            section: name for name in _INI_FILES for section in _found(_SECTION, self.text(name))
        }

    @functools.cached_property
    def _pre_commit_ids(self) -> frozenset[str]:
        return frozenset(_found(_HOOK_ID, self.text(PRE_COMMIT)))

    @functools.cached_property
    def _requirements(self) -> frozenset[str]:
        lines = [*self._required_by_pyproject(), *self._requirements_files()]
        return frozenset(
            _normalised(found) for line in lines for found in _found(_REQUIREMENT, line)
        )

    def _required_by_pyproject(self) -> Iterator[str]:
        yield from _texts(self.setting("dependency-groups"))
        yield from _texts(self.setting("project.optional-dependencies"))
        yield from _texts(self.setting("tool.uv.dev-dependencies"))
        yield from _texts(self.setting("tool.pdm.dev-dependencies"))
        yield from _keys_of_dependencies(self.setting("tool.poetry"))
        yield from _texts(self.setting("tool.hatch.envs"))

    def _requirements_files(self) -> Iterator[str]:
        """The text of ``requirements*.txt`` and the like, here and in ``requirements/``."""
        for name in sorted(self._names):
            if "requirements" in name and re.fullmatch(_REQUIREMENTS_FILE, name):
                yield self._read(name)
        if "requirements" in self._names:
            try:
                inside = sorted(os.listdir(self._path("requirements")))
            except OSError:
                return
            for name in inside:
                if name.endswith((".txt", ".in")):
                    yield self._read(f"requirements/{name}")

    def _read(self, name: str) -> str:
        try:
            with open(self._path(name), "rb") as file:
                return file.read(_MOST).decode("utf-8", "replace")
        except OSError:
            return ""

    def _path(self, name: str) -> str:
        return os.path.join(self._root, name)


def _found(pattern: str, text: str) -> list[str]:
    """All matches in a file; the pattern is not even compiled for one that is not there."""
    return re.findall(pattern, text) if text else []


def _texts(value: Any) -> Iterator[str]:
    """Yield every text inside lists and tables."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inside in value.values():
            yield from _texts(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _texts(inside)


def _keys_of_dependencies(poetry: Any) -> Iterator[str]:
    """Yield the names in Poetry's tables of dependencies, which are keys."""
    if not isinstance(poetry, Mapping):
        return
    for key, value in poetry.items():
        if key in {"dependencies", "dev-dependencies"} and isinstance(value, Mapping):
            yield from value
        else:
            yield from _keys_of_dependencies(value)


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
