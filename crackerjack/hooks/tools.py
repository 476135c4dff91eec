"""Where a hook's tool is, and which version: found once a run, then executed directly."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, Protocol

import msgspec

from crackerjack.hashing import blake2b

Origin = Literal["project", "crackerjack", "path"]

_VERSION_TIMEOUT: Final = 20.0
"""Seconds; a tool of which nothing is in the disk cache yet may take several."""
_VERSION_LENGTH: Final = 200
"""Characters; some tools print a whole banner."""
_SHEBANG_LENGTH: Final = 256
"""Bytes; no kernel reads more of the line."""


class Tool(msgspec.Struct, frozen=True):
    """An executable that can be started."""

    name: str
    path: str
    """Absolute; its links are not resolved, because an environment is known by them."""
    origin: Origin
    """The project's environment, ours, or PATH."""


class VersionCache(Protocol):
    """Keeps what tools said of their version, between runs; losing entries only costs time."""

    def get(self, key: str) -> str | None: ...

    def put(self, key: str, version: str) -> None: ...


class MemoryVersionCache:
    """Forgets at the end of the run."""

    def __init__(self) -> None:
        self._versions: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        """The version under this key."""
        return self._versions.get(key)

    def put(self, key: str, version: str) -> None:
        """Keep a version."""
        self._versions[key] = version


class Toolbox:
    """Finds the tools of one project.

    The project's environment comes first, so that the version is the one that the project has chosen:
    that of `python` (the interpreter of it, where known), ``.venv``, ``venv``, and the one that is
    active; then the environment that crackerjack is installed in; then PATH. What cannot be started,
    such as a script of an environment that was moved, is passed over.
    """

    def __init__(
        self,
        project_root: str,
        python: str | None,
        versions: VersionCache | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._root = project_root
        self._versions: VersionCache = MemoryVersionCache() if versions is None else versions
        self._places = tuple(_places(project_root, python, environment))
        self._found: dict[str, Tool | None] = {}
        self._distributions: dict[str, Mapping[str, str]] = {}

    def find(self, name: str | None) -> Tool | None:
        """The tool of this name; None when there is none. A name with a ``/`` is a path in
        the project.
        """
        if name is None:
            return None
        if name not in self._found:
            self._found[name] = self._look_for(name)
        return self._found[name]

    def installed_version(self, tool: Tool) -> str:
        """The version of the distribution of that name in the tool's environment; empty when not known.

        Costs one directory listing for each environment, no process.
        """
        real = os.path.realpath(tool.path)
        distributions = self._distributions_near(os.path.dirname(os.path.dirname(real)))
        return distributions.get(_normalised(tool.name), "")

    def version(self, tool: Tool, arguments: Sequence[str] = ("--version",)) -> str:
        """What identifies this version of the tool; empty when the tool is gone.

        The tool itself is asked only when no distribution of its name is installed, and once for each
        content of the executable; without `arguments`, or when it does not answer, a digest of its size
        and time stands for the version.
        """
        if installed := self.installed_version(tool):
            return installed
        path, content = _identity(tool.path)
        if not content or not arguments:
            return content
        key = f"{path} {content}"
        version = self._versions.get(key)
        if version is None:
            version = _ask(tool.path, arguments, self._root) or content
            self._versions.put(key, version)
        return version

    def _look_for(self, name: str) -> Tool | None:
        if "/" in name:
            path = os.path.join(self._root, name)
            return Tool(name, path, "project") if _can_start(path) else None
        for directory, origin in self._places:
            path = os.path.join(directory, name)
            if _can_start(path):
                return Tool(name, path, origin)
        return None

    def _distributions_near(self, prefix: str) -> Mapping[str, str]:
        """Name and version of all that is installed in the environment at `prefix`.

        Nothing where several interpreters share it: which of them runs the tool is not known.
        """
        if prefix not in self._distributions:
            libraries = [
                path
                for name in _listed(os.path.join(prefix, "lib"))
                if name.startswith("python")
                and os.path.isdir(path := os.path.join(prefix, "lib", name, "site-packages"))
            ]
            entries = _listed(libraries[0]) if len(libraries) == 1 else []
            installed = [
                entry.removesuffix(".dist-info").partition("-")
                for entry in entries
                if entry.endswith(".dist-info")
            ]
            self._distributions[prefix] = {
                _normalised(name): version for name, _, version in installed
            }
        return self._distributions[prefix]


def _places(
    root: str, python: str | None, environment: Mapping[str, str]
) -> Iterator[tuple[str, Origin]]:
    """Yield the directories to look in, in order."""
    if python:
        yield os.path.dirname(python), "project"
    local = [os.path.join(root, name) for name in (".venv", "venv")]
    active = [environment.get(name, "") for name in ("VIRTUAL_ENV", "CONDA_PREFIX")]
    for prefix in (*local, *active):
        if prefix and os.path.exists(os.path.join(prefix, "bin", "python")):
            yield os.path.join(prefix, "bin"), "project"
    yield os.path.dirname(sys.executable), "crackerjack"
    if os.path.isfile(sys.argv[0]):  # elsewhere when installed for one user
        yield os.path.dirname(os.path.abspath(sys.argv[0])), "crackerjack"
    for directory in environment.get("PATH", os.defpath).split(os.pathsep):
        if directory:
            yield directory, "path"


def _can_start(path: str) -> bool:
    """Whether it is an executable file, and the interpreter exists that its first line names."""
    if not (os.access(path, os.X_OK) and os.path.isfile(path)):
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(_SHEBANG_LENGTH)
    except OSError:
        return True  # may be executed, though not read
    if not start.startswith(b"#!"):
        return True
    interpreter = start[2:].split(b"\n", 1)[0].split()
    return bool(interpreter) and os.path.exists(interpreter[0])


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _normalised(name: str) -> str:
    """As in https://packaging.python.org/en/latest/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "_", name).lower()


def _identity(path: str) -> tuple[str, str]:
    """Where the executable really is, and what changes whenever it does; empty when it is gone."""
    real = os.path.realpath(path)
    try:
        found = os.stat(real)
    except OSError:
        return real, ""
    state = f"{found.st_size} {found.st_mtime_ns}"
    return real, f"file {blake2b(state.encode(), digest_size=4).hexdigest()}"


def _ask(path: str, arguments: Sequence[str], cwd: str) -> str:
    """The first line that the tool prints; empty when it fails."""
    try:
        ran = subprocess.run(
            [path, *arguments],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_VERSION_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = ran.stdout.decode("utf-8", "backslashreplace").split("\n")
    return "" if ran.returncode else lines[0].strip()[:_VERSION_LENGTH]
