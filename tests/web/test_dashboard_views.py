"""The pages that look back, in a real browser: what a job changed, one run against another, the history."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from crackerjack.events.payload import EventType, HookEnded, SessionInitializing
from crackerjack.types import HookStatus
from tests.sample_run import FAST
from tests.web.browser import Tab, chromium
from tests.web.dashboard import LIVE
from tests.web.runs import TIDY, UNTIDY, run, run_of_two_tests
from tests.web.serving import SECONDS, Served, Writer, serving

EVIL: Final = "<img src=x onerror=window.harmed=1>"
_UNTIL: Final = """new Promise((done) => {
  const look = () => {
    const found = (%s);
    if (!found) return;
    observer.disconnect();
    done(found);
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  look();
})"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    (project / "module.py").write_text(UNTIDY)
    return project


class Page:
    """The dashboard in a browser."""

    def __init__(self, tab: Tab, server: Served) -> None:
        self.tab = tab
        self._server = server

    def open(self, place: str) -> None:
        """Go to a place of it."""
        self.tab.open("about:blank")
        self.tab.open(f"{self._server.http}/#{place}")

    def until(self, expression: str) -> Any:
        """The value of the expression once it has a true one."""
        return self.tab.evaluate(_UNTIL % expression)

    def text_of(self, selector: str) -> str:
        """What an element says, once there is one."""
        return str(self.until(f"document.querySelector({json.dumps(selector)})?.innerText"))

    def texts(self, selector: str) -> list[str]:
        """What all of them say now."""
        every = f"[...document.querySelectorAll({json.dumps(selector)})]"
        found: list[str] = self.tab.evaluate(f"{every}.map((one) => one.innerText)")
        return found

    def click_button(self, label: str) -> None:
        """Click the button that says this, once there is one."""
        buttons = "[...document.querySelectorAll('button')]"
        self.until(
            f"{buttons}.filter((one) => one.textContent === {json.dumps(label)})"
            ".map((one) => { one.click(); return true; })[0]"
        )


@contextmanager
def dashboard(tmp_path: Path, root: Path | None = None) -> Iterator[Page]:
    """The page of a server for projects below the root; at the end, nobody has complained."""
    with (
        serving("--project-root", str(root or tmp_path)) as server,
        chromium(tmp_path) as tab,
    ):
        page = Page(tab, server)
        yield page
        assert tab.console() == []
        refused = re.compile("status of (403|409) ")  # which the page explains
        assert [one for one in tab.complaints() if not refused.search(one)] == []


class TestChanges:
    def test_the_diff_and_its_undoing(self, project: Path, tmp_path: Path) -> None:
        run(project)
        with dashboard(tmp_path) as page:
            page.open("/job/job123/changes")
            assert page.text_of("[data-count=changes]") == "1 file"
            rows = [row.split("\t") for row in page.texts(".diff tr")]
            assert [[cell.strip() for cell in row] for row in rows] == [
                ["@@ -1,2 +1 @@"],
                ["1", "", "\N{MINUS SIGN}", "import os"],
                ["2", "", "\N{MINUS SIGN}", "VALUE = 1···"],
                ["", "1", "+", "VALUE = 1"],
            ]
            page.click_button("Undo these changes")
            assert "Put back 1 file" in page.text_of("dialog[open]")
            page.click_button("Leave them")
            page.until("!document.querySelector('dialog')")
            assert (project / "module.py").read_text() == TIDY
            page.click_button("Undo these changes")
            page.click_button("Put back 1 file")
            assert "✓ put back" in page.text_of(".undone li")
            page.until(
                "document.querySelector('.change .badge')?.textContent === 'as before the job'"
            )
            assert (project / "module.py").read_text() == UNTIDY
            assert "Undo these changes" not in page.texts("button")

    def test_what_files_hold_stays_text(self, project: Path, tmp_path: Path) -> None:
        (project / "module.py").write_text(f'import os\nVALUE = "{EVIL}"   \n')
        run(project)
        with dashboard(tmp_path) as page:
            page.open("/job/job123/changes")
            assert EVIL in page.text_of(".diff")
            assert page.tab.evaluate("[window.harmed, document.querySelector('img')]") == [
                None,
                None,
            ]

    def test_a_job_that_changed_nothing(self, project: Path, tmp_path: Path) -> None:
        (project / "module.py").write_text(TIDY)
        run(project)
        with dashboard(tmp_path) as page:
            page.open("/job/job123/changes")
            assert "changed no file" in page.text_of(".empty")

    def test_of_a_project_outside_the_roots_it_says_what_to_do(
        self, project: Path, tmp_path: Path
    ) -> None:
        run(project)
        (elsewhere := tmp_path / "elsewhere").mkdir()
        with dashboard(tmp_path, elsewhere) as page:
            page.open("/job/job123/changes")
            assert "--project-root" in page.text_of(".problem")


class TestStart:
    def test_the_projects_own_workflow_with_tests(self, project: Path, tmp_path: Path) -> None:
        (project / "pyproject.toml").write_text('[tool.crackerjack]\nworkflow = "fast"\n')
        (project / "test_module.py").write_text("def test_one():\n    assert 1 == 2\n")
        with dashboard(tmp_path) as page:
            page.open("/")
            page.click_button("Run the checks")
            page.until("document.querySelector('dialog[open]')")
            page.tab.evaluate(
                f"document.querySelector('dialog [name=project]').value = {json.dumps(str(project))};"
                "document.querySelector('dialog [name=tests]').click();"
                "document.querySelector('dialog [name=check]').click()"
            )
            page.click_button("Run")
            assert page.text_of(".badge.bad") == "✗ failed"
            assert page.text_of("[data-count=tests]") == "1"
            assert page.texts(".facts span")[0] == "✗ failed"
            assert "Fast" in page.text_of(".facts + .facts")
            assert (project / "module.py").read_text() == UNTIDY


class TestComparison:
    def test_any_two_runs(self, project: Path, tmp_path: Path) -> None:
        for job_id, names in (("one", "ab"), ("two", "bc"), ("three", "bcd")):
            (project / "module.py").write_text("".join(f"print({name})\n" for name in names))
            run(project, job_id, "--hook", "ruff-check")
        with dashboard(tmp_path) as page:
            page.open("/compare/three")  # with the run before
            assert page.text_of("[data-tile=New] b") == "1"
            assert page.texts("[data-group=New] .found-message") == ["Undefined name `d`"]
            assert page.tab.evaluate("document.querySelector('select').value") == "two"
            page.tab.evaluate(
                "const select = document.querySelector('select'); select.value = 'one';"
                " select.dispatchEvent(new Event('change'))"
            )
            page.until("document.querySelector('[data-tile=New] b')?.textContent === '2'")
            assert page.texts("[data-group=Fixed] .found-message") == ["Undefined name `a`"]
            assert page.texts(".tile b") == ["2", "1", "1"]
            assert page.tab.evaluate("location.hash") == "#/compare/three?base=one"
            assert "ruff-check" in page.texts(".times tbody th")

    def test_a_hook_that_did_not_run_is_not_compared(self, project: Path, tmp_path: Path) -> None:
        run(project, "one", "--hook", "ruff-check", "--hook", "file-checks")
        run(project, "two", "--hook", "file-checks")
        with dashboard(tmp_path) as page:
            page.open("/compare/two?base=one")
            assert "ruff-check: " in page.text_of(".note li")

    def test_the_first_run_says_so(self, project: Path, tmp_path: Path) -> None:
        run(project, "one")
        with dashboard(tmp_path) as page:
            page.open("/compare/one")
            assert "only run of project" in page.text_of(".empty")
            run(project, "two")
            page.open("/compare/one")
            assert "No finished run came before" in page.text_of(".empty")
            assert page.texts("select option:checked") == ["choose a run"]

    def test_it_knows_when_a_run_ends(self, project: Path, writer: Writer, tmp_path: Path) -> None:
        run(project, "one", "--hook", "ruff-check")
        going = writer.job("going", project=str(project))
        begun = SessionInitializing(
            workflow="fast", title="Fast", project=str(project), check=True, version="1"
        )
        writer.bus.publish(going, EventType.WORKFLOW_SESSION_INITIALIZING, begun)
        writer.bus.flush(SECONDS)
        with dashboard(tmp_path) as page:
            page.open("/compare/going")
            assert "running" in page.text_of(".compare-runs .badge")
            page.until(LIVE)
            writer.end(going)
            page.until(
                "document.querySelector('.compare-runs .badge').innerText.includes('completed')"
            )
            run(project, "two")
            page.until("document.querySelector('select').options.length === 2")
            assert page.tab.evaluate("document.querySelector('select').value") == "one"


class TestHistory:
    def test_tests_coverage_and_runs(self, writer: Writer, tmp_path: Path) -> None:
        for number, outcome in enumerate(("passed", "failed", "passed")):
            run_of_two_tests(writer, f"job{number}", outcome, 80.0 + number, content="a")
        with dashboard(tmp_path) as page:
            page.open(f"/history?project={quote('/project')}")
            assert page.text_of("#tests-title ~ .scroll tbody code") == "chance"
            assert page.texts("#tests-title ~ .scroll tbody td")[1:3] == ["2", "1"]
            assert page.tab.evaluate(
                "[...document.querySelectorAll('td .strip a')].map((run) => run.getAttribute('href'))"
            ) == [f"#/job/job{number}/tests?test=chance" for number in range(3)]
            assert page.texts("#tests-title ~ .bars .bars-name") == ["slow", "chance"]
            assert "82.0 % now" in page.text_of(".coverage")
            assert "+2.0 points in 3 runs" in page.text_of(".coverage")
            assert len(page.texts(".trend-card .strip")) == 3

    def test_what_did_not_run_has_no_times(self, writer: Writer, tmp_path: Path) -> None:
        for name in ("job0", "job1"):
            job_id = writer.job(name)
            for hook, status in (
                ("gone", HookStatus.TOOL_MISSING),
                ("idle", HookStatus.SKIPPED),
                ("here", HookStatus.FAILED),
            ):
                ended = HookEnded(
                    step_id=FAST, hook=hook, status=status, success=False, duration=0.5
                )
                writer.bus.publish(job_id, EventType.HOOK_EXECUTION_FAILED, ended)
            writer.end(job_id)
        with dashboard(tmp_path) as page:
            page.open("/history")
            page.text_of(".trend-card")
            told = {
                card.partition("\n")[0]: card
                for card in page.texts(".trend-card:not(:has(.chart))")
            }
            assert "it did not run to its end" in told["gone"]
            assert "skipped each time" in told["idle"]
            assert "here" not in told

    def test_a_run_that_ends_is_in_it(self, writer: Writer, tmp_path: Path) -> None:
        run_of_two_tests(writer, "job0", "passed", 80.0, content="a")
        with dashboard(tmp_path) as page:
            page.open("/history")
            assert "Tests" in page.text_of("#tests-title")
            page.until(LIVE)
            page.tab.evaluate("document.querySelector('.strip a').focus()")
            run_of_two_tests(writer, "job1", "failed", 81.0, content="a")
            page.until("document.querySelectorAll('.strip')[0]?.children.length === 2")
            assert page.texts("#tests-title ~ .scroll tbody code") == ["chance"]
            assert page.tab.evaluate("document.activeElement.getAttribute('href')") == "#/job/job0"
            page.tab.evaluate("document.activeElement.blur()")
            for key in "jj":
                page.tab.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
            in_second = "document.querySelectorAll('.strip')[1].contains(document.activeElement)"
            assert page.tab.evaluate(in_second)

    def test_arrows_go_from_run_to_run(self, writer: Writer, tmp_path: Path) -> None:
        for number in range(3):
            run_of_two_tests(writer, f"job{number}", "passed", 80.0)
        with dashboard(tmp_path) as page:
            page.open("/history")  # of the newest job's project
            strip = "document.querySelector('.strip')"
            page.until(f"{strip}?.querySelector('a[tabindex=\"0\"]')?.focus() ?? {strip}")
            for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft"):
                page.tab.call("Input.dispatchKeyEvent", type="keyDown", key=key)
            assert page.tab.evaluate("document.activeElement.getAttribute('href')") == "#/job/job0"
            stops = page.tab.evaluate(f"{strip}.querySelectorAll('a[tabindex=\"0\"]').length")
            assert stops == 1

    def test_without_a_job_it_says_what_to_do(self, tmp_path: Path) -> None:
        with dashboard(tmp_path) as page:
            page.open("/history")
            assert "Run crackerjack" in page.text_of(".empty")
