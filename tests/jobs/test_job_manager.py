"""The jobs of one process, begun and ended."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from crackerjack.config import load_config
from crackerjack.container import open_container
from crackerjack.errors import StoreUnavailable
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.event import Draft, WorkflowEvent
from crackerjack.events.hub import Hub
from crackerjack.events.memory_log import MemoryEventLog
from crackerjack.events.payload import EventType
from crackerjack.jobs.job_manager import JobManager
from crackerjack.jobs.process_identity import this_process
from crackerjack.types import ExitCode
from crackerjack.workflow.options import RunOptions
from tests.events.writing import new_job
from tests.web.serving import ended_process


def test_a_job_ends_also_where_no_thread_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that starts it lives on, so nobody else would end it."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("lease-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    config = load_config(str(tmp_path), environment={}, overrides={})
    with open_container({"CRACKERJACK_STATE_DIR": str(tmp_path / "state")}) as container:
        job = container.jobs.start(config, RunOptions())
        assert job.wait(30) is ExitCode.USAGE
        snapshot = container.jobs.snapshot(job.job_id)
        assert container.jobs.entry(job.job_id).terminal == EventType.WORKFLOW_FAILED
    assert snapshot.reason == "the run cannot go on: can't start new thread"


class FullDisk(MemoryEventLog):
    """A log that can be read only."""

    def append(self, drafts: Sequence[Draft], *, owner: str) -> list[WorkflowEvent]:
        raise StoreUnavailable("store.db", "cannot grow, the disk is full", "free some space")


def test_jobs_are_listed_also_where_none_can_be_ended(tmp_path: Path) -> None:
    log, hub = FullDisk(), Hub()
    new_job(log, owner=ended_process())
    bus = WorkflowEventBus(log, hub, owner=this_process())
    manager = JobManager(
        log=log, hub=hub, bus=bus, owner=this_process(), state_dir=str(tmp_path / "state")
    )
    with pytest.raises(StoreUnavailable):
        manager.end_lost_jobs()
    assert [entry.terminal for entry in manager.entries()] == [None]
    bus.close()
