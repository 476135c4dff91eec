from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackerjack.config import BundleTable
from crackerjack.errors import BundleTooLarge, ObjectMissing, ProjectUnsettled, UsageError
from crackerjack.fleet.bundle import Bundle, pack, unpack
from crackerjack.fleet.canonical import CHUNK, LARGEST_PACK
from crackerjack.fleet.objects import DirectoryObjects, object_name
from crackerjack.fleet.packing import Moved, build
from crackerjack.fleet.travelling import find_travellers
from crackerjack.hooks.cache import CacheFile, ResultCache
from crackerjack.hooks.files import discover
from crackerjack.hooks.git import changed_files, deleted_files, listed_files
from tests.fleet.keeping import ObjectsInMemory
from tests.hooks.trees import age, commit, git, make_repository, make_tree

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"


@pytest.fixture
def store() -> ObjectsInMemory:
    return ObjectsInMemory()


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResultCache]:
    file = CacheFile(str(tmp_path / "cache"))
    yield ResultCache(file)
    file.close()


def files_in(root: Path) -> dict[str, tuple[bytes, bool] | str]:
    """What each file of a directory holds, and whether it may be run; where a link leads to."""
    found: dict[str, tuple[bytes, bool] | str] = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if name.partition("/")[0] == ".git":
            continue
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = path.read_bytes(), os.access(path, os.X_OK)
    return found


def left_out(bundle: Bundle) -> dict[str, str]:
    return {one.path: one.reason for one in bundle.left_out}


# The same project


