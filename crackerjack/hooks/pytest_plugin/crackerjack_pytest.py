"""A pytest plugin that tells crackerjack what pytest does, while it does it.

It runs in the interpreter of the project under test (Python 3.8 or later, pytest 7 or later), where
nothing else of crackerjack can be imported. It is loaded through the variable ``PYTEST_PLUGINS``, with
this directory on ``PYTHONPATH``, and takes both back when it is imported: tests, their child processes
and the workers of pytest-xdist see neither. Under xdist the controller reports.

One JSON object a line goes to the descriptor that ``CRACKERJACK_REPORT_FD`` names; its ``kind`` is one
of those in ``crackerjack/hooks/pytest_session.py``. Nothing is printed, no option is changed.
"""

from __future__ import annotations

import io
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from json import dumps, loads

# Tests replace functions of os, and their replacements may still be there when we report.
from os import fstat, getpid, write
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from coverage import Coverage

MESSAGE_LIMIT = 2000  # characters


class Channel:
    """The way to crackerjack."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._fd = fd
        self._pid = getpid()
        self._identity = self._identify()

    def send(self, kind: str, **fields: object) -> None:
        """Send one message, unless this is a fork or a test has closed or replaced the descriptor."""
        data = (dumps({"kind": kind, **fields}) + "\n").encode("ascii")
        try:
            if getpid() != self._pid or self._identify() != self._identity:
                return
            while data:
                data = data[write(self._fd, data) :]
        except OSError:
            pass  # crackerjack is gone, or will miss the message and say so

    def _identify(self) -> tuple[int, int]:
        status = fstat(self._fd)
        return status.st_dev, status.st_ino


def _take_back() -> tuple[Channel | None, bool, dict[str, Any]]:
    """Remove what loaded this module; return the channel, whether to measure coverage, and the shard."""
    here = os.path.dirname(__file__)
    for_workers: list[str] = getattr(sys.modules.get("xdist.plugin"), "_sys_path", [])
    for path in (sys.path, for_workers):
        path[:] = [entry for entry in path if entry != here]
    for name, separator, ours in (
        ("PYTHONPATH", os.pathsep, here),
        ("PYTEST_PLUGINS", ",", __name__),
    ):
        first, _, rest = os.environ.get(name, "").partition(separator)
        if first == ours:
            os.environ[name] = rest
            if not rest:
                del os.environ[name]
    fd = os.environ.pop("CRACKERJACK_REPORT_FD", "")
    measure = os.environ.pop("CRACKERJACK_MEASURE_COVERAGE", "")
    shard: dict[str, Any] = loads(os.environ.pop("CRACKERJACK_SHARD", "{}"))
    return (Channel(int(fd)) if fd else None), bool(measure), shard


_channel, _measure, _shard = _take_back()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before the first code of the project, its conftest.py, is imported."""
    if _channel is not None:
        coverage = ProjectCoverage(early_config, measure=_measure)
        shard = ShardOfTests(_shard) if _shard else None
        reporter = Reporter(_channel, early_config, coverage, shard)
        early_config.pluginmanager.register(reporter, "crackerjack-reporter")
        if shard:
            early_config.pluginmanager.register(shard, "crackerjack-shard")


