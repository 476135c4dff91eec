"""Ctrl-C, ``kill -9``, a closed pipe, ``cancel``: nothing is left running, and the log says so."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crackerjack.jobs.process_identity import identity_of
from tests.cli.command_line import CommandLine, Project

SECONDS = 30.0  # for something to happen, on a machine however busy


@pytest.fixture
def slow(project: Project, tmp_path: Path) -> Path:
    """Give the project a hook that says its process ids, ignores TERM and does not end."""
    pids = tmp_path / "pids"
    script = project.write(
        "slow.sh",
        f"trap '' TERM\nsleep 300 &\necho $$ $! > {pids}.new\nmv {pids}.new {pids}\n"
        "echo ready\nwhile :; do sleep 1; done\n",
    )
    project.configure(
        f'[tool.crackerjack.hooks.slow]\ncommand = ["sh", "{script}"]\nstrategy = "fast"\n'
    )
    return pids


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    return identity_of(pid) is not None


def started(crackerjack: CommandLine, slow: Path, *arguments: str) -> "subprocess.Popen[str]":
    """A run whose slow hook is running."""
    process = crackerjack.start("--hook", "slow", "--job-id", "the-job", *arguments)
    wait_until(slow.exists)
    return process


def nothing_is_left(slow: Path) -> bool:
    return not any(is_alive(int(pid)) for pid in slow.read_text().split())


def terminal(crackerjack: CommandLine) -> dict[str, Any]:
    """The last event of the job, whose log has no hole."""
    events = crackerjack("events", "the-job").events
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    last: dict[str, Any] = events[-1]
    return last


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_the_job_and_ends_every_child(
    crackerjack: CommandLine, slow: Path, number: signal.Signals
) -> None:
    process = started(crackerjack, slow)
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert nothing_is_left(slow)
    assert terminal(crackerjack)["event_type"] == "workflow_interrupted"
    assert terminal(crackerjack)["data"]["reason"] == number.name
    assert "interrupted" in out
    assert err == ""


def test_the_second_ctrl_c_is_immediate(crackerjack: CommandLine, slow: Path) -> None:
    process = started(crackerjack, slow)
    process.send_signal(signal.SIGINT)
    time_of_first = time.monotonic()
    process.send_signal(signal.SIGINT)
    while process.poll() is None and time.monotonic() < time_of_first + 1.5:
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    assert process.wait(SECONDS) == 130
    assert time.monotonic() - time_of_first < 2.0  # the grace period that it did not wait for
    wait_until(lambda: nothing_is_left(slow))
    wait_until(lambda: terminal(crackerjack)["event_type"] == "workflow_interrupted")
    process.communicate()


def test_kill_9_leaves_no_child_and_an_ended_job(crackerjack: CommandLine, slow: Path) -> None:
    process = started(crackerjack, slow)
    process.kill()
    process.communicate(timeout=SECONDS)
    wait_until(lambda: nothing_is_left(slow))
    listed = json.loads(crackerjack("jobs", "--json").stdout)
    assert [(row["job_id"], row["status"]) for row in listed] == [("the-job", "interrupted")]
    last = terminal(crackerjack)
    assert (last["event_type"], last["data"]["reason"]) == ("workflow_interrupted", "runner_lost")


def test_cancel_from_another_process(crackerjack: CommandLine, slow: Path) -> None:
    process = started(crackerjack, slow)
    assert crackerjack("cancel", "the-job").exit_code == 0
    process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert terminal(crackerjack)["data"]["reason"] == "cancelled"
    again = crackerjack("cancel", "the-job")
    assert again.exit_code == 2
    assert "job the-job has ended" in again.stderr


def test_a_reader_that_goes_away_ends_the_run(crackerjack: CommandLine, slow: Path) -> None:
    """``crackerjack --json | head``"""
    process = started(crackerjack, slow, "--json")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    Path(slow).write_text(slow.read_text())
    # The next line that the hook prints finds the pipe closed; cancel makes it print one.
    crackerjack("cancel", "the-job")
    assert process.wait(SECONDS) == 130
    assert nothing_is_left(slow)
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()


def test_events_can_be_followed_from_another_process(crackerjack: CommandLine, slow: Path) -> None:
    process = started(crackerjack, slow)
    follower = crackerjack.start("events", "the-job", "--follow")
    assert follower.stdout is not None
    assert json.loads(follower.stdout.readline())["seq"] == 1
    process.send_signal(signal.SIGINT)
    rest, _ = follower.communicate(timeout=SECONDS)
    process.communicate(timeout=SECONDS)
    assert follower.returncode == 0
    assert json.loads(rest.splitlines()[-1])["event_type"] == "workflow_interrupted"


def test_a_writing_run_waits_for_the_one_before_and_says_so(
    crackerjack: CommandLine, slow: Path
) -> None:
    first = started(crackerjack, slow)
    second = crackerjack.start("--skip-hooks", "--json", "--job-id", "second")
    assert second.stdout is not None
    lines = [json.loads(second.stdout.readline()) for _ in range(2)]
    assert lines[1]["event_type"] == "job_queued"
    assert lines[1]["data"]["reason"] == "job the-job goes on in the same project"
    listed = {
        job["job_id"]: job["status"] for job in json.loads(crackerjack("jobs", "--json").stdout)
    }
    assert listed == {"second": "queued", "the-job": "running"}
    first.send_signal(signal.SIGINT)
    rest, _ = second.communicate(timeout=SECONDS)
    first.communicate(timeout=SECONDS)
    assert second.returncode == 0
    assert json.loads(rest.splitlines()[-1])["event_type"] == "workflow_completed"


def test_a_person_is_told_what_a_run_waits_for(crackerjack: CommandLine, slow: Path) -> None:
    first = started(crackerjack, slow)
    second = crackerjack("--skip-hooks", "--timeout", "0.5")
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=SECONDS)
    assert "\nWaiting: job the-job goes on in the same project\n" in second.stdout


def test_a_run_waits_for_another_no_longer_than_its_own_time(
    crackerjack: CommandLine, slow: Path
) -> None:
    first = started(crackerjack, slow)
    second = crackerjack("--skip-hooks", "--json", "--timeout", "0.5")
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=SECONDS)
    assert second.exit_code == 3
    assert [event["event_type"] for event in second.events] == [
        "workflow_session_initializing",
        "job_queued",
        "workflow_failed",
    ]
    reason = "the run was out of time before its turn on this project came"
    assert second.events[-1]["data"]["reason"] == reason


def test_a_line_of_a_tool_is_an_event_at_once(crackerjack: CommandLine, slow: Path) -> None:
    process = started(crackerjack, slow, "--json")
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event_type"] == "hook_output":
            assert event["data"]["text"] == "ready\n"
            break
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=SECONDS)
