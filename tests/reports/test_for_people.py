"""What people read: the table, ``crackerjack show``, ``crackerjack jobs``."""

from __future__ import annotations

import re

import pytest

from crackerjack.events.log import JobEntry, JobHeader
from crackerjack.events.payload import EventType
from crackerjack.jobs.snapshot import JobSnapshot, fold
from crackerjack.reports import listing, show, wording
from crackerjack.reports.safe_text import cells
from crackerjack.reports.style import PLAIN, Look
from crackerjack.reports.summary import ending
from crackerjack.types import HookStatus, JobId
from tests.sample_run import (
    CLEANING,
    FAST,
    JOB,
    START,
    TESTS,
    SampleRun,
    failing_run,
    finding,
    passing_run,
    skip_hooks_run,
)

UUID = JobId("0b2b7a1c-6b0e-4c9e-9f57-3a1de0f4a1b2")


def of(run: SampleRun) -> JobSnapshot:
    return fold(run.events, job_id=JOB)


def failing_check(*, check: bool) -> SampleRun:
    run = SampleRun().begin(check=check).strategy(FAST, ["mypy"]).hook(FAST, "mypy")
    run.found(finding("mypy", fixable=True))
    run.hook_ended(FAST, "mypy", HookStatus.FAILED)
    return run.end(EventType.WORKFLOW_FAILED, exit_code=1)


def end_of(run: SampleRun, width: int = 80) -> list[str]:
    return [PLAIN.paint(line) for line in ending(of(run), PLAIN, width)]


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (-1, "0.00s"),
        (0, "0.00s"),
        (0.994, "0.99s"),
        (0.996, "1.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.6, "1m00s"),
        (125, "2m05s"),
        (3720, "1h02m"),
    ],
)
def test_durations(duration: float, shown: str) -> None:
    assert wording.seconds(duration) == shown


def test_the_end_of_a_run_that_passes() -> None:
    assert end_of(passing_run()) == [
        "",
        "  ✓ file-checks  0.04s  passed",
        "  ✓ ruff-format  0.03s  fixed 2 files",
        "  ✓ cleaning     0.12s  passed",
        "  ✓ mypy          5.5s  passed",
        "    total         5.7s",
        "",
        "  crackerjack undo job123  put back 2 files",
        "",
        "Workflow completed successfully",
    ]


def test_the_end_of_a_run_that_fails() -> None:
    assert end_of(failing_run()) == [
        "",
        "  ✓ file-checks  0.04s  passed, cached",
        "  ✗ ruff-check   0.05s  2 findings, 1 fixable",
        "  ✓ cleaning     0.12s  fixed 1 file",
        "  ✗ mypy          5.5s  1 finding",
        "  ! bandit              bandit is not installed; install it with `uv add --dev",
        "                        bandit`",
        "  ! vulture      0.50s  tool error: KeyError: 'tool'",
        "  ✗ pytest        5.6s  1 failed, 1 passed, 1 skipped, coverage 87.5%, must not",
        "                        fall below 88%",
        "  - skipped deptry (no dependencies declared)",
        "    total         6.0s",
        "",
        "  crackerjack show job123  all findings, by file",
        "  uv add --dev bandit      install what bandit needs",
        "  crackerjack undo job123  put back 1 file",
        "  crackerjack run --hook ruff-check --hook mypy --hook vulture",
        "",
        "Workflow failed: 3 findings, 1 failing test; bandit, vulture could not be run",
    ]


def test_the_end_of_a_run_with_skipped_hooks() -> None:
    assert end_of(skip_hooks_run()) == [
        "",
        "  ✓ cleaning  0.12s  passed",
        "  - skipped fast hooks, comprehensive hooks (--skip-hooks)",
        "    total     0.14s",
        "",
        "Workflow completed successfully",
    ]


def test_what_a_check_could_have_fixed_is_offered() -> None:
    run = SampleRun().begin(check=True).strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    run.found(finding("ruff-check", fixable=True), finding("ruff-check", line=9))
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED).end(EventType.WORKFLOW_FAILED)
    assert ("crackerjack run --fix", "fix what can be fixed") in wording.next_commands(of(run))


def test_what_a_check_would_clean_is_offered_and_what_it_would_refuse_is_not() -> None:
    refused = SampleRun().begin(check=True).fixed(CLEANING, "cleaning", "a.py", reason="no UTF-8")
    cleaned = SampleRun().begin(check=True)
    cleaned.fixed(CLEANING, "cleaning", "a.py", reason="--check", rules=("F401", "I001"))
    assert wording.next_commands(of(refused)) == []
    assert wording.next_commands(of(cleaned)) == [
        ("crackerjack run --fix", "fix what can be fixed")
    ]
    assert [PLAIN.paint(wording.fix(one)) for one in of(cleaned).fixes] == [
        "would fix a.py: F401, I001 [cleaning]"
    ]


