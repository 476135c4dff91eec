"""Which projects an agent may see and run: those below the allowed roots."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote, urlsplit

from crackerjack.config import is_project
from crackerjack.errors import UsageError


class NotAllowed(UsageError):
    """A project that is not below an allowed root."""


class Roots:
    """Directories, links resolved; whatever is below one of them is allowed."""

    def __init__(self, directories: Iterable[str]) -> None:
        self.directories: Final = tuple(dict.fromkeys(map(os.path.realpath, directories)))

    def with_urls(self, urls: Iterable[str]) -> Roots:
        """These and the ``file://`` URLs that a client declares; other URLs are no directories."""
        return Roots([*self.directories, *filter(None, map(_directory, urls))])

    def project(self, wanted: str | None) -> str:
        """The project that is meant: that directory, or without one the only root that is a project.

        A client may start us in ``/``, or in the home directory, and a server may be for a directory of
        projects: a run there, which changes files, is not what anybody means who names nothing.

        Raises :exc:`UsageError` for one that is not allowed or not there.
        """
        if not wanted:
            projects = list(filter(is_project, self.directories))
            if len(projects) == 1:
                return projects[0]
            raise NotAllowed(f"name the project, a directory in one of: {self._named()}")
        if not os.path.isabs(wanted):
            raise UsageError(f"project {wanted[:200]!r} is not an absolute path")
        try:
            real = os.path.realpath(wanted)
        except (OSError, ValueError):
            raise UsageError(f"project {wanted[:200]!r} is not a directory") from None
        self.check(real)
        if not os.path.isdir(real):
            raise UsageError(f"project {wanted[:200]!r} is not a directory")
        return real

    def check(self, project: str) -> None:
        """Raise :exc:`UsageError` for a project that is not below a root."""
        if not self.allows(project):
            raise NotAllowed(
                f"project {project[:200]!r} is not below an allowed root ({self._named()}); "
                "start the server with --project-root for it"
            )

    def allows(self, project: str) -> bool:
        """Whether a directory is a root, or below one."""
        real = os.path.realpath(project)
        return any(os.path.commonpath([root, real]) == root for root in self.directories)

    def _named(self) -> str:
        return ", ".join(self.directories) or "none"


def _directory(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    path = unquote(parts.path)
    is_local = parts.scheme == "file" and parts.netloc in {"", "localhost"}
    return path if is_local and os.path.isdir(path) and "\0" not in path else ""
