"""Following a job that runs elsewhere: ``watch`` for a person, ``events`` for a program."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

from crackerjack.cli.job_commands import job_or_last
from crackerjack.cli.overview_command import wants_overview, watch_overview
from crackerjack.cli.patience import patient
from crackerjack.cli.store_option import chosen_broker, open_store
from crackerjack.container import Container
from crackerjack.errors import (
    FilesElsewhere,
    FutureCursor,
    StoreError,
    StoreUnavailable,
    UsageError,
)
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.payload import WorkflowEnded
from crackerjack.events.poke import on_poke
from crackerjack.events.subscription import Subscription
from crackerjack.reports.safe_text import one_line
from crackerjack.terminal.view import View, make_view
from crackerjack.types import ExitCode, JobId, JobStatus

_TICK: Final = 0.1  # seconds between two looks at the clock while nothing happens
_LOOK_FOR_LOST: Final = 2.0  # seconds between looks whether the job's process is gone


def watch(arguments: argparse.Namespace) -> int:
    """Show a job until it ends; the exit code is the job's. Ctrl-C leaves it running.

    Of several jobs, an overview.
    """
    if arguments.all and arguments.url:
        raise UsageError(
            "--all is about the jobs of this machine; open the server's URL in a browser"
        )
    view = make_view(sys.stdout, verbosity=arguments.verbose - arguments.quiet)
    with closing(view):
        try:
            if arguments.url:
                import asyncio

                return asyncio.run(_watch_server(arguments, view))
            with open_store(arguments, live=True) as container:
                if wants_overview(container, arguments):
                    return watch_overview(container, arguments)
                return _watch_store(container, arguments, view)
        except KeyboardInterrupt:
            view.close()
            print("Not watching any more; the job goes on.", file=sys.stderr)
            return ExitCode.INTERRUPTED


def events(arguments: argparse.Namespace) -> int:
    """Print a job's events as JSON lines; with ``--follow``, until it ends."""
    if arguments.url:
        return _print_from_server(arguments)
    with open_store(arguments, live=True) as container:
        manager = container.jobs
        entry = manager.entry(arguments.job)
        if arguments.since > entry.head:
            raise FutureCursor(arguments.job, arguments.since, entry.head)
        if not arguments.follow:
            _print_events(manager.events(arguments.job, arguments.since))
            return ExitCode.PASSED
        with _subscribed(container, arguments.job, arguments.since) as subscription:
            read = patient(subscription, _say) if chosen_broker(arguments) else subscription.read
            while not subscription.ended:
                _print_events(read(_LOOK_FOR_LOST))
                with suppress(StoreUnavailable):  # the reading says so
                    manager.end_lost_jobs()
    return ExitCode.PASSED


def _print_from_server(arguments: argparse.Namespace) -> int:
    import asyncio

    if not arguments.follow:
        raise UsageError("--url goes with --follow: it streams until the job ends")

    async def copy() -> None:
        async for event in _streamed(arguments, arguments.since, _say):
            _print_events([event])

    asyncio.run(copy())
    return ExitCode.PASSED


def _print_events(found: Iterable[WorkflowEvent]) -> None:
    for event in found:
        sys.stdout.buffer.write(event.to_json() + b"\n")
    sys.stdout.buffer.flush()


def _watch_store(container: Container, arguments: argparse.Namespace, view: View) -> int:
    shown = _Shown(view)
    looked = 0.0
    job_id = job_or_last(container.jobs, arguments)
    with _subscribed(container, job_id) as subscription:
        read = patient(subscription, view.note) if chosen_broker(arguments) else subscription.read
        while not subscription.ended:
            shown.take(read(_TICK))
            if time.monotonic() - looked > _LOOK_FOR_LOST:
                with suppress(StoreUnavailable):  # the reading says so
                    container.jobs.end_lost_jobs()
                looked = time.monotonic()
        with suppress(StoreUnavailable):
            _tell_of_fixes(container, job_id, view)
    return shown.exit_code


def _tell_of_fixes(container: Container, job_id: JobId, view: View) -> None:
    try:
        container.jobs.changes(job_id)
    except FilesElsewhere:
        view.note(
            f"Its fixes were not made here: `crackerjack apply {job_id}` makes them, in the project that was sent."
        )


@contextmanager
def _subscribed(container: Container, job_id: JobId, since: int = 0) -> Iterator[Subscription]:
    """A cursor over a job that another process writes: it is woken when that has committed."""

    def announce() -> None:
        with suppress(StoreError):  # the subscription reads the same store, and says what is wrong
            container.hub.advance(job_id, container.log.job(job_id).head)

    with (
        on_poke(container.pokes, announce),
        closing(container.jobs.subscribe(job_id, since)) as subscription,
    ):
        yield subscription


async def _watch_server(arguments: argparse.Namespace, view: View) -> int:
    import asyncio

    shown = _Shown(view)

    async def tick() -> None:
        while True:
            await asyncio.sleep(_TICK)
            view.tick()

    ticking = asyncio.create_task(tick())
    try:
        async for event in _streamed(arguments, 0, view.note):
            shown.take([event])
    finally:
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
    return shown.exit_code


class _Shown:
    """What the view has been given, and how the job ended."""

    def __init__(self, view: View) -> None:
        self.exit_code: int = ExitCode.INTERRUPTED
        self._view = view

    def take(self, events: Iterable[WorkflowEvent]) -> None:
        for event in events:
            self._view.handle(event)
            if event.terminal and isinstance(ended := event.payload, WorkflowEnded):
                self.exit_code = ended.exit_code
        self._view.tick()


async def _streamed(
    arguments: argparse.Namespace, since: int, say: Callable[[str], object]
) -> AsyncIterator[WorkflowEvent]:
    """The events of the job that was named, else of the server's latest; says what one waits for."""
    from crackerjack.client import State, latest_job, snapshot, stream

    url, token = arguments.url, arguments.token or os.environ.get("CRACKERJACK_TOKEN", "")

    def say_state(state: State) -> None:
        if not state.connected:
            say(f"Connection lost ({state.reason}); coming back in {state.retry_in:.1f} s.")

    if job := arguments.job:
        if (await snapshot(url, job, token=token)).get("status") == JobStatus.WAITING:
            say(f"{url} knows no job {job} yet; waiting for it to begin.")
    else:
        job = latest_job(url, token=token)
    async for event in stream(url, job, since, token=token, on_state=say_state):
        yield event


def _say(sentence: str) -> None:
    print(one_line(sentence), file=sys.stderr)