class ShardOfTests:
    """Leaves the other shards' tests out: every process that collects the same divides it in the same way.

    By whole files, so that what a module sets up is set up once: the longest first, each to the shard
    that has least (Graham's LPT rule).
    """

    def __init__(self, shard: dict[str, Any]) -> None:
        self._number: int = shard["number"]
        self._of: int = shard["of"]
        self._seconds: dict[str, float] = shard.get("seconds", {})
        self.total = 0
        """Tests of all shards, once they are collected."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.total = len(items)
        # Not told to pytest as deselected: for the whole run it is not.
        tests: dict[str, int] = {}
        for item in items:
            name = item.nodeid.partition("::")[0]
            tests[name] = tests.get(name, 0) + 1
        mine = self._files(tests)
        items[:] = [item for item in items if item.nodeid.partition("::")[0] in mine]

    def _files(self, tests: dict[str, int]) -> set[str]:
        weights = {name: self._seconds.get(name, 0.01 * count) for name, count in tests.items()}
        loads_of = [0.0] * self._of
        mine: set[str] = set()
        for name in sorted(weights, key=lambda name: (-weights[name], name)):
            shard = loads_of.index(min(loads_of))
            loads_of[shard] += weights[name]
            if shard == self._number:
                mine.add(name)
        return mine


class Reporter:
    """Turns pytest's hooks into messages."""

    def __init__(
        self,
        channel: Channel,
        config: pytest.Config,
        coverage: ProjectCoverage,
        shard: ShardOfTests | None,
    ) -> None:
        self._send = channel.send
        self._config = config
        self._coverage = coverage
        self._shard = shard
        self._deselected = 0
        self._workers_collected = False
        self._tests: dict[str, RunningTest] = {}  # by node id
        self._reruns: dict[
            str, int
        ] = {}  # the same; it outlives what says that an attempt has ended

    def pytest_sessionstart(self) -> None:
        self._send("session", pytest=pytest.__version__, rootdir=_path(self._config.rootpath))

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._deselected += len(items)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        count = len(session.items)
        total = self._shard.total if self._shard else count
        self._send("collected", count=count, deselected=self._deselected, total=total)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        if not self._workers_collected:  # each of them collects the same tests
            self._workers_collected = True
            self._send("collected", count=len(ids), deselected=0, total=len(ids))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.passed:
            return
        path = report.fspath or report.nodeid
        self._send(
            "collection",
            nodeid=_clean(report.nodeid or path),
            outcome="skipped" if report.skipped else "error",
            path=_path(path),
            line=self._failing_line(report.longrepr, path),
            message=_message(report),
        )

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._send("started", nodeid=_clean(nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if str(report.outcome) == "rerun":  # pytest-rerunfailures: the last attempt is the result
            self._tests.pop(report.nodeid, None)
            known = self._reruns.get(report.nodeid, 0)
            # The number of the attempt: both its call and its teardown may have failed.
            self._reruns[report.nodeid] = getattr(report, "rerun", known) + 1
            return
        test = self._tests.setdefault(report.nodeid, RunningTest())
        if test.take(report):
            test.path, line, _ = report.location
            test.line = self._failing_line(report.longrepr, test.path)
            if test.line is None and line is not None:
                test.line = line + 1
        if report.when not in {"setup", "call", "teardown"}:  # an xdist worker crashed in this test
            self._end(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._end(nodeid)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._send("interrupted", message=_clean(str(excinfo.value) or excinfo.typename))

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._send("internal_error", message=_clean(excinfo.exconly()))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        for nodeid in list(self._tests):  # of plugins that never say that a test has ended
            self._end(nodeid)
        self._send(
            "ended",
            exit_status=int(exitstatus),
            stopped=_clean(str(session.shouldfail or session.shouldstop or "")),
            coverage=self._coverage.percent(),
        )

    def _end(self, nodeid: str) -> None:
        test = self._tests.pop(nodeid, None)
        if test is not None and test.outcome:  # without an outcome it was interrupted, or never ran
            self._send(
                "finished",
                nodeid=_clean(nodeid),
                outcome=test.outcome,
                duration=test.duration,
                path=_path(test.path),
                line=test.line,
                message=test.message,
                reruns=self._reruns.pop(nodeid, 0),
            )

    def _failing_line(self, longrepr: Any, path: str) -> int | None:
        """The line of the failure in this file, or the one that led to it; None if there is none.

        `path` is relative to pytest's root directory, as reports have it.
        """
        own = os.path.normpath(os.path.join(str(self._config.rootpath), path))
        here = str(self._config.invocation_params.dir)
        for name, line in _places(longrepr):
            if os.path.normpath(os.path.join(here, name)) == own:
                return line
        return None


class RunningTest:
    """What the phases of one test (setup, call, teardown) come to."""

    def __init__(self) -> None:
        self.outcome = ""
        self.duration = 0.0
        self.message = ""
        self.path = ""
        self.line: int | None = None

    def take(self, report: pytest.TestReport) -> bool:
        """Take one phase; whether it decides: the first failure does, else the call, or a skip before."""
        if not hasattr(report, "context"):  # the time of a subtest is part of its test's
            self.duration += report.duration
        skipped = report.skipped and report.when == "setup"
        decides = report.failed or skipped or report.when == "call"
        if self.outcome in {"failed", "error"} or not decides:
            return False
        self.outcome = _outcome(report)
        self.message = "" if self.outcome == "passed" else _message(report)
        return True


class ProjectCoverage:
    """The coverage of the project, as far as it is set up to measure it.

    Where pytest-cov measures, it is pytest-cov's total. Else, if we are to `measure`, we do so in
    memory, so that no file is left behind; but not where somebody switched it off, or where it takes
    several processes and there is no pytest-cov to join them.
    """

    def __init__(self, config: pytest.Config, *, measure: bool) -> None:
        self._plugins = config.pluginmanager
        options = config.known_args_namespace
        self._measured: Coverage | None = None
        off = self._plugins.is_blocked("pytest_cov") or getattr(options, "no_cov", False)
        workers = getattr(options, "numprocesses", None) or getattr(options, "tx", None)
        if measure and not (off or workers or getattr(options, "cov_source", None)):
            self._measured = _quietly(self._begin)

    def percent(self) -> float | None:
        """The total, None if it was not measured."""
        percent: float | None = _quietly(self._total)
        return percent

    def _total(self) -> float | None:
        coverage = self._measured
        if coverage is not None:
            coverage.stop()
        else:
            pytest_cov: Any = self._plugins.getplugin("_cov")
            if pytest_cov is None:
                return None
            if pytest_cov.cov_total is not None:
                return float(pytest_cov.cov_total)
            coverage = pytest_cov.cov_controller.cov
        return float(coverage.report(file=io.StringIO(), ignore_errors=True))

    @staticmethod
    def _begin() -> Coverage | None:
        from coverage import Coverage

        coverage = Coverage(data_file=None)
        processes = {*coverage.config.concurrency, *getattr(coverage.config, "patch", ())}
        if processes & {"multiprocessing", "subprocess"}:
            return None
        coverage.start()
        return coverage


def _quietly(action: Callable[[], Any]) -> Any:
    """Do without coverage if it fails: whatever it has to complain about is no part of the tests."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return action()
    except Exception:  # noqa: BLE001 - a door, see above
        return None


def _outcome(report: pytest.TestReport) -> str:
    expected_to_fail = hasattr(report, "wasxfail")
    if report.failed:
        return "error" if report.when in {"setup", "teardown"} else "failed"
    if report.skipped:
        return "xfailed" if expected_to_fail else "skipped"
    return "xpassed" if expected_to_fail and report.when == "call" else "passed"


def _places(longrepr: Any) -> Iterator[tuple[str, int]]:
    """Where a failure happened, file and line, and where it came from: the innermost call first."""
    traceback = getattr(longrepr, "reprtraceback", None)
    entries = reversed(getattr(traceback, "reprentries", ()))
    crash = getattr(longrepr, "reprcrash", None)
    for place in (crash, *(getattr(entry, "reprfileloc", None) for entry in entries)):
        if place is not None:
            yield str(place.path), place.lineno
    # With --tb=native, and where a file cannot be imported, there is only text.
    found = re.findall(r'^(\S.*?):(\d+): |File "(.+)", line (\d+)', str(longrepr), re.MULTILINE)
    for name, line, native_name, native_line in reversed(found):
        yield name or native_name, int(line or native_line)


def _message(report: pytest.TestReport | pytest.CollectReport) -> str:
    """What happened, in a few lines."""
    if hasattr(report, "wasxfail") and not report.failed:
        return _clean(report.wasxfail)
    longrepr: Any = report.longrepr
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:
        return _clean(crash.message)
    if isinstance(longrepr, tuple):  # path, line and reason of a skip
        return _clean(longrepr[2])
    return _clean("\n".join(_error_lines(str(longrepr or "").splitlines())))


def _error_lines(lines: Sequence[str]) -> Sequence[str]:
    """The lines that pytest marks with E, else the last ones."""
    return [line[1:].strip() for line in lines if line.startswith("E  ")] or lines[-10:]


def _clean(text: str) -> str:
    """At most 2,000 characters that every encoding of Unicode takes."""
    return text[:MESSAGE_LIMIT].encode("utf-8", "backslashreplace").decode("utf-8")


def _path(path: object) -> str:
    """A path without surrogates: a byte that is not UTF-8 becomes ``\\xNN``."""
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")
