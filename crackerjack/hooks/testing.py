"""Runs the project's tests: pytest, in the project's environment, as the project configures it."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Final

import msgspec

from crackerjack.hooks.coverage import measures_coverage
from crackerjack.hooks.process import Cancellation, ProcessResult, run_process
from crackerjack.hooks.process_groups import ProcessGroups
from crackerjack.hooks.pytest_session import PytestSession, TestOutcome, TestResult, judge_session
from crackerjack.types import HookStatus

_PLUGIN_DIRECTORY: Final = os.path.join(os.path.dirname(__file__), "pytest_plugin")
_WORST_FIRST: Final = (
    HookStatus.TOOL_ERROR,
    HookStatus.TIMED_OUT,
    HookStatus.TOOL_MISSING,
    HookStatus.INCONCLUSIVE,
    HookStatus.FAILED,
    HookStatus.PASSED,
    HookStatus.SKIPPED,
)
_WORDS: Final = 8 * 1024
"""Characters of the end of each stream in which pytest's own words are looked for."""
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_NO_MODULE: Final = "ModuleNotFoundError: "
_NO_ENVIRONMENT: Final = "the project has no environment of its own"
_MARKED: Final = re.compile(r"ERROR(?!: usage)|FAIL |E   |INTERNALERROR|.*: error: ")


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the tests, whole files of them: all shards of one division together are all tests."""

    number: int
    """From 0."""
    of: int
    seconds: Mapping[str, float] = {}
    """What the files took before, by their path relative to pytest's root directory."""


