"""Many agents that wait for the same jobs, in one server: when they are woken, and what it costs."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from crackerjack.container import Container, open_container
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.log import JobEntry, JobHeader
from crackerjack.events.payload import (
    DiagnosticFound,
    EventType,
    TestCompleted,
    TestsCollected,
)
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.jobs.process_identity import this_process
from crackerjack.mcp import inputs
from crackerjack.mcp.results import told
from crackerjack.mcp.roots import Roots
from crackerjack.mcp.story import Stories, Until
from crackerjack.mcp.tools import Call, Tools, silent
from crackerjack.types import JobId
from crackerjack.web.feed import Feeds
from crackerjack.web.watcher import Watcher

_FINDINGS: Final = 400
_RULES: Final = 12
_TESTS: Final = "run_test_workflow_001"
_PATIENCE: Final = 60.0  # seconds


class Woken(NamedTuple):
    """How it went."""

    delays: list[float]
    """Of each agent: seconds from the event to its answer, encoded."""
    reads_to_wait: int
    """Looks at the store until all of them waited."""
    reads_to_tell: int
    """The same from the event until all had their answer."""


class CountingLog(SqliteEventLog):
    """A real store that counts how often somebody looks into it for a job.

    The look for what is new in any job is not counted: it is one for the whole server, four times a
    second and at each commit, whoever waits.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.looks: Final[Counter[str]] = Counter()

    def read(self, job_id: JobId, after: int, limit: int) -> list[WorkflowEvent]:
        self.looks["read"] += 1
        return super().read(job_id, after, limit)

    def job(self, job_id: JobId) -> JobEntry:
        self.looks["job"] += 1
        return super().job(job_id)


def wake(jobs: int, agents: int) -> Woken:
    """Let so many agents wait for each of so many jobs, and a test of each job fail."""
    with tempfile.TemporaryDirectory() as directory:
        log = CountingLog(Path(directory, "store.db"))
        with open_container({"CRACKERJACK_STATE_DIR": directory}, log) as container:
            names = [JobId(f"job{number}") for number in range(jobs)]
            for name in names:
                _begin(container, name, directory)
            container.bus.flush(_PATIENCE)
            return asyncio.run(_wake(container, log, names, agents, directory))


async def _wake(
    container: Container, log: CountingLog, names: Sequence[JobId], agents: int, project: str
) -> Woken:
    feeds = Feeds(log)
    tools = Tools(
        log=log, jobs=container.jobs, stories=Stories(feeds), state_dir=container.state_dir
    )
    call = Call(Roots([project]), silent)

    async def answered(name: JobId) -> float:
        asked = inputs.Wait(job_id=name, until=Until.TEST, timeout_s=_PATIENCE)
        answer = told(await tools.wait(call, asked))
        assert b"test_it" in answer.model_dump_json(by_alias=True, exclude_none=True).encode()
        return time.time()

    async with Watcher(feeds, container.hub, None).running(), asyncio.timeout(_PATIENCE):
        waiting = {
            name: [asyncio.create_task(answered(name)) for _ in range(agents)] for name in names
        }
        await asyncio.sleep(1)  # all of them wait now
        to_wait = log.looks.total()
        for name in names:
            failed = TestCompleted(
                step_id=_TESTS,
                hook="pytest",
                nodeid="tests/test_it.py::test_it",
                outcome="failed",
                duration=0.1,
                path="tests/test_it.py",
                line=3,
                message="assert 1 == 2",
            )
            container.bus.publish(name, EventType.TEST_COMPLETED, failed)
        at = {name: await asyncio.gather(*tasks) for name, tasks in waiting.items()}
        to_tell = log.looks.total() - to_wait
    failed_at = {name: log.read(name, 0, 1000)[-1].timestamp for name in names}
    delays = [moment - failed_at[name] for name, moments in at.items() for moment in moments]
    return Woken(delays, to_wait, to_tell)


def _begin(container: Container, name: JobId, project: str) -> None:
    """A job with findings, whose tests run."""
    now = time.time()
    header = JobHeader(job_id=name, project=project, workflow="", created=now, owner=this_process())
    container.log.create_job(header, now + 3600)
    for number in range(_FINDINGS):
        found = DiagnosticFound(
            step_id="run_fast_hooks_001",
            hook="ruff-check",
            path=f"shop/part_{number % 20}.py",
            line=number,
            column=1,
            code=f"E{number % _RULES}",
            severity="error",
            message="Comparison to `None` should be `cond is None`",
            fixable=False,
            fingerprint=f"{number:024x}",
        )
        container.bus.publish(name, EventType.DIAGNOSTIC_FOUND, found)
    tests = TestsCollected(step_id=_TESTS, hook="pytest", count=600)
    container.bus.publish(name, EventType.TESTS_COLLECTED, tests)
