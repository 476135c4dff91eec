"""Cleaning real files with the real ruff."""

from __future__ import annotations

import ast
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from crackerjack.hooks.atomic import Refusal, replace_file
from crackerjack.hooks.cleaning import CleaningResult, clean
from crackerjack.hooks.execution import tool_environment
from crackerjack.hooks.files import SourceFile, walk
from crackerjack.hooks.fixing import FixedFile
from crackerjack.hooks.process import Cancellation, ProcessResult, run_process
from crackerjack.hooks.process_groups import NoGroups
from crackerjack.hooks.python_source import decode, parse
from crackerjack.types import HookStatus
from tests.hooks.cleaning.sources import sources

RUFF = os.path.join(os.path.dirname(sys.executable), "ruff")


class Cleaner:
    """Cleans one project, with what most tests want."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands: list[Sequence[str]] = []
        self.written: list[str] = []
        self.cancel = Cancellation()

    def write(self, path: str, content: bytes | str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def files(self) -> list[SourceFile]:
        return sorted(walk(str(self.root)), key=lambda file: file.path)

    def run(self, command: Sequence[str]) -> ProcessResult:
        self.commands.append(command)
        return run_process(
            command,
            cwd=str(self.root),
            timeout=60,
            cancel=self.cancel,
            groups=NoGroups(),
            env=tool_environment(),
        )

    def replace(self, path: str, before: bytes, after: bytes) -> Refusal | None:
        self.written.append(path)
        return replace_file(str(self.root / path), after, expect=before)

    def __call__(
        self,
        *,
        only: Sequence[str] | None = None,
        check: bool = False,
        strip: bool = False,
        ruff: str = RUFF,
        pyproject: Mapping[str, Any] | None = None,
    ) -> CleaningResult:
        files = self.files()
        return clean(
            str(self.root),
            [file for file in files if only is None or file.path in only],
            project=files,
            pyproject=pyproject or {},
            ruff=ruff,
            run=self.run,
            replace=None if check else self.replace,
            strip=strip,
            cancelled=lambda: self.cancel.is_set,
        )


@pytest.fixture
def cleaner(tmp_path: Path) -> Cleaner:
    return Cleaner(tmp_path)


DIRTY = "import sys\nimport os, re\n\nx = 1  \nprint(re)\n"
CLEAN = "import re\n\nx = 1\nprint(re)\n"


def test_imports_and_white_space(cleaner: Cleaner) -> None:
    dirty, good = cleaner.write("pkg/dirty.py", DIRTY), cleaner.write("good.py", CLEAN)
    before = good.stat().st_mtime_ns
    result = cleaner()
    assert result.status is HookStatus.FIXED
    assert result.cleaned == (FixedFile("pkg/dirty.py", ("F401", "I001", "W291")),)
    assert result.refused == ()
    assert dirty.read_text() == CLEAN
    assert good.stat().st_mtime_ns == before
    assert cleaner().status is HookStatus.PASSED
    assert sorted(path.name for path in cleaner.root.iterdir()) == ["good.py", "pkg"]


def test_a_check_writes_nothing(cleaner: Cleaner) -> None:
    dirty = cleaner.write("dirty.py", DIRTY)
    cleaner.write("ruff.toml", "fix = true\nunsafe-fixes = true\n")
    result = cleaner(check=True)
    assert result.status is HookStatus.FAILED
    assert [one.path for one in result.cleaned] == ["dirty.py"]
    assert dirty.read_text() == DIRTY
    assert cleaner.written == []


def test_nothing_to_clean(cleaner: Cleaner) -> None:
    assert cleaner().status is HookStatus.PASSED
    assert cleaner.commands == []


def test_encodings_line_endings_and_modes_survive(cleaner: Cleaner) -> None:
    path = cleaner.write("m.py", b"\xef\xbb\xbf" + DIRTY.replace("\n", "\r\n").encode())
    path.chmod(0o751)
    assert cleaner().status is HookStatus.FIXED
    assert path.read_bytes() == b"\xef\xbb\xbf" + CLEAN.replace("\n", "\r\n").encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o751


def test_what_ruff_cannot_read_is_said(cleaner: Cleaner) -> None:
    latin = cleaner.write("latin.py", "# coding: latin-1\nimport os\nx = 'é'\n".encode("latin-1"))
    before = latin.read_bytes()
    result = cleaner()
    assert [refusal.path for refusal in result.refused] == ["latin.py"]
    assert "UTF-8" in result.refused[0].reason
    assert latin.read_bytes() == before


def test_the_projects_own_choice_of_rules_holds(cleaner: Cleaner) -> None:
    cleaner.write("pyproject.toml", "[tool.ruff.lint]\nselect = ['UP']\n")
    path = cleaner.write("m.py", "import sys\nimport os\nx = str('a')\n")
    assert cleaner().cleaned == (FixedFile("m.py", ("UP018",)),)
    assert path.read_text() == "import sys\nimport os\nx = 'a'\n"


def test_the_projects_exceptions_hold(cleaner: Cleaner) -> None:
    cleaner.write("ruff.toml", "[lint]\nignore = ['F401']\n")
    cleaner.write("m.py", "import sys\nimport os\n")
    cleaner.write("n.py", "import sys  # noqa\nimport os\n")
    cleaner.write("sub/ruff.toml", "[lint.per-file-ignores]\n'o.py' = ['I']\n")
    cleaner.write("sub/o.py", "import sys\nimport os\nprint(sys, os)\n")
    assert [one.path for one in cleaner().cleaned] == ["m.py"]
    assert (cleaner.root / "m.py").read_text() == "import os\nimport sys\n"


def test_unsafe_fixes_are_never_made(cleaner: Cleaner) -> None:
    cleaner.write("ruff.toml", "unsafe-fixes = true\nlint.select = ['F841', 'F401']\n")
    unsafe = "def f():\n    x = 1\n"
    path = cleaner.write("m.py", "import os\n" + unsafe)
    init = cleaner.write("pkg/__init__.py", "from os import path\n")
    assert cleaner().cleaned == (FixedFile("m.py", ("F401",)),)
    assert path.read_text() == unsafe
    assert init.read_text() == "from os import path\n"


def test_an_import_that_another_module_takes_stays(cleaner: Cleaner) -> None:
    compat = cleaner.write("pkg/compat.py", "import sys\nimport json\nimport os\nprint(sys)\n")
    cleaner.write("pkg/user.py", "from .compat import json\n\nprint(json)\n")
    result = cleaner(only=["pkg/compat.py"])
    assert result.cleaned == (FixedFile("pkg/compat.py", ("I001",)),)
    assert compat.read_text() == "import json\nimport os\nimport sys\n\nprint(sys)\n"
    [refusal] = result.refused
    assert refusal.path == "pkg/compat.py"
    assert refusal.reason.endswith("take from here: json")


def test_imports_that_may_be_fixtures_stay(cleaner: Cleaner) -> None:
    for name in ("conftest.py", "tests/test_a.py"):
        cleaner.write(name, "from fixtures import client\n")
    assert cleaner().status is HookStatus.PASSED


def test_imports_stay_in_the_order_that_isort_gives_them(cleaner: Cleaner) -> None:
    path = cleaner.write("m.py", "import sys\nimport os\nprint(os, sys)\n")
    assert cleaner(pyproject={"tool": {"isort": {"profile": "black"}}}).status is HookStatus.PASSED
    assert path.read_text().startswith("import sys")


def test_a_file_that_does_not_parse_stays(cleaner: Cleaner) -> None:
    path = cleaner.write("m.py", "import sys\nx = ( \n")
    result = cleaner(strip=True)
    assert path.read_text() == "import sys\nx = ( \n"
    assert result.status is HookStatus.PASSED
    assert [refusal.path for refusal in result.refused] == ["m.py"]


def test_odd_names(cleaner: Cleaner) -> None:
    for name in ("-x.py", "a b.py", "é.py", "new\nline.py", "caf\udce9.py"):
        cleaner.write(name, DIRTY)
    result = cleaner()
    assert [one.path for one in result.cleaned] == ["-x.py", "a b.py", "é.py"]
    assert sorted(one.path for one in result.refused) == ["caf\udce9.py", "new\nline.py"]


def test_a_read_only_file_is_a_refusal(cleaner: Cleaner) -> None:
    path = cleaner.write("m.py", DIRTY)
    os.link(path, cleaner.root / "other.txt")
    result = cleaner()
    assert result.status is HookStatus.PASSED
    assert "hard links" in result.refused[0].reason
    assert path.read_text() == DIRTY


def test_a_project_behind_a_link(tmp_path: Path) -> None:
    real = Cleaner(tmp_path / "real")
    real.write("m.py", DIRTY)
    (tmp_path / "link").symlink_to("real")
    assert Cleaner(tmp_path / "link")().status is HookStatus.FIXED


def test_many_files_take_few_processes(cleaner: Cleaner) -> None:
    for number in range(3000):
        cleaner.write(f"package_with_a_long_name_{number % 7}/module_{number}.py", "x = 1\n")
    cleaner.write("zzz.py", DIRTY)
    assert [one.path for one in cleaner().cleaned] == ["zzz.py"]
    assert len(cleaner.commands) == 3


LIAR = """\
#!{python}
import json, sys
if "--diff" not in sys.argv:
    print(json.dumps({{"code": "{code}", "filename": "{path}", "fix": {{"applicability": "safe"}}}}))
