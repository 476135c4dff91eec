"""The live view, as a terminal shows it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from crackerjack.reports.safe_text import cells
from crackerjack.reports.style import Line
from crackerjack.terminal.output import Output
from crackerjack.terminal.region import Region
from crackerjack.terminal.view import View, make_view
from crackerjack.types import HookStatus
from tests.sample_run import (
    COMPREHENSIVE,
    FAST,
    START,
    TESTS,
    SampleRun,
    failing_run,
    finding,
    passing_run,
    skip_hooks_run,
)
from tests.terminal.emulator import Terminal

FRAME = b"\x1b[?2026h"
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e[bold]red[/bold]\r\x00\x9b5A end"


class Screening:
    """Shows a run on a terminal; time passes as the events say, the view ticks ten times a second."""

    def __init__(
        self, terminal: Terminal, *, term: str = "xterm-256color", verbosity: int = 0
    ) -> None:
        self.now = START
        self.view: View = make_view(
            terminal.stream,
            verbosity=verbosity,
            environ={"TERM": term},
            clock=lambda: self.now,
        )
        self._shown = 0

    def show(self, run: SampleRun) -> None:
        """Show the events that are new, then let time pass until now."""
        for event in run.events[self._shown :]:
            self._pass(event.timestamp)
            self.view.handle(event)
        self._shown = len(run.events)
        self._pass(run.now)

    def _pass(self, until: float) -> None:
        while self.now + 0.1 <= until:
            self.now = round(self.now + 0.1, 6)
            self.view.tick()
        self.now = max(self.now, until)


def busy_run() -> SampleRun:
    """The middle of a run: three hooks run, one has found something."""
    run = SampleRun().begin(tests=True, expected=20.0)
    run.strategy(COMPREHENSIVE, ["bandit", "mypy", "vulture", "deptry"])
    run.hook(COMPREHENSIVE, "bandit").hook(COMPREHENSIVE, "mypy", expected=6.0)
    run.phase(TESTS).hook(TESTS, "pytest", expected=4.0).wait(1.0).collected(400)
    for number in range(100):
        run.test(f"tests/test_app.py::test_{number}")
    run.test("tests/test_app.py::test_x", "failed", path="tests/test_app.py", line=12, message="no")
    run.found(finding("bandit", "src/app.py", 9, code="B602", severity="warning", message="shell"))
    return run.wait(2.0)


def test_the_middle_of_a_run() -> None:
    with Terminal() as terminal:
        Screening(terminal).show(busy_run())
        lines = terminal.display()
        assert lines[:5] == [
            "Selected workflow: Standard Quality Workflow",
            "tests/test_app.py:12: test_x failed: no [pytest]",
            "src/app.py:9:7: B602 shell [bandit]",
            "",
            "Running tests  0/5  3s  17s left",
        ]
        assert [line[3:] for line in lines[5:8]] == [
            "bandit  2.9s",
            "mypy    2.9s  ━━━━━━━━━━━─────────────  usually 6.0s",
            "pytest  2.9s  ━━━━━━──────────────────  101/400, 1 failed",
        ]
        assert lines[8] == "   then vulture, deptry, fast hooks, code cleaning"
        assert not any(lines[9:])


def test_the_middle_of_a_run_in_a_narrow_terminal_without_symbols() -> None:
    with Terminal(columns=40, encoding="ascii") as terminal:
        Screening(terminal).show(busy_run())
        frame = terminal.display()
        start = frame.index("Running tests  0/5  3s  17s left")
        assert [line[3:] for line in frame[start + 1 : start + 4]] == [
            "bandit  2.9s",
            "mypy    2.9s  usually 6.0s",
            "pytest  2.9s  101/400, 1 failed",
        ]
        assert frame[start + 4] == "   then vulture, deptry, fast hooks,..."
        assert all(cells(line) <= 40 for line in frame)


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("make", [failing_run, passing_run, skip_hooks_run])
def test_the_end_leaves_a_clean_screen(make: Callable[[], SampleRun], columns: int) -> None:
    with Terminal(columns) as terminal:
        screening = Screening(terminal)
        screening.show(make())
        screening.view.close()
        text = terminal.text()
        assert not terminal.cursor_hidden
        assert terminal.screen.cursor.x == 0
    lines = text.splitlines()
    assert all(cells(line) <= columns for line in lines)
    assert not any(word in text for word in ("usually", " left", "then ", "⠋"))
    verdict = "Workflow failed" if make is failing_run else "Workflow completed successfully"
    assert any(line.startswith(verdict) for line in lines[-2:])
    assert lines.count("  ✓ cleaning     0.12s  passed") == (make is passing_run)


def test_a_short_run_draws_no_frame() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check").wait(0.2)
    run.hook_ended(FAST, "ruff-check").strategy_ended(FAST).end()
    with Terminal() as terminal:
        Screening(terminal).show(run)
        assert terminal.display()[-1] == ""
        assert FRAME not in terminal.raw
        assert "Workflow completed successfully" in terminal.text()


def test_findings_are_above_the_frame_as_they_come_and_stay() -> None:
    run = SampleRun().begin().strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    with Terminal() as terminal:
        screening = Screening(terminal)
        for line in range(1, 40):
            run.found(finding("ruff-check", line=line)).wait(0.2)
            screening.show(run)
            assert f"src/app.py:{line}:7: F401 `os` imported but unused [ruff-check]" in (
                terminal.display()
            )
        text = terminal.text()
        places = [line.split(":")[1] for line in text.splitlines() if "F401" in line]
        assert places == [str(line) for line in range(1, 40)]
        assert text.count("Running fast hooks") == 1
        assert text.endswith("then code cleaning, comprehensive hooks")


def test_at_most_ten_frames_a_second_however_many_events() -> None:
    run = SampleRun().begin(tests=True).phase(TESTS).hook(TESTS, "pytest").collected(2000)
    for number in range(2000):
        run.wait(0.001).test(f"t.py::test_{number}")
    with Terminal() as terminal:
        Screening(terminal).show(run)
        terminal.display()
        assert 15 <= terminal.raw.count(FRAME) <= 20


def test_a_frame_is_one_write_and_erases_nothing_that_it_does_not_replace() -> None:
    run = SampleRun().begin().strategy(FAST, ["a"]).hook(FAST, "a").wait(1.0)
    with Terminal() as terminal:
        screening = Screening(terminal)
        screening.show(run)
        terminal.display()
        before = len(terminal.raw)
        screening.show(run.wait(0.1))
        terminal.display()
        frame = terminal.raw[before:]
        assert frame.startswith(FRAME)
        assert frame.endswith(b"\x1b[?2026l")
        assert frame.count(b"\x1b[J") == 1
        assert len(frame) < 300


@pytest.mark.parametrize(("term", "reflow"), [("linux", False), ("xterm-256color", True)])
@pytest.mark.parametrize(("before", "after"), [(80, 40), (40, 80), (80, 33)])
def test_a_resize_leaves_nothing_behind(
    term: str, before: int, after: int, *, reflow: bool
) -> None:
    run = busy_run()
    with Terminal(before) as terminal:
        screening = Screening(terminal, term=term)
        screening.show(run)
        terminal.resize(after, 24, reflow=reflow)
        screening.show(run.wait(0.2))
        lines = terminal.display()
        assert sum("Running tests" in line for line in lines) == 1
        assert sum("usually" in line for line in lines) == 1
        assert sum("then " in line for line in lines) == 1
        assert sum("B602" in line for line in lines) == 1
        assert lines[0].startswith("Selected workflow")
        screening.show(run.end())
        screening.view.close()
        assert "usually" not in terminal.text()


def test_many_hooks_in_a_low_terminal() -> None:
    run = SampleRun().begin().strategy(FAST, [f"hook{n}" for n in range(20)])
    for number in range(20):
        run.hook(FAST, f"hook{number}")
    with Terminal(lines=10) as terminal:
        screening = Screening(terminal)
        screening.show(run.wait(1.0))
        lines = terminal.display()
        assert "Running fast hooks  0/20  1s" in lines
        assert "   and 15 more" in lines
        screening.show(run.wait(1.0))
        assert terminal.text().count("Running fast hooks") == 1


@pytest.mark.parametrize(("columns", "lines"), [(1, 1), (2, 3), (10, 4)])
def test_a_tiny_terminal_breaks_nothing(columns: int, lines: int) -> None:
    with Terminal(columns, lines) as terminal:
        screening = Screening(terminal)
        screening.show(busy_run().wait(1.0))
        screening.view.close()
        assert not terminal.cursor_hidden


def test_a_hook_that_takes_longer_than_usual_keeps_its_bar_full() -> None:
    run = SampleRun().begin().strategy(FAST, ["mypy"]).hook(FAST, "mypy", expected=1.0).wait(5.0)
    with Terminal() as terminal:
        Screening(terminal).show(run)
        assert f"mypy  4.9s  {'━' * 24}  usually 1.0s" in terminal.text()


def test_a_broken_tool_is_said_at_once_and_a_good_one_is_not() -> None:
    run = SampleRun().begin().strategy(FAST, ["a", "b", "c"]).hook(FAST, "a").hook(FAST, "b")
    run.hook(FAST, "c").wait(1.0).hook_ended(FAST, "a")
    run.hook_ended(FAST, "b", HookStatus.TIMED_OUT, reason="after 600s").wait(0.2)
    with Terminal() as terminal:
        Screening(terminal).show(run)
        lines = terminal.display()
        assert lines[1:3] == ["! b: timed out: after 600s", ""]


def test_a_re_run_says_so() -> None:
    run = SampleRun().begin().strategy(FAST, ["a", "b"])
    run.hook(FAST, "a", rerun=True).hook(FAST, "b", attempt=2, expected=1.0).wait(1.0)
    with Terminal() as terminal:
        Screening(terminal).show(run)
        text = terminal.text()
        assert " a 0.90s  again\n" in text
        assert "usually 1.0s, attempt 2" in text


def test_hostile_text_is_inert() -> None:
    run = SampleRun().begin(title=HOSTILE).strategy(COMPREHENSIVE, [HOSTILE])
    run.hook(COMPREHENSIVE, HOSTILE).wait(0.5)
    run.found(finding("mypy", path=HOSTILE, message=HOSTILE, code=HOSTILE))
    run.output(COMPREHENSIVE, HOSTILE, HOSTILE)
    run.test(HOSTILE, "failed", path=HOSTILE, message=HOSTILE).wait(0.5)
    with Terminal(columns=120) as terminal:
        screening = Screening(terminal, verbosity=1)
        screening.view.note(HOSTILE)
        screening.show(run)
        during = terminal.text()
        screening.show(run.hook_ended(COMPREHENSIVE, HOSTILE).end())
        screening.view.close()
        assert during.splitlines()[0].startswith("crackerjack: \\x1b[2J\\x1b]0;owned")
        assert "[bold]red[/bold]" in during
        assert "\u202e" not in terminal.text()
        assert terminal.screen.title == ""
        assert b"\x9b" not in terminal.raw.replace("\u280b".encode(), b"")


def test_wide_characters_do_not_break_the_frame() -> None:
    run = SampleRun().begin().strategy(FAST, ["\u4e2d\u6587" * 8, "b"])
    run.hook(FAST, "\u4e2d\u6587" * 8, expected=9.0).hook(FAST, "b", expected=9.0)
    with Terminal(columns=40) as terminal:
        screening = Screening(terminal)
        for _ in range(5):
            screening.show(run.wait(0.2))
        assert terminal.text().count("Running fast hooks") == 1


def test_a_note_is_above_the_frame() -> None:
    run = SampleRun().begin().strategy(FAST, ["a"]).hook(FAST, "a").wait(1.0)
    with Terminal() as terminal:
        screening = Screening(terminal)
        screening.show(run)
        screening.view.note("the log cannot be written: disk full")
        screening.show(run.wait(0.2))
        assert terminal.display()[1:3] == ["crackerjack: the log cannot be written: disk full", ""]


def test_close_in_the_middle_takes_the_frame_away_and_keeps_what_waits() -> None:
    run = busy_run()
    with Terminal() as terminal:
        screening = Screening(terminal)
        screening.show(run)
        screening.view.handle(run.found(finding("mypy", line=77)).events[-1])
        screening.view.close()
        screening.view.close()
        lines = terminal.display()
        assert lines[3] == "src/app.py:77:7: F401 `os` imported but unused [mypy]"
        assert not any(lines[4:])
        assert (terminal.screen.cursor.x, terminal.screen.cursor.y) == (0, 4)
        assert not terminal.cursor_hidden


def test_no_mode_of_the_terminal_is_changed_so_that_a_killed_run_leaves_none() -> None:
    with Terminal() as terminal:
        Screening(terminal).show(busy_run())
        terminal.display()
        modes = {
            part.split("h")[0].split("l")[0] for part in terminal.raw.decode().split("\x1b[?")[1:]
        }
        assert modes == {"2026"}
        assert terminal.raw.count(b"\x1b[?2026h") == terminal.raw.count(b"\x1b[?2026l")


def test_a_clock_that_is_set_back_does_not_stop_the_view() -> None:
    run = SampleRun().begin().strategy(FAST, ["a"]).hook(FAST, "a").wait(2.0)
    with Terminal() as terminal:
        screening = Screening(terminal)
        screening.show(run)
        terminal.display()
        frames = terminal.raw.count(FRAME)
        for later in range(3):
            screening.now = START - 3600 + later
            screening.view.tick()
        terminal.display()
        assert terminal.raw.count(FRAME) == frames + 3


def test_a_clock_that_is_set_back_to_the_start_does_not_print_into_the_frame() -> None:
    run = SampleRun().begin().strategy(FAST, ["a"]).hook(FAST, "a").wait(2.0)
    with Terminal() as terminal:
        screening = Screening(terminal)
        screening.show(run)
        screening.now = START + 0.1
        screening.view.note("hello")
        assert terminal.display()[1:3] == ["crackerjack: hello", ""]
        assert terminal.text().count("Running fast hooks") == 1


def test_a_frame_that_is_too_large_is_cut_to_the_terminal() -> None:
    frame: list[Line] = [[("", f"{number} " + "x" * 60)] for number in range(30)]
    with Terminal(columns=30, lines=10) as terminal:
        region = Region(Output(terminal.stream, {"TERM": "xterm"}))
        for _ in range(3):
            region.draw([[("", "above")]], frame, os.terminal_size((30, 10)))
        lines = terminal.text().splitlines()
        assert lines[:3] == ["above"] * 3
        assert [line.split()[0] for line in lines[3:]] == [str(number) for number in range(9)]
        assert max(map(cells, lines)) == 29
        region.erase()
        assert terminal.text() == "above\nabove\nabove"


def test_a_terminal_that_is_gone_does_not_keep_close_from_ending() -> None:
    with Terminal() as terminal:
        screening = Screening(terminal)
        screening.show(busy_run())
        terminal.hang_up()
        screening.now += 1.0
        with pytest.raises(OSError, match="Input/output error"):
            screening.view.note("hello")
        screening.view.close()
