from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackerjack.hooks import cache
from crackerjack.hooks.cache import CacheFile, Digests, ResultCache, invocation_key, key_of
from crackerjack.hooks.files import FileSet, SourceFile, discover
from tests.hooks.trees import make_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "project", "a.py", "b.py", "sub/c.py")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


_OPENED: list[CacheFile] = []


def opened(state: Path, *, largest: int = cache.LARGEST) -> CacheFile:
    """A cache file that is closed when the test ends."""
    file = CacheFile(str(state), largest=largest)
    _OPENED.append(file)
    return file


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _OPENED:
        _OPENED.pop().close()


def files_of(root: Path) -> tuple[SourceFile, ...]:
    return discover(str(root)).files


@pytest.fixture
def later(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock of the cache run an hour ahead: what is in the project by now is old."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3600 * 10**9)


def rewrite(path: Path, content: bytes) -> None:
    """Change a file so that nothing shows but the change time: same size, same modification time."""
    before = path.stat()
    assert len(content) == before.st_size
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# Keys


@given(st.lists(st.binary(max_size=3), max_size=4), st.lists(st.binary(max_size=3), max_size=4))
def test_keys_are_the_same_for_the_same_parts_only(one: list[bytes], other: list[bytes]) -> None:
    assert (key_of(*one) == key_of(*other)) is (one == other)


INVOCATION = {
    "hook": b"ruff",
    "tool_version": "0.12.1",
    "argv": ("check", "--quiet"),
    "config": b"c",
    "environment": b"e",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hook", b"mypy"),
        ("tool_version", "0.12.2"),
        ("argv", ("check", "--quie", "t")),
        ("argv", ("check--quiet",)),
        ("argv", ("--quiet", "check")),
        ("config", b""),
        ("environment", b"ec"),
    ],
)
def test_everything_that_a_result_depends_on_makes_another_key(name: str, value: object) -> None:
    assert invocation_key(**INVOCATION) == invocation_key(**INVOCATION)  # type: ignore[arg-type]
    changed = {**INVOCATION, name: value}
    assert invocation_key(**INVOCATION) != invocation_key(**changed)  # type: ignore[arg-type]


def test_an_argument_that_is_not_utf_8() -> None:
    assert invocation_key(hook=b"", tool_version="1", argv=["\udcff"], config=b"")


# Results


def test_results_are_kept(state: Path) -> None:
    results = ResultCache(opened(state))
    assert results.get(b"i", b"f") is None
    results.put(b"i", b"f", b"value")
    results.put(b"i", b"g", b"other")
    assert ResultCache(opened(state)).get(b"i", b"f") == b"value"
    results.put(b"i", b"f", b"newer")
    assert results.get(b"i", b"f") == b"newer"
    assert results.get(b"j", b"f") is None


def test_results_of_each_file(state: Path) -> None:
    results = ResultCache(opened(state))
    assert results.get_each("/p", b"i") == {}
    results.put_each("/p", b"i", {b"1": b"one", b"2": b"two"})
    results.put_each("/p", b"i", {b"2": b"TWO", b"3": b""})
    results.put_each("/p", b"i", {})
    results.put_each("/q", b"i", {b"4": b"four"})
    assert results.get_each("/p", b"i") == {b"1": b"one", b"2": b"TWO", b"3": b""}
    assert results.get_each("/p", b"j") == {}


