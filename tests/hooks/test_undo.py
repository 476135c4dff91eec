from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackerjack.errors import StoreTooNew, StoreUnavailable
from crackerjack.hooks.files import content_digest
from crackerjack.hooks.undo import (
    GONE,
    FileChange,
    Restoration,
    UndoOutcome,
    UndoStore,
    folded,
    restore,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    return project


@pytest.fixture
def store(tmp_path: Path) -> Iterator[UndoStore]:
    store = UndoStore(str(tmp_path / "state"))
    yield store
    store.close()


def change(before: bytes, after: bytes | None, path: str = "a.py") -> FileChange:
    return FileChange(path, before, None if after is None else content_digest(after), 0o644)


def outcomes(store: UndoStore, root: Path, job_id: str = "job") -> dict[str, str]:
    return {done.path: str(done.outcome) for done in store.undo(job_id, str(root))}


# What becomes of one file


def test_restored(root: Path) -> None:
    (root / "a.py").write_bytes(b"after")
    (root / "a.py").chmod(0o750)
    done = restore(str(root), change(b"before\r\n", b"after"))
    assert done == UndoOutcome("a.py", Restoration.RESTORED)
    assert (root / "a.py").read_bytes() == b"before\r\n"
    assert stat.S_IMODE((root / "a.py").stat().st_mode) == 0o750


def test_already(root: Path) -> None:
    (root / "a.py").write_bytes(b"before")
    for after in (b"after", None):
        done = restore(str(root), change(b"before", after))
        assert done.outcome is Restoration.ALREADY


def test_changed_since(root: Path) -> None:
    (root / "a.py").write_bytes(b"edited")
    done = restore(str(root), change(b"before", b"after"))
    assert done == UndoOutcome("a.py", Restoration.CHANGED_SINCE)
    assert (root / "a.py").read_bytes() == b"edited"


def test_missing(root: Path) -> None:
    done = restore(str(root), change(b"before", b"after"))
    assert done == UndoOutcome("a.py", Restoration.MISSING)
    assert not (root / "a.py").exists()


def test_what_the_job_removed_comes_back(root: Path) -> None:
    removed = FileChange("deep/a.sh", b"before", GONE, 0o755)
    assert restore(str(root), removed).outcome is Restoration.RESTORED
    assert (root / "deep" / "a.sh").read_bytes() == b"before"
    assert stat.S_IMODE((root / "deep" / "a.sh").stat().st_mode) == 0o755
    (root / "deep" / "a.sh").write_bytes(b"new")
    assert restore(str(root), removed).outcome is Restoration.CHANGED_SINCE


def test_a_change_of_unknown_end_is_not_touched(root: Path) -> None:
    (root / "a.py").write_bytes(b"after or edited")
    done = restore(str(root), change(b"before", None))
    assert done.outcome is Restoration.CHANGED_SINCE
    assert "killed" in done.reason
    assert (root / "a.py").read_bytes() == b"after or edited"


def test_refused(root: Path) -> None:
    (root / "target").write_bytes(b"after")
    (root / "link").symlink_to("target")
    (root / "a.py").write_bytes(b"after")
    os.link(root / "a.py", root / "b.py")
    linked = restore(str(root), change(b"before", b"after", "link"))
    assert linked.outcome is Restoration.REFUSED
    twin = restore(str(root), change(b"before", b"after"))
    assert twin.outcome is Restoration.REFUSED
    assert "2 hard links" in twin.reason
    assert (root / "target").read_bytes() == b"after"


# Several changes of one file


def test_changes_that_follow_on_one_another_become_one() -> None:
    assert folded([change(b"a", b"b"), change(b"b", b"c")]) == (change(b"a", b"c"),)
    assert folded([change(b"a", b"b"), change(b"b", b"a")]) == ()
    assert folded([change(b"a", None), change(b"b", b"c")]) == (change(b"a", b"c"),)


def test_an_edit_in_between_is_where_the_undo_stops() -> None:
    assert folded([change(b"a", b"b"), change(b"edited", b"c")]) == (change(b"edited", b"c"),)


class Story:
    """A file that the job and its user write to in turn; it knows what an undo must lead to."""

    def __init__(self) -> None:
        self.content = self.start = b"0"
        self.changes: list[FileChange] = []

    def job_writes(self, content: bytes) -> None:
        if content == self.content:
            return
        self.changes.append(change(self.content, content))
        self.content = content

    def user_writes(self, content: bytes) -> None:
        self.content = self.start = content


CONTENTS = st.sampled_from([b"0", b"1", b"2"])
EDITS = st.sampled_from([b"a", b"b"])


@given(st.lists(st.tuples(st.just(True), CONTENTS) | st.tuples(st.just(False), EDITS), max_size=8))
def test_undo_leads_to_where_the_job_began_and_never_behind_an_edit(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[bool, bytes]]
) -> None:
    story = Story()
    for by_job, content in writes:
        (story.job_writes if by_job else story.user_writes)(content)
    path = tmp_path_factory.mktemp("story") / "a.py"
    path.write_bytes(story.content)
    for one in folded(story.changes):
        restore(str(path.parent), one)
    assert path.read_bytes() == story.start


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), CONTENTS), max_size=8))
def test_without_edits_undo_puts_back_the_first_content(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[str, bytes]]
) -> None:
    root = tmp_path_factory.mktemp("story")
    content = {"a": b"0", "b": b"0"}
    changes = []
    for path, after in writes:
        changes.append(change(content[path], after, path))
        content[path] = after
    for path, last in content.items():
        (root / path).write_bytes(last)
    for one in folded(changes):
        assert restore(str(root), one).outcome is Restoration.RESTORED
    assert {(root / path).read_bytes() for path in content} == {b"0"}
    assert len({one.path for one in folded(changes)}) == len(folded(changes))


