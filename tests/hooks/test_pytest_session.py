"""What messages of the plugin and the end of its process amount to; all of pytest is in test_testing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crackerjack.hooks.process import ProcessResult
from crackerjack.hooks.pytest_session import PytestSession, TestResult, judge_session
from crackerjack.types import HookStatus

STARTED: dict[str, Any] = {"kind": "session", "pytest": "9.9", "rootdir": "/project"}
COLLECTED: dict[str, Any] = {"kind": "collected", "count": 2, "deselected": 0}
BEGIN_A = {"kind": "started", "nodeid": "a"}
BEGIN_B = {"kind": "started", "nodeid": "b"}
ENDED: dict[str, Any] = {"kind": "ended", "exit_status": 0, "stopped": "", "coverage": None}


def finished(nodeid: str, outcome: str = "passed") -> dict[str, Any]:
    return {
        "kind": "finished",
        "nodeid": nodeid,
        "outcome": outcome,
        "duration": 0.5,
        "path": "tests/test_it.py",
        "line": 7,
        "message": "",
    }


def session_of(*messages: dict[str, Any]) -> PytestSession:
    session = PytestSession("/project", lambda *_: None, lambda _: None)
    for message in messages:
        session.take(msgspec.json.encode(message))
    return session


def timed_out() -> ProcessResult:
    return ProcessResult(returncode=-15, timed_out=True, duration=3.1)


@pytest.mark.parametrize(
    ("messages", "where"),
    [
        ([], "before the tests, while pytest was starting"),
        ([STARTED], "while the tests were collected"),
        ([STARTED, COLLECTED], "after 0 of 2 tests"),
        ([STARTED, COLLECTED, BEGIN_A, BEGIN_B], "while running a, b"),
        ([STARTED, COLLECTED, BEGIN_A, finished("a"), BEGIN_B], "while running b"),
        (
            [STARTED, COLLECTED, finished("a"), finished("b"), ENDED],
            "after the tests, while it was shutting down",
        ),
    ],
)
def test_a_timeout_says_how_far_it_came(messages: list[dict[str, Any]], where: str) -> None:
    assert judge_session(session_of(*messages), timed_out(), "") == (
        HookStatus.TIMED_OUT,
        f"timed out after 3 s, {where}",
    )


ALL_PASS = [STARTED, COLLECTED, finished("a"), finished("b"), ENDED]


@pytest.mark.parametrize(
    ("messages", "exit_code", "expected"),
    [
        (ALL_PASS, 0, (HookStatus.PASSED, "")),
        (ALL_PASS[:-1], 0, (HookStatus.TOOL_ERROR, "the interpreter ended (exit 0), after 2 of 2")),
        (ALL_PASS[1:], 0, (HookStatus.TOOL_ERROR, "pytest did not start (exit 0): words")),
        ([*ALL_PASS[:3], ENDED], 0, (HookStatus.TOOL_ERROR, "only 1 of 2 tests ran")),
        ([STARTED, ENDED], 0, (HookStatus.TOOL_ERROR, "nothing was collected")),
        (ALL_PASS, 1, (HookStatus.FAILED, "pytest failed, although no test did: words")),
        (ALL_PASS, 2, (HookStatus.TOOL_ERROR, "pytest was interrupted")),
        (ALL_PASS, 3, (HookStatus.TOOL_ERROR, "pytest ended with exit 3: words")),
        (ALL_PASS, 77, (HookStatus.TOOL_ERROR, "pytest ended with exit 77: words")),
        (
            ALL_PASS,
            -11,
            (HookStatus.TOOL_ERROR, "the interpreter ended (SIGSEGV), after the tests"),
        ),
        (ALL_PASS, -99, (HookStatus.TOOL_ERROR, "the interpreter ended (signal 99), after the")),
        (ALL_PASS, None, (HookStatus.TOOL_ERROR, "the interpreter ended (it could not be killed)")),
        ([*ALL_PASS[:3], finished("b", "error"), ENDED], 0, (HookStatus.FAILED, "")),
        ([*ALL_PASS[:3], finished("b", "xfailed"), ENDED], 0, (HookStatus.PASSED, "")),
        ([*ALL_PASS[:3], finished("b", "skipped"), ENDED], 0, (HookStatus.PASSED, "")),
        (
            [STARTED, {**COLLECTED, "count": 0}, ENDED],
            5,
            (HookStatus.SKIPPED, "no tests were found"),
        ),
        (
            [STARTED, {**COLLECTED, "count": 0}, ENDED],
            0,
            (HookStatus.SKIPPED, "no tests were found"),
        ),
    ],
)
def test_how_a_session_is_judged(
    messages: list[dict[str, Any]], exit_code: int | None, expected: tuple[HookStatus, str]
) -> None:
    result = ProcessResult(returncode=exit_code)
    status, reason = judge_session(session_of(*messages), result, "words")
    assert status is expected[0]
    assert reason.startswith(expected[1])
    assert bool(reason) == bool(expected[1])


@pytest.mark.parametrize("lost", range(len(ALL_PASS)))
def test_whatever_message_is_lost_it_has_not_passed(lost: int) -> None:
    messages = [message for number, message in enumerate(ALL_PASS) if number != lost]
    status, _ = judge_session(session_of(*messages), ProcessResult(returncode=0), "")
    assert status is HookStatus.TOOL_ERROR


def test_what_cannot_be_read_is_no_message() -> None:
    session = session_of(*ALL_PASS)
    for line in (b"", b"{", b"[]", b'{"kind":"other"}', b'{"kind":"started"}', b"\xff"):
        session.take(line)
    assert not session.running
    assert session.counts.total() == 2


def test_results_come_as_they_are_reported() -> None:
    results: list[TestResult] = []
    session = PytestSession("/project", lambda *_: None, results.append)
    session.take(msgspec.json.encode({**STARTED, "rootdir": "/project/sub"}))
    session.take(msgspec.json.encode(finished("a")))
    session.take(msgspec.json.encode({**finished("b", "failed"), "path": "../../else/test_it.py"}))
    assert [(result.path, result.line) for result in results] == [
        ("sub/tests/test_it.py", 7),
        ("/else/test_it.py", 7),
    ]
    assert session.failures == results[1:]
