"""The built-in checks over real files."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from crackerjack.hooks.atomic import Refusal, replace_file
from crackerjack.hooks.builtin import CHECKS, FileCheckResult, FileCheckSettings, check_files
from crackerjack.hooks.files import SourceFile, discover
from crackerjack.hooks.fixing import FixedFile

SETTINGS = FileCheckSettings()


class Replacing:
    """Replaces files of a project, and remembers which."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.replaced: dict[str, tuple[bytes, bytes]] = {}

    def __call__(self, path: str, before: bytes, after: bytes) -> Refusal | None:
        self.replaced[path] = (before, after)
        return replace_file(os.path.join(self._root, path), after, expect=before)


def files_in(root: Path) -> tuple[SourceFile, ...]:
    return discover(str(root)).files


def checked(root: Path, replace: Replacing | None = None) -> FileCheckResult:
    return check_files(str(root), files_in(root), CHECKS, settings=SETTINGS, replace=replace)


def codes(result: FileCheckResult) -> dict[str, list[str]]:
    return {path: [one.code for one in found] for path, found in result.diagnostics.items()}


def test_every_file_has_its_findings(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "bad.py").write_text("x = (\n\n")
    (tmp_path / "caf\udce9 \n.txt").write_text("x ")
    assert codes(checked(tmp_path)) == {
        "bad.py": ["ast", "end-of-file"],
        "caf\udce9 \n.txt": ["trailing-whitespace", "end-of-file"],
        "good.py": [],
    }
    assert (tmp_path / "bad.py").read_text() == "x = (\n\n"


def test_an_empty_project(tmp_path: Path) -> None:
    assert checked(tmp_path).diagnostics == {}


def test_fixing_leaves_what_cannot_be_fixed(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_bytes(b"# coding: latin-1\r\nx = '\xe9' \r\nbreakpoint()\r\n\r\n")
    path.chmod(0o754)
    (tmp_path / "a.toml").write_text('x = """a \nb"""')
    replacing = Replacing(tmp_path)
    result = checked(tmp_path, replacing)
    assert path.read_bytes() == b"# coding: latin-1\r\nx = '\xe9'\r\nbreakpoint()\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o754
    assert result.fixed == (
        FixedFile("a.toml", ("end-of-file",)),
        FixedFile("m.py", ("trailing-whitespace", "end-of-file")),
    )
    assert [refusal.path for refusal in result.refused] == ["a.toml"]
    assert codes(result) == {"a.toml": ["trailing-whitespace"], "m.py": ["debug-statement"]}
    assert checked(tmp_path, replacing).fixed == ()


def test_a_file_that_cannot_be_written_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    os.link(tmp_path / "a.txt", tmp_path / "b.txt")
    result = checked(tmp_path, Replacing(tmp_path))
    assert result.fixed == ()
    assert len(result.refused) == 2
    assert codes(result) == {"a.txt": ["end-of-file"], "b.txt": ["end-of-file"]}
    assert (tmp_path / "a.txt").read_text() == "x"


def test_files_that_are_gone_or_cannot_be_read(tmp_path: Path) -> None:
    for name in ("gone.txt", "pipe.txt", "link.txt"):
        (tmp_path / name).write_text("x\n")
    files = files_in(tmp_path)
    for name in ("gone.txt", "pipe.txt", "link.txt"):
        (tmp_path / name).unlink()
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "link.txt").symlink_to("/dev/zero")
    result = check_files(str(tmp_path), files, CHECKS, settings=SETTINGS)
    assert codes(result) == {"link.txt": ["unreadable"], "pipe.txt": ["unreadable"]}


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.py"
    with huge.open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    began = time.process_time()
    result = checked(tmp_path)
    assert time.process_time() - began < 0.5
    assert codes(result) == {"huge.py": ["large-file", "unread"]}
    assert "200 MiB" in result.diagnostics["huge.py"][1].message


def test_it_stops_between_files_when_it_is_cancelled(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text("x\n")
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 2

    result = check_files(
        str(tmp_path), files_in(tmp_path), CHECKS, settings=SETTINGS, cancelled=cancelled
    )
    assert result.cancelled
    assert list(result.diagnostics) == ["a", "b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_no_permission_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\n")
    (tmp_path / "a.txt").chmod(0)
    assert codes(checked(tmp_path)) == {"a.txt": ["unreadable"]}
