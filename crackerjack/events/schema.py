"""The SQLite file of the event log: its tables, its versions, how it is opened and what can go wrong."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from crackerjack.errors import StoreTooNew, StoreUnavailable
from crackerjack.events.payload import EventType

_APPLICATION_ID: Final = 0x63726B6A
"""``crkj`` in the file's header, so that another program's database is never taken for ours."""

_BUSY_TIMEOUT: Final = 5.0
"""Seconds that a write waits for another process's; a commit takes a millisecond."""

_WAL_KEPT: Final = 16 * 1024 * 1024
"""Bytes; what a huge transaction (forgetting a large job) leaves of the write-ahead log."""

_ELSEWHERE: Final = "set CRACKERJACK_STATE_DIR to a directory that you may write"

BULK_TYPES: Final = (
    EventType.DIAGNOSTIC_FOUND,
    EventType.FILE_FIXED,
    EventType.HOOK_OUTPUT,
    EventType.TEST_COMPLETED,
)
"""The events that a job may have by the thousand."""

_QUOTED: Final = ", ".join(f"'{bulky}'" for bulky in BULK_TYPES)

MILESTONES: Final = f"event_type NOT IN ({_QUOTED})"
"""The other events. A query uses their index when it repeats this text; changing it is a migration."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE store (id TEXT NOT NULL) STRICT",
        "INSERT INTO store VALUES (lower(hex(randomblob(16))))",
        """CREATE TABLE jobs (
            id INTEGER PRIMARY KEY,
            job_id TEXT NOT NULL UNIQUE,
            project TEXT NOT NULL,
            workflow TEXT NOT NULL,
            created REAL NOT NULL,
            owner TEXT NOT NULL,
            head INTEGER NOT NULL DEFAULT 0,
            terminal TEXT,
            updated REAL NOT NULL,
            lease_expires REAL NOT NULL,
            cancel_requested INTEGER NOT NULL DEFAULT 0
        ) STRICT""",
        "CREATE INDEX jobs_of_project ON jobs (project)",
        "CREATE INDEX jobs_unended ON jobs (id) WHERE terminal IS NULL",
        # The timestamp is kept as its JSON: a REAL loses digits where SQLite makes text of it.
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            job INTEGER NOT NULL REFERENCES jobs (id),
            seq INTEGER NOT NULL,
            event_type TEXT NOT NULL,
            timestamp TEXT NOT NULL,
            body TEXT NOT NULL,
            UNIQUE (job, seq)
        ) STRICT""",
        f"CREATE INDEX milestones ON events (job, event_type) WHERE {MILESTONES}",
    ),
)
"""The statements that lead from each version of the store to the next, the first from an empty file."""


def open_writer(path: str, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> sqlite3.Connection:
    """Open the store for writing; create it, or bring it to this version, where that is needed.

    Raises :exc:`StoreUnavailable` and :exc:`StoreTooNew`, and leaves the file as it was.
    """
    with explained(path):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        connection = sqlite3.connect(
            path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            if _version(connection, path, len(migrations)) < len(migrations):
                _migrate(connection, path, migrations)
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA journal_size_limit={_WAL_KEPT}")
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(path: str) -> sqlite3.Connection:
    """Open a store that exists for reading only."""
    # What a file URI gives a meaning to must be escaped; other bytes may be as they are.
    escaped = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(
        f"file:{escaped}?mode=ro",
        uri=True,
        timeout=_BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
    )


def _version(connection: sqlite3.Connection, path: str, supported: int) -> int:
    """Return the version of the store, 0 for an empty file."""
    # One statement, one snapshot: another process may be creating the store right now.
    ((application, version, tables),) = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchall()
    if application == _APPLICATION_ID:
        if version > supported:
            raise StoreTooNew(path, version, supported)
        return int(version)
    if application or version or tables:
        raise StoreUnavailable(path, "belongs to another program", _ELSEWHERE)
    return 0


def _migrate(
    connection: sqlite3.Connection, path: str, migrations: Sequence[Sequence[str]]
) -> None:
    """Bring the store to the version that this program has; another process may be doing the same."""
    if _version(connection, path, len(migrations)) == 0:
        _prepare_file(connection, path)
    connection.execute("BEGIN IMMEDIATE")
    for statements in migrations[_version(connection, path, len(migrations)) :]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={len(migrations)}")
    connection.execute("COMMIT")


def _prepare_file(connection: sqlite3.Connection, path: str) -> None:
    """Set what must be set before the first table, in this order."""
    if sqlite3.sqlite_version_info < (3, 38):
        problem = f"needs SQLite 3.38, this Python has {sqlite3.sqlite_version}"
        raise StoreUnavailable(path, problem, "use a newer Python")
    # By path: closing a descriptor of our own would drop the locks that SQLite holds on the file.
    os.chmod(path, 0o600)
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    _use_write_ahead_log(connection)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Other processes may be creating the store too, and here SQLite does not wait for them itself."""
    deadline = time.monotonic() + _BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def identity(path: str) -> tuple[int, int] | None:
    """Tell which file it is that stands at `path`; None when there is none. Raises :exc:`OSError`."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def check_in_place(path: str, opened: tuple[int, int] | None) -> None:
    """Raise :exc:`StoreUnavailable` when the store is no longer the one that was `opened`.

    SQLite would go on in a file that has no name any more, and all of it would be gone in the end.
    """
    try:
        in_place = identity(path) == opened
    except OSError:  # it may not be looked at any more, but what is open can be written
        return
    if not in_place:
        hint = "leave it alone while crackerjack runs"
        raise StoreUnavailable(path, "was removed or replaced while it was in use", hint)


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn what SQLite and the file system say about the store into :exc:`StoreUnavailable`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explanation(path, error) from error
    except OSError as error:
        problem = f"cannot be made ({error.strerror})"
        raise StoreUnavailable(path, problem, _ELSEWHERE) from error
    except msgspec.MsgspecError as error:
        raise StoreUnavailable(path, f"is corrupt ({error})", _start_anew(path)) from error


def _explanation(path: str, error: sqlite3.Error) -> StoreUnavailable:
    # The low byte is the kind of the error, the rest its detail (sqlite.org/rescode.html).
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            problem = "is locked by another program"
            hint = "close it (a database browser? a backup?) and try again"
        case sqlite3.SQLITE_FULL:
            problem = "cannot grow, the disk is full"
            hint = f"free some space on the disk of {os.path.dirname(path)} and try again"
        case sqlite3.SQLITE_IOERR:
            problem = f"cannot be read or written ({error})"
            hint = "check the disk, its free space and your quota"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            problem = "is read-only"
            hint = f"make it and its directory writable, or {_ELSEWHERE}"
        case sqlite3.SQLITE_CANTOPEN:
            problem = "cannot be opened"
            hint = f"check the permissions of {os.path.dirname(path)}, or {_ELSEWHERE}"
        case sqlite3.SQLITE_NOTADB:
            problem, hint = "is not a database", _start_anew(path)
        case sqlite3.SQLITE_CORRUPT:
            problem, hint = f"is corrupt ({error})", _start_anew(path)
        case _:
            problem, hint = f"failed ({error})", "see the message"
    return StoreUnavailable(path, problem, hint)


def _start_anew(path: str) -> str:
    return f"nothing was deleted; `mv {path} {path}.broken` and the next run starts a new one"