class TestRun(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the tests."""

    __test__: ClassVar[bool] = False  # pytest takes every class named Test... for tests

    status: HookStatus
    reason: str = ""
    duration: float = 0.0
    """Seconds."""
    exit_code: int | None = None
    """pytest's; negative for a signal."""
    counts: Mapping[TestOutcome, int] = {}
    """Tests that ran, by outcome."""
    collected: int | None = None
    """None when collecting did not end."""
    deselected: int = 0
    """Not known under pytest-xdist, where it is 0."""
    failures: tuple[TestResult, ...] = ()
    """Failed tests and errors, those of collection included."""
    coverage: float | None = None
    """Percent, of however much ran; None when it was not measured."""
    pytest_version: str = ""
    cancelled: bool = False


def run_tests(
    root: str,
    python: str | None,
    *,
    timeout: float,
    cancel: Cancellation,
    groups: ProcessGroups,
    on_collected: Callable[[int, int], None],
    on_test: Callable[[TestResult], None],
    on_output: Callable[[str, str], None] | None = None,
    args: Sequence[str] = (),
    source_roots: Sequence[str] = (),
    coverage: bool = True,
    has_tests: bool = True,
    shard: Shard | None = None,
) -> TestRun:
    """Run the tests of the project in `root` with the interpreter `python` of its environment.

    A project without an environment (None) gets our interpreter, with its `source_roots` (relative to
    `root`) on the path: it is not installed there, or another release of it is. `on_collected(count, deselected)` and
    `on_test(result)` are called while the tests run, in the calling thread; `args` are added to
    pytest's; `timeout` is in seconds. With `coverage`, a project that is configured for coverage.py is
    measured although its own run of pytest would not do so. `has_tests` is whether anything looks like
    a test: it decides what it means that there is no pytest. Only the tests of the `shard` run.

    The status is PASSED only if every test that was collected has reported, FAILED with findings,
    SKIPPED without tests, TIMED_OUT with the names of the tests that ran, TOOL_MISSING without
    pytest, INCONCLUSIVE when cancelled, and TOOL_ERROR when pytest or its interpreter broke.
    """
    interpreter = python or sys.executable
    session = PytestSession(root, on_collected, on_test)
    tail = _Tail(on_output)
    try:
        result = run_process(
            [interpreter, "-u", "-m", "pytest", *args],
            cwd=root,
            env=_environment(root, () if python else source_roots, coverage=coverage, shard=shard),
            timeout=timeout,
            cancel=cancel,
            groups=groups,
            on_output=tail.take,
            on_report=session.take,
            keep=0,
        )
    except OSError as error:
        return TestRun(
            status=HookStatus.TOOL_MISSING, reason=f"cannot run {interpreter}: {error.strerror}"
        )
    if tail.ends_with(f"{interpreter}: No module named pytest"):
        return _without_pytest(root, python, result, has_tests=has_tests)
    session.release()
    status, reason = judge_session(session, result, tail.words())
    if not python and any(_NO_MODULE in failure.message for failure in session.failures):
        reason = f"{reason}; {_NO_ENVIRONMENT}" if reason else _NO_ENVIRONMENT
    return TestRun(
        status=status,
        reason=reason,
        duration=result.duration,
        exit_code=result.returncode,
        counts=dict(session.counts),
        collected=session.collected,
        deselected=session.deselected,
        failures=tuple(session.failures),
        coverage=session.coverage,
        pytest_version=session.pytest_version,
        cancelled=result.cancelled,
    )


def merged(runs: Iterable[TestRun]) -> TestRun:
    """The runs of all shards as the one that they are together.

    Its coverage is not known: that of a shard says nothing of the others.
    """
    ended = sorted(runs, key=lambda run: _WORST_FIRST.index(run.status))
    counts: Counter[TestOutcome] = Counter()
    failures: dict[str, TestResult] = {}
    for run in ended:
        counts.update(run.counts)
        failures.update((failure.nodeid, failure) for failure in run.failures)
    return msgspec.structs.replace(
        ended[0],
        duration=max(run.duration for run in ended),
        counts=dict(counts),
        collected=sum(run.collected or 0 for run in ended),
        deselected=max(run.deselected for run in ended),
        failures=tuple(failures.values()),
        coverage=None,
        cancelled=any(run.cancelled for run in ended),
    )


def _without_pytest(
    root: str, python: str | None, result: ProcessResult, *, has_tests: bool
) -> TestRun:
    if not has_tests:
        return TestRun(
            status=HookStatus.SKIPPED, reason="no tests were found", duration=result.duration
        )
    from shlex import quote

    reason = "pytest is not installed"
    if python:
        command = f"{quote(python)} -m pip install pytest"
    else:
        # Not into our environment: there the project, and what it needs, would still be missing.
        reason = f"{reason}, and {_NO_ENVIRONMENT}"
        builds = any(os.path.exists(f"{root}/{name}") for name in ("pyproject.toml", "setup.py"))
        packages = "pytest -e ." if builds else "pytest"
        command = f"python3 -m venv .venv && .venv/bin/python -m pip install {packages}"
    reason = f"{reason}: {command}"
    return TestRun(status=HookStatus.TOOL_MISSING, reason=reason, duration=result.duration)


def _environment(
    root: str, source_roots: Sequence[str], *, coverage: bool, shard: Shard | None
) -> dict[str, str]:
    """The user's, with the source roots on the path; what loads our plugin, the plugin takes back."""
    env = dict(os.environ)
    sources = [os.path.join(root, source) for source in source_roots]
    for name, separator, ours in (
        ("PYTHONPATH", os.pathsep, os.pathsep.join((_PLUGIN_DIRECTORY, *sources))),
        ("PYTEST_PLUGINS", ",", "crackerjack_pytest"),
    ):
        theirs = env.get(name)
        env[name] = f"{ours}{separator}{theirs}" if theirs else ours
    if coverage and measures_coverage(root):
        env["CRACKERJACK_MEASURE_COVERAGE"] = "1"
    if shard is not None:
        env["CRACKERJACK_SHARD"] = msgspec.json.encode(shard).decode()
    return env


class _Tail:
    """Passes the output on and keeps the end of it, for pytest's own words."""

    def __init__(self, on_output: Callable[[str, str], None] | None) -> None:
        self._on_output = on_output
        self._ends = {"stderr": "", "stdout": ""}

    def take(self, stream: str, text: str) -> None:
        self._ends[stream] = (self._ends[stream] + text)[-_WORDS:]
        if self._on_output is not None:
            self._on_output(stream, text)

    def ends_with(self, line: str) -> bool:
        return self._ends["stderr"].rstrip().endswith(line)

    def words(self) -> str:
        """The lines that look like an error, else the last ones; at most 500 characters."""
        streams = [_CONTROL.sub("", text).split("\n") for text in self._ends.values()]
        marked = [line for lines in streams for line in lines if _MARKED.match(line)]
        last = next((lines for lines in streams if any(map(str.strip, lines))), [])
        chosen = [line.strip() for line in marked or last if line.strip()][-5:]
        return "\n".join(chosen)[:500]
