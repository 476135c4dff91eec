"""Each parser against the real tool, over the same five projects: clean, with findings, with a syntax
error, with a missing path, and with an option that the tool does not have.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.types import HookStatus
from tests.hooks.parsers.seeded import (
    BAD,
    BROKEN,
    GOOD,
    MODULE,
    catalogue_hook,
    executable,
    parsed,
    project,
    run_hook,
)


class Contract(NamedTuple):
    """What a tool does over the seeded projects."""

    hook: str
    by_hand: Sequence[str]
    """The arguments of a person who reads the tool's text."""
    counted: str
    """A finding in that text; with a group, the number of findings."""
    one: tuple[int | None, int | None, str, Severity, bool]
    """Line, column, code, severity and fixable of one of the findings."""
    unparsable: HookStatus = HookStatus.FAILED
    """What a syntax error makes of the hook."""
    extra: Sequence[str] = ()
    """Further arguments, here and by hand, for what the seeded project does not configure."""


CONTRACTS = (
    Contract(
        "ruff-check",
        ("check", "--output-format=concise", "--isolated", MODULE),
        rf"^{MODULE}:\d+:\d+: ",
        (3, 8, "F401", Severity.ERROR, True),
        extra=("--isolated",),
    ),
    Contract(
        "ruff-format",
        ("format", "--check", "--isolated", MODULE),
        r"^(\d+) files? would be reformatted",
        (None, None, "unformatted", Severity.ERROR, True),
        extra=("--isolated",),
    ),
    Contract(
        "mypy",
        (MODULE,),
        r"^Found (\d+) errors? in",
        (14, 12, "return-value", Severity.ERROR, False),
    ),
    Contract(
        "bandit",
        ("-q", MODULE),
        r"^>> Issue:",
        (10, 12, "B602", Severity.ERROR, False),
    ),
    Contract(
        "codespell",
        (MODULE,),
        " ==> ",
        (1, None, "spelling", Severity.WARNING, False),
        unparsable=HookStatus.PASSED,
    ),
    Contract(
        "typos",
        ("--format=brief", MODULE),
        rf"^{MODULE}:\d+:\d+: ",
        (1, 20, "typo", Severity.WARNING, False),
        unparsable=HookStatus.PASSED,
    ),
    Contract(
        "vulture",
        (MODULE, "--min-confidence=70"),
        "confidence",
        (3, None, "unused-import", Severity.WARNING, False),
        extra=("--min-confidence=70",),
    ),
    Contract(
        "deptry",
        (".", "--no-ansi"),
        r"^Found (\d+) dependency issues?",
        (6, 8, "DEP001", Severity.ERROR, False),
        extra=("--ignore=DEP002",),
    ),
    Contract(
        "complexipy",
        (MODULE,),
        "FAILED",
        (22, None, "CC001", Severity.WARNING, False),
    ),
)

with_each_tool = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda one: one.hook)


@with_each_tool
def test_clean_is_passed(contract: Contract, tmp_path: Path) -> None:
    root = project(tmp_path / "p", GOOD)

    result = parsed(contract.hook, run_hook(contract.hook, root, extra=contract.extra))

    assert result.status is HookStatus.PASSED, result.reason
    assert result.diagnostics == ()


@with_each_tool
def test_findings_are_those_that_the_tool_reports_by_hand(
    contract: Contract, tmp_path: Path
) -> None:
    root = project(tmp_path / "p", BAD)

    result = parsed(contract.hook, run_hook(contract.hook, root, extra=contract.extra))

    assert result.status is HookStatus.FAILED, result.reason
    assert len(result.diagnostics) == count_by_hand(contract, root)
    assert {one.path for one in result.diagnostics} == {MODULE}
    assert all(one.hook == contract.hook and one.message for one in result.diagnostics)
    assert any(agrees(one, contract.one) for one in result.diagnostics), result.diagnostics


@with_each_tool
def test_a_syntax_error_is_a_finding_in_the_file(contract: Contract, tmp_path: Path) -> None:
    root = project(tmp_path / "p", BROKEN)

    result = parsed(contract.hook, run_hook(contract.hook, root, extra=contract.extra))

    assert result.status is contract.unparsable, result.reason
    assert {one.path for one in result.diagnostics} <= {MODULE}
    assert bool(result.diagnostics) == (contract.unparsable is HookStatus.FAILED)


@with_each_tool
def test_a_missing_path_is_an_error_of_the_tool(contract: Contract, tmp_path: Path) -> None:
    root = project(tmp_path / "p", GOOD)
    arguments = ["gone" if one == "." else one for one in catalogue_hook(contract.hook).check]

    output = run_hook(contract.hook, root, ("src/demo/gone.py",), contract.extra, arguments)

    result = parsed(contract.hook, output)
    assert result.status is HookStatus.TOOL_ERROR
    assert "gone" in result.reason


@with_each_tool
def test_an_unknown_option_is_an_error_in_the_words_of_the_tool(
    contract: Contract, tmp_path: Path
) -> None:
    root = project(tmp_path / "p", BAD)

    result = parsed(contract.hook, run_hook(contract.hook, root, extra=("--no-such-option",)))

    assert result.status is HookStatus.TOOL_ERROR
    assert result.diagnostics == ()
    assert "no-such-option" in result.reason


def test_paths_are_relative_also_below_a_symbolic_link(tmp_path: Path) -> None:
    project(tmp_path / "real", BAD)
    link = tmp_path / "link"
    link.symlink_to("real")

    for hook in ("ruff-check", "mypy", "bandit"):
        for root in (link, link.resolve()):
            result = parsed(hook, run_hook(hook, root, (str(link / MODULE),)))
            assert {one.path for one in result.diagnostics} == {MODULE}, hook


def test_deptry_without_a_list_of_dependencies_has_nothing_to_compare(tmp_path: Path) -> None:
    root = project(tmp_path / "p", GOOD)
    (root / "pyproject.toml").unlink()

    result = parsed("deptry", run_hook("deptry", root))

    assert result.status is HookStatus.INCONCLUSIVE
    assert "no list of dependencies" in result.reason


def count_by_hand(contract: Contract, root: Path) -> int:
    """How many findings the tool's text says there are."""
    tool = catalogue_hook(contract.hook).tool
    assert tool is not None
    extra = [one for one in contract.extra if one not in contract.by_hand]
    ran = subprocess.run(
        [executable(tool), *contract.by_hand, *extra],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    found = re.findall(contract.counted, ran.stdout, re.MULTILINE)
    return int(found[0]) if found and found[0].isdigit() else len(found)


def agrees(found: Diagnostic, expected: tuple[int | None, int | None, str, Severity, bool]) -> bool:
    """Whether the finding is the expected one; a line of None is any line."""
    line, column, code, severity, fixable = expected
    return (
        line in {None, found.line}
        and found.column == column
        and (found.code, found.severity, found.fixable) == (code, severity, fixable)
    )
