"""Opening one of our SQLite files, made on first use and shared by every process of the user."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


class OtherVersion(Exception):
    """The file has another schema than this version of crackerjack knows."""

    def __init__(self, found: int) -> None:
        super().__init__(found)
        self.found = found


def open_database(path: str, *, schema: str, version: int, patience: float) -> sqlite3.Connection:
    """Open the file, making it when it is missing; any thread may use the connection in turn.

    Statements commit by themselves unless they stand between ``BEGIN`` and ``COMMIT``. What was
    committed survives a crash of the process, not always a power cut. `patience` is how long to wait
    for a lock, in seconds. Raises :exc:`OtherVersion`, :exc:`sqlite3.Error` or :exc:`OSError`.
    """
    import sqlite3

    with contextlib.suppress(FileExistsError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        # It will hold source code: for its owner only. Never opened when it exists, because closing
        # it again would drop the locks of this process's other connections.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(
        path, timeout=patience, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection, schema, version)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done in it whole, or not at all when it raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite ends it by itself when the disk is full
            connection.execute("ROLLBACK")
        raise


def give_back_room(connection: sqlite3.Connection) -> None:
    """Let the file shrink by what was deleted."""
    # As a script: the statement frees a page a step, and `execute` takes a single step.
    connection.executescript("PRAGMA incremental_vacuum")


def _prepare(connection: sqlite3.Connection, schema: str, version: int) -> None:
    if _version(connection) == 0:
        # In this order: the first page that is written settles whether the file can shrink.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN EXCLUSIVE")
        if _version(connection) == 0:  # else another process was faster
            for statement in filter(str.strip, schema.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    found = _version(connection)
    if found != version:
        raise OtherVersion(found)
    connection.execute("PRAGMA synchronous = NORMAL")


def _version(connection: sqlite3.Connection) -> int:
    row: tuple[int] = connection.execute("PRAGMA user_version").fetchone()
    return row[0]
