from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackerjack.hooks.patterns import PathPatterns

PATHS = st.text(alphabet="ab.*[/", min_size=1, max_size=8).filter(
    lambda path: not path.startswith("/") and not path.endswith("/") and "//" not in path
)
PATTERNS = st.text(alphabet="ab.*?[]!/", min_size=1, max_size=6).filter(
    lambda pattern: not pattern.endswith("/") and not pattern.startswith("./")
)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.py", "a/b.py", True),
        ("*.py", "b.pyi", False),
        ("setup.py", "a/setup.py", True),
        ("setup.py", "a/mysetup.py", False),
        ("test_*.py", "deep/down/test_x.py", True),
        ("test_*.py", "test_a/x.py", False),
        ("docs/*", "docs/a/b.md", True),
        ("docs/*", "src/docs/a.md", False),
        ("./docs/*.md", "docs/a.md", True),
        ("[ab].txt", "x/b.txt", True),
        ("*.PY", "a.py", False),
        ("*.py", "new\nline.py", True),
        ("a?b", "a\nb", True),
        ("", "a", False),
    ],
)
def test_matches(pattern: str, path: str, expected: bool) -> None:
    assert PathPatterns([pattern]).matches(path) is expected


def test_nothing_matches_no_patterns() -> None:
    assert not PathPatterns([]).matches("a.py")


@given(st.lists(PATTERNS, max_size=4), PATHS)
def test_agrees_with_fnmatch_pattern_by_pattern(patterns: list[str], path: str) -> None:
    name = path.rpartition("/")[2]
    expected = any(
        fnmatch.fnmatchcase(path if "/" in pattern else name, pattern) for pattern in patterns
    )
    assert PathPatterns(patterns).matches(path) is expected