# The store


def test_record_change_settle_undo(store: UndoStore, root: Path) -> None:
    (root / "a.py").write_bytes(b"before")
    store.record("job", "a.py", b"before", 0o644)
    (root / "a.py").write_bytes(b"after")
    store.settle("job", "a.py", content_digest(b"after"))
    assert store.changes("job") == (change(b"before", b"after"),)
    assert outcomes(store, root) == {"a.py": "restored"}
    assert (root / "a.py").read_bytes() == b"before"
    assert outcomes(store, root) == {"a.py": "already"}


def test_jobs_are_apart(store: UndoStore, root: Path) -> None:
    store.record("one", "a.py", b"1", 0o644, content_digest(b"2"))
    store.record("One", "a.py", b"2", 0o644, content_digest(b"3"))
    assert store.changes("one") == (change(b"1", b"2"),)
    store.delete("one")
    assert store.changes("one") == ()
    assert store.changes("One") == (change(b"2", b"3"),)


def test_what_did_not_change_is_forgotten(store: UndoStore) -> None:
    store.record_all("job", [change(b"1", None), change(b"2", None, "b.py")])
    store.settle_all("job", {"a.py": content_digest(b"1"), "b.py": content_digest(b"3")})
    assert store.changes("job") == (change(b"2", b"3", "b.py"),)


def test_only_the_last_change_is_settled(store: UndoStore) -> None:
    store.record("job", "a.py", b"1", 0o644)
    store.record("job", "a.py", b"2", 0o644)
    store.settle("job", "a.py", content_digest(b"3"))
    assert store.changes("job") == (change(b"1", b"3"),)


def test_a_name_that_is_not_utf_8(store: UndoStore) -> None:
    store.record("job", "\udcff\n.py", b"\x00\xff", 0o644, content_digest(b"x"))
    assert store.changes("job") == (change(b"\x00\xff", b"x", "\udcff\n.py"),)


def test_replace_records_and_changes(store: UndoStore, root: Path) -> None:
    (root / "a.py").write_bytes(b"before")
    assert store.replace("job", str(root), "a.py", b"before", b"after") is None
    assert (root / "a.py").read_bytes() == b"after"
    assert outcomes(store, root) == {"a.py": "restored"}


def test_a_refused_replacement_leaves_no_record(store: UndoStore, root: Path) -> None:
    (root / "a.py").write_bytes(b"edited")
    refusal = store.replace("job", str(root), "a.py", b"before", b"after")
    assert refusal is not None
    assert (refusal.path, refusal.reason) == ("a.py", "has changed since it was read")
    gone = store.replace("job", str(root), "gone.py", b"before", b"after")
    assert gone is not None
    assert store.changes("job") == ()


