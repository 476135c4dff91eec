"""The work of one job on several workers: hooks that only look, and the tests in shards.

What writes to the project runs where the job does; so does what is done sooner than it is sent, and
whatever no other worker has begun by the time there is a hand free here.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from crackerjack.errors import BundleError, StoreUnavailable
from crackerjack.events.broker import Broker
from crackerjack.events.log import EventLog
from crackerjack.events.payload import EventType, TestCompleted
from crackerjack.fleet.bundle import pack
from crackerjack.fleet.errand import Errand
from crackerjack.fleet.objects import ObjectStore
from crackerjack.fleet.queued_job import TASK_PRIORITY, QueuedJob, Task
from crackerjack.fleet.task_talk import Result, Said, result_of
from crackerjack.fleet.work_queue import WorkQueue
from crackerjack.hooks.coverage import measures_coverage
from crackerjack.hooks.execution import OnOutput
from crackerjack.hooks.hook import HookResult
from crackerjack.hooks.process import Cancellation
from crackerjack.hooks.project import Project
from crackerjack.hooks.pytest_session import TestResult
from crackerjack.hooks.testing import Shard, TestRun, merged
from crackerjack.types import HookStatus
from crackerjack.workflow.work import HookOrder, OnAgain, Work

_WORTH_SENDING: Final = 0.5
"""Seconds that a hook must be expected to take to be worth the way."""
_LOOK_EVERY: Final = 0.1
_MOST_ATTEMPTS: Final = 2
"""Workers that one part may lose; it is what kills them, then."""
_GRACE: Final = 15.0
"""Seconds beyond its limit after which a worker that has a part is not waited for."""
_MOST_SHARDS: Final = 32
_MOST_TESTS: Final = 20_000
_SEVERAL_PROCESSES: Final = re.compile(
    r"(?:^|[\s\"'=])(?:-n(?:\s|=|\d|auto)|--numprocesses|--dist\b|--cov)"
)
"""In pytest's options: what divides the tests itself, or measures all of them together."""


class SharedWork:
    """The :class:`crackerjack.workflow.work.Work` of a job whose parts other workers may do.

    `own` is the work of this process, `others` how many parts may be elsewhere at the same time.
    `seconds` returns what the files with tests took before.
    """

    def __init__(
        self,
        queued: QueuedJob,
        project: Project,
        own: Work,
        cancel: Cancellation,
        *,
        broker: Broker,
        queue: WorkQueue,
        objects: ObjectStore,
        others: int,
        seconds: Callable[[], Mapping[str, float]],
    ) -> None:
        self._queued = queued
        self._project = project
        self._own = own
        self._cancel = cancel
        self._broker = broker
        self._queue = queue
        self._objects = objects
        self._others = others
        self._seconds = seconds
        self._hands_here = threading.Semaphore(own.hands)
        self._packing = threading.Lock()
        self._bundle, self._writes = queued.bundle, 0

    @property
    def hands(self) -> int:
        return self._own.hands + self._others

    def run_hook(self, order: HookOrder, on_output: OnOutput, on_again: OnAgain) -> HookResult:
        here = order.fix or not order.entry.runs or order.entry.tool is None
        soon = order.expected is not None and order.expected < _WORTH_SENDING
        if soon and not here:  # it would wait longer for a hand than it takes
            return self._own.run_hook(order, on_output, on_again)
        if self._hands_here.acquire(blocking=here):
            return self._hook_here(order, on_output, on_again)
        name = order.entry.hook.name
        task = self._task(name, order.limit, order.limited_by)
        result = self._elsewhere(task, _Listener(on_output, on_again))
        if result is None:
            return self._hook_here(order, on_output, on_again)
        if result.hook is not None and result.hook.hook == name:
            return result.hook
        return HookResult(
            hook=name, status=HookStatus.TOOL_ERROR, duration=0.0, reason=result.error
        )

    def run_tests(
        self,
        *,
        limit: float,
        on_collected: Callable[[int, int], None],
        on_test: Callable[[TestResult], None],
        on_output: OnOutput,
        on_again: OnAgain,
    ) -> TestRun:
        shards = self._shards()
        if len(shards) < 2:
            return self._own.run_tests(
                limit=limit,
                on_collected=on_collected,
                on_test=on_test,
                on_output=on_output,
                on_again=on_again,
            )
        tests = _Tests(on_collected, on_test, on_output, on_again)

        def run(shard: Shard) -> TestRun:
            return self._shard(shard, limit, tests)

        with ThreadPoolExecutor(len(shards), thread_name_prefix="shard") as pool:
            return merged(list(pool.map(run, shards)))

    def _hook_here(self, order: HookOrder, on_output: OnOutput, on_again: OnAgain) -> HookResult:
        """Run it with the hand that was taken."""
        try:
            return self._own.run_hook(order, on_output, on_again)
        finally:
            self._hands_here.release()

    def _shards(self) -> list[Shard]:
        config = self._project.config
        options = (
            " ".join(config.test_args)
            + msgspec.json.encode(config.pyproject.get("tool", {}).get("pytest", {})).decode()
        )
        if measures_coverage(config.root) or _SEVERAL_PROCESSES.search(options):
            return []
        seconds = self._seconds()
        count = min(1 + self._others, _MOST_SHARDS, max(len(seconds), 1))
        return [Shard(number=number, of=count, seconds=seconds) for number in range(count)]

    def _shard(self, shard: Shard, limit: float, tests: _Tests) -> TestRun:
        listener = tests.listener()
        # The first one has the hand of the task that all of them are.
        if shard.number:
            task = self._task("tests", limit, "the tests", shard)
            result = self._elsewhere(task, listener)
            if result is not None:
                for outcome in result.outcomes:
                    tests.test(outcome)
                return result.tests or TestRun(status=HookStatus.TOOL_ERROR, reason=result.error)
        else:
            self._hands_here.acquire()
        try:
            return self._project.run_tests(
                limit=limit,
                on_collected=listener.on_collected,
                on_test=tests.test,
                on_output=listener.on_output,
                shard=shard,
            )
        finally:
            self._hands_here.release()

    def _task(self, name: str, limit: float, limited_by: str, shard: Shard | None = None) -> Task:
        space = self._broker.address.space
        number = f"-{shard.number}" if shard else ""
        return Task(
            name=name,
            limit=limit,
            limited_by=limited_by,
            # Also another run of the same job shall not hear it.
            answers=f"{space}.part.{self._queued.job_id}.{name}{number}.{os.urandom(4).hex()}",
            shard=shard,
        )

    def _elsewhere(self, task: Task, listener: _Listener) -> Result | None:
        """What another worker made of it; None, with a hand taken, when it is to be done here."""
        try:
            return self._asked(task, listener)
        except (StoreUnavailable, BundleError) as error:
            self._hands_here.acquire()
            listener.on_again(f"no other worker can do {task.name}: {error}")
            return None

    def _asked(self, task: Task, listener: _Listener) -> Result | None:
        part = msgspec.structs.replace(
            self._queued,
            bundle=self._packed(),
            task=task,
            priority=TASK_PRIORITY,
            most_at_once=0,
        )
        attempts = 0
        with Errand(self._broker, self._queue, part, task.answers) as errand:
            while not self._cancel.is_set:
                said = errand.next(_LOOK_EVERY)
                if said is None:
                    if errand.idle:
                        if self._withdrawn(errand):
                            if attempts:
                                listener.on_again(f"worker {errand.worker} was lost")
                            return None
                    elif time.monotonic() - errand.began > task.limit + _GRACE:
                        return Result(error=f"worker {errand.worker} did not end it in time")
                    continue
                if said.started and attempts:
                    if attempts == _MOST_ATTEMPTS:
                        return Result(error=f"{attempts} workers were lost while they ran it")
                    listener.on_again(f"a worker was lost while it ran {task.name}")
                attempts += said.started
                if said.whole or said.result:
                    return result_of(said, self._objects)
                listener.take(said)
        return Result(error="interrupted")

    def _withdrawn(self, errand: Errand) -> bool:
        """Whether there was a hand free here that is to do it."""
        if not self._hands_here.acquire(blocking=False):
            return False
        if errand.withdraw():
            return True
        self._hands_here.release()
        return False

    def _packed(self) -> str:
        """The project as it is now, as a bundle."""
        with self._packing:
            if self._writes != self._project.writes:
                self._writes = self._project.writes
                config, options = self._project.config, self._queued.options
                self._bundle = pack(
                    config.root,
                    self._objects,
                    config.bundle,
                    changed_only=options.changed_only,
                ).name
            return self._bundle


