"""How a project is laid out: where its code is, where its tests are, which Python runs it.

Found out from the names of its files, and from pyproject.toml where it says so plainly. The names
that are not shipped are those of setuptools' automatic discovery (its user guide, "Package Discovery
and Namespace Packages"), on which projects of every build backend agree.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from crackerjack.hooks.environment import environment_python
from crackerjack.hooks.files import FileSet
from crackerjack.hooks.packaging import PackagingHints, finds_namespaces, packaging_hints

_ROOTS: Final = ("src", "lib", "python")
"""Customary names of directories that packages are in; no package is called so."""

_ILLUSTRATION: Final = frozenset(
    [
        "debian",
        "doc",
        "docs",
        "documentation",
        "manpages",
        "news",
        "newsfragments",
        "changelog",
        "example",
        "examples",
        "bench",
        "benches",
        "benchmark",
        "benchmarks",
        "exercise",
        "exercises",
    ]
)
_NOT_SHIPPED: Final = _ILLUSTRATION | frozenset(
    [
        "ci",
        "bin",
        "script",
        "scripts",
        "tools",
        "util",
        "utils",
        "build",
        "htmlcov",
        "tasks",
        "fabfile",
        "site_scons",
    ]
)
_NOT_SHIPPED_MODULES: Final = frozenset(
    [
        "setup",
        "conftest",
        "example",
        "examples",
        "build",
        "toxfile",
        "noxfile",
        "pavement",
        "dodo",
        "tasks",
        "fabfile",
        "conanfile",
        "manage",
        "benchmark",
        "benchmarks",
        "exercise",
        "exercises",
    ]
)
_PROJECT_FILES: Final = ("pyproject.toml", "setup.py")
_INIT: Final = frozenset({"__init__.py", "__init__.pyi"})
_TEST_DIRECTORY: Final = re.compile(r"tests?|unit_test|.*[_-]tests|tests[_-].*")
_TEST_MODULE: Final = re.compile(r"test_.*\.py|.*_test\.py|tests?\.py")

_Tree = dict[str, set[str]]
"""The names of the Python files in each directory that has some; ``""`` is the top."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Paths relative to the project, ``/``-separated and sorted; ``.`` is the project itself."""

    packages: tuple[str, ...] = ()
    """Directories that hold importable code: ``src/httpx``, ``rich``, ``jaraco/functools``."""
    modules: tuple[str, ...] = ()
    """Importable files beside or instead of packages: ``six.py``."""
    source_roots: tuple[str, ...] = ()
    """What is on `sys.path` for them: ``src``, or ``.``."""
    targets: tuple[str, ...] = ()
    """What a tool that judges shipped code is pointed at: packages and modules, or where there are
    none every place with code that is no test; empty without such code."""
    test_dirs: tuple[str, ...] = ()
    """Directories of tests, also those inside packages."""
    has_tests: bool = False
    """Whether there are tests, in such directories or beside the code."""
    namespace: bool = False
    """Whether a package's name begins with a directory that has no ``__init__.py`` (PEP 420)."""
    has_git: bool = False
    python: str | None = None
    """The interpreter of the project's environment, absolute; None without one."""


