from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from crackerjack.errors import UsageError
from crackerjack.hooks.files import SourceFile, content_digest, discover, look_at, walk
from tests.hooks.trees import commit, git, make_repository, make_tree


def test_tracked_and_untracked_files_but_not_ignored_ones(tmp_path: Path) -> None:
    root = make_repository(tmp_path, "a.py", "pkg/b.py", ".gitignore")
    (root / ".gitignore").write_text("*.log\nbuild/\n")
    make_tree(root, "new.py", "noise.log", "build/c.py")
    found = discover(str(root))
    assert found.paths == (".gitignore", "a.py", "new.py", "pkg/b.py")
    assert found.has_git
    assert found.note == ""
    assert found.untracked == {"new.py"}


def test_untracked_files_that_tools_have_put_there_are_left_out(tmp_path: Path) -> None:
    root = make_repository(tmp_path, "a.py", "build/kept.py", "dist/__init__.py")
    make_tree(
        root,
        ".github/workflows/new.yml",
        "build/lib/copied.py",
        "dist/new.py",
        "my.env/pyvenv.cfg",
        "my.env/lib/python3.13/site-packages/six.py",
        "conda/conda-meta/history",
        "conda/lib/b.py",
        "pkg/__pycache__/c.pyc",
        "pkg/new.py",
        "x.egg-info/PKG-INFO",
        ".tox/log/d.txt",
    )
    new = (".github/workflows/new.yml", "dist/new.py", "pkg/new.py")
    kept = ("a.py", "build/kept.py", "dist/__init__.py")
    assert discover(str(root)).paths == tuple(sorted((*new, *kept)))
    assert discover(str(root), changed_only=True).paths == new


def test_the_marks_that_git_puts_before_names_are_no_part_of_them(tmp_path: Path) -> None:
    root = make_repository(tmp_path, "? a.py", "build/both.py")
    git(root, "checkout", "-q", "-b", "other")
    (root / "build" / "both.py").write_text("other\n")
    commit(root)
    git(root, "checkout", "-q", "main")
    (root / "build" / "both.py").write_text("main\n")
    commit(root)
    with pytest.raises(subprocess.CalledProcessError):  # a conflict, which has a mark of its own
        git(root, "merge", "-q", "other")
    make_tree(root, "? b.py", "H c.py", "build/new.py")
    assert discover(str(root)).paths == ("? a.py", "? b.py", "H c.py", "build/both.py")


def test_what_is_known_of_a_file(tmp_path: Path) -> None:
    root = make_repository(tmp_path, "a.py")
    (root / "a.py").chmod(0o755)
    seen = (root / "a.py").stat()
    [file] = discover(str(root)).files
    assert file == SourceFile(
        "a.py", seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_mode
    )
    assert stat.S_IMODE(file.mode) == 0o755


def test_a_project_in_a_directory_of_the_repository(tmp_path: Path) -> None:
    root = make_repository(tmp_path, "top.py", "sub/a.py", "sub/deep/b.py", "subway.py")
    make_tree(root, "sub/new.py", "other.py")
    assert discover(str(root / "sub")).paths == ("a.py", "deep/b.py", "new.py")


def test_a_repository_without_commits(tmp_path: Path) -> None:
    root = make_tree(make_repository(tmp_path), "a.py", "b.py")
    git(root, "add", "a.py")
    assert discover(str(root)).paths == ("a.py", "b.py")
    assert discover(str(root), changed_only=True).paths == ("a.py", "b.py")


def test_an_empty_directory(tmp_path: Path) -> None:
    assert discover(str(tmp_path)).files == ()
    assert discover(str(make_repository(tmp_path))).files == ()


def test_no_such_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--project"):
        discover(str(tmp_path / "gone"))


def test_deleted_files_and_submodules_are_left_out(tmp_path: Path) -> None:
    inner = make_repository(tmp_path / "inner", "x.py")
    root = make_repository(tmp_path / "outer", "gone.py", "here.py")
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "module")
    commit(root)
    make_repository(root / "nested", "y.py")
    (root / "gone.py").unlink()
    assert discover(str(root)).paths == (".gitmodules", "here.py")