class _Listener(msgspec.Struct, frozen=True):
    """Whom to tell what a worker says."""

    on_output: OnOutput
    on_again: OnAgain
    on_collected: Callable[[int, int], None] = lambda _count, _deselected: None
    on_test: Callable[[TestResult], None] = lambda _result: None

    def take(self, said: Said) -> None:
        """Pass it on."""
        for stream, text in said.output:
            self.on_output(stream, text)
        for result in said.tests:
            self.on_test(result)
        if said.collected is not None:
            self.on_collected(*said.collected)


class _Tests:
    """The shards as one run of the tests, for whoever follows it."""

    def __init__(
        self,
        on_collected: Callable[[int, int], None],
        on_test: Callable[[TestResult], None],
        on_output: OnOutput,
        on_again: OnAgain,
    ) -> None:
        self._lock = threading.Lock()
        self._on_collected = on_collected
        self._on_test = on_test
        self._on_output = on_output
        self._on_again = on_again
        self._collected = False
        self._seen: set[str] = set()

    def listener(self) -> _Listener:
        """Who listens to a shard."""
        return _Listener(self._on_output, self._on_again, self.collected, self.test)

    def collected(self, count: int, deselected: int) -> None:
        """Pass on how many tests there are, once: every shard knows of all of them."""
        with self._lock:
            if not self._collected:
                self._collected = True
                self._on_collected(count, deselected)

    def test(self, result: TestResult) -> None:
        """Pass on a result, once: a file that cannot be collected, every shard reports."""
        with self._lock:
            if result.nodeid in self._seen:
                return
            self._seen.add(result.nodeid)
            self._on_test(result)


def seconds_of_test_files(log: EventLog, project: str) -> dict[str, float]:
    """What each file with tests took in the project's last run that had tests."""
    found = log.latest(project, {EventType.TEST_COMPLETED}, _MOST_TESTS)
    seconds: dict[str, float] = {}
    seen: set[str] = set()  # the newest counts, where the job began again with another worker
    for event in found:
        if event.job_id == found[0].job_id and isinstance(test := event.payload, TestCompleted):
            if test.nodeid in seen:
                continue
            seen.add(test.nodeid)
            file = test.nodeid.partition("::")[0]
            seconds[file] = seconds.get(file, 0.0) + test.duration
    return seconds
