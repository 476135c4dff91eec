"""Whether uv.lock still fits pyproject.toml: told from the two files, without uv and the network.

uv writes down what it resolved: ``[package.metadata]`` of the project's own package holds the
requirements that pyproject.toml had, normalised. What cannot be compared with certainty, such as
versions of a requirement that comes from git, is not.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from crackerjack.decoding import convert

_OWN: Final = re.compile(r'^source = \{ (?:editable|virtual) = "\." \}$', re.MULTILINE)
_PACKAGE: Final = re.compile(r"^\[\[package\]\]$", re.MULTILINE)
_REQUIREMENT: Final = re.compile(
    r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*([^;]*)(?:;(.*))?", re.DOTALL
)
_EXTRA: Final = re.compile(r"\bextra\s*==\s*[\"']([^\"']+)[\"']")
_CLAUSE: Final = re.compile(r"(?:[=!<>~]=|[<>])\d+(?:\.\d+)*(?:\.\*)?")


class _Project(msgspec.Struct, frozen=True, rename="kebab"):
    dependencies: list[str] = []
    optional_dependencies: dict[str, list[str]] = {}
    requires_python: str = ""
    dynamic: list[str] = []


class _Uv(msgspec.Struct, frozen=True, rename="kebab"):
    dev_dependencies: list[str] = []


class _Tool(msgspec.Struct, frozen=True):
    uv: _Uv = _Uv()


class _Included(msgspec.Struct, frozen=True, rename="kebab"):
    include_group: str


class _Pyproject(msgspec.Struct, frozen=True, rename="kebab"):
    """What pyproject.toml says of dependencies."""

    project: _Project
    dependency_groups: dict[str, list[str | _Included]] = {}
    tool: _Tool = _Tool()


class _Entry(msgspec.Struct, frozen=True):
    """A requirement in the lock."""

    name: str
    specifier: str = ""
    marker: str = ""
    # It comes from no index if one of these is given.
    directory: str = ""
    editable: str = ""
    git: str = ""
    path: str = ""
    url: str = ""
    virtual: str = ""

    @property
    def versions(self) -> frozenset[str] | None:
        others = (self.directory, self.editable, self.git, self.path, self.url, self.virtual)
        return None if any(others) else _clauses(self.specifier)


class _Metadata(msgspec.Struct, frozen=True, rename="kebab"):
    requires_dist: list[_Entry] = []
    requires_dev: dict[str, list[_Entry]] = {}


class _Package(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()


class _Head(msgspec.Struct, frozen=True, rename="kebab"):
    """The beginning of the lock."""

    requires_python: str = ""
    manifest: dict[str, Any] = {}
    """Of a workspace, and of what is overridden."""


class _Wanted(NamedTuple):
    """What is required, and for what: an extra, a group, or nothing in particular."""

    name: str
    purpose: str

    def __str__(self) -> str:
        return f"{self.name} ({self.purpose})" if self.purpose else self.name


_Requirements = dict[_Wanted, set[frozenset[str] | None]]
"""With the versions that are wanted, as clauses; None where these cannot be compared."""


def uv_lock_differences(lock: str, pyproject: Mapping[str, Any]) -> list[str]:
    """Return where the lock differs from pyproject.toml, each a sentence without its end.

    Raises :exc:`LookupError`, with the reason, when the two say too little to tell.
    """
    try:
        required = convert(pyproject, _Pyproject)
        # Only two parts are parsed: all of a large lock takes a second.
        head, *packages = _PACKAGE.split(lock)
        own = next((package for package in packages if _OWN.search(package)), "")
        [package] = convert(tomllib.loads(f"[[package]]{own}")["package"], list[_Package])
        python = convert(tomllib.loads(head), _Head)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise LookupError(str(error)) from error
    if not own:
        return ["this project is not in it"]
    if not {"dependencies", "optional-dependencies"}.isdisjoint(required.project.dynamic):
        raise LookupError("the dependencies are dynamic")
    return [
        *_differences(_required(required), _locked(package.metadata)),
        *_other_python(required.project, python),
    ]


def normalised_name(name: str) -> str:
    """The name of a distribution, an extra or a group in the one way to write it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _differences(required: _Requirements, locked: _Requirements) -> Iterator[str]:
    for wanted in sorted(required.keys() - locked.keys()):
        yield f"{wanted} is required but not locked"
    for wanted in sorted(locked.keys() - required.keys()):
        yield f"{wanted} is locked but no longer required"
    for wanted in sorted(required.keys() & locked.keys()):
        now, then = required[wanted], locked[wanted]
        if now != then and None not in now | then:
            yield f"other versions of {wanted} are required than were locked"


