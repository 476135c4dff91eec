from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackerjack.hooks import source_lines
from crackerjack.hooks.source_lines import SourceLines, decode_source


def test_lines_count_from_one(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"one\n  two\n\nfour")
    lines = SourceLines(str(tmp_path))
    assert [lines("a.py", number) for number in (1, 2, 3, 4)] == ["one", "  two", "", "four"]


@pytest.mark.parametrize("number", [0, -1, 5, 10**9])
def test_no_such_line(tmp_path: Path, number: int) -> None:
    (tmp_path / "a.py").write_bytes(b"one\ntwo\nthree")
    assert SourceLines(str(tmp_path))("a.py", number) == ""


def test_lines_end_where_python_ends_them(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes("a\x0cb\u2028c\r\nd\re\nf".encode())
    lines = SourceLines(str(tmp_path))
    assert [lines("a.py", n) for n in (1, 2, 3, 4)] == ["a\x0cb\u2028c", "d", "e", "f"]


def test_nothing_outside_the_project_is_opened(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret\n")
    (tmp_path / "project").mkdir()
    lines = SourceLines(str(tmp_path / "project"))
    for path in ("../secret", str(tmp_path / "secret"), "a/../../secret", "..", "", ".", "a\0b"):
        assert lines(path, 1) == ""


def test_no_link_leads_out_of_the_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret\n")
    (project / "src" / "a.py").write_text("ours\n")
    (project / "link.py").symlink_to(tmp_path / "secret")
    (project / "up").symlink_to("..")
    (project / "lib").symlink_to("src")
    (project / "round").symlink_to("round")
    (tmp_path / "way").symlink_to(project)
    for root in (project, tmp_path / "way"):
        lines = SourceLines(str(root))
        for path in ("link.py", "up/secret", "up", "round"):
            assert lines(path, 1) == ""
        assert lines("lib/a.py", 1) == lines("src/a.py", 1) == "ours"


def test_no_pipe_and_no_giant_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "giant.py").open("wb") as file:
        file.write(b"x = 1\n")
        file.truncate(200 * 1024 * 1024)
    lines = SourceLines(str(tmp_path))
    assert lines("pipe", 1) == ""
    assert lines("giant.py", 1) == ""


def test_a_file_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("before\n")
    lines = SourceLines(str(tmp_path))
    assert lines("a.py", 1) == "before"
    (tmp_path / "a.py").write_text("after\n")
    assert lines("a.py", 1) == "before"


def test_what_is_held_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_lines, "KEPT", 100)
    lines = SourceLines(str(tmp_path))
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text(f"{name} {'x' * 40}\n")
        assert lines(name, 1).startswith(name)
    (tmp_path / "a.py").write_text("read again\n")
    (tmp_path / "c.py").write_text("not read again\n")
    assert lines("a.py", 1) == "read again"
    assert lines("c.py", 1).startswith("c.py")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("ü".encode(), "ü"),
        ("ü".encode("latin-1"), "ü"),
        ("# coding: cp1252\n€".encode("cp1252"), "# coding: cp1252\n€"),
        ("#!x\n# -*- coding: koi8-r -*-\nж".encode("koi8-r"), "#!x\n# -*- coding: koi8-r -*-\nж"),
        (b"#\n#\n# coding: cp1252\n\x80", "#\n#\n# coding: cp1252\n\x80"),
        (b"# coding: nonsense\n\xc3\xbc", "# coding: nonsense\nü"),
        (b"# coding: Punycode\nMnchen-3ya", "# coding: Punycode\nMnchen-3ya"),
        (b"# coding: hex\n\xc3\xbc", "# coding: hex\nü"),
        (b"# coding: ascii\n\xfc", "# coding: ascii\nü"),
        ("ü".encode("utf-8-sig"), "ü"),
        ("ü".encode("utf-16"), "ü"),
        (b"", ""),
    ],
)
def test_decoding(content: bytes, text: str) -> None:
    assert decode_source(content) == text


@given(st.binary(max_size=200))
def test_every_content_has_a_text(content: bytes) -> None:
    assert isinstance(decode_source(content), str)
