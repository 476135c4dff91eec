"""The jobs of one process, begun and ended."""

import threading
from pathlib import Path

import pytest

from crackerjack.config import load_config
from crackerjack.container import open_container
from crackerjack.events.payload import EventType
from crackerjack.types import ExitCode
from crackerjack.workflow.options import RunOptions


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
