"""What a hostile submitter may send: nothing of it leaves the directory, and nothing of it stays."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackerjack.config import BundleTable
from crackerjack.errors import BundleBroken, BundleError, ObjectDamaged, ObjectMissing
from crackerjack.fleet.bundle import unpack
from crackerjack.fleet.canonical import (
    CHUNK,
    EXECUTABLE,
    FORMAT,
    LINK,
    TRACKED,
    Entry,
    Manifest,
    Pack,
)
from crackerjack.fleet.objects import LARGEST_OBJECT
from crackerjack.hooks.git import listed_files
from tests.fleet.keeping import ObjectsInMemory, bundle_of, plain


@pytest.fixture
def store() -> ObjectsInMemory:
    return ObjectsInMemory()


def refused(store: ObjectsInMemory, name: str, tmp_path: Path) -> str:
    """Unpack what must be refused; why it was."""
    tmp_path.joinpath("beside").write_bytes(b"")
    with pytest.raises(BundleError) as error:
        unpack(name, store, str(tmp_path / "there"))
    assert os.listdir(tmp_path) == ["beside"]
    return str(error.value)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (b"", "empty, absolute"),
        (b"/etc/cron.d/x", "absolute"),
        (b"../x", ".."),
        (b"a/../../x", ".."),
        (b"a/./x", ".."),
        (b"a//x", "empty component"),
        (b"a/", "empty component"),
        (b"a\0b", "NUL"),
        (b".git/hooks/pre-commit", "belongs to git"),
        (b"a/.GIT/config", "belongs to git"),
        (".g\u200cit/config".encode(), "belongs to git"),
        (b"x" * 256, "255"),
        (b"x/" * 500 + b"x" * 100, "1024"),
        (b"x/" * 64 + b"x", "64"),
    ],
)
def test_paths(store: ObjectsInMemory, tmp_path: Path, path: bytes, why: str) -> None:
    for entry in (plain(path), plain(path, b"target", LINK)):
        assert why in refused(store, bundle_of(store, [plain(b"ok"), entry]), tmp_path)


@pytest.mark.parametrize(
    "entries",
    [
        [plain(b"a"), plain(b"a", b"other")],
        [plain(b"a"), plain(b"a/b")],
        [plain(b"a/b"), plain(b"a")],
        [plain(b"a", b"d", LINK), plain(b"a/b"), plain(b"d/x")],
        [plain(b"a/b"), plain(b"a", b"d", LINK), plain(b"d/x")],
        [plain(b"a", b"b", LINK), plain(b"a", b"c", LINK)],
        [plain(b"a", b"b", LINK), plain(b"a")],
    ],
)
def test_one_path_for_one_thing(
    store: ObjectsInMemory, tmp_path: Path, entries: list[Entry]
) -> None:
    words = "there twice, or as a file and as a directory"
    assert words in refused(store, bundle_of(store, entries), tmp_path)
    assert words in refused(store, bundle_of(store, *([entry] for entry in entries)), tmp_path)


@pytest.mark.parametrize(
    "target", [b"/etc", b"..", b"x/../..", b"../../x", b"", b"a\0", b".git/config"]
)
def test_links(store: ObjectsInMemory, tmp_path: Path, target: bytes) -> None:
    assert "it is a link" in refused(store, bundle_of(store, [plain(b"l", target, LINK)]), tmp_path)


@pytest.mark.parametrize("flags", [0o4755, LINK | EXECUTABLE, 8, -1, 2**40])
def test_modes(store: ObjectsInMemory, tmp_path: Path, flags: int) -> None:
    assert "unknown" in refused(store, bundle_of(store, [plain(b"a", b"a", flags)]), tmp_path)


@pytest.mark.parametrize(
    "entry",
    [
        Entry(b"a", 0, 5, b"four"),
        Entry(b"a", 0, -1, b""),
        Entry(b"a", 0, 65 * 1024 * 1024, ()),
        Entry(b"a", 0, CHUNK + 1, (b"\0" * 32,)),
        Entry(b"a", 0, CHUNK, (b"\0" * 31,)),
        Entry(b"a", LINK, 1, (b"\0" * 32,)),
    ],
)
def test_sizes(store: ObjectsInMemory, tmp_path: Path, entry: Entry) -> None:
    assert "was refused" in refused(store, bundle_of(store, [entry]), tmp_path)


def test_chunks_of_another_size(store: ObjectsInMemory, tmp_path: Path) -> None:
    for size, content in ((10, b"longer than 10 bytes"), (10, b"shorter")):
        entry = Entry(b"a", 0, size, (store.keep(content),))
        assert "another size" in refused(store, bundle_of(store, [entry]), tmp_path)


def manifest(**changes: Any) -> Manifest:
    pack = Pack(b"\0" * 32, 1, 1)
    return msgspec.structs.replace(Manifest(FORMAT, 1, 1, (pack,), git=False), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"files": 50_001},
        {"files": -1},
        {"size": 2**40},
        {"size": 2},
        {"packs": ()},
        {"files": 2, "size": 2, "packs": (Pack(b"\0" * 32, 1, 1),) * 2},
        {"files": 1, "size": 1, "packs": (Pack(b"\0" * 32, 2, 1), Pack(b"\1" * 32, -1, 0))},
        {"packs": (Pack(b"short", 1, 1),)},
        {"changed": (b"../x",)},
        {"deleted": (b".git/x",)},
    ],
)
def test_manifests(store: ObjectsInMemory, tmp_path: Path, changes: dict[str, Any]) -> None:
    name = store.keep(msgspec.msgpack.encode(manifest(**changes))).hex()
    assert "was refused" in refused(store, name, tmp_path)


def test_a_pack_that_is_not_what_was_said(store: ObjectsInMemory, tmp_path: Path) -> None:
    for content in (
        b"",
        b"\xc1",
        b"\x91" * 5000,
        msgspec.msgpack.encode([plain(b"a"), plain(b"b")]),
    ):
        pack = Pack(store.keep(content), 1, 1)
        name = store.keep(msgspec.msgpack.encode(manifest(packs=(pack,)))).hex()
        assert "was refused" in refused(store, name, tmp_path)


def test_objects_that_are_not_what_their_names_say(store: ObjectsInMemory, tmp_path: Path) -> None:
    name = bundle_of(store, [plain(b"a")])
    for other in store.objects:
        kept, store.objects[other] = store.objects[other], b"something else"
        with pytest.raises(ObjectDamaged):
            unpack(name, store, str(tmp_path / "there"))
        store.objects[other] = kept
    with pytest.raises(ObjectMissing):
        unpack("../../etc/passwd", store, str(tmp_path / "there"))
    huge = store.keep(bytes(LARGEST_OBJECT + 1)).hex()
    with pytest.raises(BundleBroken, match="more than"):
        unpack(huge, store, str(tmp_path / "there"))
    assert not (tmp_path / "there").exists()


def test_the_bounds_are_those_of_who_unpacks(store: ObjectsInMemory, tmp_path: Path) -> None:
    big = plain(b"a", b"x" * 1_200_000)
    name = bundle_of(store, [big, plain(b"b")])
    for limits in (BundleTable(max_files=1), BundleTable(max_mb=1), BundleTable(max_file_mb=1)):
        with pytest.raises(BundleBroken, match="allowed here"):
            unpack(name, store, str(tmp_path / "there"), limits)
    assert unpack(name, store, str(tmp_path / "there")).files == 2


def test_git_obeys_nothing_that_is_sent(
    store: ObjectsInMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that the worker's user has set must not run on what strangers send."""
    home = tmp_path / "home"
    home.mkdir()
    ran = tmp_path / "ran"
    (home / ".gitconfig").write_text(
        f'[filter "x"]\n\tclean = touch {ran}; cat\n\trequired = true\n'
        f"[core]\n\texcludesFile = {home}/excludes\n"
    )
    (home / "excludes").write_text("*.txt\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    tracked = [
        plain(b".gitattributes", b"* filter=x\n", TRACKED),
        plain(b"*", b"all", TRACKED),
        plain(b"a.txt", b"a", TRACKED),
    ]
    name = bundle_of(store, tracked, [plain(b"-x.txt", b"untracked")], git=True)
    there = str(tmp_path / "there")
    assert unpack(name, store, there).note == ""
    assert not ran.exists()
    assert not (tmp_path / "elsewhere").exists()
    assert listed_files(there) == (["*", ".gitattributes", "a.txt"], ["-x.txt"])


