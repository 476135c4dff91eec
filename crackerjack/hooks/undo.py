"""What a job changed, kept so that it can be put back.

The content of a file is recorded before the file is changed: whenever the process is killed, there is
a record from which the change, if it came to it, can be undone.
"""

from __future__ import annotations

import contextlib
import enum
import os
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from crackerjack.errors import StoreTooNew, StoreUnavailable
from crackerjack.hooks.atomic import Refusal, create_file, read_regular, replace_file
from crackerjack.hooks.database import OtherVersion, give_back_room, open_database, transaction
from crackerjack.hooks.files import content_digest

if TYPE_CHECKING:
    import sqlite3

_LARGEST: Final = 64 * 1024 * 1024  # bytes, see `FileChange.most`
GONE: Final = ""
"""The `after_digest` of a file that the job removed."""

_HINT: Final = (
    "check the disk and the permissions; if the file is damaged, move it away and a new one is made, "
    "without the undo records in it"
)
_VERSION: Final = 1
_PATIENCE: Final = 10.0
"""Seconds to wait while another process writes; it writes for milliseconds."""

_SCHEMA: Final = """
CREATE TABLE change (
    id INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    path BLOB NOT NULL,
    mode INTEGER NOT NULL,
    before_digest TEXT NOT NULL,
    after_digest TEXT,
    before BLOB NOT NULL
) STRICT;
CREATE INDEX change_of_job ON change (job_id, path);
"""


class FileChange(msgspec.Struct, frozen=True):
    """One file before and after a change."""

    path: str
    """Relative to the project."""
    before: bytes
    after_digest: str | None
    """See :func:`content_digest`; :data:`GONE` for a file that was removed; None while it is not
    known: the change is under way, or the process was killed in it."""
    mode: int
    """Permissions before the change."""

    @property
    def most(self) -> int:
        """Bytes: what is larger by now is not what a job left, and would fill the memory."""
        return max(_LARGEST, 2 * len(self.before))


class Restoration(enum.StrEnum):
    """What became of putting one file back."""

    RESTORED = "restored"
    ALREADY = "already"
    """It holds what it held before the job."""
    CHANGED_SINCE = "changed_since"
    """It is not what the job left, and was not touched."""
    MISSING = "missing"
    """It is gone, and it was not the job that removed it."""
    REFUSED = "refused"
    """It cannot be written."""


class UndoOutcome(msgspec.Struct, frozen=True):
    """One file of an undone job."""

    path: str
    outcome: Restoration
    reason: str = ""
    """Half a sentence, where the outcome does not say it all."""


def restore(root: str, change: FileChange) -> UndoOutcome:
    """Give the file the content it had before, unless it is not what the change left."""
    try:
        current = read_regular(os.path.join(root, change.path), change.most)
    except FileNotFoundError:
        if change.after_digest != GONE:
            return UndoOutcome(change.path, Restoration.MISSING)
        return _put_back(root, change, None)
    except OSError as error:
        return UndoOutcome(change.path, Restoration.REFUSED, f"cannot be read: {error.strerror}")
    if current == change.before:
        return UndoOutcome(change.path, Restoration.ALREADY)
    if content_digest(current) == change.after_digest:
        return _put_back(root, change, current)
    reason = "the job was killed while it changed files" if change.after_digest is None else ""
    return UndoOutcome(change.path, Restoration.CHANGED_SINCE, reason)


def _put_back(root: str, change: FileChange, current: bytes | None) -> UndoOutcome:
    """Write the content from before; `current` is None where there is no file."""
    path = os.path.join(root, change.path)
    if current is None:
        refusal = create_file(path, change.before, change.mode)
    else:
        refusal = replace_file(path, change.before, expect=current)
    if refusal is not None:
        return UndoOutcome(change.path, Restoration.REFUSED, refusal.reason)
    return UndoOutcome(change.path, Restoration.RESTORED)


def folded(changes: Iterable[FileChange]) -> tuple[FileChange, ...]:
    """Return one change per file from the changes of a job, in their order.

    Changes that follow on one another become one: what was before the first, what is after the last.
    Where someone else changed the file in between, what counts begins with their content, so that
    undoing the job never takes it away. A file that ended as it began is left out.
    """
    result: dict[str, FileChange] = {}
    for change in changes:
        earlier = result.get(change.path)
        if earlier is None or not _leads_to(earlier, change):
            result[change.path] = change
        else:
            after = change.after_digest
            result[change.path] = msgspec.structs.replace(earlier, after_digest=after)
    return tuple(
        change for change in result.values() if content_digest(change.before) != change.after_digest
    )


def _leads_to(earlier: FileChange, later: FileChange) -> bool:
    return earlier.after_digest in {None, content_digest(later.before)}


