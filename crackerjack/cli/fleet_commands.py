"""The commands about workers, and ``crackerjack run`` where they do the work."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

import msgspec

from crackerjack.cli.reporting import person, print_json
from crackerjack.cli.run_command import Followed, overrides_of
from crackerjack.cli.store_option import needed_broker, open_fleet_at
from crackerjack.config import Config
from crackerjack.events.broker_address import VARIABLE
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.payload import EventType
from crackerjack.fleet.assignment import Parts
from crackerjack.fleet.bundle import Bundle, pack
from crackerjack.fleet.changes import Applied, Fate, apply_changes, collect_changes
from crackerjack.fleet.objects import object_name
from crackerjack.fleet.overlay import attach
from crackerjack.fleet.project_environment import ProjectEnvironments
from crackerjack.fleet.queue_state import queue_state, render_queue
from crackerjack.fleet.queued_job import QueuedJob, check_label, parse_labels
from crackerjack.fleet.shared_work import SharedWork, seconds_of_test_files
from crackerjack.fleet.submission import RemoteJob, submit
from crackerjack.fleet.worker import Worker
from crackerjack.fleet_container import Fleet
from crackerjack.hooks.process import Cancellation
from crackerjack.hooks.project import Project
from crackerjack.jobs.job_manager import check_options
from crackerjack.jobs.process_identity import this_process
from crackerjack.types import ExitCode, JobId
from crackerjack.workflow.options import RunOptions
from crackerjack.workflow.work import Work

_FIXES_WITHIN: Final = 30.0
"""Seconds after the end of a run in which what it changed must be there."""


class Elsewhere:
    """Where a job is to run: on a worker."""

    def __init__(self, fleet: Fleet, arguments: argparse.Namespace) -> None:
        self.container = fleet.container
        self.notes: list[str] = []
        self._fleet = fleet
        self._arguments = arguments
        self._job: _Counting | None = None

    def begin(self, config: Config, options: RunOptions, job_id: str | None) -> Followed:
        workflow = check_options(config, options)
        queued = self._queued(config, options, JobId(job_id or os.urandom(5).hex()))
        self._job = _Counting(self._fleet.log, queued.job_id)
        self._fleet.log.follow(self.container.hub, queued.job_id)
        submit(self._fleet.log, self._fleet.queue, queued, workflow.key)
        return self._job

    def settle(self, config: Config, job: Followed) -> list[str]:
        if self._job is None or not self._job.fixed:
            return []
        deadline = time.monotonic() + _FIXES_WITHIN
        while not (name := self._fleet.log.records.result(self._job.job_id)):
            if time.monotonic() > deadline:
                return ["The worker's fixes did not come back; the files are as they were."]
            time.sleep(0.2)
        applied = apply_changes(
            config.root,
            self._fleet.objects.get(name),
            job_id=job.job_id,
            state_dir=self._fleet.container.state_dir,
            limits=config.bundle,
        )
        return _fate_of_fixes(applied, job.job_id)

    def _queued(self, config: Config, options: RunOptions, job_id: JobId) -> QueuedJob:
        bundle = self._pack(config, options)
        needs = (*config.fleet.needs, *self._arguments.needs)
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
            needs=tuple(sorted({check_label(need) for need in needs})),
            most_at_once=config.fleet.max_running,
            max_attempts=config.fleet.max_attempts,
            asked_by=this_process(),
        )

    def _pack(self, config: Config, options: RunOptions) -> Bundle:
        bundle = pack(
            config.root,
            self._fleet.objects,
            config.bundle,
            changed_only=options.changed_only,
            since=options.since,
        )
        self.notes += [f"{left.path} stays here: {left.reason}" for left in bundle.left_out]
        if bundle.note:
            self.notes.append(bundle.note)
        return bundle


def _fate_of_fixes(applied: Sequence[Applied], job_id: JobId) -> list[str]:
    """What became of the fixes, for the user."""
    fates = Counter(one.fate for one in applied)
    notes = [
        f"{one.path} was not fixed here: {one.reason or 'it was changed meanwhile'}"
        for one in applied
        if one.fate in {Fate.CHANGED_MEANWHILE, Fate.REFUSED}
    ]
    if count := fates[Fate.APPLIED]:
        files = "1 file was" if count == 1 else f"{count} files were"
        notes.append(f"{files} fixed here too; `crackerjack undo {job_id}` takes it back.")
    return notes


class _Counting(RemoteJob):
    """A remote job, and whether it changed files."""

    fixed = False

    def handle(self, event: WorkflowEvent) -> None:
        if event.event_type == EventType.FILE_FIXED and event.data.get("fixed"):
            self.fixed = True
        super().handle(event)


def worker(arguments: argparse.Namespace) -> int:
    """Take jobs from the broker and run them; the first signal gives them back, the second ends all."""
    address = needed_broker(arguments)
    labels = parse_labels(arguments.label)
    for name in [name for name in os.environ if name.startswith(VARIABLE)]:
        del os.environ[name]  # what runs in the projects shall not have it
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with open_fleet_at(address, "worker") as fleet:
        one = Worker(
            fleet.broker,
            fleet.queue,
            fleet.leases,
            _parts(fleet),
            directory=os.path.join(fleet.container.state_dir, "fleet", "projects"),
            slots=int(arguments.slots),
            labels=labels,
        )
        print(f"Working for {address.shown} (Ctrl-C gives back what runs)", file=sys.stderr)
        with _draining(one.drain):
            one.run()
    return ExitCode.PASSED


def _parts(fleet: Fleet) -> Parts:
    container = fleet.container

    def keep_changes(job_id: JobId, config: Config) -> None:
        if changes := container.jobs.changes(job_id):
            patch = collect_changes(config.root, changes, config.bundle)
            fleet.objects.put(object_name(patch), patch)
            fleet.log.records.keep_result(job_id, object_name(patch))

    environments = ProjectEnvironments(os.path.join(container.state_dir, "fleet", "environments"))

    @contextmanager
    def prepare(root: str, cancel: Cancellation) -> Iterator[None]:
        with environments.use(root, cancel=cancel) as environment:
            if environment is not None:
                attach(environment, root)
            yield

    def share(queued: QueuedJob, project: Project, own: Work, cancel: Cancellation) -> Work:
        others = _free_slots(fleet, this_process())
        if not others:
            return own
        return SharedWork(
            queued,
            project,
            own,
            cancel,
            broker=fleet.broker,
            queue=fleet.queue,
            objects=fleet.objects,
            others=others,
            seconds=lambda: seconds_of_test_files(fleet.log, queued.project),
        )

    return Parts(
        share=share,
        state_dir=container.state_dir,
        log=fleet.log,
        bus=container.bus,
        jobs=container.jobs,
        objects=fleet.objects,
        prepare=prepare,
        keep_changes=keep_changes,
        owner=this_process(),
        environment={},
    )


def _free_slots(fleet: Fleet, me: str) -> int:
    """How many parts of a job other workers could do now."""
    return sum(
        max(0, other.slots - other.busy)
        for other in fleet.leases.workers()
        if other.worker != me and not other.draining
    )


@contextmanager
def _draining(drain: Callable[[str], None]) -> Iterator[None]:
    asked = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            os._exit(ExitCode.INTERRUPTED)
        asked.set()
        # Not in the handler: it may have interrupted who holds what draining needs.
        reason = f"its worker is going down ({signal.Signals(number).name})"
        threading.Thread(target=drain, args=(reason,), name="crackerjack-drain").start()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def queue(arguments: argparse.Namespace) -> int:
    """Show what waits for workers, what runs, and the workers."""
    with open_fleet_at(needed_broker(arguments), "queue") as fleet:
        state = queue_state(fleet.queue, fleet.leases)
    if arguments.json:
        print_json(msgspec.to_builtins(state))
    else:
        screen = person()
        screen.write(render_queue(state))
    return ExitCode.PASSED
