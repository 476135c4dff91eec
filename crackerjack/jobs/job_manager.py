"""Starts jobs, keeps them alive, stops them and finds them again: in this process or another."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from typing import Final

import msgspec

from crackerjack.config import Config
from crackerjack.errors import JobExists, ProjectBusy, StillRunning, StoreError, StoreUnavailable
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.hub import Hub
from crackerjack.events.log import EventLog, JobEntry, JobHeader
from crackerjack.events.payload import (
    TERMINAL_TYPES,
    EventType,
    JobQueued,
    Payload,
    WorkflowEnded,
    masked,
)
from crackerjack.events.subscription import Subscription
from crackerjack.hooks.guardian import Guardian
from crackerjack.hooks.process import Cancellation
from crackerjack.hooks.project import Project, check_request
from crackerjack.hooks.undo import FileChange, UndoOutcome, UndoStore
from crackerjack.jobs.history import load_history
from crackerjack.jobs.lease import LEASE_SECONDS, Lease, end_lost_jobs
from crackerjack.jobs.process_identity import is_alive
from crackerjack.jobs.project_lock import ProjectLock
from crackerjack.jobs.queue_state import QueueState
from crackerjack.jobs.snapshot import JobSnapshot, fold
from crackerjack.jobs.tested_runs import outcomes_at
from crackerjack.masking import Masker
from crackerjack.types import ExitCode, JobId
from crackerjack.workflow.options import RunOptions
from crackerjack.workflow.run import History, Run
from crackerjack.workflow.runner import WorkflowRunner
from crackerjack.workflow.work import OwnWork, Work
from crackerjack.workflow.workflow import Workflow, select_workflow

_PAGE: Final = 1000  # events read at once


class Terms(msgspec.Struct, frozen=True):
    """What whoever has a job run adds to it."""

    before_end: Callable[[], object] = lambda: None
    """Called when all is done but for the terminal event."""
    share: Callable[[Project, Work, Cancellation], Work] = lambda _project, own, _cancel: own
    """Who does the work, given who would do it here."""


class Job:
    """A job that runs in this process."""

    elsewhere = False

    def __init__(self, job_id: JobId, terms: Terms = Terms()) -> None:  # noqa: B008 - immutable
        self.job_id: Final = job_id
        self.terms: Final = terms
        self.cancellation: Final = Cancellation()
        self.trouble: StoreError | None = None
        """Why events of the job could not be kept."""
        self.note = ""
        """What else went wrong without changing the outcome; a sentence, or empty."""
        self._ended = threading.Event()
        self._exit_code: ExitCode | None = None

    def handle(self, event: WorkflowEvent) -> None:
        """An event of the job was read back: of its own, there is nothing to learn."""

    def wait(self, timeout: float | None = None) -> ExitCode | None:
        """The exit code once the job has ended; None when `timeout` seconds pass before."""
        self._ended.wait(timeout)
        return self._exit_code

    def stop(self, why: str) -> None:
        """Interrupt the job: its tools get TERM and, after a grace period, KILL.

        The first `why` is the reason of the terminal event.
        """
        self.cancellation.cancel(why)

    def stop_now(self) -> None:
        """End the job's tools without grace."""
        self.cancellation.kill_now()

    def end(self, exit_code: ExitCode) -> None:
        """Say how the job ended; called once, by what ran it."""
        self._exit_code = exit_code
        self._ended.set()


def refuse_to_wait(holder: str) -> None:
    """For clients who would not expect it any more when it comes. Raises :exc:`ProjectBusy`."""
    raise ProjectBusy(holder)


def check_options(config: Config, options: RunOptions) -> Workflow:
    """The workflow that the options mean in this project.

    Raises :exc:`UsageError` and :exc:`ConfigError` for what cannot be asked of it.
    """
    workflow = select_workflow(config, options)
    check_request(
        config,
        names=options.hooks,
        wanted=workflow.wanted,
        changed_only=options.changed_only,
        since=options.since,
        paths=options.paths,
    )
    return workflow


