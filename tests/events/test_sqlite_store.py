"""The file of the log: who may read it, what becomes of an old, a newer, a broken, a locked one."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from crackerjack.errors import StoreTooNew, StoreUnavailable
from crackerjack.events import schema
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.hub import Hub
from crackerjack.events.payload import EventType
from crackerjack.events.schema import MIGRATIONS, open_writer
from crackerjack.events.sqlite_log import SqliteEventLog
from tests.events.writing import OWNER, ended, line, new_job, said, text_of, wait_until

NOBODY_UID = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "events.db"


def filled(path: Path, count: int = 3) -> None:
    """Make a store with one job that goes on, and close it."""
    log = SqliteEventLog(path)
    job = new_job(log)
    log.append([said(job, number) for number in range(count)], owner=OWNER)
    log.close()


def contents(path: Path) -> list[str]:
    log = SqliteEventLog(path)
    try:
        return [text_of(event) for _, event in log.read_all(0, 100_000)]
    finally:
        log.close()


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A directory whose permissions count, also when root runs the tests."""
    directory = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(directory, NOBODY_UID, NOBODY_UID)
        os.seteuid(NOBODY_UID)
    try:
        yield directory
    finally:
        if root:
            os.seteuid(0)
        for inside in (directory, *directory.iterdir()):
            inside.chmod(0o700)
        for inside in directory.iterdir():
            inside.unlink()
        directory.rmdir()


