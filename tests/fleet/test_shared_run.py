"""A run on several workers finds what a run here finds, and fixes what it fixes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.running import FleetOfTests

HOOK = """
[tool.crackerjack.hooks.{name}]
command = ["sh", "-c", "sleep 0.8; echo said by {name}; echo shop.py:1:1: found by {name}"]
parser = "regex"
pattern = '^(?P<path>[^: ]+):(?P<line>\\d+):(?P<column>\\d+): (?P<message>.*)$'
strategy = "comprehensive"
"""
TESTS = """
import time
import pytest
@pytest.mark.parametrize("n", range(4))
def test(n):
    time.sleep(0.05)
    assert n != {number}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with hooks and tests that take their time, one hand for both."""
    root = tmp_path / "shop"
    (root / "tests").mkdir(parents=True)
    tables = ['[project]\nname = "shop"\nversion = "1"\n[tool.crackerjack]\njobs = 1\n']
    tables += [HOOK.format(name=f"slow-{number}") for number in range(3)]
    (root / "pyproject.toml").write_text("".join(tables))
    (root / "shop.py").write_text("import os\nVALUE = 1\n")
    for number in range(3):
        (root / f"tests/test_{number}.py").write_text(TESTS.format(number=number))
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run(["git", "add", "--all"], cwd=root, check=True)
    return root


def found(events: list[dict[str, Any]]) -> tuple[set[str], dict[str, str], set[str]]:
    """Findings, tests and output, without who was faster."""
    findings = [
        json.dumps([data[key] for key in ("hook", "path", "line", "message", "fingerprint")])
        for data in of_type(events, "diagnostic_found")
    ]
    tests = [(data["nodeid"], data["outcome"]) for data in of_type(events, "test_completed")]
    assert len(set(findings)) == len(findings)
    assert len({nodeid for nodeid, _ in tests}) == len(tests)
    output = [data for data in of_type(events, "hook_output") if data["hook"].startswith("slow")]
    said = {line for data in output for line in data["text"].splitlines()}
    return set(findings), dict(tests), said


def of_type(events: list[dict[str, Any]], event_type: str) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["event_type"] == event_type]


def test_a_run_on_several_workers_finds_what_a_run_here_finds(
    fleet: FleetOfTests, project: Path
) -> None:
    names = [f"--hook=slow-{number}" for number in range(3)]
    options = ["--check", "-t", "--no-cache", *names, "--json"]
    here = fleet.crackerjack("run", "--broker", "none", *options, cwd=project, check=1)
    # What another version of Python finds may be something else: it does no part.
    with fleet.workers((), ("--slots", "2"), ("--label", "python=2.7", "--label", "os=other")):
        # The first one tells how long hooks and tests take, and the second divides them by that.
        for _ in range(2):
            there = fleet.crackerjack(
                "run", "--needs", f"os={sys.platform}", *options, cwd=project, check=1
            )
            local, shared = (
                [json.loads(line) for line in run.stdout.splitlines()] for run in (here, there)
            )
            assert found(shared) == found(local)
            (ended,) = of_type(shared, "workflow_failed")
            assert (ended["findings"], ended["tests_failed"]) == (3, 3)
            assert [data["count"] for data in of_type(shared, "tests_collected")] == [12]
    assert "job" not in (project.parent / "machines/worker3/log").read_text()
    logs = [path.read_text() for path in (project.parent / "machines").glob("worker*/log")]
    parts = {word.partition("~")[2] for log in logs for word in log.split() if "~" in word}
    assert parts, "the second worker did something of it"


def test_fixes_come_back_and_can_be_undone(fleet: FleetOfTests, project: Path) -> None:
    before = (project / "shop.py").read_text()
    asked = fleet.crackerjack("run", "--detach", "--needs", "os=other", cwd=project)
    assert "No worker with os=other is there: the job waits until one comes." in asked.stderr
    assert "FAIL  broker" in fleet.crackerjack("doctor", cwd=project, check=2).stdout
    with fleet.workers(()):
        run = fleet.crackerjack("run", "--fix", "-s", cwd=project)
        assert "4 files were fixed here too" in run.stdout
        assert "import os" not in (project / "shop.py").read_text()
        fleet.crackerjack("undo", cwd=project)
        assert (project / "shop.py").read_text() == before
        job = fleet.crackerjack("run", "--fix", "-s", "--detach", cwd=project).stdout.strip()
        said = fleet.crackerjack("watch", job, cwd=project).stdout
        assert f"`crackerjack apply {job}` makes them" in said
        assert "(1 worker, 1 job in the queue)" in fleet.crackerjack("doctor", cwd=project).stdout
    (project / "tests/test_0.py").write_text("X = 1  # changed meanwhile\n")
    said = fleet.crackerjack("apply", job, cwd=project, check=1).stdout
    assert "3 files were fixed here too" in said
    assert "tests/test_0.py was not fixed here: it was changed meanwhile" in said
    assert "import os" not in (project / "shop.py").read_text()