NAMES = st.sampled_from([b"a", b"b", b"..", b".", b"", b".git", b"c\xff", b"a" * 256, b"\0"])
PATHS = st.lists(NAMES, max_size=4).map(b"/".join)
ENTRIES = st.builds(
    lambda path, flags, content, lie: Entry(path, flags, len(content) + lie, content),
    PATHS,
    st.sampled_from([0, 0, 1, 2, 2, 4, 6, 64]),
    PATHS,
    st.sampled_from([0] * 20 + [1]),
)


@given(st.lists(st.lists(ENTRIES, max_size=5), max_size=3))
def test_nothing_leaves_the_directory(packs: list[list[Entry]]) -> None:
    with tempfile.TemporaryDirectory() as around:
        there = Path(around, "in", "there")
        there.parent.mkdir()
        store = ObjectsInMemory()
        try:
            name = bundle_of(store, *packs)
            unpack(name, store, str(there))
        except BundleBroken:
            assert not there.exists()
        else:
            root = os.path.realpath(there)
            paths = [*there.rglob("*")]
            assert sum(path.is_symlink() or path.is_file() for path in paths) == sum(
                map(len, packs)
            )
            for path in paths:
                assert (
                    os.path.realpath(path).startswith(f"{root}/") or os.path.realpath(path) == root
                )
        assert os.listdir(around) == ["in"]
        assert set(os.listdir(Path(around, "in"))) <= {"there"}
