"""What tools do that a reader of exit codes alone, or of output alone, gets wrong."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from crackerjack.hooks.diagnostic import Severity
from crackerjack.hooks.parsers import PARSERS, Parsed, ToolOutput
from crackerjack.types import HookStatus

RUFF_FINDING = {
    "code": "F401",
    "filename": "/project/a.py",
    "fix": {"applicability": "safe"},
    "location": {"row": 1, "column": 8},
    "message": "`os` imported but unused",
}


def read(
    parser: str,
    stdout: str = "",
    *,
    stderr: str = "",
    exit_code: int = 0,
    report: str = "",
    root: str = "/project",
    files: tuple[str, ...] = (),
) -> Parsed:
    output = ToolOutput(
        stdout=stdout,
        stderr=stderr,
        exit_code=exit_code,
        root=root,
        report=report,
        files=files,
    )
    return PARSERS[parser]("hook", output)


class TestFindingsWithExitCodeZero:
    def test_ruff_with_exit_zero(self) -> None:
        result = read("ruff", json.dumps([RUFF_FINDING]))

        assert result.status is HookStatus.FAILED

    def test_ruff_that_only_warns_of_what_it_could_not_read(self, tmp_path: Path) -> None:
        """As it does when E902 is not among the rules that it was told."""
        (tmp_path / "odd: na\nme.py").touch()
        warning = "warning: Failed to lint odd: na\nme.py: Permission denied (os error 13)\n"
        (tmp_path / "sealed.py").touch()
        warnings = warning + warning.replace("odd: na\nme", "sealed")

        result = read("ruff", "[]", stderr=warnings, root=str(tmp_path))
        sealed = read("ruff", "[]", stderr=warnings.removeprefix(warning), root=str(tmp_path))
        gone = read("ruff", "[]", stderr=warnings, root="/project")

        assert result.status is not HookStatus.PASSED
        assert sealed.status is HookStatus.FAILED
        assert [(one.path, one.code, one.message) for one in sealed.diagnostics] == [
            ("sealed.py", "E902", "Permission denied (os error 13)")
        ]
        assert gone.status is HookStatus.TOOL_ERROR

    def test_ruff_that_warns_of_what_it_reports(self, tmp_path: Path) -> None:
        file = tmp_path / "sealed.py"
        file.touch()
        finding = RUFF_FINDING | {"code": "E902", "filename": str(file)}
        warning = "warning: Failed to lint sealed.py: Permission denied (os error 13)\n"

        result = read(
            "ruff", json.dumps([finding]), stderr=warning, exit_code=1, root=str(tmp_path)
        )

        assert len(result.diagnostics) == 1

    def test_bandit_that_did_not_find_its_path(self) -> None:
        report = {"results": [], "errors": [{"filename": "./gone", "reason": "No such file"}]}

        result = read("bandit", json.dumps(report))

        assert result.status is HookStatus.TOOL_ERROR
        assert "gone" in result.reason

    def test_pip_audit_that_skipped_every_package(self) -> None:
        report = {"dependencies": [{"name": "attrs", "skip_reason": "not found"}] * 3}

        result = read("pip-audit", json.dumps(report), stderr="No known vulnerabilities found")

        assert result.status is HookStatus.INCONCLUSIVE
        assert "not found (and 2 more)" in result.reason

    def test_pip_audit_of_an_empty_environment(self) -> None:
        assert read("pip-audit", '{"dependencies": []}').status is HookStatus.INCONCLUSIVE

    def test_codespell_that_was_given_a_file_that_is_gone(self, tmp_path: Path) -> None:
        result = read("codespell", root=str(tmp_path), files=("gone.py",))

        assert result.status is HookStatus.TOOL_ERROR
        assert "gone.py" in result.reason

    def test_deptry_that_could_not_parse_a_file(self) -> None:
        stderr = (
            'Warning: Skipping processing of a.py because of the following error: "SyntaxError: x".'
        )

        result = read("deptry", stderr=stderr, report="[]")

        assert result.status is HookStatus.FAILED
        assert [(one.path, one.message) for one in result.diagnostics] == [
            ("a.py", "SyntaxError: x")
        ]

    def test_pyright_that_looked_at_no_file(self) -> None:
        report = '{"generalDiagnostics": [], "summary": {"filesAnalyzed": 0}}'

        assert read("pyright", report).status is HookStatus.INCONCLUSIVE


class TestWarningsThatTheToolPasses:
    def test_pyright_with_warnings_alone_passes_and_keeps_them(self) -> None:
        warning = {"file": "/project/a.py", "severity": "warning", "message": "careful"}
        report = {"generalDiagnostics": [warning], "summary": {"filesAnalyzed": 1}}

        result = read("pyright", json.dumps(report))

        assert result.status is HookStatus.PASSED
        assert [one.severity for one in result.diagnostics] == [Severity.WARNING]

    def test_yamllint_with_warnings_alone(self) -> None:
        line = "a.yaml:1:1: [warning] missing document start (document-start)\n"

        assert read("yamllint", line).status is HookStatus.PASSED
        assert read("yamllint", line, exit_code=2).status is HookStatus.FAILED  # --strict

    def test_mypy_exits_with_1_for_notes_alone_when_it_prints_json(self) -> None:
        note = {
            "file": "a.py",
            "line": 1,
            "column": 12,
            "message": "Revealed type is int",
            "code": "misc",
            "severity": "note",
        }

        result = read("mypy", json.dumps(note), exit_code=1)

        assert result.status is HookStatus.PASSED
        assert [(one.severity, one.column) for one in result.diagnostics] == [(Severity.NOTE, 13)]


class TestExitCodeOneWithoutAReadableReport:
    @pytest.mark.parametrize("parser", sorted(set(PARSERS) - {"exit-code", "regex", "json"}))
    def test_is_an_error_with_the_words_of_the_tool(self, parser: str) -> None:
        result = read(parser, exit_code=1, stderr="Traceback: it broke")

        assert result.status is HookStatus.TOOL_ERROR
        assert "exited with 1" in result.reason
        assert "it broke" in result.reason

    def test_vulture_that_crashed(self) -> None:
        """It does so in deeply nested code, with the exit code of invalid input."""
        stderr = (
            "Traceback (most recent call last):\n"
            '  File "core.py", line 627, in visit\n'
            "RecursionError: maximum recursion depth exceeded"
        )

        result = read("vulture", exit_code=1, stderr=stderr)

        assert result.status is HookStatus.TOOL_ERROR
        assert "RecursionError" in result.reason

    def test_vulture_that_found_dead_code_and_a_syntax_error(self) -> None:
        result = read(
            "vulture",
            "a.py:3: unused import 'os' (90% confidence)\n",
            stderr='b.py:1: invalid syntax at "def broken(:"',
            exit_code=3,
        )

        assert result.status is HookStatus.FAILED
        assert [(one.path, one.code) for one in result.diagnostics] == [
            ("a.py", "unused-import"),
            ("b.py", "syntax-error"),
        ]

    def test_pip_audit_without_a_network(self) -> None:
        stderr = "requests.exceptions.ConnectionError: Max retries exceeded with url: /pypi/attrs"

        result = read("pip-audit", stderr=stderr, exit_code=1)

        assert result.status is HookStatus.INCONCLUSIVE
        assert "Max retries" in result.reason


def test_findings_before_a_crash_are_kept_and_do_not_hide_it() -> None:
    result = read("ruff", json.dumps([RUFF_FINDING]), stderr="panicked", exit_code=101)

    assert result.status is HookStatus.TOOL_ERROR
    assert [one.code for one in result.diagnostics] == ["F401"]
    assert result.reason == "hook exited with 101: panicked"


class TestPipAudit:
    def test_a_vulnerability_fails_and_a_skipped_package_is_noted(self) -> None:
        report = {
            "dependencies": [
                {"name": "demo", "skip_reason": "not on the index"},
                {
                    "name": "jinja2",
                    "version": "2.4.1",
                    "vulns": [{"id": "PYSEC-2014-8", "fix_versions": ["2.7.2", "2.7.3"]}],
                },
            ]
        }

        result = read("pip-audit", json.dumps(report), exit_code=1)

        assert result.status is HookStatus.FAILED
        assert [(one.code, one.severity) for one in result.diagnostics] == [
            ("skipped", Severity.NOTE),
            ("PYSEC-2014-8", Severity.ERROR),
        ]
        assert result.diagnostics[1].message == (
            "jinja2 2.4.1 is vulnerable; fixed in 2.7.2, 2.7.3"
        )

    def test_a_skipped_package_among_others_does_not_fail(self) -> None:
        report = {"dependencies": [{"name": "demo", "skip_reason": "editable"}, {"name": "attrs"}]}

        assert read("pip-audit", json.dumps(report)).status is HookStatus.PASSED


class TestMypyThatCannotCheck:
    def test_two_modules_of_one_name(self) -> None:
        error = {
            "file": "b/x.py",
            "line": -1,
            "column": -1,
            "message": 'Duplicate module named "x"',
            "code": None,
            "severity": "error",
        }

        result = read("mypy", json.dumps(error), exit_code=2)

        assert result.status is HookStatus.TOOL_ERROR
        assert result.reason == 'hook cannot check: b/x.py: Duplicate module named "x"'
        assert result.diagnostics == ()

    def test_a_plugin_that_is_not_installed(self) -> None:
        """mypy prints this error, alone, on stderr."""
        error = {
            "file": "mypy.ini",
            "line": 2,
            "column": 0,
            "message": 'Error importing plugin "nosuch"',
            "code": "misc",
            "severity": "error",
        }

        result = read("mypy", stderr=json.dumps(error), exit_code=2)

        assert result.status is HookStatus.TOOL_ERROR
        assert "cannot check: mypy.ini: Error importing plugin" in result.reason

    def test_text_of_a_version_without_json(self) -> None:
        text = (
            "a.py:3: error: Name has no column\n"
            'a.py:36:12: error: Incompatible "return" value [x]  [return-value]\n'
            "Found 2 errors in 1 file (checked 1 source file)\n"
        )

        result = read("mypy", text, exit_code=1)

        assert result.status is HookStatus.FAILED
        assert [(one.line, one.column, one.code) for one in result.diagnostics] == [
            (3, None, ""),
            (36, 12, "return-value"),
        ]


class TestRuff:
    def test_a_file_that_cannot_be_read_is_a_finding_in_it(self, tmp_path: Path) -> None:
        """E902 is also ruff's word for a path that is not there."""
        (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
        finding = RUFF_FINDING | {"code": "E902", "filename": str(tmp_path / "latin.py")}

        result = read("ruff", json.dumps([finding]), exit_code=1, root=str(tmp_path))
        assert result.status is HookStatus.FAILED

        (tmp_path / "latin.py").unlink()
        result = read("ruff", json.dumps([finding]), exit_code=1, root=str(tmp_path))
        assert result.status is HookStatus.TOOL_ERROR
        assert result.diagnostics == ()

    def test_a_syntax_error_of_a_version_that_gives_it_no_code(self) -> None:
        result = read("ruff", json.dumps([RUFF_FINDING | {"code": None}]), exit_code=1)

        assert [one.code for one in result.diagnostics] == ["invalid-syntax"]

    @pytest.mark.parametrize(
        ("fix", "fixable"),
        [({"applicability": "unsafe"}, False), (None, False), ({"applicability": "safe"}, True)],
    )
    def test_only_a_safe_fix_makes_it_fixable(self, fix: object, fixable: bool) -> None:
        result = read("ruff", json.dumps([RUFF_FINDING | {"fix": fix}]), exit_code=1)

        assert [one.fixable for one in result.diagnostics] == [fixable]

    def test_a_row_in_a_notebook_counts_from_its_cell(self) -> None:
        result = read("ruff", json.dumps([RUFF_FINDING | {"cell": 3}]), exit_code=1)

        assert result.diagnostics[0].message == "cell 3: `os` imported but unused"


class TestRuffFormatInText:
    """ruff before 0.16, and any version when it writes."""

    def test_files_that_would_change(self) -> None:
        text = "Would reformat: a.py\nWould reformat: odd\nname.py\n2 files would be reformatted\n"

        result = read("ruff-format", text, exit_code=1)

        assert result.status is HookStatus.FAILED
        assert [(one.path, one.fixable) for one in result.diagnostics] == [
            ("a.py", True),
            ("odd\nname.py", True),
        ]

    def test_a_file_that_cannot_be_parsed(self) -> None:
        stderr = "error: Failed to parse b.py:1:12: Expected a parameter\n"

        for text in (
            "",
            "1 file reformatted\n",
            "Would reformat: a.py\n1 file would be reformatted\n",
        ):
            result = read("ruff-format", text, stderr=stderr, exit_code=2)

            assert result.status is HookStatus.FAILED
            last = result.diagnostics[-1]
            assert (last.path, last.line, last.column) == ("b.py", 1, 12)

    def test_another_error_beside_it(self) -> None:
        stderr = (
            "error: Failed to parse b.py:1:12: Expected a parameter\n"
            "error: Failed to write c.py: Permission denied\n"
        )

        result = read("ruff-format", stderr=stderr, exit_code=2)

        assert result.status is HookStatus.TOOL_ERROR
        assert "Permission denied" in result.reason

    @pytest.mark.parametrize(
        "text", ["3 files already formatted\n", "1 file left unchanged\n", "2 files reformatted\n"]
    )
    def test_a_summary_is_evidence(self, text: str) -> None:
        assert read("ruff-format", text).status is HookStatus.PASSED

    def test_silence_is_none(self) -> None:
        assert read("ruff-format").status is HookStatus.TOOL_ERROR

    def test_nothing_to_do_after_exclusions(self) -> None:
        stderr = "warning: No Python files found under the given path(s)\n"

        assert read("ruff-format", stderr=stderr).status is HookStatus.PASSED


def test_a_process_that_a_signal_ended_is_an_error_that_names_it() -> None:
    result = read("mypy", exit_code=-signal.SIGSEGV)

    assert result.status is HookStatus.TOOL_ERROR
    assert "was killed by SIGSEGV" in result.reason


def test_a_typo_in_the_name_of_a_file() -> None:
    message = {"type": "typo", "path": "teh.py", "byte_offset": 0, "typo": "teh", "corrections": []}

    result = read("typos", json.dumps(message), exit_code=2)

    assert [(one.line, one.column, one.message) for one in result.diagnostics] == [
        (None, None, "teh ==> never right (in the file's name)")
    ]


def test_typos_that_could_not_read_a_file() -> None:
    result = read("typos", '{"type": "error", "path": "a.py"}', exit_code=2)

    assert result.status is HookStatus.TOOL_ERROR


def test_a_finding_outside_the_project_keeps_its_way() -> None:
    result = read("ruff", json.dumps([RUFF_FINDING | {"filename": "/other/a.py"}]), exit_code=1)

    assert [one.path for one in result.diagnostics] == ["../other/a.py"]
