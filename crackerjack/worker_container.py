"""The composition root of a worker: its parts on top of the fleet's."""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec

from crackerjack import __version__
from crackerjack.config import Config
from crackerjack.errors import StoreUnavailable
from crackerjack.fleet.assignment import Parts, Tell
from crackerjack.fleet.changes import collect_changes
from crackerjack.fleet.objects import object_name
from crackerjack.fleet.overlay import attach
from crackerjack.fleet.own_directory import own_directory
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

_MOST_HELPERS: Final = 64
"""Parts of a job that are elsewhere at the same time: each costs a thread here."""
_CHANGES_WITHIN: Final = 60.0
"""Seconds in which a broker must come back to take what a job changed."""


_ALIKE: Final = ("os", "arch", "python", "uv", "crackerjack")
"""The labels that every worker has by itself. Those with the same ones find the same, so that they may do
parts of one run."""


@contextmanager
def build_worker(fleet: Fleet, *, slots: int, labels: Mapping[str, str]) -> Iterator[Worker]:
    """A worker that keeps what it needs below the state directory. Raises :exc:`UsageError`."""
    container = fleet.container
    state = os.path.join(container.state_dir, "fleet")
    environments = ProjectEnvironments(os.path.join(state, "environments"))
    labels = {**_own_labels(environments), **labels}
    of_worker = _OfWorker(fleet, environments, labels)
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
    with own_directory(state) as directory:
        yield Worker(
            fleet.broker,
            fleet.queue,
            fleet.leases,
            parts,
            directory=directory,
            slots=slots,
            labels=labels,
        )


def _own_labels(environments: ProjectEnvironments) -> dict[str, str]:
    return {
        "os": sys.platform,
        "arch": platform.machine(),
        "python": ".".join(map(str, sys.version_info[:2])),
        "uv": "yes" if environments.uv else "no",
        "crackerjack": __version__,
    }


class _OfWorker:
    """What a worker's jobs ask of the fleet."""

    def __init__(
        self, fleet: Fleet, environments: ProjectEnvironments, labels: Mapping[str, str]
    ) -> None:
        self.owner: Final = this_process()
        self._fleet = fleet
        self._environments = environments
        self._alike = tuple(f"{key}={labels[key]}" for key in _ALIKE)

    @contextmanager
    def prepare(self, root: str, cancel: Cancellation, tell: Tell) -> Iterator[None]:
        """Give the project its environment while the block runs."""
        with self._environments.use(root, cancel=cancel, tell=tell) as environment:
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
        """Let other workers do parts of a job, as many as they could now and with what is here."""
        queued = msgspec.structs.replace(queued, needs=(*queued.needs, *self._alike))
        others = sum(
            max(0, other.slots - other.busy)
            for other in self._fleet.leases.workers()
            if other.worker != self.owner and not other.draining and queued.suits(other.labels)
        )
        others = min(others, _MOST_HELPERS)
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