def test_a_step_that_was_skipped_is_named_once() -> None:
    run = SampleRun().begin(tests=True).phase(TESTS)
    run.phase_ended(TESTS, HookStatus.SKIPPED, "no tests were found")
    assert "  - skipped tests (no tests were found)" in end_of(run.end())


@pytest.mark.parametrize(
    "reason", ["mypy is not on PATH: pip install mypy", "install it with `pip install mypy`", "no"]
)
def test_the_command_that_installs_a_missing_tool_is_offered(reason: str) -> None:
    run = SampleRun().begin().strategy(FAST, ["mypy"]).hook(FAST, "mypy")
    run.hook_ended(FAST, "mypy", HookStatus.TOOL_MISSING, reason=reason)
    commands = wording.next_commands(of(run.end(EventType.WORKFLOW_FAILED, exit_code=3)))
    assert commands == ([] if reason == "no" else [("pip install mypy", "install what mypy needs")])


def test_tests_without_a_hook_of_their_own_have_the_row_of_their_phase() -> None:
    run = SampleRun().begin(tests=True).phase(TESTS).collected(1).test("t.py::a").coverage(90.0)
    assert "  ✓ testing  0.12s  1 passed, coverage 90%" in end_of(run.phase_ended(TESTS).end())


def test_coverage_that_fell_is_told_once() -> None:
    run = SampleRun().begin(tests=True).phase(TESTS).collected(1).test("t.py::a")
    run.coverage(87.0, 88.0).phase_ended(TESTS, HookStatus.FAILED, "coverage fell to 87 %")
    lines = end_of(run.end(EventType.WORKFLOW_FAILED))
    assert "  ✗ testing  0.12s  1 passed: coverage fell to 87 %" in lines


def test_why_a_run_that_is_well_did_little() -> None:
    run = SampleRun().begin().end(reason="no file has changed")
    assert end_of(run)[-2:] == ["No file has changed", "Workflow completed successfully"]


def test_a_hook_that_only_says_no_is_named_in_the_verdict() -> None:
    run = SampleRun().begin().strategy(FAST, ["own"]).hook(FAST, "own")
    run.hook_ended(FAST, "own", HookStatus.FAILED)
    run.end(EventType.WORKFLOW_FAILED, reason="failed: own")
    assert end_of(run)[-1] == "Workflow failed: own"


@pytest.mark.parametrize(
    ("reason", "exit_code", "sentence"),
    [
        ("could not be run: mypy", 3, "Workflow failed: could not be run: mypy"),
        ("nothing was checked", 2, "Workflow failed: nothing was checked"),
    ],
)
def test_the_verdict_of_a_run_without_findings(reason: str, exit_code: int, sentence: str) -> None:
    run = SampleRun().begin().end(EventType.WORKFLOW_FAILED, reason=reason, exit_code=exit_code)
    assert end_of(run)[-1] == sentence


def test_the_verdict_of_an_interrupted_run() -> None:
    run = SampleRun().begin().strategy(FAST, ["mypy"]).hook(FAST, "mypy").wait(2.0)
    run.end(EventType.WORKFLOW_INTERRUPTED, reason="runner_lost", exit_code=130)
    lines = end_of(run)
    assert lines[-1] == "Workflow interrupted: runner lost"
    assert "  ! mypy    2.0s  stopped: the job ended" in lines


@pytest.mark.parametrize("width", [120, 80, 60, 40, 30])
def test_no_line_is_wider_than_the_terminal_but_commands_that_must_be_copied(width: int) -> None:
    for run in (failing_run(), passing_run(), skip_hooks_run()):
        for line in [*end_of(run, width), *show.render(of(run), width=width).splitlines()]:
            assert cells(line) <= width or line.startswith("  crackerjack ")


def test_show_groups_findings_by_file() -> None:
    lines = show.render(of(failing_run()), width=100).splitlines()
    assert lines[0] == "Standard Quality Workflow"
    assert re.fullmatch(r"job job123 in /home/ada/httpx, 2024-11-0\d \d\d:\d\d:\d\d", lines[1])
    assert lines[3:9] == [
        "src/app.py",
        "  3:7  F401 `os` imported but unused [ruff-check]",
        '  9:7  arg-type Argument 1 to "f" has incompatible type "str"; expected "int" [mypy]',
        "",
        "src/cli.py",
        "  40:7  E711 comparison to None [ruff-check]",
    ]
    assert "tests/test_app.py:12: test_two failed: assert 1 == 2 [pytest]" in lines
    assert "left as it was src/odd.py: the result does not parse [cleaning]" in lines
    assert not any("crackerjack show" in line for line in lines)


