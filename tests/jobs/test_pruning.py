"""Old jobs are forgotten whole, the oldest first, and none that somebody may still need."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.hub import Hub
from crackerjack.events.memory_log import MemoryEventLog
from crackerjack.jobs.job_manager import JobManager
from tests.events.writing import OWNER, ended, new_job


@pytest.mark.parametrize(
    ("keep", "left"), [(0, "xd"), (1, "xed"), (2, "xedc"), (4, "xedcba"), (9, "xedcba")]
)
def test_the_newest_ended_jobs_of_the_project_are_kept(
    tmp_path: Path, keep: int, left: str
) -> None:
    log, hub = MemoryEventLog(), Hub()
    for name in "abcde":
        job_id = new_job(log, name, project="/one")
        if name != "d":  # which goes on
            log.append([ended(job_id)], owner=OWNER)
    log.append([ended(new_job(log, "x", project="/other"))], owner=OWNER)
    with closing(WorkflowEventBus(log, hub, owner=OWNER)) as bus:
        jobs = JobManager(log=log, hub=hub, bus=bus, owner=OWNER, state_dir=str(tmp_path))
        assert jobs.prune(project="/one", keep=keep) == 6 - len(left)
    assert "".join(entry.header.job_id for entry in log.jobs()) == left
