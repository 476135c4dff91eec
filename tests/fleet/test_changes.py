from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackerjack.config import BundleTable
from crackerjack.errors import PatchBroken
from crackerjack.fleet.bundle import pack, unpack
from crackerjack.fleet.changes import (
    LARGEST_PATCH,
    Applied,
    Changed,
    Patch,
    apply_changes,
    collect_changes,
)
from crackerjack.fleet.objects import stored_form
from crackerjack.hooks.files import content_digest
from crackerjack.hooks.undo import GONE, UndoStore
from crackerjack.jobs.project_lock import ProjectLock
from tests.fleet.keeping import ObjectsInMemory
from tests.hooks.trees import commit, make_repository, make_tree

OLD = b"# a.py\n"


class Worker:
    """The project as a worker has it, and what a run changes there."""

    def __init__(self, root: Path, state: Path) -> None:
        self.root = root
        self.undo = UndoStore(str(state))

    def fix(self, path: str, after: bytes) -> None:
        before = (self.root / path).read_bytes()
        assert self.undo.replace("job", str(self.root), path, before, after) is None

    def remove(self, path: str) -> None:
        file = self.root / path
        self.undo.record("job", path, file.read_bytes(), file.stat().st_mode & 0o777, GONE)
        file.unlink()

    def patch(self, limits: BundleTable = BundleTable()) -> bytes:  # noqa: B008
        return collect_changes(str(self.root), self.undo.changes("job"), limits)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    here = make_repository(tmp_path / "here", "a.py", "pkg/b.py", "pkg/\udcff.py", "c.py")
    (here / ".gitignore").write_text(".venv/\n")
    commit(here)
    return make_tree(here, ".venv/lib/site.py")


@pytest.fixture
def worker(here: Path, tmp_path: Path) -> Iterator[Worker]:
    store = ObjectsInMemory()
    unpack(pack(str(here), store).name, store, str(tmp_path / "there"))
    worker = Worker(tmp_path / "there", tmp_path / "worker_state")
    yield worker
    worker.undo.close()


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state")


def fates(applied: tuple[Applied, ...]) -> dict[str, str]:
    return {one.path: str(one.fate) for one in applied}


def of(*files: Changed, **changes: Any) -> bytes:
    patch = msgspec.structs.replace(Patch(1, files), **changes)
    return stored_form(msgspec.msgpack.encode(patch))


def rewriting(path: bytes, before: bytes = OLD, after: bytes | None = b"new\n") -> Changed:
    return Changed(path, content_digest(before), after)


def test_fixes_come_back_and_can_be_undone(here: Path, worker: Worker, state: str) -> None:
    (here / "a.py").chmod(0o750)
    worker.fix("a.py", b"one\n")
    worker.fix("a.py", b"two\r\n")
    worker.fix("pkg/\udcff.py", b"odd\n")
    worker.remove("c.py")
    patch = worker.patch()
    options: dict[str, Any] = {"job_id": "job", "state_dir": state}
    applied = apply_changes(str(here), patch, **options)
    assert fates(applied) == dict.fromkeys(["a.py", "pkg/\\xff.py", "c.py"], "applied")
    assert (here / "a.py").read_bytes() == b"two\r\n"
    assert stat.S_IMODE((here / "a.py").stat().st_mode) == 0o750
    assert (here / "pkg/\udcff.py").read_bytes() == b"odd\n"
    assert not (here / "c.py").exists()
    assert set(fates(apply_changes(str(here), patch, **options)).values()) == {"already"}
    undo = UndoStore(state)
    assert {str(one.outcome) for one in undo.undo("job", str(here))} == {"restored"}
    undo.close()
    assert (here / "a.py").read_bytes() == OLD
    assert (here / "c.py").read_bytes() == b"# c.py\n"


def test_what_was_edited_meanwhile_is_kept(here: Path, worker: Worker, state: str) -> None:
    for path in ("a.py", "pkg/b.py"):
        worker.fix(path, b"fixed\n")
    worker.remove("c.py")
    (here / "a.py").write_bytes(b"edited\n")
    (here / "c.py").write_bytes(b"edited too\n")
    applied = apply_changes(str(here), worker.patch(), job_id="job", state_dir=state)
    expected = {"a.py": "changed_meanwhile", "c.py": "changed_meanwhile", "pkg/b.py": "applied"}
    assert fates(applied) == expected
    assert (here / "a.py").read_bytes() == b"edited\n"
    assert (here / "c.py").read_bytes() == b"edited too\n"
    undo = UndoStore(state)
    assert [change.path for change in undo.changes("job")] == ["pkg/b.py"]
    undo.close()


def test_what_the_worker_cannot_send_is_named(here: Path, worker: Worker, state: str) -> None:
    worker.fix("a.py", b"fixed\n")
    worker.fix("pkg/b.py", os.urandom(1_500_000))
    worker.fix("c.py", b"fixed\n")
    (worker.root / "c.py").write_bytes(b"and then rewritten by a test\n")
    patch = worker.patch(BundleTable(max_file_mb=1))
    applied = apply_changes(str(here), patch, job_id="job", state_dir=state)
    assert fates(applied) == {"a.py": "applied", "pkg/b.py": "refused", "c.py": "refused"}
    assert "did not send" in applied[-1].reason
    assert (here / "c.py").read_bytes() == b"# c.py\n"


