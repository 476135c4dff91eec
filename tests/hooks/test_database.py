from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from crackerjack.hooks.database import OtherVersion, open_database, transaction

SCHEMA = "CREATE TABLE a (x); CREATE TABLE b (y);"


def opened(path: Path, version: int = 1) -> sqlite3.Connection:
    return open_database(str(path), schema=SCHEMA, version=version, patience=5.0)


def test_made_at_the_first_use_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.db"
    connection = opened(path)
    connection.execute("INSERT INTO b VALUES (1)")
    connection.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    connection = opened(path)
    assert connection.execute("SELECT y FROM b").fetchall() == [(1,)]
    connection.close()


@pytest.mark.parametrize("version", [1, 3])
def test_another_version(tmp_path: Path, version: int) -> None:
    opened(tmp_path / "x.db", version=2).close()
    with pytest.raises(OtherVersion) as caught:
        opened(tmp_path / "x.db", version=version)
    assert caught.value.found == 2


def test_a_transaction_is_whole_or_not_at_all(tmp_path: Path) -> None:
    connection = opened(tmp_path / "x.db")

    def insert(*, fail: bool) -> None:
        with transaction(connection):
            connection.execute("INSERT INTO a VALUES (1)")
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        insert(fail=True)
    assert connection.execute("SELECT x FROM a").fetchall() == []
    insert(fail=False)
    assert connection.execute("SELECT x FROM a").fetchall() == [(1,)]
    connection.close()


def test_many_processes_make_one_file(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from crackerjack.hooks.database import open_database\n"
        "sys.stdin.readline()\n"
        f"connection = open_database(sys.argv[1], schema={SCHEMA!r}, version=1, patience=20.0)\n"
        "connection.execute('INSERT INTO a VALUES (1)')\n"
        "connection.close()\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "x.db")], stdin=subprocess.PIPE
        )
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 8
    connection = opened(tmp_path / "x.db")
    assert connection.execute("SELECT count(*) FROM a").fetchone() == (8,)
    connection.close()
