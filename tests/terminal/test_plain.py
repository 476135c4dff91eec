"""The view for pipes and simple terminals, and the door that chooses it."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping

import pytest

from crackerjack.events.payload import EventType, JobQueued
from crackerjack.jobs.snapshot import OutOfOrder
from crackerjack.terminal.live import LiveView
from crackerjack.terminal.plain import PlainView
from crackerjack.terminal.view import make_view
from crackerjack.types import HookStatus
from tests.sample_run import (
    CLEANING,
    COMPREHENSIVE,
    FAST,
    START,
    TESTS,
    SampleRun,
    failing_run,
    finding,
    skip_hooks_run,
)
from tests.terminal.emulator import Terminal

HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e[bold]red[/bold]\r\x00 end"


def shown(
    run: SampleRun,
    *,
    verbosity: int = 0,
    environ: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> list[str]:
    """The lines that a pipe gets."""
    pipe = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    view = make_view(pipe, verbosity=verbosity, environ=environ or {}, clock=lambda: run.now)
    for event in run.events:
        view.handle(event)
    view.close()
    return pipe.buffer.getvalue().decode(encoding).splitlines()


def test_the_first_session() -> None:
    assert shown(skip_hooks_run()) == [
        "Selected workflow: Standard Quality Workflow",
        "Skipping fast hooks (--skip-hooks).",
        "Code cleaning completed successfully",
        "Skipping comprehensive hooks (--skip-hooks).",
        "",
        "  ✓ cleaning  0.12s  passed",
        "  - skipped fast hooks, comprehensive hooks (--skip-hooks)",
        "    total     0.14s",
        "",
        "Workflow completed successfully",
    ]


def test_a_run_that_fails_line_by_line() -> None:
    lines = shown(failing_run())
    assert lines[: lines.index("")] == [
        "Selected workflow: Standard Quality Workflow",
        "✓ file-checks           0.04s  passed, cached",
        "src/app.py:3:7: F401 `os` imported but unused [ruff-check]",
        "src/cli.py:40:7: E711 comparison to None [ruff-check]",
        "✗ ruff-check            0.05s  2 findings, 1 fixable",
        "fixed src/app.py [cleaning]",
        "left as it was src/odd.py: the result does not parse [cleaning]",
        "Code cleaning completed successfully",
        "! bandit                       bandit is not installed; install it with `uv add --dev bandit`",
        "! vulture               0.50s  tool error: KeyError: 'tool'",
        "tests/test_app.py:12: test_two failed: assert 1 == 2 [pytest]",
        "     +  where 1 = f()",
        'src/app.py:9:7: arg-type Argument 1 to "f" has incompatible type "str"; expected "int" [mypy]',
        "✗ mypy                   5.5s  1 finding",
        "- deptry                       skipped: no dependencies declared",
        "Coverage 87.5%, must not fall below 88%",
        "✗ pytest                 5.6s  1 failed, 1 passed, 1 skipped",
    ]
    assert lines[-1] == (
        "Workflow failed: 3 findings, 1 failing test; bandit, vulture could not be run"
    )


def test_quiet_is_findings_failures_and_the_verdict() -> None:
    assert shown(failing_run(), verbosity=-1) == [
        "src/app.py:3:7: F401 `os` imported but unused [ruff-check]",
        "src/cli.py:40:7: E711 comparison to None [ruff-check]",
        "! bandit: bandit is not installed; install it with `uv add --dev bandit`",
        "! vulture: tool error: KeyError: 'tool'",
        "tests/test_app.py:12: test_two failed: assert 1 == 2 [pytest]",
        "     +  where 1 = f()",
        'src/app.py:9:7: arg-type Argument 1 to "f" has incompatible type "str"; expected "int" [mypy]',
        "Coverage 87.5%, must not fall below 88%",
        "Workflow failed: 3 findings, 1 failing test; bandit, vulture could not be run",
    ]
    assert shown(skip_hooks_run(), verbosity=-2) == ["Workflow completed successfully"]


def test_verbose_is_all_that_hooks_print_and_every_test() -> None:
    run = SampleRun().begin(tests=True).strategy(FAST, ["mypy"]).hook(FAST, "mypy")
    run.output(FAST, "mypy", "checking a.py\nchecking \x1b[32mb\x1b[0m.py\n")
    run.hook_ended(FAST, "mypy", HookStatus.TOOL_ERROR).hook(FAST, "mypy", attempt=2)
    run.phase(TESTS).hook(TESTS, "pytest").collected(2).test("t.py::a").test("t.py::b", "xfailed")
    lines = shown(run, verbosity=1)
    assert "mypy | checking a.py" in lines
    assert "mypy | checking b.py" in lines
    assert "mypy starts, attempt 2" in lines
    assert "passed t.py::a 0.01s" in lines
    assert "xfailed t.py::b 0.01s" in lines
    assert not any(" | " in line or "t.py" in line for line in shown(run))


def test_a_flood_is_cut_and_says_where_the_rest_is() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    run.found(*(finding("ruff-check", line=line) for line in range(1, 401)))
    run.fixed(FAST, "ruff-check", *(f"src/{number}.py" for number in range(30)))
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED)
    lines = shown(run)
    assert sum("F401" in line for line in lines) == 50
    assert sum(line.startswith("fixed ") for line in lines) == 20
    assert "... and 360 more [ruff-check]; crackerjack show job123" in lines
    assert "✗ ruff-check            0.50s  400 findings, fixed 30 files" in lines


def test_a_flood_that_the_end_of_the_job_cuts_off_says_so_too() -> None:
    run = SampleRun().begin(tests=True).phase(TESTS).hook(TESTS, "pytest")
    for number in range(60):
        run.test(f"t.py::test_{number}", "failed", path="t.py", line=number)
    run.end(EventType.WORKFLOW_INTERRUPTED, reason="cancelled", exit_code=130)
    lines = shown(run)
    assert "... and 10 more [pytest]; crackerjack show job123" in lines
    assert lines[-1] == "Workflow interrupted: cancelled"


def test_a_flood_of_a_phase_is_told_when_the_phase_ends() -> None:
    run = SampleRun().begin().phase(CLEANING)
    run.fixed(CLEANING, "cleaning", *(f"src/{number}.py" for number in range(30)))
    run.phase_ended(CLEANING)
    assert shown(run)[-2:] == [
        "... and 10 more [cleaning]; crackerjack show job123",
        "Code cleaning completed successfully",
    ]


def test_a_finding_that_is_found_again_is_told_once() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check"])
    for attempt in (1, 2):
        run.hook(FAST, "ruff-check", attempt=attempt).found(finding("ruff-check"))
        run.hook_ended(FAST, "ruff-check", HookStatus.FAILED)
    assert sum("F401" in line for line in shown(run)) == 1


def test_that_a_hook_is_still_well_after_its_fix_is_not_told() -> None:
    run = SampleRun().begin().strategy(FAST, ["a", "b"])
    run.hook(FAST, "a").hook_ended(FAST, "a", HookStatus.FIXED, fixed=2)
    run.hook(FAST, "b").hook_ended(FAST, "b", HookStatus.FAILED, findings=1)
    for name in "ab":
        run.hook(FAST, name, rerun=True).hook_ended(FAST, name, rerun=True)
    assert shown(run)[1:] == [
        "✓ a                     0.50s  fixed 2 files",
        "✗ b                     0.50s  1 finding",
        "✓ b                      1.0s  passed",
    ]


def test_a_long_message_of_a_test_is_cut() -> None:
    run = SampleRun().begin(tests=True).phase(TESTS).hook(TESTS, "pytest")
    run.test("t.py::a", "error", path="t.py", line=1, message="\n".join(map(str, range(30))))
    lines = shown(run)
    start = lines.index("t.py:1: a could not run: 0 [pytest]")
    assert lines[start + 1 :] == [*(f"    {n}" for n in range(1, 8)), "    (22 further lines)"]


def test_phases_say_how_they_ended() -> None:
    run = SampleRun().begin(tests=True)
    run.phase(CLEANING).phase_ended(CLEANING, HookStatus.SKIPPED, "--skip-cleaning")
    run.phase(TESTS).phase_ended(TESTS, HookStatus.TOOL_MISSING, "pytest is not installed")
    assert shown(run)[1:] == [
        "Skipping code cleaning (--skip-cleaning).",
        "! testing                      pytest is not installed",
    ]


def test_waiting_for_another_run_is_said() -> None:
    run = SampleRun()
    run.add(EventType.JOB_QUEUED, JobQueued(reason="job a1 writes to this project"))
    assert shown(run) == ["Waiting: job a1 writes to this project"]


def test_hostile_text_is_inert() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    run.found(finding("ruff-check", path=f"src/{HOSTILE}.py", message=HOSTILE, code=HOSTILE))
    run.output(FAST, "ruff-check", HOSTILE).fixed(FAST, "ruff-check", HOSTILE)
    run.hook_ended(FAST, "ruff-check", HookStatus.TOOL_ERROR, reason=HOSTILE)
    run.phase(TESTS).hook(TESTS, "pytest")
    run.test(f"t.py::{HOSTILE}", "failed", path=HOSTILE, message=HOSTILE)
    run.end(EventType.WORKFLOW_FAILED, reason=HOSTILE, exit_code=3)
    text = "\n".join(shown(run, verbosity=1))
    assert not set(text) & set("\x1b\x07\x00\r\u202e")
    assert "\\x1b[2J\\x1b]0;owned\\x07\\u202e[bold]red[/bold]" in text


def test_an_encoding_without_symbols_gets_ascii() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    run.found(finding("ruff-check", path="src/ü.py"))
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED)
    lines = shown(run, encoding="ascii")
    assert "src/\\xfc.py:3:7: F401 `os` imported but unused [ruff-check]" in lines
    assert "x ruff-check            0.50s  1 finding" in lines


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
    ],
)
def test_colours_in_a_pipe_are_asked_for(environ: dict[str, str], coloured: bool) -> None:
    assert ("\x1b[" in "\n".join(shown(failing_run(), environ=environ))) is coloured


@pytest.mark.parametrize(
    ("environ", "verbosity", "kind"),
    [
        ({"TERM": "xterm-256color"}, 0, LiveView),
        ({"TERM": "xterm-256color"}, 1, LiveView),
        ({"TERM": "xterm-256color"}, -1, PlainView),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, 0, PlainView),
        ({"TERM": "dumb"}, 0, PlainView),
        ({}, 0, PlainView),
    ],
)
def test_a_terminal_gets_the_view_that_it_can_show(
    environ: dict[str, str], verbosity: int, kind: type
) -> None:
    with Terminal() as terminal:
        view = make_view(terminal.stream, verbosity=verbosity, environ=environ)
        assert type(view) is kind
        view.close()


def test_lines_on_a_simple_terminal_have_no_escapes() -> None:
    with Terminal(columns=60) as terminal:
        view = make_view(terminal.stream, environ={"TERM": "dumb"})
        for event in failing_run().events:
            view.handle(event)
        terminal.display()
        assert b"\x1b" not in terminal.raw


def test_a_long_silence_is_broken() -> None:
    run = SampleRun().begin().strategy(COMPREHENSIVE, ["mypy"]).hook(COMPREHENSIVE, "mypy")
    pipe = io.StringIO()
    now = START
    view = make_view(pipe, environ={}, clock=lambda: now)
    for event in run.events:
        view.handle(event)
    before = pipe.getvalue()
    now = START + 59
    view.tick()
    assert pipe.getvalue() == before
    for now in (START + 61, START + 62, START + 122):  # noqa: B007  the clock reads it
        view.tick()
    assert pipe.getvalue().removeprefix(before).splitlines() == [
        "Still running: mypy 1m01s",
        "Still running: mypy 2m02s",
    ]


def test_a_note_is_a_line() -> None:
    pipe = io.StringIO()
    view = make_view(pipe, environ={}, verbosity=-1)
    view.note("the log cannot be written:\n disk full\x1b[2J")
    view.tick()
    view.close()
    assert pipe.getvalue() == "crackerjack: the log cannot be written: disk full\\x1b[2J\n"


def test_a_hole_in_the_events_is_not_painted_over() -> None:
    view = make_view(io.StringIO(), environ={})
    events = failing_run().events
    view.handle(events[0])
    with pytest.raises(OutOfOrder):
        view.handle(events[2])


def test_nothing_slow_is_imported_for_it() -> None:
    code = (
        "import sys, crackerjack.terminal.view, crackerjack.terminal.live\n"
        "slow = {'rich', 'asyncio', 'dataclasses', 'logging', 'xml', 'json', 'shutil'}\n"
        "sys.exit(','.join(slow & sys.modules.keys()) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