class UndoStore:
    """The changes of all jobs: ``undo.db`` in the state directory, which is opened at the first use.

    Any thread and any process may use it. Raises :exc:`StoreUnavailable` or :exc:`StoreTooNew`: then
    nothing was recorded, and the file must not be changed.
    """

    def __init__(self, state_dir: str) -> None:
        self._path = os.path.join(state_dir, "undo.db")
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def record(
        self, job_id: str, path: str, before: bytes, mode: int, after_digest: str | None = None
    ) -> None:
        """Note that the job is about to change this file; :meth:`settle` it afterwards.

        A change whose outcome is known beforehand is settled already.
        """
        self.record_all(job_id, [FileChange(path, before, after_digest, mode)])

    def record_all(self, job_id: str, changes: Iterable[FileChange]) -> None:
        """Record several changes at once; they are taken one by one, never held together."""
        insert = (
            "INSERT INTO change (job_id, path, mode, before_digest, after_digest, before)"
            " VALUES (?, ?, ?, ?, ?, ?)"
        )
        with self._transaction() as connection:
            for path, before, after_digest, mode in map(msgspec.structs.astuple, changes):
                digest = content_digest(before)
                values = (job_id, os.fsencode(path), mode, digest, after_digest, before)
                connection.execute(insert, values)

    def settle(self, job_id: str, path: str, after_digest: str) -> None:
        """Note what the file holds after the change; see :attr:`FileChange.after_digest`."""
        self.settle_all(job_id, {path: after_digest})

    def settle_all(self, job_id: str, after_digests: Mapping[str, str]) -> None:
        """Settle the last change of several files; what did not change after all is forgotten."""
        with self._transaction() as connection:
            for path, after_digest in after_digests.items():
                connection.execute(
                    "UPDATE change SET after_digest = ? WHERE id = (SELECT max(id) FROM change"
                    " WHERE job_id = ? AND path = ? AND after_digest IS NULL)",
                    (after_digest, job_id, os.fsencode(path)),
                )
            connection.execute(
                "DELETE FROM change WHERE job_id = ? AND before_digest = after_digest", (job_id,)
            )

    def settle_pending(self, job_id: str, root: str) -> None:
        """Settle what a killed process left open, before anybody else writes to the project.

        What the files hold now is taken for what the job left.
        """
        rows = self._rows(
            "SELECT DISTINCT path FROM change WHERE job_id = ? AND after_digest IS NULL", job_id
        )
        paths = [os.fsdecode(path) for (path,) in rows]
        if paths:
            self.settle_all(job_id, {path: digest_now(root, path) for path in paths})

    def replace(
        self, job_id: str, root: str, path: str, before: bytes, after: bytes
    ) -> Refusal | None:
        """Record a change and make it; returns why not when the file was left as it was."""
        full = os.path.join(root, path)
        try:
            mode = stat.S_IMODE(os.lstat(full).st_mode)
        except OSError as error:
            return Refusal(path, f"cannot be replaced: {error.strerror}")
        digest = content_digest(after)
        self.record(job_id, path, before, mode, digest)
        refusal = replace_file(full, after, expect=before)
        if refusal is None:
            return None
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM change WHERE id = (SELECT max(id) FROM change"
                " WHERE job_id = ? AND path = ? AND after_digest = ?)",
                (job_id, os.fsencode(path), digest),
            )
        return Refusal(path, refusal.reason, refusal.failed)

    def changes(self, job_id: str) -> tuple[FileChange, ...]:
        """Return what the job changed, one change per file; see :func:`folded`."""
        rows = self._rows(
            "SELECT path, before, after_digest, mode FROM change WHERE job_id = ? ORDER BY id",
            job_id,
        )
        return folded(FileChange(os.fsdecode(path), *rest) for path, *rest in rows)

    def undo(self, job_id: str, root: str) -> list[UndoOutcome]:
        """Put back what the job changed in `root`; doing it again changes nothing."""
        return [restore(root, change) for change in self.changes(job_id)]

    def delete(self, job_id: str) -> None:
        """Forget a job: its changes cannot be undone after this."""
        if os.path.exists(self._path):
            with self._transaction() as connection:
                connection.execute("DELETE FROM change WHERE job_id = ?", (job_id,))
            with self._opened() as connection:
                give_back_room(connection)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _rows(self, query: str, job_id: str) -> list[tuple[Any, ...]]:
        if not os.path.exists(self._path):
            return []
        with self._opened() as connection:
            return connection.execute(query, (job_id,)).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as connection, transaction(connection):
            yield connection

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone; its errors become :exc:`StoreError`."""
        import sqlite3

        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._open()
                yield self._connection
            except sqlite3.Error as error:
                raise StoreUnavailable(self._path, f"cannot be used ({error})", _HINT) from error

    def _open(self) -> sqlite3.Connection:
        try:
            return open_database(self._path, schema=_SCHEMA, version=_VERSION, patience=_PATIENCE)
        except OtherVersion as other:
            raise StoreTooNew(self._path, other.found, _VERSION) from None
        except OSError as error:
            raise StoreUnavailable(self._path, f"cannot be opened ({error})", _HINT) from error


def digest_now(root: str, path: str) -> str:
    """Return the digest of what a file holds, :data:`GONE` when it is no longer there."""
    try:
        return content_digest(read_regular(os.path.join(root, path)))
    except OSError:
        return GONE
