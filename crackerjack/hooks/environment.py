"""The Python environment of a project: which interpreter, and what is installed for it."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from crackerjack.decoding import json_decoder
from crackerjack.hooks.cache import key_of
from crackerjack.hooks.files import SourceFile, walk

_SYSTEM_PACKAGES: Final = rb"(?i)include-system-site-packages\s*=\s*true"
_MANY: Final = 50_000
"""Files of one editable source; looking at more takes longer than most tools."""


class _DirectUrl(msgspec.Struct):
    """The part of ``direct_url.json`` that tells an editable installation."""

    url: str
    dir_info: dict[str, bool] = {}


def environment_python(root: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the interpreter of the project's environment, None when there is none.

    That is a virtual environment in the project, else the one that is active.
    """
    active = (environment.get("VIRTUAL_ENV"), environment.get("CONDA_PREFIX"))
    for prefix in (os.path.join(root, ".venv"), os.path.join(root, "venv"), *active):
        if prefix:
            python = os.path.abspath(os.path.join(prefix, "bin", "python"))
            if os.path.isfile(python) and os.access(python, os.X_OK):
                return python
    return None


def environment_digest(python: str, *, root: str) -> bytes | None:
    """Return what identifies the packages that `python` sees; None when that cannot be told.

    Covered are the interpreter, the installed distributions with the time of their installation, what
    ``.pth`` files say, and the sources of what is installed editable, except the project in `root`
    itself. Nothing is run.
    """
    interpreter = os.path.realpath(python)
    config = _content(os.path.join(_prefix(python), "pyvenv.cfg"))
    places = _site_packages(_prefix(python))
    if not config or re.search(_SYSTEM_PACKAGES, config):
        places |= _site_packages(_prefix(interpreter)) | _system_packages()
    if not places:
        return None
    parts = [os.fsencode(interpreter), config]
    sources: set[str] = set()
    for place in sorted(places):
        parts += _installed(place, sources)
    project = os.path.realpath(root)
    for source in sorted({os.path.realpath(source) for source in sources}):
        if not f"{source}/".startswith(f"{project}/"):
            files = list(itertools.islice(walk(source), _MANY))
            if len(files) == _MANY:
                return None
            parts += _times(files)
    return key_of(*parts)


def _prefix(python: str) -> str:
    return os.path.dirname(os.path.dirname(python))


def _site_packages(prefix: str) -> set[str]:
    """The directories of packages below a prefix, in the layouts of CPython, Debian and PyPy."""
    found = set()
    for library in ("lib", "lib64"):
        for version in _names(os.path.join(prefix, library)):
            if version.startswith(("python3", "pypy3")):
                for name in ("site-packages", "dist-packages"):
                    place = os.path.join(prefix, library, version, name)
                    if os.path.isdir(place):
                        found.add(os.path.realpath(place))
    return found


def _system_packages() -> set[str]:
    """What an interpreter outside of virtual environments sees beside its own."""
    return _site_packages("/usr/local") | _site_packages(os.path.expanduser("~/.local"))


def _installed(place: str, sources: set[str]) -> Iterator[bytes]:
    """Yield what identifies the contents of one directory, and collect the editable `sources`."""
    for name in sorted(_names(place)):
        path = os.path.join(place, name)
        if name == "__pycache__":
            continue
        yield os.fsencode(name)
        if name.endswith((".dist-info", ".egg-info")):
            yield str(os.lstat(path).st_mtime_ns).encode()
            sources.update(_source_of(path))
        elif name.endswith((".pth", ".egg-link")) or name.startswith("__editable__"):
            content = _content(path)
            yield content
            lines = os.fsdecode(content).splitlines()
            sources.update(line for line in lines if line.startswith("/") and os.path.isdir(line))


def _source_of(distribution: str) -> Iterator[str]:
    """Yield the directory that a distribution was installed from, if it is editable (PEP 610)."""
    content = _content(os.path.join(distribution, "direct_url.json"))
    if b"editable" in content:
        from urllib.parse import unquote

        with contextlib.suppress(msgspec.MsgspecError):
            origin = json_decoder(_DirectUrl).decode(content)
            if origin.dir_info.get("editable") and origin.url.startswith("file:///"):
                yield unquote(origin.url.removeprefix("file://")).rstrip("/")


def _times(files: Iterable[SourceFile]) -> Iterator[bytes]:
    """Yield what identifies the code among the files, without reading it."""
    for file in sorted(files, key=lambda file: file.path):
        if file.path.endswith((".py", ".pyi", "py.typed")):
            yield os.fsencode(file.path)
            yield f"{file.size} {file.mtime_ns} {file.ctime_ns}".encode()


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