def test_nothing_is_made_to_find_nothing(store: UndoStore, tmp_path: Path, root: Path) -> None:
    assert store.changes("job") == ()
    assert store.undo("job", str(root)) == []
    store.settle_pending("job", str(root))
    store.delete("job")
    assert not (tmp_path / "state").exists()


def test_only_the_owner_reads_it(store: UndoStore, tmp_path: Path) -> None:
    store.record("job", "a.py", b"secret", 0o644)
    for name in os.listdir(tmp_path / "state"):
        assert stat.S_IMODE((tmp_path / "state" / name).stat().st_mode) & 0o077 == 0


def test_room_is_given_back(store: UndoStore, tmp_path: Path) -> None:
    store.record("job", "a.py", os.urandom(2_000_000), 0o644)
    store.delete("job")
    store.close()
    assert (tmp_path / "state" / "undo.db").stat().st_size < 100_000


KILLED = """
import os, signal, sys
from crackerjack.hooks.undo import UndoStore
from crackerjack.hooks import undo
state, root, moment = sys.argv[1:]
store = UndoStore(state)
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "before":
    undo.replace_file = die
store.replace("job", root, "a.py", b"before", b"after")
store.record("job", "b.py", b"before", 0o644)
open(os.path.join(root, "b.py"), "wb").write(b"after")
die()
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_after_kill_9_there_is_something_to_undo(
    store: UndoStore, root: Path, tmp_path: Path, moment: str
) -> None:
    for name in ("a.py", "b.py"):
        (root / name).write_bytes(b"before")
    arguments = [str(tmp_path / "state"), str(root), moment]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
    if moment == "before":
        assert outcomes(store, root) == {"a.py": "already"}
        return
    assert outcomes(store, root) == {"a.py": "restored", "b.py": "changed_since"}
    store.settle_pending("job", str(root))
    assert outcomes(store, root) == {"a.py": "already", "b.py": "restored"}
    assert (root / "b.py").read_bytes() == b"before"


def test_settle_pending_knows_what_was_not_changed_and_what_is_gone(
    store: UndoStore, root: Path
) -> None:
    store.record_all("job", [change(b"same", None), change(b"gone", None, "b.py")])
    (root / "a.py").write_bytes(b"same")
    store.settle_pending("job", str(root))
    assert store.changes("job") == (FileChange("b.py", b"gone", GONE, 0o644),)
    assert outcomes(store, root) == {"b.py": "restored"}


def test_many_threads_and_processes(store: UndoStore, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from crackerjack.hooks.undo import UndoStore\n"
        "store = UndoStore(sys.argv[1])\n"
        "for n in range(20): store.record(sys.argv[2], f'{n}.py', b'x', 0o644)\n"
    )
    state = str(tmp_path / "state")
    processes = [
        subprocess.Popen([sys.executable, "-c", code, state, f"process{n}"]) for n in range(4)
    ]

    def record(job_id: str) -> None:
        for n in range(20):
            store.record(job_id, f"{n}.py", b"x", 0o644)

    threads = [threading.Thread(target=record, args=(f"thread{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0] * 4
    for job_id in [f"{kind}{n}" for kind in ("thread", "process") for n in range(4)]:
        assert len(store.changes(job_id)) == 20


# A store that cannot be used


def test_a_damaged_store(store: UndoStore, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "undo.db").write_bytes(b"no database " * 1000)
    with pytest.raises(StoreUnavailable, match=r"undo\.db cannot be used .*not a database"):
        store.record("job", "a.py", b"x", 0o644)
    with pytest.raises(StoreUnavailable, match="move it away"):
        store.changes("job")


def test_a_newer_store(store: UndoStore, tmp_path: Path) -> None:
    store.record("job", "a.py", b"x", 0o644)
    store.close()
    with sqlite3.connect(tmp_path / "state" / "undo.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreTooNew, match="99"):
        store.changes("job")


def test_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable):
        UndoStore(str(tmp_path / "file" / "state")).record("job", "a.py", b"x", 0o644)


def test_a_failure_while_recording_records_nothing(store: UndoStore) -> None:
    def changes() -> object:
        yield change(b"1", None)
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        store.record_all("job", changes())  # type: ignore[arg-type]
    assert store.changes("job") == ()
    store.record("job", "a.py", b"2", 0o644)
    assert store.changes("job") == (change(b"2", None),)