def test_a_conflict_lists_a_file_once(tmp_path: Path) -> None:
    root = make_repository(tmp_path, "a.py")
    git(root, "checkout", "-q", "-b", "other")
    (root / "a.py").write_text("theirs\n")
    commit(root)
    git(root, "checkout", "-q", "main")
    (root / "a.py").write_text("ours\n")
    commit(root)
    with pytest.raises(Exception, match="merge"):
        git(root, "merge", "other")
    assert discover(str(root)).paths == ("a.py",)


NAMES = ("with space.py", "-dash.py", "new\nline.py", "tab\t.py", 'quo"te.py', "ü.py", "\udcff.py")


@pytest.mark.parametrize("repository", [True, False])
def test_names_of_every_kind(tmp_path: Path, repository: bool) -> None:
    root = make_repository(tmp_path) if repository else tmp_path
    try:
        make_tree(root, *NAMES)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    if repository:
        git(root, "add", *(f"./{name}" for name in NAMES[:3]))
    found = discover(str(root))
    assert found.paths == tuple(sorted(NAMES))
    assert all(os.path.exists(os.path.join(root, path)) for path in found.paths)


@pytest.mark.parametrize("repository", [True, False])
def test_no_symbolic_link_is_followed(tmp_path: Path, repository: bool) -> None:
    outside = make_tree(tmp_path / "outside", "secret.py")
    root = tmp_path / "project"
    make_repository(root) if repository else root.mkdir()
    make_tree(root, "real/a.py")
    (root / "same.py").symlink_to("real/a.py")
    (root / "out.py").symlink_to(outside / "secret.py")
    (root / "broken.py").symlink_to("nowhere")
    (root / "loop").symlink_to(".")
    (root / "real" / "up").symlink_to("..")
    (root / "outer").symlink_to(outside)
    if repository:
        commit(root)
    found = discover(str(root))
    assert found.paths == ("real/a.py",)
    assert found.others == ("broken.py", "loop", "out.py", "outer", "real/up", "same.py")


def test_files_behind_a_directory_that_became_a_link_are_not_the_projects(tmp_path: Path) -> None:
    elsewhere = make_tree(tmp_path / "elsewhere", "deep/a.py")
    root = make_repository(tmp_path / "project", "pkg/deep/a.py", "b.py")
    shutil.rmtree(root / "pkg")
    (root / "pkg").symlink_to(elsewhere)
    assert discover(str(root)).paths == ("b.py",)


def test_pipes_and_temporary_files_of_ours_are_left_out(tmp_path: Path) -> None:
    make_tree(tmp_path, "a.py", ".crackerjack-0123.tmp")
    os.mkfifo(tmp_path / "pipe.py")
    assert discover(str(tmp_path)).paths == ("a.py",)
    make_repository(tmp_path)
    assert discover(str(tmp_path)).paths == ("a.py",)


