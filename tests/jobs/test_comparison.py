"""One run against another."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from crackerjack.container import open_container
from crackerjack.errors import UsageError
from crackerjack.events.event import draft
from crackerjack.events.log import JobHeader
from crackerjack.events.payload import EventType, WorkflowEnded, WorkflowStarted
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.jobs.comparison import Comparison, base_of, compare
from crackerjack.jobs.snapshot import JobSnapshot, fold
from crackerjack.types import HookStatus, JobId
from tests.events.writing import OWNER
from tests.sample_run import COMPREHENSIVE, FAST, TESTS, SampleRun, finding


def run_of(
    name: str,
    *lines: int,
    status: HookStatus = HookStatus.FAILED,
    tests: dict[str, str] | None = None,
) -> JobSnapshot:
    """A run with a finding of ruff-check in each of these lines, and tests with these outcomes."""
    run = SampleRun(name).begin(tests=True).strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    run.found(*(finding("ruff-check", line=line) for line in lines))
    run.hook_ended(FAST, "ruff-check", status).strategy_ended(FAST)
    if tests is not None:
        run.phase(TESTS).hook(TESTS, "pytest").collected(len(tests))
        for nodeid, outcome in tests.items():
            run.test(nodeid, outcome)
        run.hook_ended(TESTS, "pytest", HookStatus.FAILED).phase_ended(TESTS, HookStatus.FAILED)
    return fold(run.end(EventType.WORKFLOW_FAILED).events, job_id=run.job_id)


def lines(comparison: Comparison) -> tuple[list[int | None], list[int | None], list[int | None]]:
    """Of the new, the fixed and the remaining findings."""
    return (
        [one.line for one in comparison.new],
        [one.line for one in comparison.fixed],
        [one.line for one in comparison.remaining],
    )


def test_findings() -> None:
    comparison = compare(run_of("before", 1, 2, 3), run_of("now", 2, 3, 4))
    assert lines(comparison) == ([4], [1], [2, 3])
    assert (comparison.base, comparison.job, comparison.unseen) == ("before", "now", [])


def test_a_file_that_can_be_collected_again_is_fixed() -> None:
    before = run_of("before", tests={"a.py": "error", "b.py": "error", "c.py": "error"})
    now = run_of("now", tests={"a.py::one": "passed", "a.py::two": "failed", "b.py": "error"})
    comparison = compare(before, now)
    assert [one.nodeid for one in comparison.fixed_tests] == ["a.py"]
    assert [one.nodeid for one in comparison.new_tests] == ["a.py::two"]
    assert [one.nodeid for one in comparison.remaining_tests] == ["b.py"]
    assert [one.nodeid for one in comparison.unseen_tests] == ["c.py"]


@pytest.mark.parametrize(
    "status", [HookStatus.TIMED_OUT, HookStatus.TOOL_ERROR, HookStatus.SKIPPED]
)
def test_what_a_hook_did_not_look_for_is_not_fixed(status: HookStatus) -> None:
    comparison = compare(run_of("before", 1), run_of("now", status=status))
    assert lines(comparison) == ([], [], [])
    assert comparison.not_compared == {"ruff-check": f"{status} now"}
    comparison = compare(run_of("before", status=status), run_of("now", 1))
    assert lines(comparison) == ([], [], [])
    assert comparison.not_compared == {"ruff-check": f"{status} before"}


def test_a_hook_that_is_new_is_not_compared() -> None:
    base = fold(
        SampleRun("before").begin().strategy(COMPREHENSIVE, []).end().events, job_id=JobId("before")
    )
    comparison = compare(base, run_of("now", 1))
    assert comparison.not_compared == {"ruff-check": "it was not part of the run before"}


def test_a_part_of_the_files_says_nothing_of_the_others() -> None:
    now = run_of("now", 2)
    now.options = ("--check", "--path src")
    comparison = compare(run_of("before", 1, 2), now)
    assert lines(comparison) == ([], [], [2])
    assert [one.line for one in comparison.unseen] == [1]


def test_tests() -> None:
    before = {"a": "failed", "b": "error", "c": "failed", "d": "passed", "e": "failed"}
    now = {"a": "passed", "b": "failed", "c": "skipped", "d": "failed", "f": "failed"}
    comparison = compare(run_of("before", tests=before), run_of("now", tests=now))
    assert [test.nodeid for test in comparison.new_tests] == ["d", "f"]
    assert [test.nodeid for test in comparison.fixed_tests] == ["a"]
    assert [test.nodeid for test in comparison.remaining_tests] == ["b"]
    assert [test.nodeid for test in comparison.unseen_tests] == ["c", "e"]


def test_the_base_is_the_last_finished_run_of_the_project(tmp_path: Path) -> None:
    with (
        closing(SqliteEventLog(tmp_path / "store.db")) as log,
        open_container({"CRACKERJACK_STATE_DIR": str(tmp_path)}, log) as container,
    ):

        def job(name: str, end: EventType | None, project: str = "/project") -> JobId:
            job_id = JobId(name)
            log.create_job(
                JobHeader(
                    job_id=job_id, project=project, workflow="standard", created=0.0, owner=OWNER
                ),
                1e12,
            )
            started = WorkflowStarted(workflow="standard", steps=())
            log.append([draft(job_id, EventType.WORKFLOW_STARTED, started)], owner=OWNER)
            if end is not None:
                ended = WorkflowEnded(success=False, duration=1.0, exit_code=1)
                log.append([draft(job_id, end, ended)], owner=OWNER)
            return job_id

        first = job("first", EventType.WORKFLOW_FAILED)
        job("interrupted", EventType.WORKFLOW_INTERRUPTED)
        job("elsewhere", EventType.WORKFLOW_COMPLETED, "/other")
        now = job("now", None)
        job("later", EventType.WORKFLOW_COMPLETED)
        assert base_of(container.jobs, now).header.job_id == first
        with pytest.raises(UsageError, match="first is the first finished run of /project"):
            base_of(container.jobs, first)
        for number in range(50):
            job(f"more-{number}", EventType.WORKFLOW_COMPLETED)
        with pytest.raises(UsageError, match="no finished run before now: name the one"):
            base_of(container.jobs, now)
