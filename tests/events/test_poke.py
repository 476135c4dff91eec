"""Pokes: that something new is committed is told to other processes at once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from crackerjack.events.poke import Poker, on_poke
from crackerjack.events.sqlite_log import SqliteEventLog
from tests.events.writing import OWNER, new_job, said

SECONDS = 20.0


def test_a_commit_pokes_who_listens(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "store.db")
    poked = threading.Semaphore(0)
    job_id = new_job(log)
    with on_poke(log.pokes, poked.release), on_poke(log.pokes, poked.release):
        for seq in (1, 2, 3):
            log.append([said(job_id, seq)], owner=OWNER)
            assert poked.acquire(timeout=SECONDS)
            assert poked.acquire(timeout=SECONDS)
    assert os.listdir(log.pokes) == []
    log.close()


def test_the_pipe_of_a_process_that_is_gone_is_removed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1-gone.poke")
    Poker(str(tmp_path)).poke()
    assert os.listdir(tmp_path) == []


def test_only_pipes_are_poked(tmp_path: Path) -> None:
    """What else somebody puts there, or links to from there, is not written to."""
    pokes, elsewhere = tmp_path / "pokes", tmp_path / "elsewhere"
    pokes.mkdir()
    elsewhere.write_text("precious")
    (pokes / "1-file.poke").write_text("precious")
    (pokes / "2-link.poke").symlink_to(elsewhere)
    (pokes / "3-directory.poke").mkdir()
    Poker(str(pokes)).poke()
    assert elsewhere.read_text() == "precious"
    assert (pokes / "1-file.poke").read_text() == "precious"


def test_a_listener_that_is_slow_is_not_waited_for(tmp_path: Path) -> None:
    go_on, looked = threading.Event(), threading.Semaphore(0)

    def look() -> None:
        looked.release()
        assert go_on.wait(SECONDS)

    with on_poke(str(tmp_path), look):
        for _ in range(100_000):  # more than a pipe holds
            Poker(str(tmp_path)).poke()
            if looked.acquire(blocking=False):
                break
        for _ in range(70_000):
            Poker(str(tmp_path)).poke()
        go_on.set()
        assert looked.acquire(timeout=SECONDS)


def test_where_no_pipe_can_be_made_there_are_no_pokes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with on_poke(str(tmp_path / "file"), pytest.fail):
        Poker(str(tmp_path / "file")).poke()
