"""Taking a look at several files apart, for the cache: only what is beyond doubt."""

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.look import Found, by_file, of_diagnostics, together
from crackerjack.types import HookStatus


def finding(path: str, severity: Severity = Severity.ERROR) -> Diagnostic:
    return Diagnostic(
        hook="hook", path=path, line=1, column=1, code="X1", severity=severity, message="bad"
    )


def failed(*diagnostics: Diagnostic) -> Found:
    return Found(status=HookStatus.FAILED, diagnostics=diagnostics)


def test_files_without_findings_passed() -> None:
    apart = by_file(failed(finding("a.py")), ["a.py", "b.py"])
    assert apart["a.py"] == failed(finding("a.py"))
    assert apart["b.py"] == Found(status=HookStatus.PASSED)


def test_a_file_with_a_warning_beside_one_with_an_error_is_in_doubt() -> None:
    mixed = failed(finding("a.py"), finding("b.py", Severity.WARNING))
    assert set(by_file(mixed, ["a.py", "b.py", "c.py"])) == {"c.py"}


def test_a_file_with_a_warning_failed_where_the_tool_fails_for_any_finding() -> None:
    mixed = failed(finding("a.py"), finding("b.py", Severity.WARNING))
    apart = by_file(mixed, ["a.py", "b.py"], any_fails=True)
    assert apart["b.py"] == failed(finding("b.py", Severity.WARNING))


def test_nothing_is_known_of_a_look_that_did_not_end() -> None:
    for status in set(HookStatus) - {HookStatus.PASSED, HookStatus.FAILED}:
        assert by_file(Found(status=status), ["a.py"]) == {}


def test_nothing_is_known_of_a_failure_without_findings_or_with_findings_elsewhere() -> None:
    assert by_file(failed(), ["a.py"]) == {}
    assert by_file(failed(finding("other.py")), ["a.py"]) == {}


def test_what_could_not_be_seen_outweighs_what_was_found() -> None:
    looks = [failed(finding("a.py")), Found(status=HookStatus.TIMED_OUT, reason="slow")]
    whole = together(looks)
    assert (whole.status, whole.reason) == (HookStatus.TIMED_OUT, "slow")
    assert whole.diagnostics == (finding("a.py"),)


def test_notes_alone_fail_nothing() -> None:
    assert of_diagnostics((finding("a.py", Severity.NOTE),)).status is HookStatus.PASSED
    assert of_diagnostics((finding("a.py", Severity.WARNING),)).status is HookStatus.FAILED


def test_where_notes_pass_each_file_is_judged_by_its_own_findings() -> None:
    severities = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    mixed = failed(*map(finding, ("a.py", "b.py", "c.py"), severities))
    apart = by_file(mixed, ["a.py", "b.py", "c.py"], notes_pass=True)
    assert [apart[path].status for path in ("a.py", "b.py", "c.py")] == [
        HookStatus.FAILED,
        HookStatus.FAILED,
        HookStatus.PASSED,
    ]
    assert apart["c.py"].diagnostics == (finding("c.py", Severity.NOTE),)
