"""Whatever a tool prints, and however it ends: a parser never raises, and never passes it unseen."""

from __future__ import annotations

import msgspec
from hypothesis import given, note
from hypothesis import strategies as st

from crackerjack.hooks.parsers import PARSERS, Parsed, ToolOutput
from crackerjack.types import HookStatus

OPTIONS = {
    "pattern": r"(?P<path>\S+):(?P<line>\d+): (?P<message>.*)",
    "items": "a[*]",
    "field.path": "path",
    "field.message": "message",
    "findings_exit": "1",
}

NEEDS_REPORT = (
    *("bandit", "check-jsonschema", "complexipy", "deptry", "gitlab", "gitleaks", "json"),
    *("pip-audit", "pyrefly", "pyright", "ruff", "rumdl", "sarif"),
)
"""Parsers of tools that print a document even when they find nothing."""

STATUSES = {
    HookStatus.PASSED,
    HookStatus.FAILED,
    HookStatus.TOOL_ERROR,
    HookStatus.INCONCLUSIVE,
}

lines = st.lists(
    st.one_of(
        st.text(),
        st.sampled_from(
            [
                "a.py:1: error: x  [y]",
                "a.py:99999999999999999999: teh ==> the",
                "a.py:1:1: [error] x (y)",
                "a.py:3: unused import 'os' (90% confidence)",
                "Would reformat: \0.py",
                "error: Failed to process \0 - x",
                '{"type": "typo", "path": "\\u0000"}',
                '{"file": "a", "line": -5, "column": -9, "message": "", "severity": "?"}',
                "1 file already formatted",
            ]
        ),
    )
).map("\n".join)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
keys = st.text() | st.sampled_from(
    [
        *("errors", "results", "runs", "tool", "driver", "message", "text", "location", "path"),
        *("dependencies", "vulns", "file", "line", "summary", "filesAnalyzed", "severity"),
        *("generalDiagnostics", "status", "filename", "code", "fix", "a"),
    ]
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=12
)
texts = st.one_of(
    lines, st.text(), documents.map(lambda value: msgspec.json.encode(value).decode())
)


def outputs(exit_codes: st.SearchStrategy[int]) -> st.SearchStrategy[ToolOutput]:
    return st.builds(
        ToolOutput,
        stdout=texts,
        stderr=texts,
        exit_code=exit_codes,
        root=st.sampled_from(["/project", "/", "/a b"]),
        report=texts,
        files=st.just(()),
        options=st.just(OPTIONS),
    )


def check(result: Parsed) -> None:
    assert result.status in STATUSES
    for found in result.diagnostics:
        assert found.hook == "hook"
        assert "\0" not in found.path
        assert found.line is None or found.line > 0
        assert found.column is None or found.column > 0
        msgspec.json.encode(found)
    assert result.status is not HookStatus.TOOL_ERROR or result.reason


@given(output=outputs(st.integers(-70, 260)))
def test_no_parser_raises(output: ToolOutput) -> None:
    for parser in PARSERS:
        note(parser)
        check(PARSERS[parser]("hook", output))


@given(output=outputs(st.integers(-70, 260).filter(bool)))
def test_no_other_exit_code_than_zero_is_passed(output: ToolOutput) -> None:
    """mypy is left out: with JSON it exits with 1 for notes alone, which it calls a success."""
    for parser in PARSERS.keys() - {"mypy"}:
        note(parser)
        assert PARSERS[parser]("hook", output).status is not HookStatus.PASSED


@given(text=lines)
def test_no_required_report_is_not_passed(text: str) -> None:
    output = ToolOutput(
        stdout=f"no JSON: {text}",
        stderr=text,
        exit_code=0,
        root="/project",
        options=OPTIONS,
    )

    for parser in NEEDS_REPORT:
        note(parser)
        assert PARSERS[parser]("hook", output).status is HookStatus.TOOL_ERROR
