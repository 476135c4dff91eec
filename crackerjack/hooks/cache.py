"""What earlier runs found out: the digests of files, and the results of hooks.

A result is reused when everything that it depends on is the same, and only then; so the cache never
guesses. Without it a run is slower and otherwise the same: nothing here raises, whatever is wrong with
the file, and :attr:`CacheFile.trouble` says what it was.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from crackerjack.decoding import msgpack_decoder
from crackerjack.hashing import blake2b
from crackerjack.hooks.database import OtherVersion, give_back_room, open_database, transaction
from crackerjack.hooks.files import READ_REGULAR, SourceFile, look_at

if TYPE_CHECKING:
    import sqlite3

LARGEST: Final = 256 * 1024 * 1024
"""Bytes that the file may take; over that, what was not used for longest goes."""

_VERSION: Final = 1
_PATIENCE: Final = 1.0
"""Seconds to wait for another process that writes; a run without the cache hardly costs more."""
_DAY: Final = 86_400
_LONG_UNUSED: Final = 30 * _DAY
MOST: Final = 200_000
"""Results of one file each that are kept of a hook in a project; then the oldest go."""
_PIECE: Final = 1024 * 1024
"""Bytes read at once."""

_SCHEMA: Final = """
CREATE TABLE digests (
    project BLOB PRIMARY KEY, entries BLOB NOT NULL, used INTEGER NOT NULL
) STRICT;
CREATE TABLE results (
    key BLOB PRIMARY KEY, value BLOB NOT NULL, used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_T = TypeVar("_T")


def key_of(*parts: bytes) -> bytes:
    """Return a key that no other sequence of parts has: each is hashed with its length before it."""
    hashed = blake2b(digest_size=24)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.digest()


def invocation_key(
    *,
    hook: bytes,
    tool_version: str,
    argv: Sequence[str],
    config: bytes,
    environment: bytes = b"",
) -> bytes:
    """Return the key of how a hook runs now; with an identity of files it makes that of a result.

    `hook` is all that we do with the tool's output (parser, options, our version), `argv` the
    arguments before the files are filled in, `config` a digest of every file and table that the tool
    reads its settings from, and `environment` what :func:`environment_digest` says, for a hook whose
    findings depend on it.
    """
    arguments = key_of(*map(os.fsencode, argv))
    return key_of(hook, os.fsencode(tool_version), arguments, config, environment)


class CacheFile:
    """``cache.db`` in the state directory, opened at the first use; for any thread and process."""

    def __init__(self, state_dir: str, *, largest: int = LARGEST) -> None:
        self._path = os.path.join(state_dir, "cache.db")
        self._largest = largest
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._given_up = False
        self.trouble = ""
        """What is wrong with the file, a sentence; empty while nothing is."""

    def ask(self, question: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        """Return the answer, or `otherwise` when the file cannot give one.

        A damaged file, or another version's, is replaced; after any other trouble it is left alone.
        """
        import sqlite3

        with self._lock:
            for _ in range(2):
                if self._given_up:
                    break
                try:
                    return question(self._opened())
                except OtherVersion:
                    self._replace()
                except sqlite3.Error as error:
                    self._meet(error)
                except OSError as error:
                    self._give_up(str(error))
        return otherwise

    def close(self) -> None:
        """Make room if the file has grown too large, and close it; the next use opens it again."""
        if self._connection is not None:
            self.ask(self._make_room, None)
        with self._lock:
            self._disconnect()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_database(
                self._path, schema=_SCHEMA, version=_VERSION, patience=_PATIENCE
            )
        return self._connection

    def _meet(self, error: sqlite3.Error) -> None:
        import sqlite3

        damage = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF in damage:
            self.trouble = f"the cache {self._path} was damaged ({error}) and is made anew"
            self._replace()
        else:
            self._give_up(str(error))

    def _give_up(self, problem: str) -> None:
        self.trouble = (
            f"the cache {self._path} cannot be used ({problem}): this run goes without it"
        )
        self._given_up = True
        self._disconnect()

    def _replace(self) -> None:
        self._disconnect()
        try:
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path + suffix)
        except OSError as error:
            self._give_up(str(error))

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Forget the quarter of the results that was not used for longest, and old projects."""
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size <= self._largest:
            return
        connection.execute(
            "DELETE FROM results WHERE key IN (SELECT key FROM results ORDER BY used"
            " LIMIT (SELECT count(*) / 4 + 1 FROM results))"
        )
        connection.execute("DELETE FROM digests WHERE used < ?", (_now() - _LONG_UNUSED,))
        give_back_room(connection)


class ResultCache:
    """Results of hooks; what a value holds is the caller's business.

    `invocation` is an :func:`invocation_key`. A hook of project scope has one result for all files
    together, one of file scope a result for each file, kept per project in one row: a row for each of
    thousands of files takes ten times as long to read.
    """

    def __init__(self, file: CacheFile) -> None:
        self._file = file

    def get(self, invocation: bytes, files: bytes) -> bytes | None:
        """Return the result for these files (:meth:`Digests.combined`), None when there is none."""
        return self._row(key_of(invocation, files))

    def put(self, invocation: bytes, files: bytes, value: bytes) -> None:
        """Keep the result for these files."""
        self._file.ask(lambda connection: _put(connection, key_of(invocation, files), value), None)

    def get_each(self, root: str, invocation: bytes) -> dict[bytes, bytes]:
        """Return what there is of a project in `root`, by the identities of :meth:`Digests.of`."""
        return _decoded(self._row(_row_of_each(root, invocation)))

    def put_each(self, root: str, invocation: bytes, values: Mapping[bytes, bytes]) -> None:
        """Keep a result for each of these identities, beside those that there are."""
        key = _row_of_each(root, invocation)

        def put(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                both = {**_decoded(_get(connection, key)), **values}
                kept = dict(itertools.islice(both.items(), max(len(both) - MOST, 0), None))
                _put(connection, key, msgspec.msgpack.encode(kept))

        if values:
            self._file.ask(put, None)

    def _row(self, key: bytes) -> bytes | None:
        return self._file.ask(lambda connection: _get(connection, key), None)


def _row_of_each(root: str, invocation: bytes) -> bytes:
    return key_of(b"each", os.fsencode(root), invocation)


def _decoded(row: bytes | None) -> dict[bytes, bytes]:
    if row is not None:
        with contextlib.suppress(msgspec.MsgspecError):
            return msgpack_decoder(dict[bytes, bytes]).decode(row)
    return {}


def _get(connection: sqlite3.Connection, key: bytes) -> bytes | None:
    query = "SELECT value, used FROM results WHERE key = ?"
    for value, used in connection.execute(query, (key,)):
        if used < _now() - _DAY:
            connection.execute("UPDATE results SET used = ? WHERE key = ?", (_now(), key))
        return bytes(value)
    return None


def _put(connection: sqlite3.Connection, key: bytes, value: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (key, value, _now()))


class _Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file that was old enough to be known by its looks, and its identity."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    identity: bytes

    def describes(self, file: SourceFile) -> bool:
        """Whether the file must hold what it held."""
        return (
            self.mtime_ns == file.mtime_ns
            and self.ctime_ns == file.ctime_ns
            and self.size == file.size
            and self.inode == file.inode
        )


class _Snapshot(msgspec.Struct, frozen=True, gc=False):
    """What this run takes for the content of a file, as long as it is given the same look at it."""

    file: SourceFile
    identity: bytes
    sure: bool
    """Whether a change since would show; see :meth:`SourceFile.shows_changes_after`."""


class Digests:
    """What the files of one project hold, without reading those that were read before.

    An identity covers all that a hook can see of a file: its path, whether it is executable, and its
    content. For one thread at a time.
    """

    def __init__(self, file: CacheFile | None, root: str) -> None:
        """`file` has what earlier runs have read; None for no such thing."""
        self._file = file
        self._root = root
        self._project = os.fsencode(root)
        self._entries: dict[bytes, _Entry] | None = None
        self._snapshots: dict[str, _Snapshot] = {}
        self._changed = False

    def of(self, files: Iterable[SourceFile]) -> dict[str, bytes]:
        """Return the identity of each file by its path; one that cannot be read has none.

        For the same :class:`SourceFile` it stays the same. After a file was written to, look at it
        again (:meth:`FileSet.refreshed`).
        """
        identities = {}
        for file in files:
            snapshot = self._snapshots.get(file.path)
            if snapshot is None or snapshot.file is not file:
                snapshot = self._snapshot(file)
                if snapshot is None:
                    continue
                self._snapshots[file.path] = snapshot
            identities[file.path] = snapshot.identity
        return identities

    def combined(self, files: Sequence[SourceFile]) -> bytes | None:
        """Return one identity for all files together; None when one of them cannot be read."""
        identities = self.of(files)
        if len(identities) != len(files):
            return None
        return key_of(b"".join(identities.values()))  # they are of one length

    def still_hold(self, files: Iterable[SourceFile]) -> bool:
        """Whether the files hold what :meth:`of` said of them.

        A result belongs to the files only if they were not written to while the tool ran; so ask
        this afterwards, before the result is kept.
        """
        return all(map(self._still_holds, files))

    def save(self) -> None:
        """Keep what was read, for the next run."""
        if self._file is None or not self._changed or self._entries is None:
            return
        self._forget_removed(self._entries)
        row = (self._project, msgspec.msgpack.encode(self._entries), _now())
        statement = "INSERT OR REPLACE INTO digests VALUES (?, ?, ?)"
        self._file.ask(lambda connection: connection.execute(statement, row), None)
        self._changed = False

    def _load(self, connection: sqlite3.Connection) -> dict[bytes, _Entry]:
        query = "SELECT entries FROM digests WHERE project = ?"
        for (entries,) in connection.execute(query, (self._project,)):
            with contextlib.suppress(msgspec.MsgspecError):
                return msgpack_decoder(dict[bytes, _Entry]).decode(entries)
        return {}

    def _snapshot(self, file: SourceFile) -> _Snapshot | None:
        if self._entries is None:
            self._entries = (self._file and self._file.ask(self._load, None)) or {}
        path = os.fsencode(file.path)
        entry = self._entries.get(path)
        if entry is not None and entry.describes(file):
            return _Snapshot(file, entry.identity, sure=True)
        sure = file.shows_changes_after(time.time_ns())
        identity = self._read(file)
        if identity is None:
            return None
        if sure:
            looks = (file.size, file.mtime_ns, file.ctime_ns, file.inode)
            self._entries[path] = _Entry(*looks, identity)
            self._changed = True
        return _Snapshot(file, identity, sure)

    def _read(self, file: SourceFile) -> bytes | None:
        """Return the identity. The content is hashed in pieces: it may be larger than the memory."""
        content = blake2b(digest_size=16)
        try:
            descriptor = os.open(os.path.join(self._root, file.path), READ_REGULAR)
            try:
                while piece := os.read(descriptor, _PIECE):
                    content.update(piece)
            finally:
                os.close(descriptor)
        except OSError:
            return None
        executable = b"x" if file.mode & 0o111 else b""
        return key_of(os.fsencode(file.path), executable, content.digest())

    def _still_holds(self, file: SourceFile) -> bool:
        snapshot = self._snapshots.get(file.path)
        if snapshot is None or snapshot.file != file or look_at(self._root, file.path) != file:
            return False
        return snapshot.sure or self._read(file) == snapshot.identity

    def _forget_removed(self, entries: dict[bytes, _Entry]) -> None:
        """Drop the files that are gone, unless only part of the project was asked about."""
        others = entries.keys() - set(map(os.fsencode, self._snapshots))
        if len(others) <= len(self._snapshots):
            for path in others:
                if not os.path.lexists(os.path.join(self._project, path)):
                    del entries[path]


def _now() -> int:
    return int(time.time())