class JobManager:
    """The jobs of one store. Jobs of other processes are seen through the log alone."""

    def __init__(
        self, *, log: EventLog, hub: Hub, bus: WorkflowEventBus, owner: str, state_dir: str
    ) -> None:
        self._log = log
        self._hub = hub
        self._bus = bus
        self._owner = owner
        self._state_dir = state_dir
        self._undo = UndoStore(state_dir)
        self._running: dict[JobId, Job] = {}

    def start(self, config: Config, options: RunOptions, job_id: JobId | None = None) -> Job:
        """Create a job and run it on a thread of its own.

        Raises :exc:`UsageError` and :exc:`ConfigError` for what cannot be asked of the project,
        :exc:`JobExists` for an id that is taken; then there is no job.
        """
        workflow = check_options(config, options)
        return self._begin(self._create(config, workflow, job_id), config.root, config, options)

    def resume(
        self,
        entry: JobEntry,
        config: Config,
        options: RunOptions,
        terms: Terms,
    ) -> Job:
        """Run a job that is in the log and this process's, on a thread of its own.

        Its project is where `config` says, and was at the path of its header where it was asked for.
        Raises what :meth:`start` does, but for :exc:`JobExists`.
        """
        check_options(config, options)
        self._bus.reopen(entry.header.job_id)
        self._undo.delete(entry.header.job_id)  # what an earlier attempt changed went with its copy
        header = entry.header
        return self._begin(header.job_id, header.project, config, options, terms)

    def cancel(self, job_id: JobId) -> bool:
        """Ask a job to stop, wherever it runs; False when it has ended.

        Raises :exc:`UnknownJob`.
        """
        asked = self._log.request_cancel(job_id)
        job = self._running.get(job_id)  # whose thread may take it out at any moment
        if asked and job is not None:
            job.stop("cancelled")
        return asked

    def entry(self, job_id: JobId) -> JobEntry:
        """What the log knows of a job. Raises :exc:`UnknownJob`."""
        return self._log.job(job_id)

    def entries(self, *, project: str | None = None, limit: int = 1000) -> list[JobEntry]:
        """Jobs, newest first; those whose process was lost are ended first, if the store can be written."""
        with suppress(StoreUnavailable):  # on a full disk it can be read nonetheless
            self.end_lost_jobs()
        return self._log.jobs(project=project, limit=limit)

    def terminal_event(self, entry: JobEntry) -> WorkflowEvent | None:
        """The event that ended the job; None while it goes on, and where it cannot be read."""
        if entry.terminal is None:
            return None
        found = self._log.read(entry.header.job_id, entry.head - 1, 1)
        return found[0] if found else None  # a broker's log may have lost it

    def end_lost_jobs(self) -> list[JobId]:
        """Write the terminal event of every job whose process is gone, and settle what it changed."""
        lost = end_lost_jobs(self._log, now=time.time())
        for job_id in lost:
            self._undo.settle_pending(job_id, self._log.job(job_id).header.project)
        return lost

    def events(self, job_id: JobId, since: int = 0) -> Iterator[WorkflowEvent]:
        """The events that a job has now, after `since`, page by page."""
        while page := self._log.read(job_id, since, _PAGE):
            yield from page
            since = page[-1].seq

    def subscribe(self, job_id: JobId, since: int = 0) -> Subscription:
        """A cursor over a job's events, those to come included."""
        return Subscription(self._log, self._hub, job_id, since=since)

    def snapshot(self, job_id: JobId) -> JobSnapshot:
        """What a job is now. Raises :exc:`UnknownJob`."""
        self._log.job(job_id)
        return fold(self.events(job_id), job_id=job_id)

    def undo(self, job_id: JobId, on_wait: Callable[[str], None]) -> list[UndoOutcome]:
        """Put back what an ended job changed, file by file, unless someone changed it since.

        `on_wait` is told of whom it waits for: another run on the same project. It may raise; see
        :func:`refuse_to_wait`. Raises :exc:`StillRunning`.
        """
        entry = self._log.job(job_id)
        if entry.terminal is None:
            raise StillRunning(job_id)
        with ProjectLock(self._state_dir, entry.header.project) as lock:
            holder = f"the undoing of job {job_id}"
            lock.acquire(exclusive=True, holder=holder, on_wait=on_wait)
            return self._undo.undo(job_id, entry.header.project)

    def changes(self, job_id: JobId) -> tuple[FileChange, ...]:
        """What the job changed, one change per file, from the records that undoing takes."""
        return self._undo.changes(job_id)

    def queue(self) -> QueueState | None:
        """What waits for workers; None where jobs need none. Raises :exc:`StoreUnavailable`."""
        return None

    def prune(self, *, project: str | None, keep: int) -> int:
        """Forget the oldest ended jobs beyond `keep`, whole; returns how many.

        Jobs of a process that lives are spared: it may still be showing them.
        """
        old = [
            entry.header.job_id
            for entry in self._log.jobs(project=project, ended=True, skip=keep, limit=sys.maxsize)
            if not self.spares(entry)
        ]
        for job_id in old:
            self._undo.delete(job_id)
        return self._log.delete_jobs(old) if old else 0

    def spares(self, entry: JobEntry) -> bool:
        """Whether another process may still show a job that has ended."""
        return entry.header.owner != self._owner and bool(is_alive(entry.header.owner))

    def _begin(
        self,
        job_id: JobId,
        project: str,
        config: Config,
        options: RunOptions,
        terms: Terms = Terms(),  # noqa: B008 - immutable
    ) -> Job:
        job = self._running[job_id] = Job(job_id, terms)
        threading.Thread(
            target=self._execute,
            args=(job, project, config, options),
            name=f"job-{job_id}",
            daemon=True,
        ).start()
        return job

    def _create(self, config: Config, workflow: Workflow, wanted: JobId | None) -> JobId:
        while True:
            job_id = wanted or JobId(os.urandom(5).hex())
            header = JobHeader(
                job_id=job_id,
                project=config.root,
                workflow=workflow.key,
                created=time.time(),
                owner=self._owner,
            )
            try:
                self._log.create_job(header, time.time() + LEASE_SECONDS)
            except JobExists:
                if wanted:
                    raise
            else:
                return job_id

    def _execute(self, job: Job, project: str, config: Config, options: RunOptions) -> None:
        exit_code = ExitCode.USAGE
        try:
            with ExitStack() as stack:
                stack.enter_context(self._lease(job))
                lock = stack.enter_context(ProjectLock(self._state_dir, config.root))
                run = self._run(stack, job, project, config, options)
                runner = WorkflowRunner(
                    run,
                    await_turn=lambda run: self._await_turn(run, lock),
                    writes_over=lock.downgrade,
                )
                exit_code = runner.run()
                self._bus.flush()
                job.trouble = self._bus.fenced(job.job_id)
                job.note = run.project.trouble
        except StoreError as error:
            job.trouble = error
        except (OSError, RuntimeError) as error:  # no process, descriptor or thread is left
            self._could_not_begin(job, error)
        finally:
            self._running.pop(job.job_id, None)
            # What could not be kept cannot be shown: that is never a plain success.
            kept = job.trouble is None or exit_code is not ExitCode.PASSED
            job.end(exit_code if kept else ExitCode.USAGE)

    def _could_not_begin(self, job: Job, error: OSError | RuntimeError) -> None:
        ended = WorkflowEnded(
            success=False,
            duration=0.0,
            exit_code=ExitCode.USAGE,
            reason=f"the run cannot go on: {error}",
        )
        try:
            self._bus.publish(job.job_id, EventType.WORKFLOW_FAILED, ended)
            self._bus.flush()
        except StoreError as trouble:
            job.trouble = trouble

    def _lease(self, job: Job) -> Lease:
        return Lease(
            self._log,
            job.job_id,
            owner=self._owner,
            on_cancel=lambda: job.stop("cancelled"),
            on_lost=lambda: job.stop("taken over by another process"),
        )

    def _run(
        self,
        stack: ExitStack,
        job: Job,
        path: str,
        config: Config,
        options: RunOptions,
    ) -> Run:
        workflow = select_workflow(config, options)
        # If we are killed, the guardian ends our children and lists the jobs once: that writes the
        # terminal event of this one.
        guardian = stack.enter_context(
            Guardian(on_death=[sys.executable, "-P", "-m", "crackerjack", "jobs", "--limit", "0"])
        )
        project = Project(
            config,
            state_dir=self._state_dir,
            key=job.job_id,
            cancel=job.cancellation,
            groups=guardian,
        )
        stack.enter_context(project)

        mask = Masker(os.environ)

        def publish(event_type: EventType, payload: Payload) -> None:
            if event_type in TERMINAL_TYPES:
                job.terms.before_end()
            self._bus.publish(job.job_id, event_type, masked(payload, mask))

        return Run(
            job_id=job.job_id,
            path=path,
            config=config,
            options=options,
            workflow=workflow,
            history=self._history(path, config, options, workflow),
            publish=publish,
            project=project,
            work=job.terms.share(project, OwnWork(project), job.cancellation),
            cancel=job.cancellation,
            outcomes_at=partial(outcomes_at, self._log, path),
        )

    def _history(
        self, path: str, config: Config, options: RunOptions, workflow: Workflow
    ) -> History:
        how_much = options.how_much(config)
        return load_history(self._log, path, workflow.key, how_much, tests=workflow.has_tests)

    def _await_turn(self, run: Run, lock: ProjectLock) -> bool:
        return lock.acquire(
            exclusive=not run.config.check,
            holder=f"job {run.job_id}",
            on_wait=lambda holder: run.publish(
                EventType.JOB_QUEUED,
                JobQueued(reason=f"{holder or 'another run'} goes on in the same project"),
            ),
            cancelled=lambda: run.cancel.is_set or bool(run.out_of_time()),
        )
