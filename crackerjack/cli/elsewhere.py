"""``crackerjack run`` where workers do the work."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Final

import msgspec

from crackerjack.cli.configuring import overrides_of
from crackerjack.cli.fixes import fate_of_fixes, make_fixes
from crackerjack.cli.place import Followed
from crackerjack.config import Config
from crackerjack.errors import StoreUnavailable
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.payload import EventType
from crackerjack.fleet.bundle import Bundle, pack
from crackerjack.fleet.queued_job import QueuedJob, parse_labels
from crackerjack.fleet.recipe import GROUPS
from crackerjack.fleet.submission import RemoteJob, submit
from crackerjack.fleet_container import Fleet
from crackerjack.hooks.cache import CacheFile, ResultCache
from crackerjack.hooks.git import NO_REPOSITORY
from crackerjack.jobs.job_manager import check_options
from crackerjack.jobs.queue_state import WorkerRecord
from crackerjack.types import HookStatus, JobId
from crackerjack.workflow.options import RunOptions

_FIXES_WITHIN: Final = 30.0
"""Seconds after the end of a run in which what it changed must be there."""


_MISSING: Final = (
    "What is missing is missing on the worker: there the project has what its lock or requirements files name, or"
    f" the groups and extras {', '.join(GROUPS[:-1])} and {GROUPS[-1]} of pyproject.toml."
)


class Elsewhere:
    """Where a job is to run: on a worker."""

    keeps_house = False  # the broker's administrator does, with `crackerjack prune`

    def __init__(self, fleet: Fleet, arguments: argparse.Namespace) -> None:
        self.container = fleet.container
        self.notes: list[str] = []
        self._fleet = fleet
        self._arguments = arguments
        self._job: _FixingJob | None = None

    def begin(self, config: Config, options: RunOptions, job_id: str | None) -> Followed:
        workflow = check_options(config, options)
        queued = self._queued(config, options, JobId(job_id or os.urandom(5).hex()))
        self._job = _FixingJob(queued.job_id, self.container.jobs.cancel)
        self._fleet.log.follow(self.container.hub, queued.job_id)
        submit(self._fleet.log, self._fleet.queue, queued, workflow.key)
        with suppress(StoreUnavailable):  # it is queued, and following it says what is wrong
            self.notes += _who_is_missing(self._fleet.leases.workers(), queued)
        return self._job

    def settle(self, config: Config, job: Followed) -> list[str]:
        notes = [_MISSING] if self._job is not None and self._job.missing else []
        if self._job is None or not self._job.fixed:
            return notes
        patch = self._fixes(self._job.job_id)
        if patch is None:
            return [
                *notes,
                (
                    "The worker's fixes did not come back yet; the files are as they were."
                    f" `crackerjack apply {job.job_id}` asks for them again."
                ),
            ]
        made = make_fixes(self._fleet, config, job.job_id, patch)
        return [*notes, *fate_of_fixes(made, job.job_id)]

    def _fixes(self, job_id: JobId) -> bytes | None:
        """What the worker changed; None when it does not come."""
        deadline = time.monotonic() + _FIXES_WITHIN
        while time.monotonic() < deadline:
            with suppress(StoreUnavailable):  # which may come back in time
                if name := self._fleet.log.records.result(job_id):
                    return self._fleet.objects.get(name)
            time.sleep(0.2)
        return None

    def _queued(self, config: Config, options: RunOptions, job_id: JobId) -> QueuedJob:
        needs = parse_labels((*config.fleet.needs, *self._arguments.needs))
        bundle = self._pack(config, options)
        priority = self._arguments.priority
        return QueuedJob(
            job_id=job_id,
            project=config.root,
            bundle=bundle.name,
            options=msgspec.structs.replace(
                options,
                # The bundle is made so that what has changed there is what has here.
                changed_only=options.changed_only or bool(options.since),
                since="",
                outputs=(),
            ),
            overrides={**overrides_of(self._arguments), "check": config.check},
            priority=config.fleet.priority if priority is None else int(priority),
            needs=tuple(f"{key}={value}" for key, value in sorted(needs.items())),
            most_at_once=config.fleet.max_running,
            max_attempts=config.fleet.max_attempts,
        )

    def _pack(self, config: Config, options: RunOptions) -> Bundle:
        with closing(CacheFile(self.container.state_dir)) as file:
            bundle = pack(
                config.root,
                self._fleet.objects,
                config.bundle,
                cache=ResultCache(file),
                changed_only=options.changed_only,
                since=options.since,
            )
        self.notes += [f"{left.path} stays here: {left.reason}" for left in bundle.left_out]
        if bundle.note and not bundle.note.startswith(NO_REPOSITORY):  # which the run itself says
            self.notes.append(bundle.note)
        return bundle


def _who_is_missing(workers: Sequence[WorkerRecord], job: QueuedJob) -> list[str]:
    """What a job will wait for that nobody there is."""
    if any(job.suits(worker.labels) for worker in workers if not worker.draining):
        return []
    who = f" with {', '.join(job.needs)}" if job.needs else ""
    return [f"No worker{who} is there: the job waits until one comes."]


class _FixingJob(RemoteJob):
    """A remote job of which it is seen whether there are fixes to wait for, and whether a tool was missing."""

    fixed = False
    missing = False

    def handle(self, event: WorkflowEvent) -> None:
        if event.event_type == EventType.FILE_FIXED and event.data.get("fixed"):
            self.fixed = True
        self.missing |= event.data.get("status") == HookStatus.TOOL_MISSING
        super().handle(event)