@pytest.mark.parametrize("repository", [True, False])
@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        ((), ("a.py", "docs/conf.py", "vendor/x/b.py")),
        (("vendor",), ("a.py", "docs/conf.py")),
        (("vendor/",), ("a.py", "docs/conf.py")),
        (("vendor/*", "docs/conf.py"), ("a.py",)),
        (("x",), ("a.py", "docs/conf.py")),
        (("*.py",), ()),
        (("a",), ("a.py", "docs/conf.py", "vendor/x/b.py")),
    ],
)
def test_exclude(
    tmp_path: Path, repository: bool, exclude: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    if repository:
        make_repository(tmp_path)
    make_tree(tmp_path, "a.py", "docs/conf.py", "vendor/x/b.py")
    assert discover(str(tmp_path), exclude=exclude).paths == expected


def test_without_git_it_walks_and_says_so(tmp_path: Path) -> None:
    make_tree(
        tmp_path,
        "a.py",
        ".pre-commit-config.yaml",
        "pkg/b.py",
        "pkg/__pycache__/b.pyc",
        ".hidden/c.py",
        "env/pyvenv.cfg",
        "env/lib/d.py",
        "conda/conda-meta/history",
        "node_modules/e.py",
        "build/lib/f.py",
        "dist/g.py",
        "src/build/__init__.py",
        "x.egg-info/PKG-INFO",
    )
    found = discover(str(tmp_path))
    assert found.paths == (
        ".pre-commit-config.yaml",
        "a.py",
        "pkg/b.py",
        "src/build/__init__.py",
    )
    assert not found.has_git
    assert found.note.startswith("it is not in a git repository: looked at")


def test_without_the_git_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_repository(tmp_path, "a.py")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = discover(str(root))
    assert found.paths == ("a.py",)
    assert found.note.startswith("git is not installed")
    with pytest.raises(UsageError, match="git is not installed"):
        discover(str(root), changed_only=True)


@pytest.mark.parametrize(
    ("complaint", "note"),
    [
        ("fatal: detected dubious ownership in repository at '/x'", "git refuses a repository"),
        ("fatal: index file corrupt\nmore", "git failed: index file corrupt: "),
        ("", "git failed: "),
    ],
)
def test_git_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complaint: str, note: str
) -> None:
    fake = make_tree(tmp_path / "bin", "git") / "git"
    fake.write_text(f'#!/bin/sh\nprintf "%s" "{complaint}" >&2\nexit 128\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    found = discover(str(make_tree(tmp_path / "project", "a.py")))
    assert found.paths == ("a.py",)
    assert found.note.startswith(note)


def test_a_project_that_its_repository_ignores_is_walked(tmp_path: Path) -> None:
    root = make_repository(tmp_path, ".gitignore")
    (root / ".gitignore").write_text("/sandbox\n")
    make_tree(root, "sandbox/a.py")
    found = discover(str(root / "sandbox"))
    assert found.paths == ("a.py",)
    assert found.note.startswith("git ignores this directory")


def test_variables_of_a_git_hook_lead_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_repository(tmp_path / "other", "other.py")
    root = make_repository(tmp_path / "project", "sub/a.py")
    (other / ".git" / "info" / "exclude").write_text("*.py\n")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert discover(str(root / "sub")).paths == ("a.py",)


def test_changed_only(tmp_path: Path) -> None:
    names = ("same.py", "staged.py", "unstaged.py", "gone.py", "sub/deep.py", "moved.py")
    root = make_repository(tmp_path, *names)
    (root / "staged.py").write_text("1\n")
    git(root, "add", "staged.py")
    (root / "unstaged.py").write_text("2\n")
    (root / "sub" / "deep.py").write_text("3\n")
    (root / "gone.py").unlink()
    git(root, "mv", "moved.py", "new name.py")
    make_tree(root, "untracked\n.py")
    assert discover(str(root), changed_only=True).paths == (
        "new name.py",
        "staged.py",
        "sub/deep.py",
        "unstaged.py",
        "untracked\n.py",
    )
    assert discover(str(root / "sub"), changed_only=True).paths == ("deep.py",)
    assert discover(str(root), changed_only=True, exclude=["sub", "un*"]).paths == (
        "new name.py",
        "staged.py",
    )


def test_changed_since_the_fork_point(tmp_path: Path) -> None:
    root = make_repository(tmp_path, "a.py", "b.py", "c.py")
    git(root, "checkout", "-q", "-b", "feature")
    (root / "a.py").write_text("feature\n")
    commit(root)
    git(root, "checkout", "-q", "main")
    (root / "b.py").write_text("main went on\n")
    commit(root)
    git(root, "checkout", "-q", "feature")
    (root / "c.py").write_text("uncommitted\n")
    make_tree(root, "d.py")
    assert discover(str(root), changed_since="main").paths == ("a.py", "c.py", "d.py")
    assert discover(str(root), changed_since="HEAD").paths == ("c.py", "d.py")


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "", "HEAD:a.py", "a b"])
def test_no_such_revision(tmp_path: Path, revision: str) -> None:
    root = make_repository(tmp_path, "a.py")
    with pytest.raises(UsageError, match="no such commit"):
        discover(str(root), changed_since=revision)


def test_a_revision_without_common_history(tmp_path: Path) -> None:
    root = make_repository(tmp_path, "a.py")
    git(root, "checkout", "-q", "--orphan", "other")
    make_tree(root, "b.py")
    commit(root)
    with pytest.raises(UsageError, match="no commit in common"):
        discover(str(root), changed_since="main")


def test_what_changed_is_unknown_without_a_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not in a git repository"):
        discover(str(tmp_path), changed_only=True)
    with pytest.raises(UsageError, match="not in a git repository"):
        discover(str(tmp_path), changed_since="main")


