"""A job on the dashboard, in a real browser: its overview, its findings and its tests."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from crackerjack.events.payload import EventType
from crackerjack.types import HookStatus
from tests.sample_run import FAST, TESTS, SampleRun, failing_run, finding, passing_run
from tests.web.browser import Tab, chromium
from tests.web.runs import run_of_two_tests
from tests.web.serving import SECONDS, Served, Writer, serving

MANY: Final = 20_000
OPENS: Final = 5_000
"""Milliseconds in which a job with many findings is to be seen: it is 500 to 1,500 on an idle machine."""
ANSWERS: Final = 500
"""Milliseconds for a filter to answer on a busy machine; on an idle one it is less than 100."""


class Page:
    """The dashboard in a tab: what is awaited there is awaited in the page, frame by frame."""

    def __init__(self, tab: Tab, server: Served) -> None:
        self._tab = tab
        self._server = server
        self._opened = 0

    def open(self, address: str) -> None:
        """Load the dashboard at an address after the #, from nothing."""
        self._opened += 1
        self._tab.open(f"{self._server.http}/?{self._opened}#{address}")

    def value(self, expression: str) -> Any:
        return self._tab.evaluate(expression)

    def wait(self, condition: str) -> None:
        """Until an expression of JavaScript holds."""
        held = self._tab.evaluate(
            f"""(async () => {{
              const deadline = performance.now() + {800 * SECONDS};
              while (!({condition})) {{
                if (performance.now() > deadline) return false;
                await new Promise(requestAnimationFrame);
              }}
              return true;
            }})()"""
        )
        assert held, f"{condition}\n{self.value('document.body.innerText')[:3000]}"

    def texts(self, selector: str) -> list[str]:
        """What each of these elements says, in one line."""
        found: list[str] = self.value(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".map((one) => one.textContent.replace(/\\s+/g, ' ').trim())"
        )
        return found

    def press(self, key: str) -> None:
        """Press a key, as a person would."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self._tab.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **text)
        self._tab.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def type_in(self, selector: str, text: str) -> None:
        self.value(f"document.querySelector({json.dumps(selector)}).focus()")
        self._tab.call("Input.insertText", text=text)

    def size(self, width: int) -> None:
        self._tab.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=False,
        )

    def print(self) -> None:
        self._tab.call("Page.printToPDF")

    def is_quiet(self) -> bool:
        """Whether nothing went wrong that only the console tells."""
        return (self._tab.console(), self._tab.complaints()) == ([], [])


@pytest.fixture
def page(server: Served, tmp_path: Path) -> Iterator[Page]:
    with chromium(tmp_path) as tab:
        page = Page(tab, server)
        yield page
        assert page.is_quiet(), (tab.console(), tab.complaints())


def write(writer: Writer, run: SampleRun) -> None:
    """Put the events of a made-up run into the store, those that are not there yet."""
    known = {entry.header.job_id: entry.head for entry in writer.log.jobs()}
    if run.job_id not in known:
        writer.job(run.job_id)
    for event in run.events[known.get(run.job_id, 0) :]:
        writer.bus.publish(run.job_id, EventType(event.event_type), event.payload)
    writer.bus.flush(SECONDS)


def running(*hooks: str) -> SampleRun:
    """A run that is at its fast hooks."""
    run = SampleRun().begin().strategy(FAST, hooks)
    for name in hooks:
        run.hook(FAST, name)
    return run


def at_tests(count: int) -> SampleRun:
    """A run that is at its tests."""
    return SampleRun().begin(tests=True).phase(TESTS).hook(TESTS, "pytest").collected(count)


class TestOverview:
    def test_every_step_and_hook_has_its_row(self, writer: Writer, page: Page) -> None:
        write(writer, failing_run())
        page.open("/job/job123")
        page.wait("document.querySelectorAll('.tl-row').length === 11")
        page.wait("document.querySelector('main .badge').textContent.includes('failed')")
        rows: list[str] = page.value(
            "[...document.querySelectorAll('.tl-row')]"
            ".map((row) => row.getAttribute('aria-description') ?? row.getAttribute('aria-label'))"
        )
        said = "\n".join(rows)
        assert "file-checks: passed, known from an earlier run on the same files" in said
        assert "ruff-check: failed, took 0.05s" in said
        assert "usually 6.0s, 1 found" in said
        assert "deptry: skipped, took 0.00s" in said
        assert "no dependencies declared" in said
        assert "bandit: tool missing" in said
        ends_last = [row for row in rows if "on the longest chain" in row][-1]
        assert ends_last.startswith("Tests: pytest: failed")
        table = page.texts(".tl-table tbody th")
        assert [row.partition(":")[0] for row in table] == [row.partition(":")[0] for row in rows]

    def test_what_is_wrong_is_told_first_and_leads_to_it(self, writer: Writer, page: Page) -> None:
        write(writer, failing_run())
        page.open("/job/job123")
        page.wait("document.querySelectorAll('.card').length === 3")
        assert page.texts(".card h2") == [
            "1 failing test",
            "3 findings",
            "2 hooks without a result",
        ]
        page.value("document.querySelector('.card a').click()")
        page.wait("document.querySelector('.test-row.marked')")
        assert "tests/test_app.py::test_two" in page.texts(".details-row")[0]

    def test_a_run_without_a_flaw_says_so(self, writer: Writer, page: Page) -> None:
        write(writer, passing_run())
        page.open("/job/job123")
        page.wait("document.querySelector('.all-well')")
        # the formatter ran twice, and each run of it has its bar
        page.wait("document.querySelectorAll('[data-key$=\"ruff-format\"] .tl-bar').length === 2")
        page.open("/job/job123/tests")
        page.wait("document.querySelector('.empty')")
        assert "crackerjack run -t" in page.texts(".empty")[0]

    def test_a_hook_that_runs_grows_until_it_ends(self, writer: Writer, page: Page) -> None:
        run = SampleRun()
        run.now = time.time()
        write(writer, run.begin().strategy(FAST, ["ruff-check", "mypy"]))
        page.open("/job/job123")
        page.wait("document.querySelectorAll('.tl-row').length === 6")
        write(writer, run.hook(FAST, "ruff-check", expected=1000.0))
        row = "document.querySelector('[data-key$=\"ruff-check\"]')"
        page.wait(f"{row}.querySelector('.tl-bar.open')")
        page.wait("/ruff-check .*of about/.test(document.querySelector('.running').innerText)")
        waits = page.texts(".waits li")
        assert waits[:2] == [
            "Cleaning for its turn",
            "Comprehensive hooks for Fast hooks and Cleaning",
        ]
        told = f"{row}.querySelector('.tl-after').textContent"
        page.value(f"window.told = {told}, 0")
        page.wait(f"{told} !== window.told && /s left$/.test({told})")
        run.now = time.time()
        write(writer, run.hook_ended(FAST, "ruff-check", duration=2.0))
        page.wait(f"{row}.classList.contains('tone-good')")
        page.wait(f"!{row}.querySelector('.tl-bar.open')")

    def test_a_file_that_two_hooks_fix_counts_once(self, writer: Writer, page: Page) -> None:
        """Though the page knows only how many there were, not which, when it was opened in between."""
        run = running("ruff-check", "ruff-format").fixed(FAST, "ruff-check", "a.py", "b.py")
        write(writer, run)
        page.open(f"/job/{run.job_id}")
        page.wait(
            "document.querySelector('.facts + .facts')?.textContent.includes('fixed 2 files')"
        )
        run.fixed(FAST, "ruff-format", "b.py", "c.py")
        run.hook_ended(FAST, "ruff-format", HookStatus.TOOL_MISSING, reason="no ruff here")
        write(writer, run.end(fixed=3))
        page.wait(
            "document.querySelector('.facts + .facts')?.textContent.includes('fixed 3 files')"
        )
        page.open(f"/job/{run.job_id}/output/ruff-format")
        page.wait("document.querySelector('.output-tab .empty:not([hidden])')")
        assert page.texts(".output-tab .empty") == ["ruff-format printed nothing. no ruff here"]

    def test_the_keys_go_from_row_to_row(self, writer: Writer, page: Page) -> None:
        write(writer, failing_run())
        page.open("/job/job123")
        page.wait("document.querySelectorAll('.tl-row').length === 11")
        page.value("document.querySelector('.tl-row[tabindex=\"0\"]').focus()")
        page.press("ArrowDown")
        page.press("ArrowDown")
        page.press("ArrowDown")
        page.wait("document.activeElement.dataset.key.endsWith('ruff-check')")
        assert page.value("document.querySelector('.tl-tip').hidden") is False
        page.press("Enter")
        page.wait("document.querySelectorAll('.finding-row').length === 2")
        assert page.value("location.hash") == "#/job/job123/findings?hook=ruff-check"

    def test_on_paper_is_all_that_was_found(self, writer: Writer, page: Page) -> None:
        write(writer, failing_run())
        paper = "[...document.querySelectorAll('.report-findings td:nth-child(3)')].map((one) => one.textContent)"
        page.open("/job/job123")
        page.wait("document.querySelector('.report')")
        page.value(
            f"window.onbeforeprint = () => {{ window.printed = [{paper},"
            " document.querySelector('.report-test pre').textContent] }"
        )
        page.print()
        found, said = page.value("window.printed")
        assert len(found) == 3
        assert "assert" in said
        assert page.value(paper) == []  # only while it is printed

    def test_nothing_is_wider_than_a_small_screen(self, writer: Writer, page: Page) -> None:
        write(writer, failing_run())
        page.size(380)
        for tab, row in (("", ".tl-row"), ("/findings", ".finding-row"), ("/tests", ".test-row")):
            page.open(f"/job/job123{tab}")
            page.wait(f"document.querySelector('{row}')")
            assert page.value("document.documentElement.scrollWidth") <= 380, tab


HOSTILE: Final = (
    '<img src=x onerror="console.log(1)"><script>console.log(2)</script> \x1b[31m '
    "user\u202e\u2066// admin\u2069\u200b\u00ad\U000e0041"
)
SHOWN: Final = (
    '<img src=x onerror="console.log(1)"><script>console.log(2)</script>  '
    r"user\u202e\u2066// admin\u2069\u200b\u00ad\ue0041"
)


class TestFindings:
    def test_the_counts_are_those_of_the_log(
        self, writer: Writer, server: Served, page: Page, tmp_path: Path
    ) -> None:
        project = tmp_path / "project"
        project.mkdir()
        for number in range(3):
            (project / f"module{number}.py").write_text("import os\nimport sys\nX = 1 \n")
        argv = [sys.executable, "-m", "crackerjack", "run", "--check", "--job-id", "real"]
        subprocess.run(  # exit 1: it finds something
            [*argv, "--hook", "ruff-check"],
            check=False,
            cwd=project,
            capture_output=True,
            timeout=SECONDS,
        )
        with server.client() as client:
            logged = client.get("/jobs/real/diagnostics").json()["diagnostics"]
        assert len(logged) >= 6
        page.open("/job/real/findings")
        page.wait(f"document.querySelector('.list-count')?.dataset.shown === '{len(logged)}'")
        groups = page.texts(".group-row")
        assert groups == [
            f"▾module{number}.py{sum(one['path'] == f'module{number}.py' for one in logged)}"
            for number in range(3)
        ]
        page.value("document.querySelector('[name=by]').click()")
        page.wait("location.hash.includes('by=rule') && document.querySelector('.by-rule')")
        codes = {one["code"] for one in logged}
        page.wait(f"document.querySelectorAll('.group-row').length === {len(codes)}")

    def test_a_finding_is_shown_with_its_line(self, writer: Writer, tmp_path: Path) -> None:
        project = tmp_path / "project"
        project.mkdir()
        (project / "module.py").write_text("X = 1\nimport os  # <b>here</b>\n")
        (project / "pyproject.toml").write_text("")
        job_id = writer.job(project=str(project))
        writer.bus.publish(
            job_id, EventType.DIAGNOSTIC_FOUND, finding("ruff-check", "module.py", 2)
        )
        writer.bus.flush(SECONDS)
        with (
            serving("--project-root", str(tmp_path)) as server,
            chromium(tmp_path) as tab,
        ):
            page = Page(tab, server)
            page.open(f"/job/{job_id}/findings?finding=ruff-check-module.py-2")
            page.wait("document.querySelector('.details-inner .source')")
            assert page.texts(".details-inner .source") == ["2 import os # <b>here</b>"]

    def test_filters_are_in_the_address(self, writer: Writer, page: Page) -> None:
        write(writer, failing_run())
        page.open("/job/job123/findings")
        page.wait("document.querySelectorAll('.finding-row').length === 3")
        page.type_in("[name=text]", "incompatible")
        page.wait("document.querySelectorAll('.finding-row').length === 1")
        page.open("/job/job123/findings?hook=ruff-check&text=e711")
        page.wait("document.querySelectorAll('.finding-row').length === 1")
        assert "comparison to None" in page.texts(".finding-row")[0]
        page.open("/job/job123/findings?text=nonsense")
        page.wait("document.querySelector('.empty button')")
        page.value("document.querySelector('.empty button').click()")
        page.wait("document.querySelectorAll('.finding-row').length === 3")
        assert page.value("location.hash") == "#/job/job123/findings"

    def test_one_finding_has_an_address(self, writer: Writer, page: Page) -> None:
        run = running("ruff-check")
        run.found(*(finding("ruff-check", line=line) for line in range(1, 2_001)))
        write(writer, run)
        page.open("/job/job123/findings?finding=ruff-check-src/app.py-1500")
        page.wait("document.querySelector('.finding-row.marked')")
        assert page.texts(".finding-row.marked .where") == ["1500:7"]
        assert page.texts(".details-row .facts b") == ["src/app.py:1500"]
        editor = page.value("document.querySelector('[data-do=editor]').href")
        assert editor == "vscode://file/home/ada/httpx/src/app.py:1500:7"
        page.wait("document.activeElement.classList.contains('marked')")
        page.press("ArrowUp")
        page.wait("document.activeElement.dataset.fingerprint === 'ruff-check-src/app.py-1499'")
        page.press("c")
        page.wait("document.querySelector('.said').textContent === 'Copied src/app.py:1499'")

    def test_the_keys_go_through_all_rows_while_the_list_grows(
        self, writer: Writer, page: Page
    ) -> None:
        run = running("ruff-check")
        run.found(*(finding("ruff-check", line=line) for line in range(11, 1_011)))
        write(writer, run)
        at = "document.activeElement.dataset.fingerprint"
        page.open("/job/job123/findings")
        page.wait("document.querySelector('.finding-row')")
        for _ in range(61):  # the heading is the first
            page.press("j")
        assert page.value(at) == "ruff-check-src/app.py-70"
        write(writer, run.found(finding("ruff-check", line=1)))
        page.wait("document.querySelector('.list-count').dataset.shown === '1001'")
        page.wait("document.activeElement.getAttribute('aria-posinset') === '62'")
        page.press("k")
        assert page.value(at) == "ruff-check-src/app.py-69"
        page.press("End")
        page.press("k")
        assert page.value(at) == "ruff-check-src/app.py-1009"
        rows = "document.querySelectorAll('.finding-row').length"
        page.value(f"window.onbeforeprint = () => {{ window.printed = {rows} }}")
        page.print()
        assert page.value("window.printed") == 1_001
        assert page.value(rows) < 100

    def test_a_hook_that_starts_again_drops_its_own(self, writer: Writer, page: Page) -> None:
        run = running("ruff-check", "codespell")
        run.found(finding("codespell"), finding("ruff-check"), finding("ruff-check", line=4))
        write(writer, run)
        shown = "document.querySelector('.list-count')?.dataset.shown"
        page.open("/job/job123/findings")
        page.wait(f"{shown} === '3'")
        write(writer, run.found(finding("ruff-check", "src/new.py")))
        page.wait(f"{shown} === '4'")
        write(writer, run.hook(FAST, "ruff-check", attempt=2))
        page.wait(f"{shown} === '1'")
        assert page.texts(".finding-row .hook") == ["codespell"]

    def test_what_a_tool_says_is_only_text(self, writer: Writer, page: Page) -> None:
        run = running("ruff-check")
        run.found(finding("ruff-check", "<b>x\u202eyp.</b>.py", message=HOSTILE, code="<i>"))
        run.found(finding("ruff-check", "long.py", message="long " * 200_000))
        write(writer, run)
        page.open("/job/job123/findings?finding=ruff-check-<b>x%E2%80%AEyp.</b>.py-3")
        page.wait("document.querySelector('.details-row')")
        assert page.value("document.querySelector('.words').textContent") == SHOWN
        assert r"<b>x\u202eyp.</b>.py" in page.texts(".group-row")[0]
        assert page.value("document.querySelectorAll('main img, main i, main script').length") == 0

    def test_many_findings_open_and_answer_in_time(self, writer: Writer, page: Page) -> None:
        run = running("ruff-check")
        run.found(
            *(
                finding("ruff-check", f"src/module{number % 400}.py", number, code=f"E{number % 9}")
                for number in range(1, MANY + 1)
            )
        )
        run.hook_ended(FAST, "ruff-check", findings=MANY).strategy_ended(FAST, success=False)
        run.end(EventType.WORKFLOW_FAILED, findings=MANY)
        write(writer, run)
        shown = "document.querySelector('.list-count')?.dataset.shown"
        page.open("/job/job123/findings")
        page.wait(f"{shown} === '{MANY}'")
        opened = page.value("performance.now()")
        assert opened < OPENS
        assert page.value("document.querySelectorAll('virtual-list [role=listitem]').length") < 80
        took = page.value(
            f"""(async () => {{
              const took = [];
              const field = document.querySelector('[name=text]');
              for (const text of ['module17.py', 'e5', 'e5 module3', 'nothing', '']) {{
                const before = document.querySelector('.list-count').textContent;
                const began = performance.now();
                field.value = text;
                field.dispatchEvent(new Event('input'));
                do await new Promise(requestAnimationFrame);
                while (document.querySelector('.list-count').textContent === before);
                took.push(performance.now() - began);
                if (text === 'module17.py' && {shown} !== '{MANY // 400}') took.push(Infinity);
              }}
              return took;
            }})()"""
        )
        assert sorted(took)[len(took) // 2] < ANSWERS
        page.value("document.querySelector('virtual-list').scrollTop = 1e9")
        page.wait(
            "document.querySelector('[data-fingerprint=\"ruff-check-src/module99.py-19699\"]')"
        )


class TestTests:
    def test_failures_first_then_the_slowest(self, writer: Writer, page: Page) -> None:
        run = at_tests(4)
        run.test("tests/test_app.py::test_quick", duration=0.1)
        run.test("tests/test_app.py::test_slow", duration=2.0)
        run.test(
            "tests/test_app.py::test_bad",
            "failed",
            path="tests/test_app.py",
            line=12,
            message="def test_bad():\n>   assert 1 == 2\nE   assert 1 == 2",
        )
        run.test("tests/test_app.py::test_none", "skipped", duration=0.0)
        write(writer, run)
        page.open("/job/job123/tests")
        page.wait("document.querySelectorAll('.test-row').length === 4")
        assert page.texts(".group-row") == ["Failed1", "All others, slowest first3"]
        assert page.texts(".test-name b") == ["test_bad", "test_slow", "test_quick", "test_none"]
        assert page.texts(".test-row.failing .message") == ["assert 1 == 2"]
        assert [text[2:] for text in page.texts(".chip:not([hidden])")] == [
            "1 failed",
            "2 passed",
            "1 skipped",
        ]
        page.value("document.querySelector('[data-outcome=passed]').click()")
        page.wait("document.querySelectorAll('.test-row').length === 2")
        assert page.value("location.hash") == "#/job/job123/tests?outcome=passed"

    def test_flaky_tests_are_marked_and_found(self, writer: Writer, page: Page) -> None:
        for outcome in ("passed", "failed"):  # of the project, and told by its recent runs
            run_of_two_tests(writer, outcome, outcome, 80.0, content="a")
        page.open("/job/passed/tests")
        page.wait("document.querySelector('.test-name .badge')?.title.includes('failed once')")
        assert page.texts(".test-row:has(.badge) .test-name b") == ["chance"]
        run = at_tests(4)  # of another one, and told by the run itself
        run.test("tests/test_app.py::test_good", duration=0.4)
        run.test("tests/test_app.py::test_again", reruns=1, duration=0.3)
        run.test("tests/test_app.py::test_chance", "failed", flaky=True)
        run.test("tests/test_app.py::test_bad", "failed")
        write(writer, run)
        page.open("/job/job123/tests")
        page.wait("document.querySelectorAll('.test-row').length === 4")
        assert page.texts("[data-flaky]") == ["2 flaky"]
        page.value("document.querySelector('[data-flaky]').click()")
        page.wait("document.querySelectorAll('.test-row').length === 2")
        assert page.texts(".test-name b") == ["test_chance", "test_again"]
        assert page.value("location.hash") == "#/job/job123/tests?flaky=1"
        page.open("/job/job123")
        page.wait("document.querySelector('.card li .badge')")
        assert page.texts(".card li:has(.badge)") == ["test_app.py::test_chance flaky"]

    def test_a_collection_starts_over(self, writer: Writer, page: Page) -> None:
        run = at_tests(2)
        run.test("tests/test_app.py::test_one", "failed", message="no")
        run.test("tests/test_app.py::test_two")
        write(writer, run)
        page.open("/job/job123/tests")
        page.wait("document.querySelectorAll('.test-row').length === 2")
        write(writer, run.collected(1_000).test("tests/test_app.py::test_three", duration=0.5))
        page.wait("document.querySelector('.list-count').textContent === '1 of 1,000 tests so far'")
        assert page.texts(".test-name b") == ["test_three"]

    def test_one_test_has_an_address(self, writer: Writer, page: Page) -> None:
        run = at_tests(3_000)
        for number in range(3_000):
            run.test(f"tests/test_app.py::test_it[{number}-a b&c]", duration=number / 1000)
        write(writer, run)
        page.open("/job/job123/tests?test=tests/test_app.py::test_it%5B1234-a+b%26c%5D")
        page.wait("document.querySelector('.test-row.marked')")
        assert page.texts(".test-row.marked .test-name b") == ["test_it[1234-a b&c]"]
        page.press("Enter")
        page.wait("!document.querySelector('.details-row')")
        assert page.value("location.hash") == "#/job/job123/tests"
