"""The event log in one SQLite file, shared by all processes of a user."""

# ruff: noqa: S608 - statements are put together from constants; every value is a parameter

from __future__ import annotations

import functools
import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import msgspec

from crackerjack.decoding import json_decoder
from crackerjack.errors import JobEnded, JobExists, StoreUnavailable, UnknownJob
from crackerjack.events.batch import Tally, numbered, taken_over, tally
from crackerjack.events.event import Draft, WorkflowEvent
from crackerjack.events.log import STORED_STATUSES, JobEntry, JobHeader, status_of
from crackerjack.events.payload import QUEUED_TYPES
from crackerjack.events.poke import Poker
from crackerjack.events.schema import (
    BULK_TYPES,
    MILESTONES,
    check_in_place,
    explained,
    identity,
    open_reader,
    open_writer,
)
from crackerjack.types import JobId, JobStatus

_ROWS_PER_INSERT: Final = 128
"""More rows in one statement gain nothing, and compiling the statement begins to show."""

# sqlite3 lets other threads run at every step of a statement, and gets its turn back only after the
# interpreter's switch interval (5 ms) when one of them computes: a hundred rows would take half a
# second. So rows are written many to a statement, and read as one row of JSON.
# One printf() takes half as long as as many ||, each of which copies what came before.
_JSON: Final = '{"event_type":%s,"data":%s,"timestamp":%s,"job_id":%s,"seq":%d}'
_PARTS: Final = "json_quote(event_type), body, timestamp, json_quote(job_id), seq"
_EVENTS: Final = f"""SELECT printf('{_JSON}', {_PARTS}) AS item
    FROM jobs JOIN events ON events.job = jobs.id"""
_POSITIONED: Final = f"""SELECT printf('[%d,{_JSON}]', events.id, {_PARTS}) AS item
    FROM events JOIN jobs ON jobs.id = events.job"""

_QUEUED_TYPES: Final = ", ".join(f"'{queued}'" for queued in sorted(QUEUED_TYPES))
_QUEUED: Final = f"""(terminal IS NULL AND EXISTS (SELECT 1 FROM events
    WHERE job = jobs.id AND seq = head AND event_type IN ({_QUEUED_TYPES})))"""
_ENTRY: Final = f"""SELECT job_id, project, workflow, created, owner,
    head, terminal, updated, lease_expires, cancel_requested, {_QUEUED} FROM jobs"""


