from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crackerjack.errors import StoreUnavailable
from crackerjack.hooks import change_watch
from crackerjack.hooks.change_watch import ChangeWatch
from crackerjack.hooks.files import SourceFile, content_digest, discover
from crackerjack.hooks.undo import GONE, FileChange, UndoStore
from tests.hooks.trees import age, make_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "project", "a.py", "b.py", "c.py")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[UndoStore]:
    store = UndoStore(str(tmp_path / "state"))
    yield store
    store.close()


def files_of(root: Path) -> tuple[SourceFile, ...]:
    return discover(str(root)).files


def test_what_a_tool_changed(store: UndoStore, root: Path) -> None:
    with ChangeWatch(store, "job", str(root), files_of(root)) as watch:
        (root / "a.py").write_bytes(b"after")
        (root / "b.py").unlink()
        (root / "c.py").touch()
        (root / "new.py").write_bytes(b"not undone")
    assert watch.changed == ("a.py", "b.py")
    assert store.changes("job") == (
        FileChange("a.py", b"# a.py\n", content_digest(b"after"), 0o644),
        FileChange("b.py", b"# b.py\n", GONE, 0o644),
    )
    assert {str(done.outcome) for done in store.undo("job", str(root))} == {"restored"}
    assert (root / "a.py").read_bytes() == b"# a.py\n"
    assert (root / "b.py").read_bytes() == b"# b.py\n"


def test_the_record_is_there_before_the_tool_runs(store: UndoStore, root: Path) -> None:
    with ChangeWatch(store, "job", str(root), files_of(root)[:1]):
        assert store.changes("job") == (FileChange("a.py", b"# a.py\n", None, 0o644),)
    assert store.changes("job") == ()


def test_a_tool_that_was_stopped_half_way(store: UndoStore, root: Path) -> None:
    watch = ChangeWatch(store, "job", str(root), files_of(root))

    def stopped() -> None:
        with watch:
            (root / "a.py").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert watch.changed == ("a.py",)
    assert [str(done.outcome) for done in store.undo("job", str(root))] == ["restored"]


def test_a_change_within_a_tick_of_the_clock(
    store: UndoStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = {file.path: file for file in files_of(root)}
    monkeypatch.setattr(change_watch, "look_at", lambda _, path: looks[path])
    with ChangeWatch(store, "job", str(root), files_of(root)) as watch:
        (root / "a.py").write_bytes(b"# b.py\n")
    assert watch.changed == ("a.py",)


def test_what_cannot_be_read_is_not_watched(store: UndoStore, root: Path) -> None:
    candidates = files_of(root)
    (root / "a.py").unlink()
    (root / "b.py").unlink()
    (root / "b.py").symlink_to("c.py")
    with ChangeWatch(store, "job", str(root), candidates) as watch:
        (root / "c.py").write_bytes(b"after")
    assert watch.changed == ("c.py",)


def test_without_a_record_the_tool_does_not_run(tmp_path: Path, root: Path) -> None:
    (tmp_path / "state").write_text("not a directory")
    with (
        pytest.raises(StoreUnavailable),
        ChangeWatch(UndoStore(str(tmp_path / "state")), "job", str(root), files_of(root)),
    ):
        pytest.fail("the tool ran")


def test_old_files_are_not_read_again(
    store: UndoStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their change time cannot be set back, so the clock is set forward instead."""
    age(root, ("a.py", "b.py", "c.py"))
    later = max(file.ctime_ns for file in files_of(root)) + 10**11
    monkeypatch.setattr(time, "time_ns", lambda: later)
    reads = []

    def read(_: str, path: str) -> str:
        reads.append(path)
        return content_digest(b"after")

    monkeypatch.setattr(change_watch, "digest_now", read)
    with ChangeWatch(store, "job", str(root), files_of(root)) as watch:
        (root / "b.py").write_bytes(b"after")
    assert reads == ["b.py"]
    assert watch.changed == ("b.py",)
