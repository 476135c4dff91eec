"""One job on one worker: from its claim to its terminal event, or to its return to the queue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Final

import msgspec

from crackerjack.config import Config
from crackerjack.errors import CrackerjackError, JobEnded, StoreError, StoreUnavailable, UnknownJob
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.event import draft
from crackerjack.events.log import EventLog, JobEntry
from crackerjack.events.payload import (
    EventType,
    JobQueued,
    JobRequeued,
    Payload,
    WorkflowEnded,
)
from crackerjack.fleet.objects import ObjectStore
from crackerjack.fleet.project_copy import configuration, make_copy
from crackerjack.fleet.queued_job import QUEUE, QueuedJob, never
from crackerjack.fleet.work_queue import Cancelled, Claim
from crackerjack.hooks.process import Cancellation
from crackerjack.hooks.project import Project
from crackerjack.jobs.job_manager import Job, JobManager, Terms
from crackerjack.jobs.lease import LEASE_SECONDS, Lease
from crackerjack.types import ExitCode, JobId
from crackerjack.workflow.work import Work

_BEAT: Final = 1.0
"""Seconds between two words to the broker that the work goes on."""
_LOGGER: Final = logging.getLogger("crackerjack.worker")


Tell = Callable[[str], object]
Prepare = Callable[[str, Cancellation, Tell], AbstractContextManager[object]]
"""Makes the project in a directory ready to be checked while the block runs, say by an environment.

It tells what it does, as ``makes the environment from uv.lock``, if that takes long.
Raises :exc:`CrackerjackError`, also when it is cancelled.
"""
Share = Callable[[QueuedJob, Project, Work, Cancellation], Work]
"""Who does the work of a job, given who would do it here."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker works with."""

    log: EventLog
    bus: WorkflowEventBus
    jobs: JobManager
    objects: ObjectStore
    prepare: Prepare
    cancelled: Cancelled
    """Which of some jobs are to stop."""
    keep_changes: Callable[[JobId, Config], None]
    """Puts what a job changed in the project where its submitter finds it."""
    share: Share
    owner: str
    state_dir: str
    environment: Mapping[str, str]


