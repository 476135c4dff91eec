"""Runs to look at: real ones of a small project, and some that are written into the store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from crackerjack.events import payload
from crackerjack.events.payload import (
    CoverageMeasured,
    EventType,
    HookEnded,
    HookStarted,
    Payload,
    PhaseEnded,
    SessionInitializing,
    WorkflowStarted,
)
from crackerjack.types import HookStatus
from tests.web.serving import SECONDS, Writer

UNTIDY: Final = "import os\nVALUE = 1   \n"
TIDY: Final = "VALUE = 1\n"
_TESTING: Final = "run_test_workflow_001"


def run(project: Path, job_id: str = "job123", *arguments: str) -> None:
    """Run crackerjack there; it may find something."""
    argv = [sys.executable, "-m", "crackerjack", "run", "--fix", "--job-id", job_id]
    done = subprocess.run(
        [*argv, *(arguments or ["--skip-hooks"])],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr


def run_of_two_tests(
    writer: Writer,
    name: str,
    outcome: str,
    percent: float,
    *,
    content: str = "",
    at_end: str = "",
    reruns: int = 0,
) -> None:
    """A run of two tests, the second of which ends in this way; `at_end` is `content` unless given."""
    job_id = writer.job(name)
    told: dict[EventType, list[Payload]] = {
        EventType.WORKFLOW_SESSION_INITIALIZING: [
            SessionInitializing(
                workflow="test",
                title="Test Workflow",
                project="/project",
                check=True,
                version="1",
            )
        ],
        EventType.WORKFLOW_STARTED: [WorkflowStarted(workflow="test", steps=())],
        EventType.HOOK_EXECUTION_STARTED: [HookStarted(step_id=_TESTING, hook="tests")],
        EventType.TESTS_COLLECTED: [
            payload.TestsCollected(step_id=_TESTING, hook="tests", count=2, content=content)
        ],
        EventType.TEST_COMPLETED: [
            payload.TestCompleted(
                step_id=_TESTING,
                hook="tests",
                nodeid=nodeid,
                outcome=ended,
                duration=duration,
                reruns=again,
            )
            for nodeid, ended, duration, again in (
                ("slow", "passed", 2.5, 0),
                ("chance", outcome, 0.1, reruns),
            )
        ],
        EventType.COVERAGE_MEASURED: [
            CoverageMeasured(step_id=_TESTING, hook="tests", percent=percent)
        ],
        EventType.HOOK_EXECUTION_COMPLETED: [
            HookEnded(
                step_id=_TESTING,
                hook="tests",
                status=HookStatus.PASSED,
                success=True,
                duration=3.0,
            )
        ],
        EventType.QUALITY_PHASE_COMPLETED: [
            PhaseEnded(
                step_id=_TESTING,
                phase="testing",
                status=HookStatus.PASSED,
                success=True,
                duration=3.0,
                content=at_end or content,
            )
        ],
    }
    for kind, payloads in told.items():
        for said in payloads:
            writer.bus.publish(job_id, kind, said)
    writer.end(job_id)
