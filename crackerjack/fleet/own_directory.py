"""The directory of one worker: several may share a state directory, and none may touch another's projects."""

from __future__ import annotations

import fcntl
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from crackerjack.errors import UsageError


@contextmanager
def own_directory(parent: str) -> Iterator[str]:
    """A directory in `parent` that no other process has while the block runs: the first that is free.

    So a worker that is started again finds what it left. Raises :exc:`UsageError`.
    """
    try:
        os.makedirs(parent, exist_ok=True)
        directory, lock = _locked(parent)
    except OSError as error:
        raise UsageError(
            f"a worker needs a directory to work in, and {parent} cannot be used"
            f" ({error.strerror}): set CRACKERJACK_STATE_DIR to another one"
        ) from error
    try:
        yield directory
    finally:
        os.close(lock)


def _locked(parent: str) -> tuple[str, int]:
    for number in itertools.count(1):
        directory = os.path.join(parent, "projects" if number == 1 else f"projects-{number}")
        lock = os.open(f"{directory}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.makedirs(directory, exist_ok=True)
        except BlockingIOError:
            os.close(lock)
        except BaseException:
            os.close(lock)
            raise
        else:
            return directory, lock
    raise AssertionError("numbers have no end")
