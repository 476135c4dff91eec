"""The parsers that users choose for hooks of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from crackerjack.hooks.diagnostic import Severity
from crackerjack.hooks.parsers import PARSERS, Parsed, ToolOutput
from crackerjack.hooks.parsers.json_paths import follow, steps
from crackerjack.hooks.parsers.pattern_search import matches
from crackerjack.types import HookStatus

PATTERN = r"^(?P<path>[^:]+):(?P<line>\d+): (?P<severity>\w+): (?P<message>.*)$"


def read(
    parser: str,
    stdout: str = "",
    *,
    exit_code: int = 0,
    report: str = "",
    stderr: str = "",
    options: Mapping[str, str] | None = None,
) -> Parsed:
    pattern = (options or {}).get("pattern")
    output = ToolOutput(
        stdout=stdout,
        stderr=stderr,
        exit_code=exit_code,
        root="/project",
        report=report,
        options=options or {},
        matches=tuple(matches(pattern, stdout)) if pattern else (),
    )
    return PARSERS[parser]("mine", output)


class TestExitCode:
    @pytest.mark.parametrize(
        ("exit_code", "status"),
        [
            (0, HookStatus.PASSED),
            (1, HookStatus.TOOL_ERROR),
            (3, HookStatus.FAILED),
            (-9, HookStatus.TOOL_ERROR),
        ],
    )
    def test_decides_alone(self, exit_code: int, status: HookStatus) -> None:
        result = read(
            "exit-code", "it is so", exit_code=exit_code, options={"findings_exit": "3,4"}
        )

        assert result.status is status
        assert result.diagnostics == ()
        assert ("it is so" in result.reason) == (exit_code != 0)


class TestRegex:
    def test_named_groups_are_fields(self) -> None:
        text = "src/a.py:12: warning: look here\nnoise\n/project/b.py:1: error: and here\n"

        result = read("regex", text, exit_code=1, options={"pattern": PATTERN})

        assert result.status is HookStatus.FAILED
        assert [(one.path, one.line, one.severity, one.message) for one in result.diagnostics] == [
            ("src/a.py", 12, Severity.WARNING, "look here"),
            ("b.py", 1, Severity.ERROR, "and here"),
        ]

    def test_findings_with_exit_code_zero_fail(self) -> None:
        result = read("regex", "a.py:1: note: x\n", options={"pattern": PATTERN})

        assert result.status is HookStatus.FAILED

    def test_an_exit_code_for_findings_without_any_is_an_error(self) -> None:
        result = read("regex", "Segmentation fault", exit_code=1, options={"pattern": PATTERN})

        assert result.status is HookStatus.TOOL_ERROR
        assert "Segmentation fault" in result.reason


JSON_OPTIONS = {
    "items": "results[*].issues[*]",
    "field.path": "file.name",
    "field.line": "at[0]",
    "field.code": "rule",
    "field.severity": "level",
    "field.message": "text",
}


class TestJson:
    def test_paths_lead_to_fields(self) -> None:
        document = {
            "results": [
                {"issues": [{"file": {"name": "a.py"}, "at": [3, 4], "rule": 7, "text": "x"}]},
                {"issues": [{"file": {"name": "b.py"}, "at": ["5"], "level": "HIGH", "text": "y"}]},
                {"issues": []},
            ]
        }

        result = read("json", json.dumps(document), exit_code=1, options=JSON_OPTIONS)

        assert result.status is HookStatus.FAILED
        assert [
            (one.path, one.line, one.code, one.severity, one.message) for one in result.diagnostics
        ] == [
            ("a.py", 3, "7", Severity.WARNING, "x"),
            ("b.py", 5, "", Severity.ERROR, "y"),
        ]

    def test_a_document_a_line(self) -> None:
        lines = '{"p": "a.py", "m": "x"}\n\n{"p": "b.py", "m": "y"}\n'
        options = {"field.path": "p", "field.message": "m"}

        result = read("json", lines, exit_code=1, options=options)

        assert [one.path for one in result.diagnostics] == ["a.py", "b.py"]

    def test_the_report_file_goes_before_stdout(self) -> None:
        options = {"field.path": "p", "field.message": "m"}

        result = read("json", "done!", report="[]", options=options)

        assert result.status is HookStatus.PASSED

    def test_no_document_is_an_error(self) -> None:
        for exit_code in (0, 1):
            result = read("json", "not found", exit_code=exit_code, options=JSON_OPTIONS)

            assert result.status is HookStatus.TOOL_ERROR

    def test_a_path_that_leads_nowhere_finds_nothing(self) -> None:
        assert list(follow({"a": [1, {"b": 2}]}, steps("a[*].b"))) == [2]
        assert list(follow({"a": [1]}, steps("a[3]"))) == []
        assert list(follow({"a": 1}, steps("a.b[*]"))) == []

    @pytest.mark.parametrize("path", ["a..b", "a[", "a[x]", "[*]a b]", "."])
    def test_what_is_no_path(self, path: str) -> None:
        with pytest.raises(ValueError, match="cannot read"):
            steps(path)


def sarif(*results: object, **run: object) -> str:
    rules = [{"id": "R1", "defaultConfiguration": {"level": "error"}}, {"id": "R2"}]
    tool = {"driver": {"name": "t", "rules": rules}}
    return json.dumps({"version": "2.1.0", "runs": [{"tool": tool, "results": results, **run}]})


def sarif_result(**fields: object) -> dict[str, object]:
    place = {
        "physicalLocation": {
            "artifactLocation": {"uri": "file:///project/odd%20name.py"},
            "region": {"startLine": 4, "startColumn": 2},
        }
    }
    return {"ruleId": "R1", "message": {"text": "x"}, "locations": [place], **fields}


class TestSarif:
    def test_a_result_is_a_finding(self) -> None:
        result = read("sarif", sarif(sarif_result()), exit_code=1)

        assert result.status is HookStatus.FAILED
        (found,) = result.diagnostics
        assert (found.path, found.line, found.column) == ("odd name.py", 4, 2)
        assert (found.code, found.severity, found.message) == ("R1", Severity.ERROR, "x")

    def test_a_level_goes_before_that_of_the_rule(self) -> None:
        results = [
            sarif_result(level="note"),
            sarif_result(ruleId="R2"),
            sarif_result(ruleId="unknown"),
        ]

        result = read("sarif", sarif(*results))

        assert [one.severity for one in result.diagnostics] == [
            Severity.NOTE,
            Severity.WARNING,
            Severity.WARNING,
        ]

    def test_what_passed_or_is_suppressed_is_no_finding(self) -> None:
        results = [sarif_result(kind="pass"), sarif_result(suppressions=[{"kind": "inSource"}])]

        result = read("sarif", sarif(*results))

        assert (result.status, result.diagnostics) == (HookStatus.PASSED, ())

    def test_a_run_that_did_not_succeed_is_an_error(self) -> None:
        invocation = {
            "executionSuccessful": False,
            "toolExecutionNotifications": [{"message": {"text": "no network"}}],
        }

        result = read("sarif", sarif(invocations=[invocation]))

        assert result.status is HookStatus.TOOL_ERROR
        assert "no network" in result.reason

    @pytest.mark.parametrize(
        "document", ["", "{}", '{"runs": []}', '{"runs": [{"tool": {"driver": {}}}]}']
    )
    def test_a_log_without_results_is_no_evidence(self, document: str) -> None:
        assert read("sarif", document).status is HookStatus.TOOL_ERROR

    def test_a_finding_without_a_place(self) -> None:
        result = read("sarif", sarif(sarif_result(locations=[])), exit_code=1)

        assert [(one.path, one.line) for one in result.diagnostics] == [("", None)]


def test_gitlab_with_lines_instead_of_positions() -> None:
    finding = {
        "check_name": "c",
        "description": "d",
        "severity": "minor",
        "location": {"path": "a.py", "lines": {"begin": 9}},
    }

    result = read("gitlab", json.dumps([finding]), exit_code=1)

    assert [(one.line, one.column, one.severity) for one in result.diagnostics] == [
        (9, None, Severity.WARNING)
    ]
