"""Writes a tree of files below one directory, and never anything outside of it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from typing import Final, Self

from crackerjack.errors import BundleError

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_OPEN: Final = 256
"""Directories that are kept open, because their next file is likely to come soon."""


class InTheWay(Exception):
    """Something is where a file or a directory is to be made."""

    def __init__(self, path: bytes) -> None:
        super().__init__(path)
        self.path = path


class NewTree:
    """A directory that is being filled; a context manager.

    Each directory is opened from the one above it, never through a symbolic link, and a file is only
    made where there is none: else :exc:`InTheWay` is raised. A full disk and the like raise
    :exc:`BundleError`. Paths are relative bytes without ``.`` and ``..``, which the caller has checked.
    """

    def __init__(self, directory: str) -> None:
        self._made: set[bytes] = set()
        self._open: dict[bytes, int] = {b"": os.open(directory, _DIRECTORY)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def file(self, path: bytes, content: Iterable[bytes], *, executable: bool) -> None:
        """Make a file of these pieces; the umask decides who else may read it."""
        directory, name = self._place(path)
        mode = 0o777 if executable else 0o666
        with _explained(path):
            descriptor = os.open(name, _NEW, mode, dir_fd=directory)
        with open(descriptor, "wb", buffering=0) as file:
            for piece in content:  # outside of the explanation: it may come from a network
                with _explained(path):
                    rest = memoryview(piece)
                    while rest:
                        rest = rest[file.write(rest) :]

    def link(self, path: bytes, target: bytes) -> None:
        """Make a symbolic link."""
        directory, name = self._place(path)
        with _explained(path):
            os.symlink(target, name, dir_fd=directory)

    def _place(self, path: bytes) -> tuple[int, bytes]:
        parent, _, name = path.rpartition(b"/")
        return self._directory(parent), name

    def _directory(self, path: bytes) -> int:
        """The descriptor of a directory, which is made when it is missing."""
        there = self._open.get(path)
        if there is not None:
            return there
        if len(self._open) > _MOST_OPEN:  # before its parents are opened, so none of them goes
            self._close_all_but_the_root()
        above, name = self._place(path)
        with _explained(path):
            if path not in self._made:
                os.mkdir(name, dir_fd=above)
                self._made.add(path)
            descriptor = self._open[path] = os.open(name, _DIRECTORY, dir_fd=above)
        return descriptor

    def _close_all_but_the_root(self) -> None:
        for path in [path for path in self._open if path]:
            os.close(self._open.pop(path))


@contextlib.contextmanager
def _explained(path: bytes) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.EEXIST, errno.ENOTDIR, errno.ELOOP}:
            raise InTheWay(path) from None
        raise BundleError(f"{ascii(path)[1:]} cannot be written: {error.strerror}") from error
