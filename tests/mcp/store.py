"""Runs that have been, or go on, as another process writes them to the store."""

from __future__ import annotations

import os
import time
from pathlib import Path

from crackerjack.events.event import Draft
from crackerjack.events.log import JobHeader
from crackerjack.events.payload import EventType
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.jobs.process_identity import this_process
from crackerjack.types import JobId
from tests.sample_run import SampleRun


class Store:
    """Writes made-up runs to the store of ``CRACKERJACK_STATE_DIR``."""

    def __init__(self, project: Path) -> None:
        self.log = SqliteEventLog(Path(os.environ["CRACKERJACK_STATE_DIR"], "store.db"))
        self._owner = this_process()
        self._project = str(project)
        self._written: dict[JobId, int] = {}

    def write(self, run: SampleRun, *, project: str = "") -> str:
        """Write what the run has got since it was last written; the job is there from the first time on."""
        if run.job_id not in self._written:
            header = JobHeader(
                job_id=run.job_id,
                project=project or self._project,
                workflow="standard",
                created=time.time(),
                owner=self._owner,
            )
            self.log.create_job(header, time.time() + 3600)
        first = self._written.get(run.job_id, 0)
        self._written[run.job_id] = len(run.events)
        new = [
            Draft(one.job_id, EventType(one.event_type), bytes(one.body), one.timestamp)
            for one in run.events[first:]
        ]
        self.log.append(new, owner=self._owner)
        return run.job_id

    def forget(self, job_id: JobId) -> None:
        """Delete a job, whose id is free then."""
        del self._written[job_id]
        self.log.delete_jobs([job_id])

    def close(self) -> None:
        self.log.close()
