"""Parsers against what tools printed that are too heavy to be installed for every test run.

The captures were made with tests/fixtures/tool_output/capture.py; the numbers of findings are those
that the tool's text gave for the same project.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import ToolOutput
from crackerjack.types import HookStatus
from tests.hooks.parsers.seeded import MODULE, parsed

CAPTURES = Path(__file__).parents[2] / "fixtures" / "tool_output"
CASES = {path.stem: json.loads(path.read_text()) for path in sorted(CAPTURES.glob("*.json"))}


def with_each(*cases: str) -> pytest.MarkDecorator:
    """Runs a test with the captures of these cases."""
    found = [(hook, case) for hook in CASES for case in cases if case in CASES[hook]]
    return pytest.mark.parametrize(("hook", "case"), found)


def captured(hook: str, case: str) -> ToolOutput:
    """What the tool printed."""
    found = CASES[hook][case]
    return ToolOutput(
        stdout=found["stdout"],
        stderr=found["stderr"],
        exit_code=found["exit_code"],
        root="/project",
    )


@with_each("clean")
def test_clean_is_passed(hook: str, case: str) -> None:
    result = parsed(hook, captured(hook, case))

    assert (result.status, result.diagnostics) == (HookStatus.PASSED, ()), result.reason


@with_each("missing", "option")
def test_a_misguided_command_is_an_error_in_the_words_of_the_tool(hook: str, case: str) -> None:
    result = parsed(hook, captured(hook, case))

    assert result.status is HookStatus.TOOL_ERROR
    word = "gone" if case == "missing" else "no-such-option"
    assert word in result.reason
    assert "\x1b" not in result.reason
    assert len(result.reason) < 1200


@with_each("syntax")
def test_a_syntax_error_is_a_finding_in_the_file(hook: str, case: str) -> None:
    result = parsed(hook, captured(hook, case))

    assert result.status is HookStatus.FAILED
    assert {one.path for one in result.diagnostics} <= {MODULE, "unparsable.yaml"}
    assert Severity.ERROR in {one.severity for one in result.diagnostics}


@pytest.mark.parametrize(
    ("hook", "count", "one"),
    [
        (
            "basedpyright",
            5,
            (MODULE, 14, 12, "reportReturnType", Severity.ERROR, False),
        ),
        ("pyrefly", 1, (MODULE, 6, 8, "missing-import", Severity.ERROR, False)),
        ("ty", 2, (MODULE, 14, 12, "invalid-explicit-return", Severity.ERROR, False)),
        ("zuban", 2, (MODULE, 14, 12, "return-value", Severity.ERROR, False)),
        ("gitleaks", 2, ("src/demo/secret.py", 1, 8, "aws-access-token", Severity.ERROR, False)),
        ("rumdl", 2, ("notes.md", 3, 1, "MD001", Severity.ERROR, True)),
        ("yamllint", 3, ("troubled.yaml", 2, 4, "colons", Severity.ERROR, False)),
        (
            "github-workflows",
            1,
            (".github/workflows/ci.yml", None, None, "schema", Severity.ERROR, False),
        ),
    ],
)
def test_findings(
    hook: str, count: int, one: tuple[str, int | None, int | None, str, Severity, bool]
) -> None:
    result = parsed(hook, captured(hook, "findings"))

    assert result.status is HookStatus.FAILED, result.reason
    assert len(result.diagnostics) == count
    assert one in [shape(found) for found in result.diagnostics]
    assert all(found.message for found in result.diagnostics)


def shape(
    found: Diagnostic,
) -> tuple[str, int | None, int | None, str, Severity, bool]:
    """All of a finding but its message."""
    return found.path, found.line, found.column, found.code, found.severity, found.fixable


def test_a_schema_error_is_told_by_its_deepest_cause() -> None:
    result = parsed("github-workflows", captured("github-workflows", "findings"))

    message = "$.jobs.a: Additional properties are not allowed ('stepz' was unexpected)"
    assert [found.message for found in result.diagnostics] == [message]


def test_the_name_of_a_check_is_not_repeated_in_its_message() -> None:
    result = parsed("ty", captured("ty", "findings"))

    assert result.diagnostics[0].message == "Cannot resolve imported module `trio`"