class Assignment:
    """Runs a claimed job in `directory`, which is this one's alone.

    :meth:`run` returns when the job has ended, was given back or is another worker's by now.
    """

    def __init__(self, claim: Claim, parts: Parts, directory: str) -> None:
        self._claim = claim
        self._parts = parts
        self._directory = directory
        self._job: Job | None = None
        self._cancel = Cancellation()
        self._giving_back = threading.Event()
        self._attempt = 1
        self._counts = True
        """Whether an attempt that came to nothing is one of those that a job has."""
        self.unfit = False
        """Whether it came to nothing because of this machine's disk."""
        self._trouble = "its worker could not keep what came of it"

    @property
    def queued(self) -> QueuedJob:
        """The job as it was asked for."""
        return self._claim.job

    def run(self) -> None:
        """Do the work, and say to the broker that it goes on."""
        job_id, bus = self.queued.job_id, self._parts.bus
        # Whoever was fenced out must not speak for the one who has the job now.
        with kept(self._claim, lambda: bus.fenced(job_id) is None):
            try:
                with self._excused():
                    self._run()
                self._leave()
            except JobEnded as ended:
                _LOGGER.info("%s", ended)
                self._claim.lost()
            except UnknownJob:
                self._claim.done()

    def give_back(self, reason: str) -> None:
        """Stop, and let another worker run the job from the beginning."""
        self._giving_back.set()
        with suppress(StoreError):
            self._return(reason, self._last_attempt())
        self._cancel.cancel(reason)
        if self._job is not None:
            self._job.stop(reason)

    def abandon(self) -> None:
        """Give it back as one that this worker was lost with: it counts as an attempt."""
        self._claim.give_back()

    def _run(self) -> None:
        entry = self._parts.log.job(self.queued.job_id)
        if entry.terminal is not None:
            return
        lost = entry.header.owner if entry.header.owner != QUEUE else ""
        self._attempt = self._last_attempt() + bool(lost)
        if not self._take(entry):
            return
        if lost and self._attempt > self.queued.max_attempts:
            most = self.queued.max_attempts
            workers = "1 worker was" if most == 1 else f"{most} workers were"
            self._fail(f"{workers} lost while they ran it; the last one was {named(lost)}")
        elif entry.cancel_requested:
            self._end(EventType.WORKFLOW_INTERRUPTED, ExitCode.INTERRUPTED, "cancelled")
        elif not self._giving_back.is_set():
            if lost:
                # By itself it loses a job when the broker is away for long.
                who = "its worker" if lost == self._parts.owner else f"worker {named(lost)}"
                requeued = JobRequeued(reason=f"{who} was lost", attempt=self._attempt)
                self._publish(EventType.JOB_REQUEUED, requeued)
            self._work(entry)

    @contextmanager
    def _excused(self) -> Iterator[None]:
        """A broker that is away is not the job's fault."""
        try:
            yield
            if self._job is not None and isinstance(self._job.trouble, StoreUnavailable):
                raise self._job.trouble
        except StoreUnavailable as error:
            _LOGGER.warning("job %s: %s", self.queued.job_id, error)
            self._counts = False

    def _leave(self) -> None:
        """Let go of the job, as the log says that it stands: once the broker can be asked."""
        while not self._giving_back.is_set():
            with suppress(StoreUnavailable):
                self._parts.bus.flush()
                entry = self._parts.log.job(self.queued.job_id)
                if entry.terminal is not None:
                    self._claim.done()
                elif entry.header.owner == QUEUE:
                    self._claim.give_back()
                elif entry.header.owner != self._parts.owner:
                    self._claim.lost()
                else:
                    self._again()
                return
            self._giving_back.wait(_BEAT)
        with suppress(StoreError):
            self._return("its worker is going down", self._attempt)
        self._claim.give_back()

    def _again(self) -> None:
        """Let another worker try what could not be done here, unless enough of them have."""
        if not self._counts:
            self._return("the broker was away", self._attempt)
            self._claim.give_back()
        elif self._attempt < self.queued.max_attempts:
            self._return(self._trouble, self._attempt + 1)
            self._claim.give_back()
        else:
            self._fail(self._trouble)
            self._claim.done()

    def _return(self, reason: str, attempt: int) -> None:
        """Make the job one that no worker has, if it is this one's."""
        job_id, log = self.queued.job_id, self._parts.log
        if log.take_over(job_id, old_owner=self._parts.owner, new_owner=QUEUE, expires=never()):
            requeued = JobRequeued(reason=reason, attempt=attempt)
            log.append([draft(job_id, EventType.JOB_REQUEUED, requeued)], owner=QUEUE)

    def _work(self, entry: JobEntry) -> None:
        worker = named(self._parts.owner)
        self._tell("makes the project ready")
        with ExitStack() as stack:
            try:
                config = self._ready(stack)
                if self._giving_back.is_set():
                    return
                self._job = self._parts.jobs.resume(
                    entry, config, self.queued.options, self._terms(config)
                )
            except StoreError:
                raise
            except (CrackerjackError, OSError) as error:
                if not is_of_machine(error):
                    self._could_not_begin(error)
                    return
                self.unfit = True
                self._trouble = f"worker {worker} could not make the project ready: {error}"
                return
            if self._giving_back.is_set():
                self._job.stop("given back")
            self._job.wait()

    def _ready(self, stack: ExitStack) -> Config:
        """The project, with all that it needs."""
        with Lease(
            self._parts.log,
            self.queued.job_id,
            owner=self._parts.owner,
            on_cancel=lambda: self._cancel.cancel("cancelled"),
            on_lost=lambda: self._cancel.cancel("taken over by another worker"),
        ):
            config = self._project()
            stack.enter_context(self._parts.prepare(config.root, self._cancel, self._tell))
        return config

    def _tell(self, what: str) -> None:
        """Say what the worker does before the run begins."""
        waits = JobQueued(reason=f"worker {named(self._parts.owner)} {what}")
        self._publish(EventType.JOB_QUEUED, waits)

    def _could_not_begin(self, error: Exception) -> None:
        if self._giving_back.is_set():
            return
        if self._cancel.is_set:
            reason = self._cancel.reason
            self._end(EventType.WORKFLOW_INTERRUPTED, ExitCode.INTERRUPTED, reason)
        else:
            self._fail(str(error))

    def _terms(self, config: Config) -> Terms:
        return Terms(
            before_end=lambda: self._parts.keep_changes(self.queued.job_id, config),
            share=self._share,
        )

    def _share(self, project: Project, own: Work, cancel: Cancellation) -> Work:
        return self._parts.share(self.queued, project, own, cancel)

    def _project(self) -> Config:
        make_copy(self.queued, self._parts.objects, self._directory)
        return configuration(self.queued, self._directory, self._parts.environment)

    def _last_attempt(self) -> int:
        """Which one was the last, by what the log says."""
        attempt, after, log = 1, 0, self._parts.log
        while page := log.read(self.queued.job_id, after, 1000):
            after = page[-1].seq
            for event in page:
                if event.event_type != EventType.JOB_REQUEUED:
                    continue
                with suppress(ValueError):  # who writes to the log need not mean well
                    requeued = event.payload
                    if isinstance(requeued, JobRequeued) and not requeued.part:
                        attempt = requeued.attempt
        return attempt

    def _take(self, entry: JobEntry) -> bool:
        taken = self._parts.log.take_over(
            self.queued.job_id,
            old_owner=entry.header.owner,
            new_owner=self._parts.owner,
            expires=time.time() + LEASE_SECONDS,
        )
        self._parts.bus.reopen(self.queued.job_id)
        return taken

    def _fail(self, reason: str) -> None:
        self._end(EventType.WORKFLOW_FAILED, ExitCode.USAGE, reason)

    def _end(self, event_type: EventType, exit_code: ExitCode, reason: str) -> None:
        ended = WorkflowEnded(success=False, duration=0.0, exit_code=exit_code, reason=reason)
        self._publish(event_type, ended)

    def _publish(self, event_type: EventType, payload: Payload) -> None:
        self._parts.bus.publish(self.queued.job_id, event_type, payload)
        self._parts.bus.flush()


def named(owner: str) -> str:
    """A worker for people: its machine and its process, without when that began."""
    return owner.rpartition(":")[0]


def is_of_machine(error: Exception) -> bool:
    """Whether the machine refused something, say for want of room on its disk: another one may not."""
    return isinstance(error, OSError) or isinstance(error.__cause__, OSError)


@contextmanager
def kept(claim: Claim, mine: Callable[[], bool]) -> Iterator[None]:
    """Say to the broker that the work goes on, while the block runs and the work is `mine`."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(_BEAT):
            # A place that was lost is no reason to stop: whoever has the job now fences us out.
            with suppress(StoreUnavailable):
                if mine():
                    claim.keep()

    thread = threading.Thread(target=keep, name="crackerjack-claim", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
