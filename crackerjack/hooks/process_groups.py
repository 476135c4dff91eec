"""Whom to tell of the processes that live, and that nobody needs to be told."""

from __future__ import annotations

import contextlib
from typing import Protocol


class ProcessGroups(Protocol):
    """Is told of every process group that lives, to end them should we be killed.

    Called from many threads; must not raise or block.
    """

    def starting(self, pipe: int) -> contextlib.AbstractContextManager[None]:
        """The block starts a process that holds the pipe with this inode number.

        We may be killed when it runs already and we don't know its number yet.
        """
        ...

    def started(self, pgid: int) -> None:
        """A process was started as the leader of the group `pgid`."""
        ...

    def ended(self, pgid: int) -> None:
        """The group is gone."""
        ...


class NoGroups:
    """Watches over no process groups: for looking at a project without running anything."""

    def starting(self, pipe: int) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002
        """Nobody needs to know."""
        return contextlib.nullcontext()

    def started(self, pgid: int) -> None:
        """Nobody needs to know."""

    def ended(self, pgid: int) -> None:
        """Nobody needs to know."""