else:
    sys.stdout.write("--- m.py\\n+++ m.py\\n@@ -1 +1 @@\\n-x = 1\\n+{after}\\n")
sys.exit({status})
"""


@pytest.mark.parametrize(
    ("code", "after", "reason"),
    [
        ("W291", "x = 2", "not mean the same"),
        ("I001", "import x", "not mean the same"),
        ("UP001", "x = (", "the result cannot be parsed"),
        ("UP001", "x = 1\\n+y = 2", "for another content"),
    ],
)
def test_a_fix_that_changes_the_meaning_is_refused(
    cleaner: Cleaner, tmp_path_factory: pytest.TempPathFactory, code: str, after: str, reason: str
) -> None:
    path = cleaner.write("m.py", "x = 1\n")
    liar = tmp_path_factory.mktemp("bin") / "ruff"
    liar.write_text(LIAR.format(python=sys.executable, code=code, path=path, after=after, status=1))
    liar.chmod(0o755)
    result = cleaner(ruff=str(liar))
    assert result.status is HookStatus.PASSED
    [refusal] = result.refused
    assert reason in refusal.reason
    assert path.read_text() == "x = 1\n"


def test_a_broken_configuration_is_an_error_of_the_tool(cleaner: Cleaner) -> None:
    cleaner.write("ruff.toml", "[lint\n")
    cleaner.write("m.py", DIRTY)
    result = cleaner()
    assert result.status is HookStatus.TOOL_ERROR
    assert "unclosed table" in result.reason


def test_a_missing_ruff_is_an_error_of_the_tool(cleaner: Cleaner) -> None:
    cleaner.write("m.py", DIRTY)
    result = cleaner(ruff="/nowhere/ruff")
    assert result.status is HookStatus.TOOL_ERROR
    assert "No such file" in result.reason


def test_what_cannot_be_read_of_ruff_is_an_error(cleaner: Cleaner) -> None:
    cleaner.write("m.py", DIRTY)
    assert cleaner(ruff="/bin/echo").status is HookStatus.TOOL_ERROR


def test_cancelled_while_ruff_runs(cleaner: Cleaner) -> None:
    cleaner.write("m.py", DIRTY)
    cleaner.cancel.cancel()
    result = cleaner()
    assert (result.status, result.reason) == (HookStatus.INCONCLUSIVE, "interrupted")
    assert cleaner.written == []


def test_cancelled_while_files_are_written(cleaner: Cleaner) -> None:
    for name in ("a.py", "b.py", "c.py"):
        cleaner.write(name, f"# why\n{CLEAN}")
    replace = cleaner.replace

    def replace_and_cancel(path: str, before: bytes, after: bytes) -> Refusal | None:
        cleaner.cancel.cancel()
        return replace(path, before, after)

    cleaner.replace = replace_and_cancel  # type: ignore[method-assign]
    result = cleaner(strip=True)
    assert result.status is HookStatus.INCONCLUSIVE
    assert "stopped" in result.reason
    assert result.cleaned == (FixedFile("a.py", ("strip-code",)),)


def test_stripping_and_cleaning_go_together(cleaner: Cleaner) -> None:
    path = cleaner.write("m.py", f'"""Doc."""\n# why\n{DIRTY}')
    result = cleaner(strip=True)
    assert result.cleaned == (FixedFile("m.py", ("F401", "I001", "W291", "strip-code")),)
    assert path.read_text() == CLEAN
    assert cleaner(strip=True).status is HookStatus.PASSED


@settings(max_examples=30)
@given(sources())
def test_cleaning_keeps_what_it_promises(
    tmp_path_factory: pytest.TempPathFactory, source: bytes
) -> None:
    cleaner = Cleaner(tmp_path_factory.mktemp("project"))
    path = cleaner.write("m.py", source)
    refused = cleaner().refused
    result = path.read_bytes()
    if result == source:
        return
    assert not refused
    assert decode(result)[1] == decode(source)[1]
    assert result.count(b"\r\n") == (result.count(b"\n") if b"\r\n" in source else 0)
    assert _without_imports(result) == _without_imports(source)
    assert cleaner().status is HookStatus.PASSED


class _Imports(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> None: ...
    def visit_ImportFrom(self, node: ast.ImportFrom) -> None: ...
    def visit_Pass(self, node: ast.Pass) -> None: ...


def _without_imports(source: bytes) -> str:
    return ast.dump(_Imports().visit(parse(source)))