def test_only_the_user_can_read_the_store(path: Path) -> None:
    filled(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_a_directory_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    filled(tmp_path / "events.db")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_what_was_written_is_there_after_reopening(path: Path) -> None:
    filled(path, 300)
    log = SqliteEventLog(path)
    name = log.store_id
    log.close()
    log = SqliteEventLog(path)
    assert log.store_id == name
    log.close()
    assert contents(path) == [str(number) for number in range(300)]


def test_two_stores_have_two_names(tmp_path: Path) -> None:
    one, two = SqliteEventLog(tmp_path / "1.db"), SqliteEventLog(tmp_path / "2.db")
    assert one.store_id != two.store_id
    one.close()
    two.close()


def test_a_path_may_hold_what_means_something_in_a_uri(tmp_path: Path) -> None:
    path = tmp_path / "a ?#%20&=é" / "events.db"
    filled(path)
    assert contents(path) == ["0", "1", "2"]
    assert path.exists()


def test_a_relative_path_survives_a_change_of_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log = SqliteEventLog("events.db")
    monkeypatch.chdir("/")
    new_job(log)
    assert len(log.jobs()) == 1
    log.close()
    assert (tmp_path / "events.db").exists()


def test_closing_twice_is_nothing_and_a_closed_log_says_so(path: Path) -> None:
    log = SqliteEventLog(path)
    log.close()
    log.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        log.jobs()
    with pytest.raises(StoreUnavailable, match="closed"):
        new_job(log)


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    filled(path)
    assert contents(path) == ["0", "1", "2"]


def test_deleting_jobs_gives_the_space_back(path: Path) -> None:
    log = SqliteEventLog(path)
    job = new_job(log)
    for _ in range(20):
        log.append([said(job, "x" * 10_000) for _ in range(20)], owner=OWNER)
    log.append([ended(job)], owner=OWNER)
    log.close()
    _checkpoint(path)
    full = path.stat().st_size
    log = SqliteEventLog(path)
    assert log.delete_jobs([job]) == 1
    log.close()
    _checkpoint(path)
    assert path.stat().st_size < full / 10


def _checkpoint(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


# -- versions


def test_a_store_of_the_version_before_is_migrated_with_its_events(path: Path) -> None:
    filled(path)
    next_version = (*MIGRATIONS, ("ALTER TABLE jobs ADD COLUMN host TEXT NOT NULL DEFAULT 'here'",))
    for _ in range(2):
        with closing(open_writer(str(path), next_version)) as connection:
            assert connection.execute("SELECT host FROM jobs").fetchall() == [("here",)]
            assert connection.execute("SELECT count(*) FROM events").fetchone() == (3,)
            assert connection.execute("PRAGMA user_version").fetchone() == (len(next_version),)


def test_a_newer_store_is_refused_and_stays_as_it_is(path: Path) -> None:
    filled(path)
    with closing(open_writer(str(path), (*MIGRATIONS, ("CREATE TABLE more (x)",)))):
        pass
    with pytest.raises(StoreTooNew, match="upgrade crackerjack") as caught:
        SqliteEventLog(path)
    assert (caught.value.found, caught.value.supported) == (len(MIGRATIONS) + 1, len(MIGRATIONS))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (3,)


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    filled(path)
    broken = (*MIGRATIONS, ("CREATE TABLE more (x) STRICT", "this is no SQL"))
    with pytest.raises(StoreUnavailable):
        open_writer(str(path), broken)
    assert contents(path) == ["0", "1", "2"]


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=r"another program.*CRACKERJACK_STATE_DIR"):
        SqliteEventLog(path)
    assert path.read_bytes() == before


# -- broken


@pytest.mark.parametrize("garbage", [b"not a database at all\n" * 300, b"SQLite format 3\0" * 99])
def test_a_file_that_is_no_database_is_explained_and_left_alone(path: Path, garbage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(garbage)
    with pytest.raises(StoreUnavailable, match=r"nothing was deleted; `mv .*events.db .*broken"):
        SqliteEventLog(path)
    assert path.read_bytes() == garbage


@pytest.mark.parametrize("damage", ["zeroed pages", "cut off"])
def test_a_damaged_store_is_explained(path: Path, damage: str) -> None:
    filled(path, 2_000)
    _checkpoint(path)
    for leftover in ("-wal", "-shm"):
        Path(f"{path}{leftover}").unlink(missing_ok=True)
    data = path.read_bytes()
    if damage == "cut off":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.write_bytes(data[:8192] + b"\xff" * (len(data) - 8192))

    def use() -> None:
        log = SqliteEventLog(path)
        try:
            log.read_all(0, 10_000)
            log.append([said(log.jobs()[0].header.job_id, 1)], owner=OWNER)
        finally:
            log.close()

    with pytest.raises(StoreUnavailable, match="corrupt"):
        use()


def test_an_event_that_is_no_json_is_explained(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE events SET body = '{broken'")
        connection.commit()
    with pytest.raises(StoreUnavailable, match="corrupt"):
        contents(path)


# -- out of reach


def test_a_directory_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="CRACKERJACK_STATE_DIR"):
        SqliteEventLog(tmp_path / "file" / "events.db")


def test_a_store_that_is_a_directory_is_explained(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        SqliteEventLog(path)


def test_a_directory_that_may_not_be_written_is_explained() -> None:
    with unprivileged() as directory:
        directory.chmod(0o500)
        with pytest.raises(StoreUnavailable, match="cannot be opened: check the permissions"):
            SqliteEventLog(directory / "events.db")
        with pytest.raises(StoreUnavailable, match="cannot be made"):
            SqliteEventLog(directory / "below" / "events.db")


def test_a_store_that_is_read_only_can_be_read_and_refuses_to_be_written() -> None:
    with unprivileged() as directory:
        path = directory / "events.db"
        filled(path)
        path.chmod(0o400)
        log = SqliteEventLog(path)
        assert len(log.read_all(0, 10)) == 3
        with pytest.raises(StoreUnavailable, match="is read-only: make it"):
            new_job(log, "another")
        log.close()
        path.chmod(0o600)
        assert contents(path) == ["0", "1", "2"]


def test_a_locked_store_is_explained_and_nothing_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_BUSY_TIMEOUT", 0.05)
    filled(path)
    log = SqliteEventLog(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="is locked by another program: close it"):
            new_job(log, "another")
        assert len(log.read_all(0, 10)) == 3
        other.execute("COMMIT")
    new_job(log, "another")
    log.close()


def test_events_wait_while_the_store_is_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_BUSY_TIMEOUT", 0.02)
    log = SqliteEventLog(path)
    job = new_job(log)
    bus = WorkflowEventBus(log, Hub(), owner=OWNER)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(700):
            bus.publish(job, EventType.HOOK_OUTPUT, line(number))
        wait_until(lambda: bus.trouble)
        assert "locked" in str(bus.trouble)
        other.execute("COMMIT")
    bus.close()
    assert bus.trouble is None
    log.close()
    assert contents(path) == [str(number) for number in range(700)]


def test_a_reader_in_another_thread_is_not_delayed_by_a_transaction(path: Path) -> None:
    filled(path)
    log = SqliteEventLog(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(len(log.read_all(0, 10))))
        thread.start()
        thread.join(5)
        assert found == [3]
        other.execute("COMMIT")
    log.close()
