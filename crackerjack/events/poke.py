"""Pokes: who committed events tells the other processes that read the same store to look.

A poke carries nothing: the events are in the log. It is a byte in a named pipe, and every process
that wants pokes has one in the directory ``pokes`` beside the store. A lost poke costs the reader
the time until it polls.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Self

from crackerjack.errors import StoreUnavailable

_SUFFIX: Final = ".poke"


class Poker:
    """Pokes every process that listens in a directory; cheap when nobody does. Thread-safe."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def poke(self) -> None:
        """Tell them to look; one that cannot be told finds out by itself."""
        try:
            names = os.listdir(self._directory)
        except OSError:
            return
        for name in names:
            if name.endswith(_SUFFIX):
                self._poke(os.path.join(self._directory, name))

    @staticmethod
    def _poke(path: str) -> None:
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nobody has it open: its process is gone
                _remove(path)
            return
        with suppress(OSError):  # full: enough pokes are waiting
            if stat.S_ISFIFO(os.fstat(pipe).st_mode):  # never into a file that somebody put there
                os.write(pipe, b"!")
        os.close(pipe)


class PokeBox:
    """Where pokes arrive: readable (see :meth:`fileno`) when there is something new in the log.

    Raises :exc:`StoreUnavailable` when it cannot be made.
    """

    def __init__(self, directory: str) -> None:
        try:
            self._make(directory)
        except OSError as error:
            problem = f"has no room for pokes: {error.strerror}"
            raise StoreUnavailable(
                os.path.dirname(directory), problem, f"look at {directory}"
            ) from error

    def _make(self, directory: str) -> None:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        name = f"{os.getpid()}-{os.urandom(6).hex()}"
        self._path = os.path.join(directory, name + _SUFFIX)
        # Under another name until somebody reads it: a pipe without a reader is taken for a dead one.
        making = os.path.join(directory, name)
        os.mkfifo(making, 0o600)
        self._reader = os.open(making, os.O_RDONLY | os.O_NONBLOCK)
        self._writer = os.open(making, os.O_WRONLY | os.O_NONBLOCK)  # else it ends with each writer
        os.rename(making, self._path)

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._reader

    def clear(self) -> None:
        """Take the pokes that have arrived; look at the log after this, not before."""
        with suppress(BlockingIOError):
            os.read(self._reader, 65536)

    def poke(self) -> None:
        """Poke oneself, to end a wait."""
        os.write(self._writer, b"!")

    def close(self) -> None:
        """Be poked no more."""
        _remove(self._path)
        os.close(self._reader)
        os.close(self._writer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def on_poke(directory: str, look: Callable[[], object]) -> Iterator[None]:
    """Call `look` at each poke while the block runs, on a thread of its own; it must not raise.

    Where no pipe can be made nothing is called: a poll must stand behind.
    """
    try:
        box = PokeBox(directory)
    except StoreUnavailable:
        yield
        return
    left = threading.Event()

    def listen() -> None:
        while True:
            select.select([box], [], [])
            if left.is_set():
                return
            box.clear()
            look()

    with box:
        listener = threading.Thread(target=listen, name="crackerjack-pokes", daemon=True)
        listener.start()
        try:
            yield
        finally:
            left.set()
            box.poke()
            listener.join()


def _remove(path: str) -> None:
    with suppress(OSError):  # another process was faster
        os.unlink(path)