class SqliteEventLog:
    """An :class:`crackerjack.events.log.EventLog` in the file `path`, which is made if need be.

    One connection writes, under a lock; each thread that reads has a connection from a pool. A commit
    survives any crash of a process; one with a terminal event also a loss of power, and with it all
    commits before it. When the file was removed or replaced, it says so to who
    looks for new events, for nobody writes to it any more; what it has is still read. Raises :exc:`StoreUnavailable` and
    :exc:`StoreTooNew`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Final = os.path.abspath(path)
        self._poker = Poker(self.pokes)
        self._writing = threading.Lock()
        self._writer = open_writer(self.path)
        with explained(self.path):
            self._opened = identity(self.path)
        self._pooling = threading.Lock()
        self._idle_readers: list[sqlite3.Connection] = []
        self._closed = False

    @property
    def pokes(self) -> str:
        """The directory of those who want to be poked after each commit; see :class:`PokeBox`."""
        return os.path.join(os.path.dirname(self.path), "pokes")

    @property
    def recent(self) -> None:
        return None

    @functools.cached_property
    def store_id(self) -> str:
        ((store_id,),) = self._rows("SELECT id FROM store")
        return str(store_id)

    def create_job(self, header: JobHeader, lease_expires: float) -> None:
        values = (*msgspec.structs.astuple(header), time.time(), lease_expires)
        with self._transaction() as connection:
            try:
                connection.execute(
                    "INSERT INTO jobs (job_id, project, workflow, created, owner, updated,"
                    " lease_expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    values,
                )
            except sqlite3.IntegrityError as error:
                raise JobExists(header.job_id) from error

    def append(self, drafts: Sequence[Draft], *, owner: str) -> list[WorkflowEvent]:
        tallies = tally(drafts)
        if not tallies:
            return []
        durable = any(added.terminal for added in tallies.values())
        keys: dict[JobId, int] = {}
        heads: dict[JobId, int] = {}
        with self._transaction(durable=durable) as connection:
            for job_id, added in tallies.items():
                keys[job_id], heads[job_id] = _advance(connection, job_id, added, owner)
            events = numbered(drafts, heads)
            _insert(connection, drafts, events, keys)
        self._poker.poke()
        return events

    def read(self, job_id: JobId, after: int, limit: int) -> list[WorkflowEvent]:
        events = self._events(
            f"{_EVENTS} WHERE job_id = ? AND seq > ? ORDER BY seq LIMIT ?", (job_id, after, limit)
        )
        if not events:
            self.job(job_id)
        return events

    def read_all(self, after: int, limit: int) -> list[tuple[int, WorkflowEvent]]:
        items = f"{_POSITIONED} WHERE events.id > ? ORDER BY events.id LIMIT ?"
        check_in_place(self.path, self._opened)
        with explained(self.path):
            return json_decoder(list[tuple[int, WorkflowEvent]]).decode(
                self._array(items, (after, limit))
            )

    def position(self) -> int:
        check_in_place(self.path, self._opened)
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        return int(rows[0][0]) if rows else 0

    def job(self, job_id: JobId) -> JobEntry:
        rows = self._rows(f"{_ENTRY} WHERE job_id = ?", (job_id,))
        if not rows:
            raise UnknownJob(job_id)
        return _entry(rows[0])

    def jobs(
        self,
        *,
        project: str | None = None,
        ended: bool | None = None,
        skip: int = 0,
        limit: int = 1000,
    ) -> list[JobEntry]:
        where = {None: "TRUE", False: "terminal IS NULL", True: "terminal IS NOT NULL"}[ended]
        values: tuple[object, ...] = (limit, skip)
        if project is not None:
            where += " AND project = ?"
            values = (project, limit, skip)
        rows = self._rows(f"{_ENTRY} WHERE {where} ORDER BY id DESC LIMIT ? OFFSET ?", values)
        return [_entry(row) for row in rows]

    def count_jobs(self) -> dict[JobStatus, int]:
        check_in_place(self.path, self._opened)
        rows = self._rows(
            f"SELECT terminal, head > 0 AND NOT {_QUEUED}, count(*) FROM jobs GROUP BY 1, 2"
        )
        counts: dict[JobStatus, int] = dict.fromkeys(STORED_STATUSES, 0)
        for terminal, begun, count in rows:
            counts[status_of(terminal, begun=bool(begun))] += count
        return counts

    def latest(self, project: str, event_types: Collection[str], limit: int) -> list[WorkflowEvent]:
        types = ", ".join("?" * len(event_types))
        where = "TRUE" if set(event_types).intersection(BULK_TYPES) else MILESTONES
        return self._events(
            f"{_EVENTS} WHERE project = ? AND event_type IN ({types}) AND {where}"
            " ORDER BY jobs.id DESC, events.id DESC LIMIT ?",
            (project, *map(str, event_types), limit),
        )

    def renew_lease(self, job_id: JobId, *, owner: str, expires: float) -> bool:
        return self._changes(
            "UPDATE jobs SET lease_expires = ?, updated = ?"
            " WHERE job_id = ? AND owner = ? AND terminal IS NULL",
            (expires, time.time(), job_id, owner),
        )

    def take_over(self, job_id: JobId, *, old_owner: str, new_owner: str, expires: float) -> bool:
        return self._changes(
            "UPDATE jobs SET owner = ?, lease_expires = ?"
            " WHERE job_id = ? AND owner = ? AND terminal IS NULL",
            (new_owner, expires, job_id, old_owner),
        )

    def request_cancel(self, job_id: JobId) -> bool:
        sql = "UPDATE jobs SET cancel_requested = 1 WHERE job_id = ? AND terminal IS NULL"
        if self._changes(sql, (job_id,)):
            return True
        self.job(job_id)
        return False

    def delete_jobs(self, job_ids: Collection[JobId]) -> int:
        # A transaction each: other processes wait for one job's events, not for all of them.
        deleted = sum(self._delete(job_id) for job_id in job_ids)
        if deleted:
            with self._writing, explained(self.path):
                # execute() would stop after the first page, which SQLite reports as a row.
                self._writer.executescript("PRAGMA incremental_vacuum")
        return deleted

    def close(self) -> None:
        """Close all connections; the write-ahead log stays for the next run or its checkpoint.

        The last connection to close would copy the write-ahead log into the file and sync both, which
        takes up to 25 ms; one that is read-only and has read cannot, so such a one is the last.
        """
        with self._pooling:
            if self._closed:
                return
            self._closed = True
        with suppress(sqlite3.Error):  # without that reader closing only takes longer
            if not self._idle_readers:
                self._idle_readers.append(open_reader(self.path))
            self._idle_readers[0].execute("SELECT id FROM store").fetchall()
        with self._writing:
            self._writer.close()
        for reader in self._idle_readers:
            reader.close()

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Commit what is done with the connection, or nothing; `durable` waits for the disk."""
        with self._writing, explained(self.path):
            check_in_place(self.path, self._opened)
            connection = self._writer
            if durable:
                connection.execute("PRAGMA synchronous=FULL")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if durable:
                    connection.execute("PRAGMA synchronous=NORMAL")

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path):
            with self._pooling:
                if self._closed:
                    raise StoreUnavailable(self.path, "was closed", "open it again")
                reader = self._idle_readers.pop() if self._idle_readers else open_reader(self.path)
            try:
                yield reader
            finally:
                self._give_back(reader)

    def _give_back(self, reader: sqlite3.Connection) -> None:
        with self._pooling:
            if self._closed:
                reader.close()
            else:
                self._idle_readers.append(reader)

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with self._reader() as connection:
            # All rows at once: a statement that is not done holds its snapshot, and so the log's tail.
            return connection.execute(sql, values).fetchall()

    def _array(self, items: str, values: Sequence[object]) -> bytes:
        """Return the column ``item`` of a query, in its order, as one JSON array."""
        ((array,),) = self._rows(
            f"SELECT CAST('[' || coalesce(group_concat(item), '') || ']' AS BLOB) FROM ({items})",
            values,
        )
        return bytes(array)

    def _events(self, items: str, values: Sequence[object]) -> list[WorkflowEvent]:
        with explained(self.path):
            return json_decoder(list[WorkflowEvent]).decode(self._array(items, values))

    def _changes(self, sql: str, values: Sequence[object]) -> bool:
        with self._transaction() as connection:
            return connection.execute(sql, values).rowcount > 0

    def _delete(self, job_id: JobId) -> int:
        with self._transaction() as connection:
            ended = connection.execute(
                "SELECT id FROM jobs WHERE job_id = ? AND terminal IS NOT NULL", (job_id,)
            ).fetchall()
            for key in ended:
                connection.execute("DELETE FROM events WHERE job = ?", key)
                connection.execute("DELETE FROM jobs WHERE id = ?", key)
            return len(ended)