def _other_python(project: _Project, head: _Head) -> Iterator[str]:
    """Tell whether the lock is for other versions of Python; in a workspace, it is for all members'."""
    required, locked = _clauses(project.requires_python), _clauses(head.requires_python)
    comparable = required and locked and not any("~" in clause for clause in required)
    if comparable and not head.manifest and required != locked:
        yield "another requires-python is set than was locked"


def _required(pyproject: _Pyproject) -> _Requirements:
    found: _Requirements = defaultdict(set)
    project = pyproject.project
    for requirement in project.dependencies:
        _add(found, requirement, "")
    for extra, requirements in project.optional_dependencies.items():
        for requirement in requirements:
            _add(found, requirement, f"extra {normalised_name(extra)}")
    groups = {normalised_name(name): some for name, some in pyproject.dependency_groups.items()}
    if pyproject.tool.uv.dev_dependencies:
        groups["dev"] = [*groups.get("dev", []), *pyproject.tool.uv.dev_dependencies]
    for name in groups:
        for requirement in _with_included(groups, name):
            _add(found, requirement, f"group {name}")
    return found


def _with_included(
    groups: Mapping[str, Sequence[str | _Included]], name: str, around: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield the requirements of a group and of those that it includes (PEP 735)."""
    for entry in groups.get(name, ()) if name not in around else ():
        if isinstance(entry, str):
            yield entry
        else:
            yield from _with_included(groups, normalised_name(entry.include_group), (*around, name))


def _add(found: _Requirements, requirement: str, purpose: str) -> None:
    match = _REQUIREMENT.fullmatch(requirement)
    if match is None:
        raise LookupError(f"{requirement!r} is no requirement")
    name, versions, marker = match.groups()
    for one in _purposes(marker or "", purpose):
        found[_Wanted(normalised_name(name), one)].add(_clauses(versions))


def _locked(metadata: _Metadata) -> _Requirements:
    found: _Requirements = defaultdict(set)
    groups = {f"group {name}": some for name, some in metadata.requires_dev.items()}
    for purpose, entries in {"": metadata.requires_dist, **groups}.items():
        for entry in entries:
            for one in _purposes(entry.marker, purpose):
                found[_Wanted(entry.name, one)].add(entry.versions)
    return found


def _purposes(marker: str, purpose: str) -> list[str]:
    """What a requirement is for: uv locks those of an extra with a marker that names it."""
    return [f"extra {normalised_name(extra)}" for extra in _EXTRA.findall(marker)] or [purpose]


def _clauses(versions: str) -> frozenset[str] | None:
    """The clauses of a version specifier, each in one way to write it; None if one has others."""
    plain = re.sub(r"\s+", "", versions).strip("()")
    clauses = frozenset(plain.split(",")) - {""}
    return frozenset(map(_normalised, clauses)) if all(map(_CLAUSE.fullmatch, clauses)) else None


def _normalised(clause: str) -> str:
    """Write a clause as the others that mean the same: 3.08.0 is 3.8 (PEP 440)."""
    plain = re.sub(r"(?<!\d)0+(?=\d)", "", clause)
    # How many parts there are means something in `~=3.8.0` and `==3.8.*`.
    return plain if plain.startswith("~=") or plain.endswith("*") else re.sub(r"(\.0)+$", "", plain)
