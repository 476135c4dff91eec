"""Looking at jobs: the overview of ``watch``, and ``--open``."""

from __future__ import annotations

import signal
import subprocess
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crackerjack.cli import open_page
from crackerjack.events.payload import EventType, HookStarted, SessionInitializing
from crackerjack.types import JobId
from tests.cli.command_line import CommandLine, Project
from tests.terminal.emulator import Terminal
from tests.web.serving import SECONDS, STEP, Writer, free_port, serving


@pytest.fixture
def writer(crackerjack: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    crackerjack("jobs")  # makes the store
    monkeypatch.setenv("CRACKERJACK_STATE_DIR", str(crackerjack.state_dir))
    with Writer() as writer:
        yield writer


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A browser that writes down what it is told to open."""
    opened = tmp_path / "opened"
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {opened}.new\nmv {opened}.new {opened}\n')
    script.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(script))
    return opened


def begin(writer: Writer, name: str, project: Path) -> JobId:
    """A job that goes on, with three findings."""
    job_id = writer.job(name, project=str(project))
    began = SessionInitializing(
        workflow="standard", title="Standard", project=str(project), check=False, version="1"
    )
    writer.bus.publish(job_id, EventType.WORKFLOW_SESSION_INITIALIZING, began)
    hook = HookStarted(step_id=STEP, hook="ruff-check")
    writer.bus.publish(job_id, EventType.HOOK_EXECUTION_STARTED, hook)
    writer.publish(job_id, 3)
    return job_id


class TestTheOverview:
    def test_all_jobs(self, crackerjack: CommandLine, project: Project, writer: Writer) -> None:
        begin(writer, "here", project.root)
        begin(writer, "elsewhere", Path("/srv/\x1b[31mshop"))
        writer.end(begin(writer, "over", project.root))
        shown = crackerjack("watch", "--all")
        assert shown.exit_code == 0, shown
        assert "2 jobs running" in shown.stdout
        assert all(f" {name} " in shown.stdout for name in ("here", "elsewhere", "over"))
        assert shown.stdout.count("3 findings") == 2
        assert "\x1b" not in shown.stdout

    def test_several_of_one_project(
        self, crackerjack: CommandLine, project: Project, writer: Writer
    ) -> None:
        begin(writer, "first", project.root)
        begin(writer, "second", project.root)
        begin(writer, "elsewhere", Path("/srv/shop"))
        shown = crackerjack("watch").stdout
        assert "2 jobs running" in shown
        assert "elsewhere" not in shown

    def test_one_of_the_project_is_watched_itself(
        self, crackerjack: CommandLine, project: Project, writer: Writer
    ) -> None:
        begin(writer, "elsewhere", Path("/srv/shop"))
        writer.end(begin(writer, "mine", project.root))
        assert "jobs running" not in crackerjack("watch").stdout
        assert crackerjack("watch").exit_code == 0

    def test_all_goes_with_no_job_and_no_server(self, crackerjack: CommandLine) -> None:
        assert crackerjack("watch", "--all", "job").exit_code == 2
        assert crackerjack("watch", "--all", "--url", "http://127.0.0.1:1").exit_code == 2

    def test_it_moves_until_it_is_left(
        self, crackerjack: CommandLine, project: Project, writer: Writer
    ) -> None:
        job_id = begin(writer, "first", project.root)
        with Terminal(columns=100) as terminal:
            process = subprocess.Popen(
                crackerjack.argv("watch", "--all"),
                cwd=project.root,
                env=crackerjack.environment | {"TERM": "xterm-256color"},
                stdout=terminal.stream,
                stderr=terminal.stream,
            )
            wait_for(terminal, "3 findings")
            writer.publish(job_id, 5)
            wait_for(terminal, "7 findings")
            writer.end(job_id)
            wait_for(terminal, "0 jobs running")
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 130


def wait_for(terminal: Terminal, text: str) -> None:
    deadline = time.monotonic() + SECONDS
    while text not in (shown := terminal.text()):
        assert time.monotonic() < deadline, shown
        time.sleep(0.02)


def opened(file: Path) -> str:
    """What the browser was told to open."""
    deadline = time.monotonic() + SECONDS
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return file.read_text().strip()


class TestOpen:
    def test_serve_opens_the_page(self, writer: Writer, browser: Path) -> None:
        with serving("--open", CRACKERJACK_TOKEN="sesame") as server:
            assert opened(browser) == f"http://127.0.0.1:{server.port}/"

    def test_a_job_that_a_server_has(
        self, writer: Writer, browser: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer.publish(writer.job())
        with serving_by_default(monkeypatch) as url:
            assert "another store" in open_page.open_job("unknown")
            assert open_page.open_job("job123") == ""
            assert opened(browser) == f"{url}/#/job/job123"

    def test_without_a_server_the_run_says_how_to_start_one(
        self, browser: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(open_page, "DEFAULT", f"http://127.0.0.1:{free_port()}")
        assert "`crackerjack serve` starts one" in open_page.open_job("job123")
        assert not browser.exists()

    def test_without_a_browser_the_address_is_told(
        self, writer: Writer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none(*_: object) -> None:
            raise webbrowser.Error("could not locate runnable browser")

        monkeypatch.setattr(webbrowser, "get", none)
        writer.publish(writer.job())
        with serving_by_default(monkeypatch) as url:
            told = f"No browser was found here: the job is at {url}/#/job/job123"
            assert open_page.open_job("job123") == told

    def test_a_run_goes_on_whatever_is_opened(self, crackerjack: CommandLine) -> None:
        ran = crackerjack("run", "--open", "--skip-hooks", BROWSER="true")
        assert ran.exit_code == 0


@contextmanager
def serving_by_default(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving() as server:
        monkeypatch.setattr(open_page, "DEFAULT", server.http)
        yield server.http