def _advance(
    connection: sqlite3.Connection, job_id: JobId, added: Tally, owner: str
) -> tuple[int, int]:
    """Move the head of a job that `owner` may write; return the job's key and its head before."""
    changed = connection.execute(
        "UPDATE jobs SET head = head + ?, terminal = ?, updated = ?"
        " WHERE job_id = ? AND owner = ? AND terminal IS NULL RETURNING id, head",
        (added.count, added.terminal, time.time(), job_id, owner),
    ).fetchall()
    if changed:
        ((key, head),) = changed
        return key, head - added.count
    refused = connection.execute(
        "SELECT owner, terminal FROM jobs WHERE job_id = ?", (job_id,)
    ).fetchall()
    if not refused:
        raise UnknownJob(job_id)
    ((new_owner, terminal),) = refused
    raise JobEnded(job_id, terminal) if terminal else taken_over(job_id, new_owner)


def _insert(
    connection: sqlite3.Connection,
    drafts: Sequence[Draft],
    events: Sequence[WorkflowEvent],
    keys: dict[JobId, int],
) -> None:
    """Write the rows with few statements, whose sizes are powers of two so that they are cached."""
    done = 0
    while done < len(drafts):
        count = min(_ROWS_PER_INSERT, 1 << (len(drafts) - done).bit_length() - 1)
        values: list[object] = []
        for draft, event in zip(
            drafts[done : done + count], events[done : done + count], strict=True
        ):
            # float.__repr__ is what JSON and msgspec write, the shortest that reads back the same.
            values += (
                keys[event.job_id],
                event.seq,
                event.event_type,
                repr(event.timestamp),
                draft.body.decode(),
            )
        connection.execute(_insert_statement(count), values)
        done += count


@functools.cache
def _insert_statement(count: int) -> str:
    rows = ", ".join(["(?, ?, ?, ?, ?)"] * count)
    return f"INSERT INTO events (job, seq, event_type, timestamp, body) VALUES {rows}"


def _entry(row: Sequence[Any]) -> JobEntry:
    return JobEntry(
        header=JobHeader(
            job_id=row[0], project=row[1], workflow=row[2], created=row[3], owner=row[4]
        ),
        head=row[5],
        terminal=row[6],
        updated=row[7],
        lease_expires=row[8],
        cancel_requested=bool(row[9]),
        queued=bool(row[10]),
    )
