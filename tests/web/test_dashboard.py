"""The dashboard in a real browser, over real servers, with the jobs of real runs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec
import pytest

from crackerjack.events.payload import EventType, HookOutput, HookStarted, JobRequeued
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.types import JobId
from tests.sample_run import FAST, JOB, TESTS, SampleRun, finding
from tests.web.browser import chromium
from tests.web.dashboard import (
    LIVE,
    ROOT,
    SEQ,
    node_module,
    press,
    run,
    shop,
    typescript,
    until,
    visit,
)
from tests.web.runs import run_of_two_tests
from tests.web.serving import SECONDS, STEP, Served, Writer, free_port, serving


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return shop(tmp_path)


def test_the_types_of_its_modules() -> None:
    checked = subprocess.run(
        [*typescript(), "-p", str(ROOT)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_a_run_is_watched_to_its_end(server: Served, project: Path, tmp_path: Path) -> None:
    with chromium(tmp_path) as tab:
        tab.open(f"{server.http}/#/")
        until(tab, "document.body.innerText.includes('No jobs yet')")
        argv = [sys.executable, "-m", "crackerjack", "run", "-t", "--json", "--job-id", "real"]
        with subprocess.Popen(argv, cwd=project, stdout=subprocess.PIPE) as running:
            until(tab, "document.querySelector('a[href=\"#/job/real\"]')")
            tab.evaluate("document.querySelector('a[href=\"#/job/real\"]').click()")
            until(tab, "document.querySelector('h1').textContent.startsWith('shop')")
            out, _ = running.communicate(timeout=2 * SECONDS)
        log = [msgspec.json.decode(line) for line in out.splitlines()]
        until(tab, f"document.querySelector('.badge.bad') && {SEQ} === {log[-1]['seq']}")
        ended = log[-1]["data"]
        tests = Counter(
            one["data"]["outcome"] for one in log if one["event_type"] == "test_completed"
        )
        assert tests == {"passed": 1, "failed": 1}
        assert ended["findings"] > 0
        shown = tab.evaluate(
            "['findings', 'tests'].map((name) => document.querySelector(`[data-count=${name}]`).textContent)"
        )
        assert shown == [str(ended["findings"]), str(tests.total())]
        tab.evaluate("location.hash = '#/job/real/output/testing'")
        until(tab, "document.querySelector('.output').innerText.includes('test_wrong')")
        tab.evaluate("location.hash = '#/job/real/events'")
        until(
            tab,
            f"document.querySelector('main').innerText.includes('{len(log)} events')",
        )
        assert (tab.console(), tab.complaints()) == ([], [])


FOLD: Final = """
(async () => {
  const { Job } = await import('/app/model.js');
  const plain = (job) => {
    const { timestamp, remaining, ...data } = job.data;
    return { ...data, steps: [...job.steps.values()], hooks: job.allHooks, seq: job.seq };
  };
  const sorted = (value) => JSON.stringify(value, (key, part) => part && typeof part === 'object' && !Array.isArray(part)
    ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1)) : part);
  const copy = (message) => new Job(JSON.parse(JSON.stringify(message)));
  const { events, snapshots } = window.given;
  const wrong = [];
  const check = (what, job, message) => {
    const [got, wanted] = [sorted(plain(job)), sorted(plain(copy(message)))];
    if (got !== wanted) wrong.push([what, got, wanted]);
  };
  const last = snapshots[snapshots.length - 1];
  const whole = copy(snapshots[0]);
  events.forEach((event, index) => {
    whole.apply(event);
    check(`all up to ${event.seq} ${event.event_type}`, whole, snapshots[index + 1]);
  });
  snapshots.forEach((message, index) => {
    const job = copy(message);
    for (const event of events.slice(index)) job.apply(event);
    check(`from ${index}`, job, last);
  });
  return wrong.slice(0, 3);
})()
"""


@pytest.mark.parametrize("arguments", [["-t"], ["--skip-hooks"], ["--fail-fast", "-t", "--check"]])
def test_the_page_makes_of_events_what_the_server_makes(
    arguments: list[str], server: Served, writer: Writer, project: Path, tmp_path: Path
) -> None:
    """From whatever event its snapshot is, and whatever comes after it."""
    log = run(project, "--job-id", "job", *arguments)
    state = JobSnapshot(job_id=JobId("job"))
    snapshots = [{"data": state.to_data(0.0), "seq": 0}]
    for one in writer.log.read(state.job_id, 0, 100_000):
        state.apply(one)
        snapshots.append({"data": state.to_data(0.0), "seq": state.seq})
    with server.client() as client, chromium(tmp_path) as tab:
        asked = client.get("/jobs/job").json()
        timeless = {
            key: asked["data"][key]
            for key in asked["data"]
            if key not in {"timestamp", "remaining"}
        }
        last = json.loads(msgspec.json.encode(snapshots[-1]["data"]))
        assert timeless.items() <= last.items()
        tab.open(server.http)
        given = msgspec.json.encode({"events": log, "snapshots": snapshots}).decode()
        tab.evaluate(f"void (window.given = {given})")
        assert tab.evaluate(FOLD) == []


def test_the_page_forgets_what_a_lost_worker_found(server: Served, tmp_path: Path) -> None:
    run = SampleRun().begin(tests=True).strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    run.found(finding("ruff-check")).fixed(FAST, "ruff-check", "a.py").phase(TESTS).collected(2)
    run.test("t.py::a", "failed").coverage(50.0)
    run.add(EventType.JOB_REQUEUED, JobRequeued(reason="the worker is lost", attempt=2))
    run.begin(tests=True).strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    run.found(finding("ruff-check")).fixed(FAST, "ruff-check", "a.py").end(
        EventType.WORKFLOW_FAILED, fixed=1
    )
    state = JobSnapshot(job_id=JOB)
    snapshots = [{"data": state.to_data(0.0), "seq": 0}]
    for one in run.events:
        state.apply(one)
        snapshots.append({"data": state.to_data(0.0), "seq": state.seq})
    counts = state.counts()
    assert (counts["findings"], counts["fixed"], counts["tests"]["failed"]) == (1, 1, 0)
    events = [msgspec.json.decode(one.to_json()) for one in run.events]
    given = msgspec.json.encode({"events": events, "snapshots": snapshots}).decode()
    with chromium(tmp_path) as tab:
        tab.open(server.http)
        tab.evaluate(f"void (window.given = {given})")
        assert tab.evaluate(FOLD) == []


def test_a_server_that_is_killed_and_comes_back(writer: Writer, tmp_path: Path) -> None:
    job_id = writer.job()
    writer.publish(job_id, 3)
    port = free_port()
    with chromium(tmp_path) as tab:
        with serving(port=port) as server:
            tab.open(f"{server.http}/#/job/{job_id}/events")
            until(tab, f"{SEQ} === 3 && {LIVE}")
            server.stop(signal.SIGKILL)
        until(
            tab, "document.querySelector('#connection.lost').textContent.includes('coming back in')"
        )
        writer.publish(job_id, 400)
        with serving(port=port):
            until(tab, f"{SEQ} === 403 && {LIVE}")
            until(tab, "document.body.innerText.includes('403 events')")
            writer.end(job_id)
            until(tab, "document.querySelector('.badge.good')")
            assert (
                tab.evaluate("document.querySelector('[data-count=findings]').textContent") == "323"
            )


def test_a_job_that_has_yet_to_begin(server: Served, writer: Writer, tmp_path: Path) -> None:
    with chromium(tmp_path) as tab:
        tab.open(f"{server.http}/#/job/later")
        until(tab, "document.querySelector('main').innerText.includes('as soon as it does')")
        writer.publish(writer.job("later"), 2)
        until(tab, f"{SEQ} === 2 && !document.querySelector('.problem')")


def test_jobs_that_came_and_ended_while_the_server_was_away(writer: Writer, tmp_path: Path) -> None:
    writer.publish(writer.job("first"), 1)
    port = free_port()
    with chromium(tmp_path) as tab:
        with serving(port=port) as server:
            tab.open(f"{server.http}/#/")
            until(tab, "document.querySelectorAll('.job-row').length === 1")
            server.stop(signal.SIGKILL)
        writer.end(JobId("first"))
        writer.publish(writer.job("second"), 1)
        with serving(port=port):
            until(tab, "document.querySelectorAll('.job-row').length === 2")
            until(tab, "document.querySelectorAll('.job-row .badge.good').length === 1")


def test_many_tabs_share_one_connection(server: Served, writer: Writer, tmp_path: Path) -> None:
    job_id = writer.job()
    writer.publish(job_id, 5)
    with chromium(tmp_path) as tab, server.client() as client:
        tabs = [tab, *(tab.another() for _ in range(19))]
        for one in tabs:
            one.open(f"{server.http}/#/job/{job_id}")
        for one in tabs:
            until(one, f"{SEQ} === 5 && {LIVE}")
        found = re.search(
            r'connections\{stream="job",transport="websocket"\} (\d+)', client.get("/metrics").text
        )
        assert found
        assert found[1] == "1"
        writer.publish(job_id, 100)
        for one in tabs:
            until(one, f"{SEQ} === 105")


HOSTILE: Final = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\n",
    "\x1b[31mred\x1b[0m \x1b]0;a title\x07\x1b[2J\x1b[1;44mwhite on blue\x1b[0m\n",
    "\u202egnp.exe\u202c \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd\n",
    "{{constructor.constructor('window.hacked = 1')()}} javascript:alert(1) %3Cscript%3E\n",
    "\x00\x07\x1b[38;2;1;2;3m\U0001f600 &lt;b&gt; ]]> --> \u2028\n",
)


FOREIGN: Final = "document.querySelectorAll('main img, main script').length"
"""Elements that only a tool can have put there: the policy of the server lets no script of theirs run."""


def test_what_tools_print_is_text(server: Served, writer: Writer, tmp_path: Path) -> None:
    hook = "<b>hook</b>"
    job_id = writer.job(project="/<img src=x onerror=window.hacked=1>")
    writer.bus.publish(
        job_id, EventType.HOOK_EXECUTION_STARTED, HookStarted(step_id=STEP, hook=hook)
    )
    for text in [*HOSTILE, *(["long " * 3276] * 64), "\nthe end\n"]:  # a line of a megabyte
        said = HookOutput(step_id=STEP, hook=hook, stream="stdout", text=text)
        writer.bus.publish(job_id, EventType.HOOK_OUTPUT, said)
    for text in HOSTILE:
        writer.publish(job_id, 5, text=text)
    with chromium(tmp_path) as tab:
        for path, shows in {
            "": ".job-row",
            f"job/{job_id}": ".card .gist",
            f"job/{job_id}/findings": ".finding-row .message",
            f"job/{job_id}/events": ".event-summary",
        }.items():
            visit(tab, f"{server.http}/#/{path}")
            until(tab, f"document.querySelector('{shows}')?.innerText.includes('onerror')")
            assert (path, tab.evaluate(FOREIGN)) == (path, 0)
        tab.evaluate("document.querySelector('[name=text]').value = 'gnp.exe'")
        tab.evaluate("document.querySelector('[name=text]').dispatchEvent(new Event('input'))")
        until(
            tab,
            "document.querySelector('main').innerText.includes('6 of 96 events')",
        )
        visit(tab, f"{server.http}/#/job/{job_id}/output/{hook.replace('/', '%2F')}")
        until(tab, "document.querySelector('.output').innerText.includes('the end')")
        tab.evaluate("document.querySelector('.output').scrollTop = 0")
        until(tab, "document.querySelector('.output .ansi-1').textContent === 'red'")
        shown = tab.evaluate("document.querySelector('.output').innerText")
        assert HOSTILE[0].strip() in shown
        assert "\\u202egnp.exe\\u202c" in shown
        assert tab.evaluate("document.querySelectorAll('.output-row').length") < 200
        assert tab.evaluate(FOREIGN) == 0
        assert (tab.console(), tab.complaints()) == ([], [])


FOCUSED: Final = "document.activeElement.getAttribute('href')"


class TestKeys:
    @pytest.fixture
    def jobs(self, writer: Writer) -> None:
        for name in ("first", "second", "third"):
            writer.publish(writer.job(name), 40)
            writer.end(JobId(name))

    def test_a_walk_without_a_mouse(self, jobs: None, server: Served, tmp_path: Path) -> None:
        with chromium(tmp_path) as tab:
            tab.open(f"{server.http}/#/")
            until(tab, "document.querySelectorAll('.job-row').length === 3")
            press(tab, "Tab", "Enter")  # the link to the content
            until(tab, "document.activeElement.id === 'main' && location.hash === '#/'")
            press(tab, "j", "j")
            until(tab, f"{FOCUSED} === '#/job/second'")
            press(tab, "k")
            until(tab, f"{FOCUSED} === '#/job/third'")
            press(tab, "Enter")
            until(tab, "location.hash === '#/job/third' && document.querySelector('.tabs a')")
            press(tab, "6")
            until(tab, "location.hash.endsWith('/events') && document.querySelector('.event-row')")
            press(tab, "j", "j", "j")
            until(
                tab,
                "location.hash.endsWith('?seq=3') && document.querySelector('pre').innerText.includes('\"seq\": 3')",
            )
            press(tab, "/")
            until(tab, "document.activeElement.name === 'text'")
            press(tab, *"output", "Escape")
            until(tab, "document.body.innerText.includes('8 of 41 events')")
            press(tab, "?")
            until(tab, "document.querySelector('dialog[open]').innerText.includes('history')")
            press(tab, "Escape")
            until(tab, "!document.querySelector('dialog')")
            press(tab, "g", "h")
            until(tab, "location.hash === '#/history'")
            press(tab, "g", "j")
            until(tab, "document.querySelectorAll('.job-row').length === 3")

    def test_jobs_that_are_not_shown_yet_can_be_reached(
        self, server: Served, writer: Writer, tmp_path: Path
    ) -> None:
        for number in range(202):
            writer.job(f"job{number}")
        with chromium(tmp_path) as tab:
            tab.open(f"{server.http}/#/")
            until(tab, "document.querySelectorAll('.job-row').length === 200")
            tab.evaluate("[...document.querySelectorAll('.job-row')].at(-1).focus()")
            press(tab, "j")
            until(tab, f"{FOCUSED} === '#/job/job1'")

    def test_a_row_keeps_the_focus_while_the_list_lives(
        self, jobs: None, server: Served, writer: Writer, tmp_path: Path
    ) -> None:
        with chromium(tmp_path) as tab:
            tab.open(f"{server.http}/#/")
            until(tab, "document.querySelectorAll('.job-row').length === 3")
            press(tab, "j")
            until(tab, f"{FOCUSED} === '#/job/third'")
            begun = HookStarted(step_id=STEP, hook="ruff-check")
            writer.bus.publish(writer.job("fourth"), EventType.HOOK_EXECUTION_STARTED, begun)
            until(tab, "document.querySelectorAll('.job-row').length === 4")
            assert tab.evaluate(FOCUSED) == "#/job/third"


def test_a_server_with_a_token(writer: Writer, tmp_path: Path) -> None:
    writer.publish(writer.job(), 3)
    with serving(CRACKERJACK_TOKEN="sesame") as server, chromium(tmp_path) as tab:
        tab.open(f"{server.http}/#/job/job123")
        until(tab, "document.querySelector('[name=token]')")
        tab.evaluate("document.querySelector('[name=token]').value = 'sesame'")
        tab.evaluate("void (window.asked = 1)")
        tab.evaluate("void setTimeout(() => document.querySelector('main form').requestSubmit())")
        tab.wait_for(lambda: not tab.evaluate("window.asked"))  # the page is loaded anew
        until(tab, f"{SEQ} === 3 && {LIVE}")


def test_a_server_that_comes_back_with_another_token(writer: Writer, tmp_path: Path) -> None:
    writer.publish(writer.job(), 3)
    port = free_port()
    with chromium(tmp_path) as tab:
        with serving(port=port, CRACKERJACK_TOKEN="old") as server:
            tab.open(f"{server.http}/?token=old#/job/job123")
            until(tab, f"{SEQ} === 3 && {LIVE}")
            assert "token" not in tab.evaluate("location.href")
        with serving(port=port, CRACKERJACK_TOKEN="new"):
            until(tab, "document.querySelector('[name=token]')")


AXE: Final = """
axe.run(document).then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))
"""


def test_everybody_can_use_it(writer: Writer, project: Path, tmp_path: Path) -> None:
    axe = (node_module("axe-core") / "axe.min.js").read_text()
    run(project, "--check", "--hook", "ruff-check", "--job-id", "before")
    run(project, "-t", "--job-id", "ended")
    for name, outcome in (("first", "passed"), ("second", "failed")):
        run_of_two_tests(writer, name, outcome, 80.0, content="a")
    writer.publish(writer.job("live"), 30)
    with serving("--project-root", str(tmp_path)) as server, chromium(tmp_path) as tab:
        for path, shows in PAGES.items():
            visit(tab, f"{server.http}/#{path}")
            until(tab, " && ".join(f"document.querySelector('{one}')" for one in shows))
            tab.evaluate(f"{axe}; void 0")
            for theme in ("light", "dark"):
                tab.call(
                    "Emulation.setEmulatedMedia",
                    features=[{"name": "prefers-color-scheme", "value": theme}],
                )
                assert (path, theme, tab.evaluate(AXE)) == (path, theme, [])


PAGES: Final = {
    "/": ["li:nth-child(5) .job-row"],
    "/history?project=%2Fproject": [".chart", "td .strip", ".coverage"],
    "/compare/ended": [".tile", ".group", ".times"],
    "/nowhere": [".empty"],
    "/job/unknown": [".problem"],
    "/job/live": ["section.now", ".card"],
    "/job/live/output/ruff-check": [".output-row"],
    "/job/live/events?seq=3": [".event-summary", "pre"],
    "/job/ended": [".tl-row", ".card"],
    "/job/ended/findings": [".finding-row"],
    "/job/ended/tests?test=test_total.py::test_wrong": [".test-row", ".details-inner"],
    "/job/ended/changes": [".diff"],
    "/job/ended/output/testing": [".output-row"],
    "/job/ended/events": [".event-summary"],
}
"""Addresses, and what has to be there before it is looked at: an empty page is without a flaw."""
