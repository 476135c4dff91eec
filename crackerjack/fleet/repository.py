"""A repository for a project that was unpacked, in which git says of its files what it says at home."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from crackerjack.errors import BundleBroken
from crackerjack.fleet.canonical import Manifest
from crackerjack.hooks.process import Cancellation, run_process
from crackerjack.hooks.process_groups import NoGroups

_PATIENCE: Final = 120.0
"""Seconds for one git command; adding fifty thousand files takes some ten."""
_MOST_ARGUMENTS: Final = 500
"""Paths of one command; of at most a kilobyte each, so that they fit."""

_SETTINGS: Final = """\
[core]
\tbare = false
\trepositoryformatversion = 0
\tfilemode = true
\tautocrlf = false
\texcludesFile = /dev/null
\tfsmonitor = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
"""
"""Nothing of how the worker's user has set git may change which files are found."""

_COMMAND: Final = (
    "git",
    *("-c", "core.bigFileThreshold=1"),  # into one pack, instead of a file for each: half the time
    *("-c", "core.compression=0"),
    *("-c", "core.fsync=none"),
)
"""The repository lives as long as the job: it is made fast, and neither small nor safe from a power cut."""

_PATHS: Final = ("--pathspec-from-file=.git/crackerjack-paths", "--pathspec-file-nul")


def make_repository(name: str, directory: str, tracked: Iterable[bytes], manifest: Manifest) -> str:
    """Make the repository in `directory`: it tracks these files, and its commit is the base.

    What is in ``manifest.changed`` is not in the commit and what is in ``manifest.deleted`` is in it,
    as an empty file: so git tells which files have changed, and nothing of what they held. Without
    such lists all that is tracked is in the commit. Returns why there is no repository, half a
    sentence; empty when there is one. Raises :exc:`BundleBroken` when git refuses the paths of the
    bundle `name`.
    """
    repository = _Repository(directory)
    everything = set(tracked)
    changed = everything.intersection(manifest.changed or ())
    try:
        repository.make()
        repository.add(everything - changed)
        repository.add_empty(manifest.deleted)
        repository.commit()
        repository.forget(manifest.deleted)
        repository.add(changed)
    except _GitFailed as why:
        raise BundleBroken(name, f"git does not take its files ({why})") from None
    except OSError:
        return "git is not installed here, so files in hidden directories are not looked at"
    return ""


class _GitFailed(Exception):
    """What git said."""


class _Repository:
    """Runs git in one directory, whatever surrounds it."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        nobody = ("crackerjack", "crackerjack@localhost")
        self._environment = inherited | {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_AUTHOR_NAME": nobody[0],
            "GIT_AUTHOR_EMAIL": nobody[1],
            "GIT_COMMITTER_NAME": nobody[0],
            "GIT_COMMITTER_EMAIL": nobody[1],
            "LC_ALL": "C",
        }

    def make(self) -> None:
        self._git("init", "--quiet", "--template=", "--initial-branch=main")
        with open(self._inside("config"), "w", encoding="utf-8") as file:
            file.write(_SETTINGS)

    def add(self, paths: Collection[bytes]) -> None:
        """Track files; also those that a rule ignores."""
        if paths:
            self._list(paths)
            self._git("add", "--force", *_PATHS)

    def add_empty(self, paths: Sequence[bytes]) -> None:
        """Enter files that are not there, as empty."""
        if not paths:
            return
        with open(self._inside("crackerjack-paths"), "wb"):
            blob = self._git("hash-object", "-w", "--no-filters", ".git/crackerjack-paths").strip()
        for begin in range(0, len(paths), _MOST_ARGUMENTS):
            entries = [
                argument
                for path in paths[begin : begin + _MOST_ARGUMENTS]
                for argument in ("--cacheinfo", f"100644,{blob},{os.fsdecode(path)}")
            ]
            self._git("update-index", "--add", *entries)

    def forget(self, paths: Collection[bytes]) -> None:
        """Track these no longer."""
        if paths:
            self._list(paths)
            self._git("rm", "--quiet", "--cached", "--ignore-unmatch", *_PATHS)

    def commit(self) -> None:
        message = "the project as it was sent"
        self._git("commit", "--quiet", "--allow-empty", "--no-verify", "-m", message)

    def _list(self, paths: Collection[bytes]) -> None:
        with open(self._inside("crackerjack-paths"), "wb") as file:
            file.write(b"\0".join(sorted(paths)))

    def _inside(self, name: str) -> str:
        return os.path.join(self._directory, ".git", name)

    def _git(self, *arguments: str) -> str:
        done = run_process(
            (*_COMMAND, *arguments),
            cwd=self._directory,
            timeout=_PATIENCE,
            cancel=Cancellation(),
            groups=NoGroups(),
            env=self._environment,
        )
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "backslashreplace").strip()
            raise _GitFailed(f"git {arguments[0]}: {said.rpartition(chr(10))[2][:300]}")
        return done.stdout.decode()