def discover_layout(
    root: str,
    files: FileSet,
    *,
    pyproject: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Layout:
    """Return the layout of the project in `root`, of which `files` are all the files.

    A directory with its own pyproject.toml or setup.py is a project in the project, as in a monorepo.
    """
    tree = _tree(files.paths)
    hints = packaging_hints(pyproject or {}, namespaces=finds_namespaces(root))
    code = [
        _Code(top, subtree, PackagingHints() if top else hints)
        for top, subtree in _projects(files.paths, tree).items()
    ]
    packages = _ordered(path for found in code for path in found.packages)
    modules = _ordered(path for found in code for path in found.modules)
    test_dirs = _test_directories(tree, hints)
    return Layout(
        packages=packages,
        modules=modules,
        source_roots=_ordered(path for found in code for path in found.roots),
        targets=_ordered((*packages, *modules)) or _places_with_code(tree, test_dirs),
        test_dirs=test_dirs,
        has_tests=any(_has_tests(directory, names, test_dirs) for directory, names in tree.items()),
        namespace=any(found.namespace for found in code),
        has_git=files.has_git,
        python=environment_python(root, environment),
    )


def _tree(paths: Iterable[str]) -> _Tree:
    tree: _Tree = {}
    for path in paths:
        if path.endswith((".py", ".pyi")):
            directory, _, name = path.rpartition("/")
            tree.setdefault(directory, set()).add(name)
    return tree


def _projects(paths: Iterable[str], tree: _Tree) -> dict[str, _Tree]:
    """Split the tree into the projects that it holds; the paths stay relative to the whole."""
    tops = {""}
    for path in paths:
        if not path.endswith(_PROJECT_FILES):
            continue
        directory, _, name = path.rpartition("/")
        if name not in _PROJECT_FILES or _is_apart(directory, _ILLUSTRATION):
            continue
        if not _in_package(directory, tree):
            tops.add(directory)
    if len(tops) == 1:
        return {"": tree}
    projects: dict[str, _Tree] = {top: {} for top in sorted(tops)}
    for directory, names in tree.items():
        nearest = next(parent for parent in _with_parents(directory) if parent in tops)
        projects[nearest][directory] = names
    return projects


class _Code:
    """The shipped code of one project, as it is found."""

    def __init__(self, top: str, tree: _Tree, hints: PackagingHints) -> None:
        self.packages: list[str] = []
        self.modules: list[str] = []
        self.roots: set[str] = set()
        self.namespace = False
        self._top = top
        self._tree = tree
        self._hints = hints
        self._find()

    def _find(self) -> None:
        """Stop at the first way that finds something: what is said, ``src``, packages, modules."""
        for path in self._hints.packages:
            self._add_hinted(path)
        if self.roots:
            return
        for root in self._hints.source_roots or (_below(self._top, "src"),):
            self._add_below(root)
        if self.roots:
            return
        for directory in sorted(self._tree):
            if self._tree[directory] & _INIT and self._may_ship(directory):
                self._add_package(directory)
        self._add_modules(self._top)
        if not self.packages:
            self._add_plain_directories()

    def _add_hinted(self, path: str) -> None:
        directory, _, name = path.rpartition("/")
        if name in self._tree.get(directory, ()):
            self.modules.append(path)
            self.roots.add(directory)
        elif any(_is_below(found, path) for found in self._tree):
            self._add_package(path)

    def _add_below(self, root: str) -> None:
        """All below a source root is shipped, with or without ``__init__.py``, but tests."""
        if self._tree.get(root, set()) & _INIT:
            return
        self._add_modules(root)
        for directory in sorted(self._tree):
            if directory != root and _is_below(directory, root):
                inner = directory[len(root) + 1 :]
                if not any(map(_is_test_name, inner.split("/"))):
                    self._add_package(directory, root)

    def _add_plain_directories(self) -> None:
        """Without any ``__init__.py``, the directories at the top are packages by PEP 420."""
        for directory in sorted(self._tree):
            first = _relative(directory, self._top).partition("/")[0]
            if first.isidentifier() and self._may_ship(directory):
                self._add_package(directory, self._top)

    def _add_package(self, directory: str, root: str | None = None) -> None:
        """Add a package, unless it is part of one that was added."""
        if any(parent in self.packages for parent in _with_parents(directory)):
            return
        root = self._root_of(directory) if root is None else root
        self.packages.append(directory)
        self.roots.add(root)
        has_init = bool(self._tree.get(directory, set()) & _INIT)
        self.namespace |= _parent(directory) != root or not has_init

    def _add_modules(self, directory: str) -> None:
        for name in self._tree.get(directory, ()):
            stem = name.partition(".")[0]
            if not (_TEST_MODULE.fullmatch(name) or stem in _NOT_SHIPPED_MODULES | {"__init__"}):
                self.modules.append(_below(directory, name))
                self.roots.add(directory)

    def _root_of(self, directory: str) -> str:
        """Where the name of a package begins: at a source root, or where the project's name says."""
        for root in (*self._hints.source_roots, *(_below(self._top, root) for root in _ROOTS)):
            if _is_below(_parent(directory), root) and not self._tree.get(root, set()) & _INIT:
                return root
        from_top = self._hints.namespaces or self._is_named(directory)
        return self._top if from_top else _parent(directory)

    def _may_ship(self, directory: str) -> bool:
        inner = _relative(directory, self._top)
        return inner != "" and (self._is_named(directory) or not _is_apart(inner))

    def _is_named(self, directory: str) -> bool:
        """Whether the directory is called what the project is: ``a/b_c`` for ``A.b-c``."""
        inner = _relative(directory, self._top)
        return self._hints.name != "" and _normal(inner) == _normal(self._hints.name)


def _test_directories(tree: _Tree, hints: PackagingHints) -> tuple[str, ...]:
    """The topmost directories of tests. In a package they must show some: `django.test` has none."""
    found = {path for path in hints.test_paths if any(_is_below(place, path) for place in tree)}
    for directory, names in tree.items():
        if "test" not in directory:
            continue
        shows_tests = any(map(_TEST_MODULE.fullmatch, names))
        for parent in _with_parents(directory):
            if (
                _is_test_name(parent.rpartition("/")[2])
                and not _is_aside(parent)
                and (shows_tests or not _in_package(parent, tree))
            ):
                found.add(parent)
    return _ordered(path for path in found if found.isdisjoint(_with_parents(_parent(path))))


def _has_tests(directory: str, names: set[str], test_dirs: tuple[str, ...]) -> bool:
    if any(map(_TEST_MODULE.fullmatch, names)):
        return True
    in_tests = any(parent in test_dirs for parent in _with_parents(directory))
    return in_tests and not names <= _INIT | {"conftest.py"}


def _places_with_code(tree: _Tree, test_dirs: tuple[str, ...]) -> tuple[str, ...]:
    """Everything at the top that holds code: what looks shipped, or else whatever is no test."""
    places = {
        directory.partition("/")[0] or name
        for directory, names in tree.items()
        for name in names
        if not (_TEST_MODULE.fullmatch(name) or name == "conftest.py")
        and not any(parent in test_dirs for parent in _with_parents(directory))
    }
    shipped = {
        place
        for place in places
        if not _is_apart(place) and place.partition(".")[0] not in _NOT_SHIPPED_MODULES
    }
    return _ordered(shipped or places)


@functools.cache
def _is_test_name(directory_name: str) -> bool:
    return _TEST_DIRECTORY.fullmatch(directory_name) is not None


def _is_aside(directory: str, names: frozenset[str] = _NOT_SHIPPED) -> bool:
    """Whether it lies in a directory of one of these names, or in a hidden one."""
    return any(part in names or part.startswith(".") for part in directory.split("/"))


def _is_apart(directory: str, names: frozenset[str] = _NOT_SHIPPED) -> bool:
    """Whether it lies in such a directory, or in tests."""
    return _is_aside(directory, names) or any(map(_is_test_name, directory.split("/")))


def _in_package(directory: str, tree: _Tree) -> bool:
    parents = _with_parents(_parent(directory)) if directory else ()
    return any(tree.get(parent, set()) & _INIT for parent in parents if parent)


def _with_parents(directory: str) -> Iterator[str]:
    """The directory, its parent, and so on up to ``""``."""
    while directory:
        yield directory
        directory = _parent(directory)
    yield ""


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _below(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _is_below(path: str, directory: str) -> bool:
    """Whether the path is the directory, or in it."""
    return directory in {path, ""} or path.startswith(f"{directory}/")


def _relative(path: str, directory: str) -> str:
    return path[len(directory) :].removeprefix("/")


def _normal(name: str) -> str:
    """The name as package indexes compare it (PEP 503), a ``/`` being a dot."""
    return re.sub(r"[-_./]+", "-", name).lower()


def _ordered(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({path or "." for path in paths}))
