from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackerjack.hooks.cleaning.unified_diff import DoesNotApply, apply_hunks, split_by_file

LINES = st.lists(
    st.sampled_from(["a\n", "b\r\n", "\n", "-- x\n", "++ x\n", "@@ -1 +1 @@\n", " \n"])
)
TAILS = st.sampled_from(["", "end", "\\ No newline"])


def diff(tmp_path: Path, before: bytes, after: bytes) -> bytes:
    (tmp_path / "before").write_bytes(before)
    (tmp_path / "after").write_bytes(after)
    command = ["diff", "-u", "--label", "m.py", "--label", "m.py", "before", "after"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).stdout


@given(LINES, TAILS, LINES, TAILS)
def test_a_diff_makes_the_one_from_the_other(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[str],
    before_tail: str,
    after: list[str],
    after_tail: str,
) -> None:
    old = ("".join(before) + before_tail).encode()
    new = ("".join(after) + after_tail).encode()
    printed = diff(tmp_path_factory.mktemp("diff", numbered=True), old, new)
    if printed:
        assert apply_hunks(old, split_by_file(printed, ["m.py"])["m.py"]) == new


def test_files_are_told_apart() -> None:
    printed = (
        b"--- a b.py\n+++ a b.py\n@@ -1 +1 @@\n-x\n+y\n\n"
        b"--- other.py\n+++ other.py\n@@ -1 +1 @@\n-x\n+z\n\nWould fix 2 errors.\n"
    )
    hunks = split_by_file(printed, ["a b.py", "other.py", "third.py"])
    assert {path: apply_hunks(b"x\n", one) for path, one in hunks.items()} == {
        "a b.py": b"y\n",
        "other.py": b"z\n",
    }


@pytest.mark.parametrize(
    "hunks",
    [
        b"@@ -1 +1 @@\n-other\n+y\n",
        b"@@ -2 +2 @@\n-x\n+y\n",
        b"@@ -1,2 +1 @@\n-x\n+y\n",
        b"@@ -1 +1,2 @@\n-x\n+y\n",
        b"@@ -1 +1 @@\n-x\n+y\n@@ -1 +1 @@\n-x\n+z\n",
        b"@@ -1,2 +1 @@\n-x\n\n-w\n+y\n",
    ],
)
def test_what_does_not_fit_changes_nothing(hunks: bytes) -> None:
    with pytest.raises(DoesNotApply):
        apply_hunks(b"x\nw\n", hunks)