def test_the_oldest_results_of_files_go(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST", 3)
    results = ResultCache(opened(state))
    for n in range(5):
        results.put_each("/p", b"i", {bytes([n]): b""})
    assert list(results.get_each("/p", b"i")) == [b"\2", b"\3", b"\4"]


def test_what_was_not_used_for_longest_goes(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = 86_400
    now = time.time()
    for n in range(8):
        monkeypatch.setattr(time, "time", lambda n=n: now + n * 2 * day)
        file = opened(state, largest=200_000)
        results = ResultCache(file)
        results.put(b"i", bytes([n]), os.urandom(60_000))
        results.get(b"i", b"\0")
        file.close()
    results = ResultCache(opened(state))
    kept = [n for n in range(8) if results.get(b"i", bytes([n]))]
    assert kept[0] == 0
    assert kept[-1] == 7
    assert 1 not in kept
    assert (state / "cache.db").stat().st_size < 300_000


def test_two_processes_at_once(state: Path) -> None:
    code = (
        "import sys\n"
        "from crackerjack.hooks.cache import CacheFile, ResultCache\n"
        "file = CacheFile(sys.argv[1])\n"
        "results = ResultCache(file)\n"
        "for n in range(50):\n"
        "    results.put(sys.argv[2].encode(), str(n).encode(), b'value')\n"
        "    results.put_each('/p', b'i', {f'{sys.argv[2]} {n}'.encode(): b''})\n"
        "print(file.trouble)\n"
        "file.close()\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(state), name], stdout=subprocess.PIPE, text=True
        )
        for name in "abc"
    ]
    assert [process.communicate()[0].strip() for process in processes] == ["", "", ""]
    results = ResultCache(opened(state))
    for name in (b"a", b"b", b"c"):
        assert all(results.get(name, str(n).encode()) for n in range(50))
    assert len(results.get_each("/p", b"i")) == 150


def test_many_threads(state: Path) -> None:
    results = ResultCache(opened(state))

    def use(name: bytes) -> None:
        for n in range(50):
            results.put(name, str(n).encode(), b"value")
            assert results.get(name, str(n).encode()) == b"value"

    threads = [threading.Thread(target=use, args=(bytes([n]),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results.get(bytes([n]), b"49") for n in range(4))


# A file that cannot be used


def test_a_damaged_file_is_made_anew(state: Path) -> None:
    state.mkdir()
    (state / "cache.db").write_bytes(b"no database " * 1000)
    file = opened(state)
    results = ResultCache(file)
    assert results.get(b"i", b"f") is None
    assert "was damaged" in file.trouble
    results.put(b"i", b"f", b"value")
    assert results.get(b"i", b"f") == b"value"
    again = opened(state)
    assert ResultCache(again).get(b"i", b"f") == b"value"
    assert again.trouble == ""


def test_damage_in_the_middle(state: Path) -> None:
    file = opened(state)
    results = ResultCache(file)
    for n in range(200):
        results.put(b"i", str(n).encode(), os.urandom(1000))
    file.close()
    content = bytearray((state / "cache.db").read_bytes())
    content[4096:-4096] = os.urandom(len(content) - 8192)
    (state / "cache.db").write_bytes(content)
    file = opened(state)
    results = ResultCache(file)
    assert not all(results.get(b"i", str(n).encode()) for n in range(200))
    assert "was damaged" in file.trouble
    results.put(b"i", b"f", b"value")
    assert results.get(b"i", b"f") == b"value"


@pytest.mark.parametrize("damage", ["DROP TABLE results", "PRAGMA user_version = 77"])
def test_another_schema_is_made_anew(state: Path, damage: str) -> None:
    file = opened(state)
    ResultCache(file).put(b"i", b"f", b"value")
    file.close()
    connection = sqlite3.connect(state / "cache.db")
    connection.execute(damage)
    connection.close()
    results = ResultCache(opened(state))
    assert results.get(b"i", b"f") is None
    results.put(b"i", b"f", b"value")
    assert results.get(b"i", b"f") == b"value"


def test_values_that_are_no_values(state: Path) -> None:
    file = opened(state)
    results = ResultCache(file)
    results.put_each("/p", b"i", {b"1": b"one"})
    Digests(file, "/p").save()
    file.ask(lambda connection: connection.execute("UPDATE results SET value = x'c1ff'"), None)
    file.ask(
        lambda connection: connection.execute("INSERT INTO digests VALUES (?, x'c1', 0)", (b"/p",)),
        None,
    )
    assert results.get_each("/p", b"i") == {}
    assert Digests(file, "/p").of([]) == {}
    assert file.trouble == ""


def test_a_locked_file(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_PATIENCE", 0.05)
    other = opened(state)
    ResultCache(other).put(b"i", b"f", b"value")
    blocker = sqlite3.connect(state / "cache.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    file = opened(state)
    results = ResultCache(file)
    assert results.get(b"i", b"f") == b"value"
    results.put(b"i", b"g", b"value")
    assert "database is locked): this run goes without it" in file.trouble
    assert results.get(b"i", b"f") is None
    blocker.close()


def test_a_state_directory_that_cannot_be_made(tmp_path: Path, root: Path) -> None:
    (tmp_path / "file").write_text("")
    file = opened(tmp_path / "file" / "state")
    results = ResultCache(file)
    results.put(b"i", b"f", b"value")
    assert results.get(b"i", b"f") is None
    assert "this run goes without it" in file.trouble
    digests = Digests(file, str(root))
    assert len(digests.of(files_of(root))) == 3
    digests.save()
    file.close()


def test_opening_waits_for_the_first_question(state: Path) -> None:
    file = opened(state)
    file.close()
    assert not state.exists()


# Identities of files


def reads_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are read from now on, relative to the project."""
    reads: list[str] = []
    read = Digests._read

    def noting(self: Digests, file: SourceFile) -> bytes | None:
        reads.append(file.path)
        return read(self, file)

    monkeypatch.setattr(Digests, "_read", noting)
    return reads


def identities(state: Path, root: Path, files: Sequence[SourceFile]) -> dict[str, bytes]:
    """The identities as a run of their own finds them."""
    file = opened(state)
    digests = Digests(file, str(root))
    found = digests.of(files)
    digests.save()
    file.close()
    assert file.trouble == ""
    return found


def test_identities_tell_path_content_and_executability(root: Path, state: Path) -> None:
    make_tree(root, "d.py")
    (root / "d.py").write_bytes((root / "a.py").read_bytes())
    first = identities(state, root, files_of(root))
    assert len(set(first.values())) == 4
    (root / "a.py").chmod(0o755)
    (root / "b.py").write_bytes(b"changed\n")
    second = identities(state, root, files_of(root))
    assert [path for path in first if first[path] != second[path]] == ["a.py", "b.py"]
    (root / "a.py").chmod(0o644)
    (root / "b.py").write_bytes(b"# b.py\n")
    assert identities(state, root, files_of(root)) == first


@pytest.mark.usefixtures("later")
def test_unchanged_files_are_not_read_again(
    root: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(root)
    first = identities(state, root, files)
    reads = reads_of(monkeypatch)
    assert identities(state, root, files) == first
    assert reads == []
    (root / "b.py").write_bytes(b"after")
    identities(state, root, files_of(root))
    assert reads == ["b.py"]


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("field", ["size", "mtime_ns", "ctime_ns", "inode"])
def test_every_look_counts(
    root: Path, state: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    [file, *_] = files_of(root)
    identities(state, root, [file])
    reads = reads_of(monkeypatch)
    values = {name: getattr(file, name) for name in file.__struct_fields__}
    identities(state, root, [SourceFile(**{**values, field: values[field] - 1})])
    assert reads == ["a.py"]


def test_files_written_just_now_are_read_again(
    root: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identities(state, root, files_of(root))
    reads = reads_of(monkeypatch)
    identities(state, root, files_of(root))
    assert reads == ["a.py", "b.py", "sub/c.py"]


def test_within_a_run_a_look_stands_for_one_content(
    root: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(root)
    digests = Digests(opened(state), str(root))
    first = digests.of(files)
    reads = reads_of(monkeypatch)
    rewrite(root / "a.py", b"# A.py\n")
    assert digests.of(files) == first
    assert reads == []
    assert not digests.still_hold(files)
    assert digests.of(files_of(root))["a.py"] != first["a.py"]


def test_a_file_from_the_future_is_always_read(
    root: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(root / "a.py", (4e9, 4e9))
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3600 * 10**9)
    identities(state, root, files_of(root))
    reads = reads_of(monkeypatch)
    identities(state, root, files_of(root))
    assert reads == ["a.py"]


@settings(max_examples=25)
@given(st.lists(st.sampled_from([b"x = 1\n", b"x = 2\n", b"y = 1\n"]), min_size=1, max_size=5))
def test_a_rewrite_of_the_same_size_and_time_is_seen(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]
) -> None:
    """Also within one tick of the clock, when the file looks as it did: it is given by an old look."""
    directory = tmp_path_factory.mktemp("racy")
    root = make_tree(directory / "project", "a.py")
    (root / "a.py").write_bytes(b"x = 0\n")
    old_look = files_of(root)
    in_one_run = Digests(opened(directory), str(root))
    seen = {b"x = 0\n": identities(directory, root, old_look)["a.py"]}
    for content in contents:
        rewrite(root / "a.py", content)
        for files in (old_look, files_of(root)):
            identity = identities(directory, root, files)["a.py"]
            assert seen.setdefault(content, identity) == identity
            look_again = [msgspec.structs.replace(file) for file in files]
            assert in_one_run.of(look_again)["a.py"] == identity
    assert len(set(seen.values())) == len(seen)


def test_a_file_that_cannot_be_read_has_no_identity(root: Path, state: Path) -> None:
    files = files_of(root)
    (root / "a.py").unlink()
    (root / "b.py").unlink()
    (root / "b.py").symlink_to("sub/c.py")
    digests = Digests(opened(state), str(root))
    assert list(digests.of(files)) == ["sub/c.py"]
    assert digests.combined(files) is None
    assert digests.combined(files[2:]) is not None
    assert not digests.still_hold(files)


def test_combined_is_of_all_files(root: Path, state: Path) -> None:
    files = files_of(root)
    digests = Digests(opened(state), str(root))
    assert digests.combined(files) == digests.combined(list(files))
    assert len({digests.combined(files[:n]) for n in range(4)}) == 4


def test_names_that_are_not_utf_8(root: Path, state: Path) -> None:
    try:
        make_tree(root, "\udcff.py")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert identities(state, root, files_of(root)) == identities(state, root, files_of(root))


def sees_what_was_written_meanwhile(root: Path, state: Path) -> None:
    digests = Digests(opened(state), str(root))
    files = FileSet(str(root), files_of(root))
    assert not digests.still_hold(files.files)
    digests.of(files.files)
    assert digests.still_hold(files.files)
    rewrite(root / "a.py", b"# A.py\n")
    assert not digests.still_hold(files.files)
    assert digests.still_hold(files.files[1:])
    files = files.refreshed(["a.py"])
    assert not digests.still_hold(files.files)
    digests.of(files.files)
    assert digests.still_hold(files.files)
    (root / "b.py").unlink()
    assert not digests.still_hold(files.files)


def test_still_hold(root: Path, state: Path) -> None:
    sees_what_was_written_meanwhile(root, state)


@pytest.mark.usefixtures("later")
def test_still_hold_of_old_files(root: Path, state: Path) -> None:
    sees_what_was_written_meanwhile(root, state)


def test_still_hold_within_a_tick_of_the_clock(
    root: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [file, *_] = files_of(root)
    digests = Digests(opened(state), str(root))
    digests.of([file])
    monkeypatch.setattr(cache, "look_at", lambda *_: file)  # it looks as it did
    assert digests.still_hold([file])
    rewrite(root / "a.py", b"# A.py\n")
    assert not digests.still_hold([file])


@pytest.mark.usefixtures("later")
def test_removed_files_are_forgotten_and_others_are_not(root: Path, state: Path) -> None:
    def known() -> set[bytes]:
        file = opened(state)
        return set(file.ask(Digests(file, str(root))._load, None) or ())

    identities(state, root, files_of(root))
    (root / "b.py").unlink()
    identities(state, root, files_of(root))
    assert known() == {b"a.py", b"b.py", b"sub/c.py"}  # nothing was read, so nothing was saved
    (root / "a.py").write_bytes(b"after")
    identities(state, root, files_of(root)[:1])
    assert known() == {b"a.py", b"b.py", b"sub/c.py"}  # only part of the project was asked about
    (root / "a.py").write_bytes(b"again!")
    identities(state, root, files_of(root))
    assert known() == {b"a.py", b"sub/c.py"}


def test_a_large_file_is_hashed_in_pieces(root: Path, state: Path) -> None:
    with (root / "a.py").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    code = (
        "import resource, sys\n"
        "from crackerjack.hooks.cache import CacheFile, Digests\n"
        "from crackerjack.hooks.files import discover\n"
        "Digests(CacheFile(sys.argv[1]), sys.argv[2]).of(discover(sys.argv[2]).files)\n"
        "usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(usage // (1024 if sys.platform == 'darwin' else 1))\n"
    )
    # A process begins with the peak of the one that forked it: here a shell, not these tests.
    command = ["/bin/sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-c", code]
    assert int(subprocess.check_output([*command, str(state), str(root)])) < 100_000  # KiB
