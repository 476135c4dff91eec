"""The verdict: exit codes that say what happened, and never "passed" without evidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackerjack.types import ExitCode, HookStatus
from crackerjack.workflow.verdict import Part, judge


def parts(*statuses: HookStatus) -> list[Part]:
    return [
        Part(name=f"hook-{n}", step_id="step_001", status=status)
        for n, status in enumerate(statuses)
    ]


@pytest.mark.parametrize(
    ("statuses", "exit_code"),
    [
        ((HookStatus.PASSED, HookStatus.SKIPPED), ExitCode.PASSED),
        ((HookStatus.FIXED,), ExitCode.PASSED),
        ((HookStatus.FAILED, HookStatus.TOOL_MISSING), ExitCode.FINDINGS),
        ((HookStatus.PASSED, HookStatus.TOOL_MISSING), ExitCode.TOOL),
        ((HookStatus.PASSED, HookStatus.TOOL_ERROR), ExitCode.TOOL),
        ((HookStatus.PASSED, HookStatus.TIMED_OUT), ExitCode.TOOL),
        ((HookStatus.PASSED, HookStatus.INCONCLUSIVE), ExitCode.TOOL),
        ((HookStatus.SKIPPED,), ExitCode.USAGE),
        ((), ExitCode.USAGE),
    ],
)
def test_exit_code(statuses: tuple[HookStatus, ...], exit_code: ExitCode) -> None:
    assert judge(parts(*statuses)).exit_code is exit_code


def test_the_reason_names_what_failed() -> None:
    verdict = judge([Part(name="mypy", step_id="step_001", status=HookStatus.FAILED, findings=3)])
    assert verdict.reason == "failed: mypy"
    assert verdict.findings == 3


def test_the_reason_names_too_what_could_not_look() -> None:
    verdict = judge(parts(HookStatus.FAILED, HookStatus.TOOL_MISSING, HookStatus.PASSED))
    assert verdict.reason == "failed: hook-0; could not be run: hook-1"


def test_a_file_that_two_parts_change_counts_once() -> None:
    changed = (frozenset({"a.py", "b.py"}), frozenset({"b.py"}), frozenset({"c.py"}))
    assert judge([_fixing(paths) for paths in changed]).fixed == 3


def _fixing(paths: frozenset[str]) -> Part:
    return Part(name="hook", step_id="step_001", status=HookStatus.FIXED, fixed=paths)


def test_nothing_to_do_is_passed_only_when_nothing_was_looked_at() -> None:
    assert judge([], nothing_to_do="no file has changed").exit_code is ExitCode.PASSED
    broken = judge(parts(HookStatus.TOOL_ERROR), nothing_to_do="no file has changed")
    assert broken.exit_code is ExitCode.TOOL


@given(st.lists(st.sampled_from(HookStatus)))
def test_passed_needs_evidence_and_nothing_against_it(statuses: list[HookStatus]) -> None:
    passed = judge(parts(*statuses)).exit_code is ExitCode.PASSED
    evidence = {HookStatus.PASSED, HookStatus.FIXED}
    assert passed == (
        bool(evidence & set(statuses)) and set(statuses) <= evidence | {HookStatus.SKIPPED}
    )
