"""``watch`` and ``events --follow``: of this store, and from a server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.terminal.emulator import Terminal
from tests.web.serving import SECONDS, Writer, serving
from tests.web.waiting import wait_for


def crackerjack(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "crackerjack", *arguments]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=2 * SECONDS)
    assert "Traceback" not in ran.stderr
    return ran


class TestCommandLine:
    @pytest.fixture
    def ended(self, writer: Writer) -> str:
        job_id = writer.job()
        writer.publish(job_id, 4)
        writer.end(job_id)
        return job_id

    def test_watch_and_events(self, ended: str, writer: Writer) -> None:
        here = crackerjack("watch", ended)
        assert (here.returncode, "Workflow completed" in here.stdout) == (0, True)
        with serving() as server:
            there = crackerjack("watch", ended, "--url", server.http)
            lines = crackerjack("events", ended, "--follow", "--url", server.http)
        assert (there.returncode, there.stdout) == (0, here.stdout)
        assert lines.stdout.encode().splitlines() == writer.events(
            writer.log.jobs()[0].header.job_id
        )

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["watch", "unknown"], "no job unknown in this store; `crackerjack jobs --all` lists"),
            (["watch", "job123", "--url", "http://127.0.0.1:1"], "no crackerjack server answers"),
            (["watch", "job123", "--url", "ftp://x"], "not the address of a server"),
            (["watch", "--url", "http://127.0.0.1:1"], "no crackerjack server answers"),
            (["watch", "--url", "http://[::1"], "not the address of a server"),
            (["events", "job123", "--url", "http://127.0.0.1:1"], "--follow"),
        ],
    )
    def test_mistakes(self, arguments: list[str], words: str) -> None:
        ran = crackerjack(*arguments)
        assert (ran.returncode, words in ran.stderr) == (2, True), ran.stderr

    def test_without_a_job_a_server_is_asked_for_the_running_one(self, writer: Writer) -> None:
        with serving() as server:
            none = crackerjack("watch", "--url", server.http)
            assert (none.returncode, "no job yet" in none.stderr) == (2, True)
            going, over = writer.job("going"), writer.job("over")
            writer.publish(going, 1, text="it is going on")
            writer.end(over)
            with watching("--url", server.http) as (process, terminal):
                wait_for(lambda: "it is going on" in terminal.text())
                writer.end(going)
                assert process.wait(SECONDS) == 0
            writer.end(writer.job("latest"))
            ended = crackerjack("watch", "--url", server.http)
            assert (ended.returncode, "Workflow completed" in ended.stdout) == (0, True)
        with serving(CRACKERJACK_TOKEN="sesame") as server:
            refused = crackerjack("watch", "--url", server.http)
            assert (refused.returncode, "--token" in refused.stderr) == (2, True)
            assert crackerjack("watch", "--url", server.http, "--token", "sesame").returncode == 0

    @pytest.mark.parametrize("command", [("watch",), ("events", "--follow")])
    def test_a_job_that_a_server_does_not_know(
        self, writer: Writer, command: tuple[str, ...]
    ) -> None:
        with serving() as server:
            argv = [sys.executable, "-m", "crackerjack", *command, "soon", "--url", server.http]
            with subprocess.Popen(
                argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process:
                assert process.stdout is not None
                assert "knows no job soon yet" in process.stdout.readline()
                writer.end(writer.job("soon"))
                process.communicate(timeout=SECONDS)
                assert process.returncode == 0


@contextmanager
def watching(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    """``crackerjack watch`` in a terminal of its own."""
    with Terminal(100, 24) as terminal:
        argv = [sys.executable, "-m", "crackerjack", "watch", *arguments]
        process = subprocess.Popen(
            argv,
            stdout=terminal.stream,
            stderr=terminal.stream,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        try:
            yield process, terminal
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("remote", [False, True])
def test_a_terminal_shows_what_comes(writer: Writer, *, remote: bool) -> None:
    """What another process writes is on the screen as it comes; leaving leaves the job running."""
    job_id = writer.job()
    writer.publish(job_id, 1, text="the first finding")
    with ExitStack() as stack:
        server = [("--url", stack.enter_context(serving()).http)] if remote else [()]
        process, terminal = stack.enter_context(watching(job_id, *server[0]))
        wait_for(lambda: "the first finding" in terminal.text())
        writer.publish(job_id, 2, text="the second finding")
        wait_for(lambda: "the second finding" in terminal.text())
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        assert "the job goes on" in terminal.text()
    assert not writer.log.job(job_id).cancel_requested
