"""A part of another worker's job on this one: a hook that only looks, or a shard of the tests."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, ParamSpec

from crackerjack.config import Config
from crackerjack.errors import CrackerjackError, StoreError, StoreUnavailable
from crackerjack.events.broker import Broker
from crackerjack.fleet.assignment import Parts, is_of_machine, kept
from crackerjack.fleet.project_copy import configuration, keep_copy
from crackerjack.fleet.queued_job import QueuedJob, Task
from crackerjack.fleet.task_talk import STOP, Result, Said, Talk
from crackerjack.fleet.work_queue import Claim
from crackerjack.hooks.guardian import Guardian
from crackerjack.hooks.process import Cancellation
from crackerjack.hooks.project import Project
from crackerjack.hooks.pytest_session import TestResult
from crackerjack.workflow.workflow import select_workflow

_ASK_EVERY: Final = 1.0
"""Seconds between two questions whether the work is wanted."""
_SURE: Final = 3
"""Questions without a yes after which it is not: whoever asked for it may be coming back."""
_LOGGER: Final = logging.getLogger("crackerjack.worker")


class TaskRun:
    """Does a claimed part of a job in `directory`, which is this one's alone."""

    def __init__(
        self, claim: Claim, task: Task, parts: Parts, broker: Broker, directory: str
    ) -> None:
        self._claim = claim
        self._task = task
        self._parts = parts
        self._broker = broker
        self._directory = directory
        self._cancel = Cancellation()
        self._giving_back = threading.Event()
        self._wanted = True
        self.unfit = False
        """Whether it came to nothing because of this machine's disk."""
        said = Said(worker=parts.owner, attempt=os.urandom(6).hex())
        self._talk = Talk(broker, parts.objects, task.answers, said)

    @property
    def queued(self) -> QueuedJob:
        """What was asked for."""
        return self._claim.job

    def run(self) -> None:
        """Do the work, unless nobody wants it any more."""
        with kept(self._claim, lambda: self._wanted):
            try:
                self._run()
            except (StoreError, OSError) as error:
                # Whoever wants it does it itself when it hears nothing.
                self.unfit = is_of_machine(error)
                _LOGGER.warning("%s: %s", self.queued.key, error)
                self._claim.give_back()

    def abandon(self) -> None:
        """Let another worker do it, which whoever wants it counts."""
        self._claim.give_back()

    def give_back(self, reason: str) -> None:
        """Stop, and let another worker do it from the beginning."""
        self._giving_back.set()
        self._cancel.cancel(reason)

    def _run(self) -> None:
        stop = self._broker.subscribe(
            f"{self._task.answers}.{STOP}", lambda _message: self._call_off("called off")
        )
        try:
            if not self._talk.begin():
                self._claim.done()
                return
            with self._asking():
                result = self._result()
        finally:
            stop()
        if self._giving_back.is_set():
            self._claim.give_back()
        elif self._wanted and self._talk.end(result):
            self._claim.done()
        else:
            self._claim.lost()

    def _call_off(self, reason: str) -> None:
        self._wanted = False
        self._cancel.cancel(reason)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Ask every second whether the work is wanted while the block runs, and stop it if not.

        Whoever wants it hears by that that it goes on.
        """
        over = threading.Event()

        def ask() -> None:
            unwanted = 0
            while unwanted < _SURE and not over.wait(_ASK_EVERY):
                with suppress(StoreUnavailable):
                    unwanted = 0 if self._talk.go_on() else unwanted + 1
            if unwanted:
                self._call_off("nobody wants it any more")

        thread = threading.Thread(target=ask, name="crackerjack-part", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _result(self) -> Result:
        try:
            config = self._project()
            with (
                self._parts.prepare(config.root, self._cancel, lambda _what: None),
                Guardian() as groups,
                Project(
                    config,
                    state_dir=self._parts.state_dir,
                    key=self.queued.key,
                    cancel=self._cancel,
                    groups=groups,
                ) as project,
            ):
                return self._looked(project, config)
        except StoreError:
            raise
        except CrackerjackError as error:
            if is_of_machine(error):
                raise OSError(str(error)) from error
            return Result(error=str(error))

    def _looked(self, project: Project, config: Config) -> Result:
        options = self.queued.options
        workflow = select_workflow(config, options)
        project.look(
            changed_only=options.changed_only,
            paths=options.paths,
            names=options.hooks,
            wanted=workflow.wanted,
            everything=workflow.everything,
        )
        if self._task.shard is not None:
            return self._tested(project)
        for entry in project.planned:
            if entry.hook.name == self._task.name:
                result = project.run_hook(
                    entry,
                    fix=False,
                    limit=self._task.limit,
                    limited_by=self._task.limited_by,
                    on_output=_told(self._talk.output),
                )
                return Result(hook=result)
        return Result(error=f"this worker's crackerjack has no hook {self._task.name}")

    def _tested(self, project: Project) -> Result:
        outcomes: list[TestResult] = []

        def tested(result: TestResult) -> None:
            outcomes.append(result)
            with suppress(StoreUnavailable):  # all of them come again with the result
                self._talk.test(result)

        run = project.run_tests(
            limit=self._task.limit,
            on_collected=_told(self._talk.collected),
            on_test=tested,
            on_output=_told(self._talk.output),
            shard=self._task.shard,
        )
        return Result(tests=run, outcomes=tuple(outcomes))

    def _project(self) -> Config:
        """The project, which may be there from another part of the same job."""
        keep_copy(self.queued, self._parts.objects, self._directory)
        return configuration(self.queued, self._directory, self._parts.environment)


P = ParamSpec("P")


def _told(tell: Callable[P, None]) -> Callable[P, None]:
    """Tell it if the broker can be reached: whoever wants it has it with the result too."""

    def told(*arguments: P.args, **named: P.kwargs) -> None:
        with suppress(StoreUnavailable):
            tell(*arguments, **named)

    return told