@settings(max_examples=30)  # each asks git twice
@given(
    st.dictionaries(
        st.lists(
            st.sampled_from(["a", "b", "é x", "c.py", "\udcff", "-d\n"]), min_size=1, max_size=4
        ).map("/".join),
        st.tuples(st.binary(max_size=40), st.booleans(), st.sampled_from([1, 1, 1, 30_000])),
        max_size=30,
    )
)
def test_round_trip(tree: dict[str, tuple[bytes, bool, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        here, there = Path(directory, "here"), Path(directory, "there")
        here.mkdir()
        for name, (content, executable, times) in tree.items():
            path = here / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content * times)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue  # a file where another has a directory
            path.chmod(0o755 if executable else 0o644)
        store = ObjectsInMemory()
        bundle = pack(str(here), store)
        unpacked = unpack(bundle.name, store, str(there))
        assert files_in(there) == files_in(here)
        assert (unpacked.files, unpacked.size) == (bundle.files, bundle.size)
        assert bundle.files == len(files_in(here))
        assert pack(str(there), store).name == bundle.name
        assert all(object_name(content) == name for name, content in store.objects.items())


def test_a_repository_is_seen_as_at_home(store: ObjectsInMemory, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    make_repository(here, "a.py", "pkg/run.sh", "ignored/tracked.txt", "build/tracked.py", ".hid/x")
    (here / "pkg/run.sh").chmod(0o755)
    (here / ".gitignore").write_text("ignored/\n*.log\nnot_read\n")
    (here / "link.py").symlink_to("pkg/../a.py")
    (here / "pkg/up").symlink_to("../a.py")
    git(here, "add", ".")
    commit(here)
    make_tree(here, "new.py", "ignored/cache", "x.log", "build/made.py", "odd \n\udcff.txt")
    bundle = pack(str(here), store)
    assert left_out(bundle) == {"link.py": "it is a link that climbs after it has descended"}
    assert unpack(bundle.name, store, str(there)).note == ""
    assert discover(str(there)).paths == discover(str(here)).paths
    tracked, untracked = listed_files(str(here))
    tracked.remove("link.py")
    untracked.remove("build/made.py")  # no part of the project, says `discover`
    assert listed_files(str(there)) == (tracked, untracked)
    assert os.readlink(there / "pkg/up") == "../a.py"
    assert os.access(there / "pkg/run.sh", os.X_OK)
    assert not os.access(there / "a.py", os.X_OK)
    assert git(there, "status", "--porcelain", "--untracked-files=no") == ""
    assert not (there / "x.log").exists()


def test_what_has_changed_is_what_has_changed_at_home(
    store: ObjectsInMemory, tmp_path: Path
) -> None:
    here = make_repository(tmp_path / "here", "a.py", "b.py", "sub/c.py", "gone.py", "d")
    (here / "b.py").write_text("changed\n")
    (here / "gone.py").unlink()
    (here / "d").unlink()
    make_tree(here, "new.py", "d/now_a_directory.py", "staged.py")
    git(here, "add", "staged.py", "d")
    expected = {"b.py", "new.py", "staged.py", "d/now_a_directory.py"}
    for options in ({"changed_only": True}, {"since": "HEAD"}):
        there = str(tmp_path / next(iter(options)))
        unpack(pack(str(here), store, **options).name, store, there)
        changed = changed_files(there, None)
        assert {*changed[0], *changed[1]} == expected
        assert deleted_files(there, None) == ["d", "gone.py"]
        assert discover(there).paths == discover(str(here)).paths
    clean = str(tmp_path / "clean")
    unpack(pack(str(here), store).name, store, clean)
    assert changed_files(clean, None) == ([], ["new.py"])
    with pytest.raises(UsageError, match="no-such"):
        pack(str(here), store, since="no-such")


def test_without_git_there_is_none(store: ObjectsInMemory, tmp_path: Path) -> None:
    here = make_tree(tmp_path / "here", "a.py", ".hidden/b.py", "build/c.py")
    (here / "link").symlink_to("a.py")
    bundle = pack(str(here), store)
    unpack(bundle.name, store, str(tmp_path / "there"))
    assert "not in a git repository" in bundle.note
    assert sorted(os.listdir(tmp_path / "there")) == ["a.py", "link"]


# What is sent


def test_nothing_is_sent_twice(store: ObjectsInMemory, cache: ResultCache, tmp_path: Path) -> None:
    names = [f"pkg{n % 7}/module{n}.py" for n in range(500)]
    here = make_repository(tmp_path / "here", *names)
    for name in names:
        (here / name).write_bytes(os.urandom(3000))
    revision = commit(here)
    first = pack(str(here), store, cache=cache)
    sizes = [len(store.objects[name]) for name in store.put_names[:-1]]
    assert first.sent == len(store.put_names)
    assert max(sizes) <= LARGEST_PACK
    assert 5 <= len(sizes) <= 20
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(here), str(clone))
    assert git(clone, "rev-parse", "HEAD") == revision
    for root in (here, clone):
        store.forget_questions()
        again = pack(str(root), store, cache=cache)
        assert (again.name, again.sent, again.sent_size) == (first.name, 0, 0)
        assert store.questions == 1
    (here / names[0]).write_bytes(os.urandom(3000))
    changed = pack(str(here), store, cache=cache)
    assert changed.sent == 2  # a pack and the manifest
    assert changed.sent_size < LARGEST_PACK + 4096
    assert unpack(changed.name, store, str(tmp_path / "there")).files == 500
    assert (tmp_path / "there" / names[0]).read_bytes() == (here / names[0]).read_bytes()


def test_files_that_did_not_change_are_not_read(
    store: ObjectsInMemory, cache: ResultCache, tmp_path: Path
) -> None:
    here = make_tree(tmp_path / "here", "a.py", "key.txt", "locked/b.py")
    (here / "key.txt").write_text(KEY)
    age(here, ["a.py", "key.txt", "locked/b.py"])
    files = discover(str(here)).files
    while not all(file.shows_changes_after(time.time_ns()) for file in files):
        threading.Event().wait(0.1)  # what was just written may be written again unseen
    first = pack(str(here), store, cache=cache)
    opened: list[str] = []
    os_open = os.open

    def recording(path: str, *arguments: int, **named: int) -> int:
        opened.append(os.fspath(path))
        return os_open(path, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", recording)
        second = pack(str(here), store, cache=cache)
    assert second == msgspec.structs.replace(first, sent=0, sent_size=0)
    assert left_out(second).keys() == {"key.txt"}
    assert not [path for path in opened if path.startswith(str(here))]
    # What was written within the last tick of the clock may be written again without showing it.
    os.utime(here / "a.py", (time.time() + 3600,) * 2)
    for _ in range(2):
        opened.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "open", recording)
            assert pack(str(here), store, cache=cache).name == first.name
        assert str(here / "a.py") in opened


def test_large_files_go_in_chunks(store: ObjectsInMemory, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    contents = {
        "a": os.urandom(3 * CHUNK + 1),
        "b": os.urandom(LARGEST_PACK + 1),
        "c": b"\0" * CHUNK,
    }
    for name, content in contents.items():
        (here / name).write_bytes(content)
    bundle = pack(str(here), store)
    assert max(map(len, store.objects.values())) == CHUNK
    unpack(bundle.name, store, str(tmp_path / "there"))
    assert {name: (tmp_path / "there" / name).read_bytes() for name in contents} == contents
    (here / "a").write_bytes(contents["a"][:-1] + b"?")
    assert pack(str(here), store).sent == 3  # the last chunk, the pack that lists it, the manifest


def test_what_a_store_has_lost_is_sent_again(store: ObjectsInMemory, tmp_path: Path) -> None:
    here = make_tree(tmp_path / "here", "a.py", "b.py")
    bundle = pack(str(here), store)
    lost = next(name for name in store.objects if name != bundle.name)
    del store.objects[lost]
    with pytest.raises(ObjectMissing):
        unpack(bundle.name, store, str(tmp_path / "there"))
    assert not (tmp_path / "there").exists()
    assert pack(str(here), store).sent == 0
    assert pack(str(here), store, recheck=True).name == bundle.name
    assert lost in store.objects


# What stays at home


def test_secrets_stay_and_are_named(store: ObjectsInMemory, tmp_path: Path) -> None:
    secrets = [
        *(".env", ".env.local", "deploy/.envrc", ".netrc", ".pypirc", "id_rsa", "a/id_ed25519"),
        *("server.key", "store.p12", "store.PFX", "credentials.json", ".aws/credentials"),
        *("client_secret_12.json", "cert.pem", "notes.txt", "account.json", ".npmrc"),
    ]
    harmless = [
        *(".env.example", ".env.sample", ".env.template", "id_rsa.pub", "environment", "keys.py"),
        *("public.pem", "sub/.npmrc", "test_key.py", "credentials.py"),
    ]
    here = make_repository(tmp_path / "here", *secrets, *harmless)
    (here / "cert.pem").write_text("Bag Attributes\n" + KEY)
    (here / "notes.txt").write_text("\n" + KEY)
    (here / "account.json").write_text('{\n  "private_key": "-----BEGIN PRIVATE KEY-----\\nMII"\n}')
    (here / ".npmrc").write_text("//registry.example/:_authToken=abc\n")
    (here / "test_key.py").write_text(f'KEY = """\\\n{KEY}"""\n')
    bundle = pack(str(here), store)
    unpack(bundle.name, store, str(tmp_path / "there"))
    assert left_out(bundle).keys() == set(secrets)
    assert files_in(tmp_path / "there").keys() == set(harmless)
    assert left_out(bundle)["cert.pem"].startswith(
        "it looks like a private key; to send it, name it"
    )
    everything = b"".join(store.objects.values())
    assert b"MIIE" not in everything.replace((here / "test_key.py").read_bytes(), b"")


def test_what_the_user_names_travels(store: ObjectsInMemory, tmp_path: Path) -> None:
    here = make_repository(tmp_path / "here", "a.py", ".env", "certs/a.key", "certs/b.pem")
    (here / "certs/b.pem").write_text(KEY)
    (here / ".gitignore").write_text("_version.py\nmade/\n")
    commit(here)
    make_tree(here, "_version.py", "made/x.py", "made/deep/y.py")
    wanted = BundleTable(include=(".env", "certs", "_version.py", "made/"))
    bundle = pack(str(here), store, wanted)
    unpack(bundle.name, store, str(tmp_path / "there"))
    assert bundle.left_out == ()
    assert files_in(tmp_path / "there") == files_in(here)
    assert discover(str(tmp_path / "there")).paths == discover(str(here)).paths
    (here / "out").symlink_to("/")
    for name in ("../x", "/etc", ".", "", "a/../..", ".git/config", "out/etc"):
        with pytest.raises(UsageError, match="include"):
            pack(str(here), store, BundleTable(include=(name,)))


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd", "../outside", "d/../../outside", ".git/config", "d/../.GIT", "a/b/../c"],
)
def test_links_that_lead_out_stay(store: ObjectsInMemory, tmp_path: Path, target: str) -> None:
    here = make_tree(tmp_path / "here", "a.py", "d/b.py")
    (here / "link").symlink_to(target)
    bundle = pack(str(here), store)
    assert left_out(bundle).keys() == {"link"}
    unpack(bundle.name, store, str(tmp_path / "there"))
    assert files_in(tmp_path / "there").keys() == {"a.py", "d/b.py"}


def test_other_repositories_stay(store: ObjectsInMemory, tmp_path: Path) -> None:
    here = make_repository(tmp_path / "here", "a.py")
    make_repository(here / "nested", "b.py")
    assert left_out(pack(str(here), store)).keys() == {"nested"}


# Bounds


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (BundleTable(max_files=2), "3 files, and 2 are allowed (most of them in sub)"),
        (BundleTable(max_mb=1), "2.0 MiB, and 1 are allowed (most of them in sub)"),
        (BundleTable(max_file_mb=1, max_mb=1), "a file has 1.5 MiB, and 1 are allowed (sub/b)"),
    ],
)
def test_a_project_beyond_a_bound_is_refused(
    store: ObjectsInMemory, tmp_path: Path, limits: BundleTable, words: str
) -> None:
    here = make_tree(tmp_path / "here", "a.py", "sub/b", "sub/c")
    megabytes = 1.5 if limits.max_file_mb == 1 else 1
    (here / "sub/b").write_bytes(b"b" * int(megabytes * 1024 * 1024))
    (here / "sub/c").write_bytes(b"c" * 1024 * 1024)
    with pytest.raises(BundleTooLarge) as refused:
        pack(str(here), store, limits)
    assert words in str(refused.value)
    assert f"or raise {refused.value.setting} in [tool.crackerjack.bundle]" in str(refused.value)
    assert getattr(limits, refused.value.setting) in {1, 2}
    assert store.objects == {}


