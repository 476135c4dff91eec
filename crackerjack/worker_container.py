"""The composition root of a worker: its parts on top of the fleet's."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from crackerjack.config import Config
from crackerjack.errors import StoreUnavailable
from crackerjack.fleet.assignment import Parts
from crackerjack.fleet.changes import collect_changes
from crackerjack.fleet.objects import object_name
from crackerjack.fleet.overlay import attach
from crackerjack.fleet.project_environment import ProjectEnvironments
from crackerjack.fleet.queued_job import QueuedJob
from crackerjack.fleet.shared_work import SharedWork, seconds_of_test_files
from crackerjack.fleet.worker import Worker
from crackerjack.fleet_container import Fleet
from crackerjack.hooks.process import Cancellation
from crackerjack.hooks.project import Project
from crackerjack.jobs.process_identity import this_process
from crackerjack.types import JobId
from crackerjack.workflow.work import Work

_CHANGES_WITHIN: Final = 60.0
"""Seconds in which a broker must come back to take what a job changed."""


def build_worker(fleet: Fleet, *, slots: int, labels: Mapping[str, str]) -> Worker:
    """A worker that keeps what it needs below the state directory."""
    container, of_worker = fleet.container, _OfWorker(fleet)
    parts = Parts(
        log=fleet.log,
        bus=container.bus,
        jobs=container.jobs,
        objects=fleet.objects,
        prepare=of_worker.prepare,
        cancelled=fleet.log.records.cancelled,
        keep_changes=of_worker.keep_changes,
        share=of_worker.share,
        owner=of_worker.owner,
        state_dir=container.state_dir,
        environment={},  # a job is to be the same on every worker
    )
    return Worker(
        fleet.broker,
        fleet.queue,
        fleet.leases,
        parts,
        directory=os.path.join(container.state_dir, "fleet", "projects"),
        slots=slots,
        labels=labels,
    )


class _OfWorker:
    """What a worker's jobs ask of the fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self.owner: Final = this_process()
        self._fleet = fleet
        directory = os.path.join(fleet.container.state_dir, "fleet", "environments")
        self._environments = ProjectEnvironments(directory)

    @contextmanager
    def prepare(self, root: str, cancel: Cancellation) -> Iterator[None]:
        """Give the project its environment while the block runs."""
        with self._environments.use(root, cancel=cancel) as environment:
            if environment is not None:
                attach(environment, root)
            yield

    def keep_changes(self, job_id: JobId, config: Config) -> None:
        """Put what the job changed where its submitter finds it, unless the broker is away for long."""
        changes = self._fleet.container.jobs.changes(job_id)
        if not changes:
            return
        patch = collect_changes(config.root, changes, config.bundle)
        deadline = time.monotonic() + _CHANGES_WITHIN
        while True:
            try:
                self._fleet.objects.put(object_name(patch), patch)
                self._fleet.log.records.keep_result(job_id, object_name(patch))
            except StoreUnavailable as error:
                if time.monotonic() < deadline:
                    time.sleep(0.5)
                    continue
                logging.getLogger("crackerjack.worker").warning("fixes of %s: %s", job_id, error)
            return

    def share(self, queued: QueuedJob, project: Project, own: Work, cancel: Cancellation) -> Work:
        """Let other workers do parts of a job, as many as they could now."""
        others = sum(
            max(0, other.slots - other.busy)
            for other in self._fleet.leases.workers()
            if other.worker != self.owner and not other.draining and queued.suits(other.labels)
        )
        if not others:
            return own
        return SharedWork(
            queued,
            project,
            own,
            cancel,
            broker=self._fleet.broker,
            queue=self._fleet.queue,
            objects=self._fleet.objects,
            others=others,
            seconds=lambda: seconds_of_test_files(self._fleet.log, queued.project),
        )
