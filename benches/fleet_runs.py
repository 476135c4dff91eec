"""Runs on workers: how much later they begin than here, what is sent for them, what several workers gain."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from benches.paired import Contender, Row, measure, verdict
from benches.projects import CRACKERJACK, commit_all, environment, fresh
from tests.broker import NatsServer, nats_server

FILES: Final = 2823
"""Of the project that is sent twice: as many as Django has."""
SLEEPERS: Final = 9
SECONDS: Final = 2.0
"""That each of those hooks sleeps: this machine has not the cores to compute so many at once."""


def rows() -> Iterator[Row]:
    """All of it."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        server = stack.enter_context(nats_server("http: -1"))
        yield _first_event(server, directory)
        yield _second_submission(server, directory)
        yield _three_workers(server, directory)


@contextmanager
def workers(server: NatsServer, directory: str, count: int, space: str) -> Iterator[None]:
    """So many workers of a space, each as if on a machine of its own."""
    running = []
    try:
        for number in range(count):
            env = _environment(server, f"{directory}/{space}-worker{number}", space)
            argv = [CRACKERJACK, "worker"]
            running.append(subprocess.Popen(argv, env=env, stderr=subprocess.DEVNULL))
        _until_there(server, directory, count, space)
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _until_there(server: NatsServer, directory: str, count: int, space: str) -> None:
    env = _environment(server, f"{directory}/asking", space)
    while True:
        found = subprocess.run(
            [CRACKERJACK, "queue", "--json"], env=env, check=True, capture_output=True
        )
        if len(json.loads(found.stdout)["workers"]) == count:
            return
        time.sleep(0.1)


def _first_event(server: NatsServer, directory: str) -> Row:
    project = fresh("small")
    (project / "pyproject.toml").write_text('[project]\nname = "small"\nversion = "1"\n')
    (project / "small.py").write_text("X = 1\n")
    commit_all(project)
    here = {**environment(), "CRACKERJACK_STATE_DIR": f"{directory}/here"}
    there = _environment(server, f"{directory}/there", "first")
    with workers(server, directory, 1, "first"):
        local, remote = measure(
            [
                Contender("here", lambda: _until_first(project, here)),
                Contender("on a worker", lambda: _until_first(project, there)),
            ],
            rounds=9,
            warmups=2,
        )
    later = (remote.median - local.median) * 1000
    what = f"first hook begins after {local.median * 1000:.0f} ms here; on a worker later by"
    return what, f"{later:.0f} ms", verdict(later, 150, " ms")


def _until_first(project: Path, env: Mapping[str, str]) -> float:
    """Seconds from the start of the command until the first hook begins."""
    began = time.perf_counter()
    argv = [CRACKERJACK, "run", "--check", "--hook", "file-checks", "--json"]
    with subprocess.Popen(
        argv, cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        took = 0.0
        for line in process.stdout:
            if b'"hook_execution_started"' in line and not took:
                took = time.perf_counter() - began
    assert took
    return took


def _second_submission(server: NatsServer, directory: str) -> Row:
    project = fresh("large")
    for number in range(FILES - 1):
        path = project / f"part{number % 40}" / f"module{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'"""Module {number}."""\n\nVALUE = {number}\n' * 20)
    (project / "pyproject.toml").write_text('[project]\nname = "large"\nversion = "1"\n')
    commit_all(project)
    env = _environment(server, f"{directory}/there", "second")
    sent = []
    for _ in range(2):
        before = _received(server)
        argv = [CRACKERJACK, "run", "--check", "--hook", "file-checks", "--detach"]
        subprocess.run(argv, cwd=project, env=env, check=True, capture_output=True)
        sent.append((_received(server) - before) / 1000)
    what = f"{FILES} files: first submission sends {sent[0]:.0f} kB; the second"
    return what, f"{sent[1]:.1f} kB", verdict(sent[1], 64, " kB")


def _received(server: NatsServer) -> int:
    """Bytes that the server has received from clients, ever."""
    log = server.log()
    found = re.findall(r"Starting http monitor on [^:]*:(\d+)", log)
    with urllib.request.urlopen(f"http://127.0.0.1:{found[-1]}/varz") as answer:
        return int(json.load(answer)["in_bytes"])


def _three_workers(server: NatsServer, directory: str) -> Row:
    project = fresh("sleepy")
    table = ['[project]\nname = "sleepy"\nversion = "1"\n[tool.crackerjack]\njobs = 1\n']
    for number in range(SLEEPERS):
        command = json.dumps(["sh", "-c", f"sleep {SECONDS}"])
        table.append(
            f'[tool.crackerjack.hooks.sleep{number}]\ncommand = {command}\nstrategy = "comprehensive"\n'
        )
    (project / "pyproject.toml").write_text("".join(table))
    (project / "sleepy.py").write_text("X = 1\n")
    commit_all(project)
    took = {}
    for count in (1, 3):
        space = f"of{count}"
        env = _environment(server, f"{directory}/there", space)
        with workers(server, directory, count, space):
            taken = [_whole(project, env) for _ in range(3)]
            took[count] = sorted(taken)[1]
    gain = took[1] / took[3]
    what = (
        f"{SLEEPERS} hooks that sleep {SECONDS:.0f} s, a hand a worker: 1 worker"
        f" {took[1]:.1f} s, 3 workers faster by"
    )
    return what, f"{gain:.2f}x", verdict(gain, 2.2, "x", at_least=True)


def _whole(project: Path, env: Mapping[str, str]) -> float:
    began = time.perf_counter()
    names = [f"--hook=sleep{number}" for number in range(SLEEPERS)]
    argv = [CRACKERJACK, "run", "--check", "--comp", "--no-cache", *names, "--quiet"]
    subprocess.run(argv, cwd=project, env=env, check=True, capture_output=True)
    return time.perf_counter() - began


def _environment(server: NatsServer, state: str, space: str) -> dict[str, str]:
    os.makedirs(state, exist_ok=True)
    broker = {"CRACKERJACK_BROKER": f"{server.url}/{space}", "CRACKERJACK_STATE_DIR": state}
    return {**environment(), **broker}
