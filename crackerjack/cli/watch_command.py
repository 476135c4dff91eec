"""``crackerjack watch``: the view of ``run`` for a job that runs elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import closing, suppress
from typing import Final

from crackerjack.cli.job_commands import job_or_last, print_events
from crackerjack.client import State, stream
from crackerjack.container import Container, open_container
from crackerjack.errors import UsageError
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.payload import WorkflowEnded
from crackerjack.terminal.view import View, make_view
from crackerjack.types import ExitCode

_TICK: Final = 0.1  # seconds between two looks at the clock while nothing happens
_LOOK_FOR_LOST: Final = 2.0  # seconds between looks whether the job's process is gone


def watch(arguments: argparse.Namespace) -> int:
    """Show a job until it ends; the exit code is the job's. Ctrl-C leaves it running."""
    view = make_view(sys.stdout, verbosity=arguments.verbose - arguments.quiet)
    with closing(view):
        try:
            if arguments.url:
                return asyncio.run(_watch_server(arguments, view))
            with open_container(os.environ) as container:
                return _watch_store(container, arguments, view)
        except KeyboardInterrupt:
            view.close()
            print("Not watching any more; the job goes on.", file=sys.stderr)
            return ExitCode.INTERRUPTED


def print_from_server(arguments: argparse.Namespace) -> int:
    """Print a job's events as a server streams them."""
    if not arguments.follow:
        raise UsageError("--url goes with --follow: it streams until the job ends")

    async def copy() -> None:
        async for event in _streamed(arguments, arguments.since, _say_state):
            print_events([event])

    asyncio.run(copy())
    return ExitCode.PASSED


def _watch_store(container: Container, arguments: argparse.Namespace, view: View) -> int:
    subscription = container.jobs.subscribe(job_or_last(container.jobs, arguments))
    shown = _Shown(view)
    looked = 0.0
    with closing(subscription):
        while not subscription.ended:
            shown.take(subscription.read(_TICK))
            if time.monotonic() - looked > _LOOK_FOR_LOST:
                container.jobs.end_lost_jobs()
                looked = time.monotonic()
    return shown.exit_code


async def _watch_server(arguments: argparse.Namespace, view: View) -> int:
    if not arguments.job:
        raise UsageError("with --url, name the JOB to watch; its /jobs page lists them")
    shown = _Shown(view)

    async def tick() -> None:
        while True:
            await asyncio.sleep(_TICK)
            view.tick()

    ticking = asyncio.create_task(tick())
    try:
        async for event in _streamed(arguments, 0, lambda state: _note_state(view, state)):
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


def _streamed(
    arguments: argparse.Namespace, since: int, on_state: Callable[[State], object]
) -> AsyncIterator[WorkflowEvent]:
    token = arguments.token or os.environ.get("CRACKERJACK_TOKEN", "")
    return stream(arguments.url, arguments.job, since, token=token, on_state=on_state)


def _note_state(view: View, state: State) -> None:
    if not state.connected:
        view.note(_sentence(state))


def _say_state(state: State) -> None:
    if not state.connected:
        print(_sentence(state), file=sys.stderr)


def _sentence(state: State) -> str:
    return f"Connection lost ({state.reason}); coming back in {state.retry_in:.1f} s."
