"""Runs that have been, as the log holds them."""

from __future__ import annotations

from crackerjack.events.event import Draft
from crackerjack.events.log import EventLog, JobHeader
from crackerjack.types import JobId
from tests.events.writing import OWNER

PROJECT = "/project"


class Past:
    """Runs that have been."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.count = 0

    def run(self, *drafts: Draft, workflow: str = "standard", project: str = PROJECT) -> None:
        self.count += 1
        job_id = JobId(f"job{self.count}")
        self.log.create_job(
            JobHeader(job_id=job_id, project=project, workflow=workflow, created=0.0, owner=OWNER),
            0.0,
        )
        self.log.append(
            [Draft(job_id, one.event_type, one.body, one.timestamp) for one in drafts],
            owner=OWNER,
        )
