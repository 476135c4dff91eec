"""One project, several runs: those that write do so alone, those that only look share it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final

from crackerjack.errors import StoreUnavailable
from crackerjack.hashing import blake2b

_POLL: Final = 0.05
"""Seconds between attempts: the kernel wakes who waits for a lock, but nobody could cancel that."""

_ANONYMOUS: Final = 10
"""Attempts until a holder without a name is spoken of as such."""


class ProjectLock:
    """A lock on a project, between all processes of the user; the kernel frees it when one dies.

    Two files in the state directory, named for the project's real path. Who wants to write takes the
    *gate* and then the project, both for itself, and keeps the gate: so it may :meth:`downgrade`
    without another writer slipping in. Who wants to look passes the gate, which a waiting writer
    closes behind it: so many readers cannot keep a writer out.

    One acquisition at a time; leaving the block releases. Raises :exc:`StoreUnavailable` when the
    files cannot be made.
    """

    def __init__(self, state_dir: str, project: str) -> None:
        name = blake2b(os.fsencode(os.path.realpath(project)), digest_size=16).hexdigest()
        self._path = os.path.join(state_dir, "locks", name)
        self._gate: int | None = None
        self._project: int | None = None
        self._holder = b""

    def __enter__(self) -> ProjectLock:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def acquire(
        self,
        *,
        exclusive: bool,
        holder: str,
        on_wait: Callable[[str], object] = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Wait for the project, to write to it or only to look; False when `cancelled` became true.

        `holder` is what others are told while they wait for us, say the job's id. `on_wait` is called
        with that of who we wait for (empty where it is not known), when the waiting begins and when it
        changes.
        """
        how = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self._gate = _open(self._path + ".gate")
            self._project = _open(self._path + ".project")
            waiting = _Waiting(self._project, on_wait, cancelled)
            if not (waiting.lock(self._gate, how) and waiting.lock(self._project, how)):
                self.release()
                return False
            self._sign(self._project, holder)
        except OSError as error:
            self.release()
            problem = f"cannot lock the project ({error.strerror})"
            hint = "make the directory writable, or set CRACKERJACK_STATE_DIR to another"
            raise StoreUnavailable(os.path.dirname(self._path), problem, hint) from error
        if not exclusive:
            self._close_gate()
        return True

    def downgrade(self) -> None:
        """Let others look too; from now on this run only looks."""
        if self._project is not None:
            fcntl.flock(self._project, fcntl.LOCK_SH)
            self._close_gate()

    def release(self) -> None:
        """Let the next one have it; nothing when nothing is held."""
        if self._project is not None:
            self._sign_off(self._project)
            os.close(self._project)
            self._project = None
        self._close_gate()

    def _close_gate(self) -> None:
        if self._gate is not None:
            os.close(self._gate)
            self._gate = None

    def _sign(self, project: int, holder: str) -> None:
        self._holder = holder.encode("utf-8", "backslashreplace")
        os.ftruncate(project, 0)
        os.pwrite(project, self._holder, 0)

    def _sign_off(self, project: int) -> None:
        """Take our name away, unless another reader's has replaced it."""
        if self._holder and os.pread(project, 1024, 0) == self._holder:
            os.ftruncate(project, 0)
        self._holder = b""


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


class _Waiting:
    """Waits for locks, and says for whom."""

    def __init__(
        self, project: int, on_wait: Callable[[str], object], cancelled: Callable[[], bool]
    ) -> None:
        self._project = project
        self._on_wait = on_wait
        self._cancelled = cancelled
        self._told: str | None = None
        self._attempts = 0

    def lock(self, file: int, how: int) -> bool:
        while not self._cancelled():
            try:
                fcntl.flock(file, how | fcntl.LOCK_NB)
            except BlockingIOError:
                self._tell()
                time.sleep(_POLL)
            else:
                return True
        return False

    def _tell(self) -> None:
        self._attempts += 1
        holder = os.pread(self._project, 1024, 0).decode("utf-8", "backslashreplace")
        # Who has just got the lock signs a moment later.
        if holder != self._told and (holder or self._attempts > _ANONYMOUS):
            self._told = holder
            self._on_wait(holder)
