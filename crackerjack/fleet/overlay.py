"""Puts a shared environment and one copy of a project together, as an editable installation would."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, Final

from crackerjack.errors import EnvironmentFailed
from crackerjack.fleet.project_environment import ProjectEnvironment
from crackerjack.fleet.recipe import read_pyproject, table
from crackerjack.hooks.files import discover
from crackerjack.hooks.layout import discover_layout
from crackerjack.hooks.uv_lock import normalised_name

_UNKNOWN: Final = "0"
"""The version of a project whose build would have to be run to know it."""


def attach(environment: ProjectEnvironment, root: str) -> bool:
    """Make ``.venv`` in the project in `root`; False when one is there, which is left alone.

    Its interpreter is the one of `environment`, and imports what is there and the project's source.
    To :mod:`importlib.metadata` the project is installed, as pyproject.toml describes it, with its
    version where that is stated there, and its entry points. Not there are extension modules, which a build would
    make, and scripts of the project itself; the scripts of what it depends on don't see the project.
    Raises :exc:`EnvironmentFailed`.
    """
    place = os.path.join(root, ".venv")
    if os.path.lexists(place):
        return False
    pyproject = read_pyproject(root)
    layout = discover_layout(root, discover(root), pyproject=pyproject)
    sources = [os.path.normpath(os.path.join(root, one)) for one in layout.source_roots]
    try:
        try:
            _fill(place, environment, sources, dict(_metadata(root, pyproject)))
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
    except OSError as error:
        raise EnvironmentFailed(environment.source, f"{place}: {error.strerror}") from error
    return True


def _fill(
    place: str, environment: ProjectEnvironment, sources: list[str], metadata: Mapping[str, str]
) -> None:
    library = os.path.join(environment.prefix, "lib")
    version = next(name for name in sorted(os.listdir(library)) if name.startswith("python3"))
    shared = os.path.join(library, version, "site-packages")
    packages = os.path.join(place, "lib", version, "site-packages")
    os.makedirs(packages)
    os.symlink(os.path.join(environment.prefix, "bin"), os.path.join(place, "bin"))
    shutil.copyfile(
        os.path.join(environment.prefix, "pyvenv.cfg"), os.path.join(place, "pyvenv.cfg")
    )
    # Through `site`, so that .pth files in the shared place count as well.
    lines = [*sources, f"import site; site.addsitedir({shared!r})"]
    for name, text in {"_project.pth": "\n".join(lines) + "\n", **metadata}.items():
        path = os.path.join(packages, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)


def _metadata(root: str, pyproject: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The files that tell of the project as of an installed distribution, by their paths."""
    project = table(pyproject, "project")
    name, version = (str(project.get(key, "")).split("\n")[0] for key in ("name", "version"))
    written = normalised_name(name).replace("-", "_")
    if not written or not written.replace("_", "").isalnum():
        return
    directory = f"{written}-{_UNKNOWN}.dist-info"
    fields = [
        ("Metadata-Version", "2.1"),
        ("Name", name),
        ("Version", version or _UNKNOWN),
        *_about(project),
    ]
    # A value of several lines would begin another field.
    yield f"{directory}/METADATA", "".join(f"{k}: {' '.join(v.split())}\n" for k, v in fields)
    origin = {"url": f"file://{root}", "dir_info": {"editable": True}}
    yield f"{directory}/direct_url.json", json.dumps(origin)
    yield f"{directory}/INSTALLER", "crackerjack\n"
    yield f"{directory}/entry_points.txt", "".join(_entry_points(project))


def _about(project: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields of METADATA that pyproject.toml states as they are."""
    for field, key in (("Summary", "description"), ("Requires-Python", "requires-python")):
        if text := str(project.get(key, "")):
            yield field, text
    yield from (("Classifier", one) for one in _texts(project.get("classifiers")))
    for label, url in table(project, "urls").items():
        yield "Project-URL", f"{label}, {url}"
    yield from (("Requires-Dist", one) for one in _texts(project.get("dependencies")))
    for extra, requirements in table(project, "optional-dependencies").items():
        yield "Provides-Extra", extra
        for requirement in _texts(requirements):
            needed, _, marker = requirement.partition(";")
            also = f"({marker.strip()}) and " if marker.strip() else ""
            yield "Requires-Dist", f'{needed.strip()} ; {also}extra == "{extra}"'


def _texts(values: object) -> list[str]:
    return [one for one in values if isinstance(one, str)] if isinstance(values, list) else []


def _entry_points(project: Mapping[str, Any]) -> Iterator[str]:
    own = {
        "console_scripts": table(project, "scripts"),
        "gui_scripts": table(project, "gui-scripts"),
    }
    for group, entries in {**own, **table(project, "entry-points")}.items():
        if isinstance(entries, Mapping) and entries:
            yield f"[{group}]\n"
            yield from (f"{name} = {value}\n" for name, value in entries.items())