def test_show_has_the_whole_message_of_a_failing_test() -> None:
    run = SampleRun().begin(tests=True).phase(TESTS).hook(TESTS, "pytest")
    run.test("t.py::a", "failed", path="t.py", line=1, message="\n".join("abcdefghijklmn"))
    text = show.render(of(run))
    assert all(f"    {letter}\n" in text for letter in "bcdefghijklmn")


def test_show_of_a_running_job() -> None:
    run = SampleRun().begin().strategy(FAST, ["mypy", "ruff"]).hook(FAST, "mypy")
    text = show.render(of(run))
    assert "  > mypy          running\n" in text
    assert "  - ruff          waiting\n" in text
    assert text.endswith("\nRunning fast hooks\n")


def test_show_has_colours_where_asked() -> None:
    assert "\x1b[31m" in show.render(of(failing_run()), look=Look(color=True))
    assert "\x1b" not in show.render(of(failing_run()))


def entry(job_id: JobId, *, project: str, terminal: str | None, age: float) -> JobEntry:
    header = JobHeader(
        job_id=job_id, project=project, workflow="standard", created=START - age, owner="o"
    )
    return JobEntry(
        header=header,
        head=9,
        terminal=terminal,
        updated=START,
        lease_expires=START,
        cancel_requested=False,
    )


def jobs() -> list[listing.JobLine]:
    failed, passed = failing_run().events[-1], passing_run().events[-1]
    stopped = (
        SampleRun().begin().end(EventType.WORKFLOW_INTERRUPTED, reason="runner_lost", exit_code=130)
    )
    return [
        listing.job_line(entry(JOB, project="/home/ada/httpx", terminal=None, age=5), None),
        listing.job_line(
            entry(UUID, project="/home/ada/httpx", terminal="workflow_failed", age=125), failed
        ),
        listing.job_line(
            entry(
                JobId("a"), project="/home/ada/\x1b[2Jx", terminal="workflow_completed", age=8000
            ),
            passed,
        ),
        listing.job_line(
            entry(JobId("b"), project="/", terminal="workflow_interrupted", age=200_000),
            stopped.events[-1],
        ),
    ]


def test_the_listing_is_a_table_where_there_is_room() -> None:
    assert listing.render(jobs(), now=START, width=120).splitlines() == [
        "> job123                                just now  httpx     standard  running for 5s",
        f"✗ {UUID}  2m ago    httpx     standard  3 findings, 1 failing test in 6.0s",
        "✓ a                                     2h ago    \\x1b[2Jx  standard  passed in 5.7s, fixed 2 files",
        "! b                                     2d ago    /         standard  interrupted: runner lost",
    ]


@pytest.mark.parametrize("width", [80, 50])
def test_the_listing_never_cuts_a_job_id(width: int) -> None:
    lines = listing.render(jobs(), now=START, width=width).splitlines()
    assert lines[2] == f"✗ {UUID}"
    assert lines[3].startswith("  2m ago  httpx  standard  3 findings, 1 failing")
    assert all(cells(line) <= width for line in lines)


def test_a_listing_without_jobs_says_how_to_make_one() -> None:
    assert listing.render([], now=START) == "No jobs yet: `crackerjack` runs the first one.\n"


def test_only_hooks_are_offered_to_run_again() -> None:
    run = SampleRun().begin(tests=True).phase(TESTS).collected(1).test("t.py::a", "failed")
    run.phase_ended(TESTS, HookStatus.FAILED)
    commands = wording.next_commands(of(run.end(EventType.WORKFLOW_FAILED, exit_code=1)))
    assert [command for command, _ in commands] == ["crackerjack show job123"]


@pytest.mark.parametrize("check", [False, True])
def test_a_run_that_wrote_nothing_is_repeated_as_one_that_writes_nothing(check: bool) -> None:
    commands = wording.next_commands(of(failing_check(check=check)))
    again = "crackerjack run --check --hook mypy" if check else "crackerjack run --hook mypy"
    assert (again, "run only these again") in commands


def test_the_next_commands_name_a_project_that_the_reader_is_not_in() -> None:
    job = of(failing_check(check=True))
    assert job.project
    elsewhere = [command for command, _ in wording.next_commands(job, "/elsewhere")]
    at_home = [command for command, _ in wording.next_commands(job, job.project)]
    option = f"crackerjack run --project {job.project} --"
    assert [one.startswith(option) for one in elsewhere] == [False, True, True]
    assert at_home == [one.replace(option, "crackerjack run --") for one in elsewhere]