def test_select_keeps_what_else_is_known(tmp_path: Path) -> None:
    root = make_repository(tmp_path, "a.py", "b.pyi", "c.md")
    chosen = discover(str(root)).select(["*.py", "*.pyi"])
    assert chosen.paths == ("a.py", "b.pyi")
    assert (chosen.root, chosen.has_git) == (str(root), True)


def test_refreshed_looks_again_at_what_was_written(tmp_path: Path) -> None:
    make_tree(tmp_path, "a.py", "b.py", "c.py")
    before = discover(str(tmp_path))
    (tmp_path / "a.py").write_text("longer than it was before\n")
    (tmp_path / "b.py").write_text("longer than it was before\n")
    (tmp_path / "c.py").unlink()
    after = before.refreshed(["a.py", "c.py", "unknown.py"])
    assert after.paths == ("a.py", "b.py")
    assert after.files[0] == look_at(str(tmp_path), "a.py")
    assert after.files[1] == before.files[1]


def test_walk_survives_directories_that_cannot_be_read(tmp_path: Path) -> None:
    make_tree(tmp_path, "a.py", "closed/b.py")
    (tmp_path / "closed").chmod(0)
    found = [file.path for file in walk(str(tmp_path))]
    (tmp_path / "closed").chmod(0o755)
    assert found in (["a.py"], ["a.py", "closed/b.py"])  # the latter for root


def test_walk_yields_what_is_known_as_it_was_seen_then(tmp_path: Path) -> None:
    make_tree(tmp_path, "a.py", "b.py", "gone.py", "link.py")
    known = {path: look_at(str(tmp_path), path) for path in ("a.py", "gone.py", "link.py")}
    (tmp_path / "a.py").write_text("longer than before, and not looked at again")
    (tmp_path / "gone.py").unlink()
    (tmp_path / "link.py").unlink()
    (tmp_path / "link.py").symlink_to("b.py")
    found = {
        file.path: file
        for file in walk(str(tmp_path), known={path: file for path, file in known.items() if file})
    }
    assert found.keys() == {"a.py", "b.py"}
    assert found["a.py"] is known["a.py"]


DISCOVER_AS_NOBODY = """
import os, sys
os.environ |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
from crackerjack.hooks.files import discover
if os.geteuid() == 0:
    os.setuid(65534)  # root enters what is closed
found = discover(sys.argv[1])
print(found.has_git, found.paths, found.note)
"""


def test_what_lies_in_a_directory_that_may_not_be_entered_is_not_left_out_in_silence() -> None:
    # pytest's directories are closed to others
    with tempfile.TemporaryDirectory() as name:
        root = make_repository(Path(name) / "p", "a.py", "closed/b.py", "closed/in/c.py", "x/y.py")
        (root / "x" / "y.py").unlink()
        for directory in (root.parent, root, root / ".git"):
            directory.chmod(0o755)
        (root / "closed").chmod(0o600)
        said = subprocess.check_output(
            [sys.executable, "-c", DISCOVER_AS_NOBODY, str(root)], text=True
        )
        (root / "closed").chmod(0o755)
    assert said == "True ('a.py',) could not look into closed\n"


def test_content_digest_tells_contents_apart() -> None:
    assert content_digest(b"a") == content_digest(b"a") != content_digest(b"b")


def test_times_show_later_changes_once_they_are_old() -> None:
    now = time.time_ns()
    old = SourceFile("a", 1, now - 10**10, now - 10**10, 1, 0)
    assert old.shows_changes_after(now)
    assert not SourceFile("a", 1, now, now - 10**10, 1, 0).shows_changes_after(now)
    assert not SourceFile("a", 1, now - 10**10, now, 1, 0).shows_changes_after(now)
    assert not SourceFile("a", 1, now + 10**15, now - 10**10, 1, 0).shows_changes_after(now)


def test_a_large_project_is_listed_whole(tmp_path: Path) -> None:
    paths = [f"package{n % 60}/sub{n % 7}/module{n}.py" for n in range(2823)]
    root = make_repository(tmp_path, *paths)
    assert discover(str(root)).paths == tuple(sorted(paths))
