"""The copy of a project that a worker's slot works in: as it was sent, and with which configuration."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress

from crackerjack.config import Config, load_config
from crackerjack.fleet.bundle import unpack
from crackerjack.fleet.objects import ObjectStore
from crackerjack.fleet.queued_job import QueuedJob


def make_copy(queued: QueuedJob, objects: ObjectStore, directory: str) -> None:
    """Unpack what was sent, in the place of what is there. Raises what :func:`unpack` does."""
    with suppress(FileNotFoundError):
        os.unlink(_mark(directory))
    shutil.rmtree(directory, ignore_errors=True)
    above = os.path.dirname(directory)
    os.makedirs(above, exist_ok=True)
    os.utime(above)  # shows when it was used
    unpack(queued.bundle, objects, directory)


def keep_copy(queued: QueuedJob, objects: ObjectStore, directory: str) -> None:
    """The same for who changes nothing: what another part of the same job has left there is as it was sent."""
    if _kept(directory) != queued.bundle:
        make_copy(queued, objects, directory)
        with open(_mark(directory), "w", encoding="utf-8") as file:
            file.write(queued.bundle)


def configuration(queued: QueuedJob, directory: str, environment: Mapping[str, str]) -> Config:
    """The copy's, with the settings of the command line that asked. Raises :exc:`ConfigError`."""
    root = os.path.realpath(directory)
    return load_config(root, environment=environment, overrides=queued.overrides)


def _mark(directory: str) -> str:
    """The file that names the bundle that is in a directory as it was sent."""
    return f"{directory}.bundle"


def _kept(directory: str) -> str:
    try:
        with open(_mark(directory), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""