@pytest.mark.parametrize(
    "patch",
    [
        b"",
        b"no zlib",
        stored_form(b"\xc1"),
        stored_form(bytes(LARGEST_PATCH + 1)),
        of(format=2),
        of(rewriting(b"a.py"), rewriting(b"a.py")),
        of(rewriting(b"a.py"), unsent=(b"a.py",)),
        of(*[rewriting(b"%d" % n) for n in range(101)]),
        of(rewriting(b"a.py", after=b"x" * 1_100_000)),
        *(of(rewriting(b"a.py"), rewriting(path)) for path in (b"../a", b"/etc/x", b"a\0", b"")),
        *(of(rewriting(b"a.py"), rewriting(path)) for path in (b".git/config", b"x/.GIT/hooks/y")),
    ],
    ids=lambda patch: f"{len(patch)}_bytes",
)
def test_a_patch_that_cannot_be_is_refused_whole(here: Path, state: str, patch: bytes) -> None:
    limits = BundleTable(max_files=100, max_file_mb=1)
    with pytest.raises(PatchBroken, match="No file was changed"):
        apply_changes(str(here), patch, job_id="job", state_dir=state, limits=limits)
    assert (here / "a.py").read_bytes() == OLD


def test_nothing_is_written_that_was_not_sent(here: Path, state: str, tmp_path: Path) -> None:
    """The worker may know what is in an installed package, or beside the project."""
    make_tree(tmp_path / "outside", "a.py", "deep/a.py")
    (here / "link.py").symlink_to(tmp_path / "outside/a.py")
    (here / "inner.py").symlink_to("a.py")
    (here / "out").symlink_to(tmp_path / "outside")
    (here / ".env").write_bytes(OLD)
    paths = (b".venv/lib/site.py", b".env", b"link.py", b"inner.py", b"out/a.py", b"out/deep/a.py")
    for after in (b"new\n", None):
        hostile = [
            rewriting(path, path_before, after)
            for path in paths
            for path_before in [(here / os.fsdecode(path)).read_bytes()]
        ]
        hostile.append(rewriting(b"pkg/made.py", b"", b"made\n"))
        applied = apply_changes(str(here), of(*hostile), job_id="job", state_dir=state)
        assert set(fates(applied).values()) == {"refused"}
    assert (tmp_path / "outside/a.py").read_bytes() == OLD
    assert (tmp_path / "outside/deep/a.py").read_bytes() == b"# deep/a.py\n"
    assert (here / ".venv/lib/site.py").read_bytes() == b"# .venv/lib/site.py\n"
    assert (here / ".env").read_bytes() == OLD
    assert not (here / "pkg/made.py").exists()


def test_a_file_with_other_names_is_kept(here: Path, state: str) -> None:
    os.link(here / "a.py", here / "same.py")
    applied = apply_changes(str(here), of(rewriting(b"a.py")), job_id="job", state_dir=state)
    assert fates(applied) == {"a.py": "refused"}
    assert "hard links" in applied[0].reason
    undo = UndoStore(state)
    assert undo.changes("job") == ()
    undo.close()


def test_what_could_not_be_removed_is_not_to_be_undone(here: Path, state: str) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    with pytest.MonkeyPatch.context() as patch:  # root may remove anything
        patch.setattr("crackerjack.fleet.changes.os.unlink", refuse)
        removal = of(rewriting(b"a.py", after=None))
        applied = apply_changes(str(here), removal, job_id="job", state_dir=state)
    assert fates(applied) == {"a.py": "refused"}
    assert applied[0].reason == "it cannot be removed: Permission denied"
    undo = UndoStore(state)
    assert undo.changes("job") == ()
    undo.close()


def test_it_waits_for_the_project(here: Path, state: str) -> None:
    waiting, holders = threading.Event(), []

    def on_wait(holder: str) -> None:
        holders.append(holder)
        waiting.set()

    patch = of(rewriting(b"a.py"))
    done: list[tuple[Applied, ...]] = []
    options: dict[str, Any] = {"job_id": "job", "state_dir": state, "on_wait": on_wait}
    with ProjectLock(state, str(here)) as lock:
        assert lock.acquire(exclusive=True, holder="job other")
        given_up = apply_changes(str(here), patch, **options, cancelled=lambda: bool(holders))
        assert fates(given_up) == {"a.py": "refused"}
        waiting.clear()
        thread = threading.Thread(
            target=lambda: done.append(apply_changes(str(here), patch, **options))
        )
        thread.start()
        assert waiting.wait(30)
        assert (here / "a.py").read_bytes() == OLD
    thread.join(30)
    assert [fates(one) for one in done] == [{"a.py": "applied"}]
    assert set(holders) == {"job other"}


@settings(max_examples=12)  # each opens two databases and asks git
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "d/c"]), st.binary(max_size=3)), max_size=8))
def test_here_is_what_is_there(
    tmp_path_factory: pytest.TempPathFactory, fixes: list[tuple[str, bytes]]
) -> None:
    root = tmp_path_factory.mktemp("property")
    here = make_tree(root / "here", "a", "b", "d/c")
    worker = Worker(make_tree(root / "there", "a", "b", "d/c"), root / "worker_state")
    for path, after in fixes:
        worker.fix(path, after)
    state = str(root / "state")
    apply_changes(str(here), worker.patch(), job_id="job", state_dir=state)
    worker.undo.close()
    for path in ("a", "b", "d/c"):
        assert (here / path).read_bytes() == (worker.root / path).read_bytes()
    undo = UndoStore(state)
    undo.undo("job", str(here))
    undo.close()
    assert [(here / path).read_bytes() for path in ("a", "b", "d/c")] == [
        b"# a\n",
        b"# b\n",
        b"# d/c\n",
    ]