class Restless(ObjectsInMemory):
    """Writes to a file of the project each time that it is asked, a number of times."""

    def __init__(self, path: Path, times: int) -> None:
        super().__init__()
        self.path = path
        self.times = times

    def has(self, names: Collection[str]) -> set[str]:
        if self.times:
            self.times -= 1
            with open(self.path, "ab") as file:
                file.write(b"more\n")
        return super().has(names)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    here = make_tree(tmp_path / "here", "a.py", "busy.log")
    busy = here / "busy.log"
    with pytest.raises(ProjectUnsettled, match=r"^busy\.log changed each time"):
        pack(str(here), Restless(busy, times=100))
    store = Restless(busy, times=3)
    unpack(pack(str(here), store).name, store, str(tmp_path / "there"))
    assert (tmp_path / "there/busy.log").read_bytes() == busy.read_bytes()


def test_a_file_that_is_rewritten_while_it_is_read(tmp_path: Path) -> None:
    here = make_tree(tmp_path / "here")
    here.mkdir()
    (here / "large").write_bytes(b"a" * (CHUNK + 1))
    age(here, ["large"])
    found = find_travellers(str(here), BundleTable()).found

    def on_chunk(_: bytes, content: bytes) -> None:
        if len(content) == 1:  # the last one
            with open(here / "large", "r+b") as file:
                file.write(b"b")

    with pytest.raises(Moved, match="large"):
        build(str(here), found, on_chunk)


def test_a_directory_that_holds_something_is_left_alone(
    store: ObjectsInMemory, tmp_path: Path
) -> None:
    here = make_tree(tmp_path / "here", "a.py")
    bundle = pack(str(here), store)
    with pytest.raises(UsageError, match="not empty"):
        unpack(bundle.name, store, str(here))
    assert (here / "a.py").exists()
    with pytest.raises(UsageError, match="Not a directory"):
        unpack(bundle.name, store, str(here / "a.py" / "sub"))


def test_through_a_real_store(tmp_path: Path) -> None:
    here = make_repository(tmp_path / "here", "a.py", "b/c.py")
    store = DirectoryObjects(str(tmp_path / "objects"))
    bundle = pack(str(here), store)
    assert pack(str(here), store).sent == 0
    unpack(bundle.name, store, str(tmp_path / "there"))
    assert files_in(tmp_path / "there") == files_in(here)
