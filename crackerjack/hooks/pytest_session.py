"""What our pytest plugin reports, one message a line, and what a session comes to."""

from __future__ import annotations

import enum
import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import ClassVar, Final

import msgspec

from crackerjack.hooks.diagnostic import printable_path
from crackerjack.hooks.process import ProcessResult
from crackerjack.types import HookStatus


class TestOutcome(enum.StrEnum):
    """How one test ended."""

    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """Its setup or teardown failed, or its file could not be collected."""
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"


class TestResult(msgspec.Struct, frozen=True, kw_only=True):
    """One test, or one file that could not be collected."""

    __test__: ClassVar[bool] = False  # pytest takes every class named Test... for tests

    nodeid: str
    outcome: TestOutcome
    duration: float = 0.0
    """Seconds, of setup, call and teardown together."""
    path: str = ""
    """Of the test's file, relative to the project if it is inside."""
    line: int | None = None
    """1-based: where it failed in that file, else where the test begins."""
    message: str = ""
    """The error, or the reason of a skip; at most 2,000 characters."""
    reruns: int = 0
    """How often it had failed before, where pytest-rerunfailures tries again."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    pass


class _Session(_Message, frozen=True, kw_only=True, tag="session"):
    pytest: str
    rootdir: str


class _Collection(_Message, frozen=True, kw_only=True, tag="collection"):
    """A file, class or package that could not be collected, or that skipped itself."""

    nodeid: str
    outcome: TestOutcome
    path: str
    line: int | None
    message: str


class _Collected(_Message, frozen=True, kw_only=True, tag="collected"):
    count: int
    deselected: int
    total: int | None = None
    """With the tests of other shards; None for as many."""


class _Started(_Message, frozen=True, kw_only=True, tag="started"):
    nodeid: str


class _Finished(_Message, frozen=True, kw_only=True, tag="finished"):
    nodeid: str
    outcome: TestOutcome
    duration: float
    path: str
    line: int | None
    message: str
    reruns: int = 0


class _Interrupted(_Message, frozen=True, kw_only=True, tag="interrupted"):
    message: str


class _InternalError(_Message, frozen=True, kw_only=True, tag="internal_error"):
    message: str


class _Ended(_Message, frozen=True, kw_only=True, tag="ended"):
    exit_status: int
    stopped: str
    """Why it stopped early, such as ``stopping after 1 failures``; else empty."""
    coverage: float | None


_DECODER: Final = msgspec.json.Decoder(
    _Session
    | _Collection
    | _Collected
    | _Started
    | _Finished
    | _Interrupted
    | _InternalError
    | _Ended
)


class PytestSession:
    """A session of pytest as its messages tell it.

    `on_collected(count, deselected)` and `on_test(result)` are called as it goes on, the latter after
    the former also for a file that could not be collected. For a session that may not have come to
    that, call :meth:`release` at its end.
    """

    def __init__(
        self,
        root: str,
        on_collected: Callable[[int, int], None],
        on_test: Callable[[TestResult], None],
    ) -> None:
        self._root = printable_path(os.path.realpath(root))
        self._rootdir = self._root
        self._on_collected = on_collected
        self._on_test = on_test
        self._held: list[TestResult] = []
        """Files that could not be collected, while others still are."""
        self.pytest_version = ""
        """Empty until the session has started."""
        self.collected: int | None = None
        self.deselected = 0
        self.counts: Counter[TestOutcome] = Counter()
        """Of tests that ran."""
        self.failures: list[TestResult] = []
        """Failed tests and errors, those of collection included."""
        self.running: dict[str, None] = {}
        """Node ids of the tests that have begun and not ended, in order."""
        self.skipped_files = 0
        self.interrupted = ""
        self.internal_error = ""
        self.ended = False
        self.stopped = ""
        self.coverage: float | None = None
        """Percent."""

    def take(self, line: bytes) -> None:
        """Take one message. One that cannot be read is missed when the tests are counted."""
        try:
            message = _DECODER.decode(line)
        except msgspec.MsgspecError:
            return
        match message:
            case _Started():
                self.running[message.nodeid] = None
            case _Finished():
                self._finish(message)
            case _Collection():
                self._collect(message)
            case _Collected():
                self.collected, self.deselected = message.count, message.deselected
                # A file that is skipped as a whole is a result as well: so many will come.
                total = message.count if message.total is None else message.total
                self._on_collected(total + len(self._held), message.deselected)
                self.release()
            case _Session():
                self.pytest_version, self._rootdir = message.pytest, message.rootdir
            case _Interrupted():
                self.interrupted = message.message
            case _InternalError():
                self.internal_error = message.message
            case _Ended():
                self.ended, self.stopped = True, message.stopped
                self.coverage = message.coverage

    def release(self) -> None:
        """Pass on what was held back until the tests were collected."""
        held, self._held = self._held, []
        for result in held:
            self._show(result)

    def _finish(self, message: _Finished) -> None:
        self.running.pop(message.nodeid, None)
        self.counts[message.outcome] += 1
        self._show(
            TestResult(
                nodeid=message.nodeid,
                outcome=message.outcome,
                duration=message.duration,
                path=self._relative(message.path),
                line=message.line,
                message=message.message,
                reruns=message.reruns,
            )
        )

    def _collect(self, message: _Collection) -> None:
        self.skipped_files += message.outcome is TestOutcome.SKIPPED
        result = TestResult(
            nodeid=message.nodeid,
            outcome=message.outcome,
            path=self._relative(message.path),
            line=message.line,
            message=message.message,
        )
        if self.collected is None:
            self._held.append(result)
        else:
            self._show(result)

    def _show(self, result: TestResult) -> None:
        if result.outcome in {TestOutcome.FAILED, TestOutcome.ERROR}:
            self.failures.append(result)
        self._on_test(result)

    def _relative(self, path: str) -> str:
        absolute = os.path.normpath(os.path.join(self._rootdir, path))
        if absolute.startswith(self._root + os.sep):
            return absolute[len(self._root) + 1 :].replace(os.sep, "/")
        return absolute


def judge_session(
    session: PytestSession, result: ProcessResult, words: str
) -> tuple[HookStatus, str]:
    """Return what a run of pytest that is over amounts to, and why.

    `words` is what pytest printed about it. Passed is only what said so itself: the session began
    and ended, every test that was collected has reported, and the exit code is 0.
    """
    if result.cancelled:
        return HookStatus.INCONCLUSIVE, "cancelled"
    if result.timed_out:
        return HookStatus.TIMED_OUT, f"timed out after {result.duration:.0f} s, {_where(session)}"
    if broken := _why_broken(session, result.returncode, words):
        return HookStatus.TOOL_ERROR, broken
    if session.failures:
        return HookStatus.FAILED, session.stopped or session.interrupted
    if result.returncode == 1:
        return HookStatus.FAILED, _with_words("pytest failed, although no test did", words)
    return _judge_without_failures(session)


def _why_broken(session: PytestSession, exit_code: int | None, words: str) -> str:
    """Why what the session reported is not the whole truth; empty if it is."""
    if not session.pytest_version:
        return _with_words(f"pytest did not start ({_exit(exit_code)})", words)
    if session.internal_error:
        return f"internal error in pytest: {session.internal_error}"
    if not session.ended or exit_code is None or exit_code < 0:
        return f"the interpreter ended ({_exit(exit_code)}), {_where(session)}"
    if exit_code == 2 and not session.failures:
        return _with_words("pytest was interrupted", session.interrupted or session.stopped)
    if exit_code not in {0, 1, 2, 5}:
        return _with_words(f"pytest ended with exit {exit_code}", session.interrupted or words)
    return ""


def _judge_without_failures(session: PytestSession) -> tuple[HookStatus, str]:
    ran = session.counts.total()
    if session.collected is None:
        return HookStatus.TOOL_ERROR, _with_words("nothing was collected", session.interrupted)
    if ran < session.collected:
        told = f"only {ran} of {session.collected} tests ran"
        return HookStatus.TOOL_ERROR, _with_words(told, session.interrupted or session.stopped)
    if ran == 0:
        return HookStatus.SKIPPED, _why_no_tests(session)
    if session.counts[TestOutcome.SKIPPED] == ran:
        return HookStatus.SKIPPED, f"all {ran} tests were skipped"
    return HookStatus.PASSED, ""


def _why_no_tests(session: PytestSession) -> str:
    if session.deselected:
        return f"all {session.deselected} tests were deselected"
    if session.skipped_files:
        return "no tests were found: the files that hold them skipped themselves"
    return "no tests were found"


def _where(session: PytestSession) -> str:
    """How far the session came: the sentence after a comma."""
    if session.running:
        return f"while running {', '.join(session.running)}"
    if session.ended:
        return "after the tests, while it was shutting down"
    if not session.pytest_version:
        return "before the tests, while pytest was starting"
    if session.collected is None:
        return "while the tests were collected"
    return f"after {session.counts.total()} of {session.collected} tests"


def _exit(code: int | None) -> str:
    if code is None:
        return "it could not be killed"
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _with_words(sentence: str, words: str) -> str:
    return f"{sentence}: {words}" if words else sentence
