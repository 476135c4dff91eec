"""Which results a fix has overtaken, and so must be looked at once more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

import msgspec

StepT = TypeVar("StepT")


class Looked(msgspec.Struct, Generic[StepT], frozen=True, kw_only=True):
    """A look at the project's files that has ended."""

    name: str
    saw: int
    """How many changes had been made when the look began."""
    concerns: Callable[[Collection[str]], bool]
    """Whether a change of these files may change what was found."""
    again: Callable[[StepT], None]
    """Looks once more, as a task of this step: the one that the look belonged to may have ended."""


class Staleness(Generic[StepT]):
    """Keeps the changes and the looks of one run; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes: list[frozenset[str]] = []
        self._looked: list[Looked[StepT]] = []
        self._writers = 0

    def now(self) -> int:
        """How many changes have been made, for :attr:`Looked.saw`."""
        with self._lock:
            return len(self._changes)

    def writer_queued(self) -> None:
        """Something that may change files waits or runs."""
        with self._lock:
            self._writers += 1

    def looked(self, look: Looked[StepT]) -> None:
        """A look has ended; it is repeated, once, when a later change concerns it."""
        with self._lock:
            self._looked.append(look)

    def writer_ended(self, changed: Collection[str]) -> list[Looked[StepT]]:
        """A writer has ended. After the last one, returns the looks that changes have overtaken."""
        with self._lock:
            if changed:
                self._changes.append(frozenset(changed))
            self._writers -= 1
            if self._writers:
                return []
            stale = [look for look in self._looked if self._overtaken(look)]
            self._looked = [look for look in self._looked if look not in stale]
            return stale

    def _overtaken(self, look: Looked[StepT]) -> bool:
        later = frozenset[str]().union(*self._changes[look.saw :])
        return bool(later) and look.concerns(later)
