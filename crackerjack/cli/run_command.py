"""``crackerjack run``: starts a job and shows its events as they are committed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from types import FrameType
from typing import IO, Any, Final

from crackerjack.cli.configuring import configure
from crackerjack.cli.open_page import open_job
from crackerjack.cli.patience import patient
from crackerjack.cli.place import Followed, Place
from crackerjack.cli.reporting import write_report, write_through
from crackerjack.cli.store_option import chosen_broker, open_fleet_at
from crackerjack.config import Config, state_dir
from crackerjack.container import Container, open_container
from crackerjack.errors import StoreError, UsageError
from crackerjack.events.event import WorkflowEvent
from crackerjack.jobs.job_manager import Job
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.reports.safe_text import one_line
from crackerjack.terminal.view import View, make_view
from crackerjack.types import ExitCode, JobId
from crackerjack.workflow.options import RunOptions

_TICK: Final = 0.1  # seconds between two looks at the clock while nothing happens

_SWITCH: Final = 0.0005
"""Seconds until a busy thread makes way. With Python's 5 ms, events that are published while a
built-in check computes come 100 ms late."""

Sink = Callable[[WorkflowEvent], None]


def run(arguments: argparse.Namespace) -> int:
    """Run the checks; the exit code is the job's."""
    _check_outputs(arguments)
    config = configure(arguments)
    sys.setswitchinterval(_SWITCH)
    with ExitStack() as stack:
        place = stack.enter_context(_place(arguments))
        sinks = _open_sinks(stack, arguments)
        report = _open_output(stack, arguments.output, "--output")
        job = place.begin(config, _options(arguments, config.root), arguments.job_id)
        view = stack.enter_context(closing(_view(arguments)))
        for note in place.notes:
            (_say if arguments.detach else view.note)(note)
        if arguments.detach:
            print(job.job_id)
            return ExitCode.PASSED
        snapshot = JobSnapshot(job_id=job.job_id)
        if arguments.format or arguments.json:  # else nobody asks what the job is
            sinks.append(snapshot.apply)
        if arguments.open and (trouble := open_job(job.job_id)):
            view.note(trouble)
        with _interruptible(job):
            exit_code = _follow(place.container, job, [*sinks, job.handle, view.handle], view)
        for note in place.settle(config, job):
            view.note(note)
        if place.keeps_house:
            _keep_house(place.container, config, view)
        view.close()
        if arguments.format:
            write_report(snapshot, arguments.format, report or sys.stdout.buffer)
    if arguments.json and exit_code == ExitCode.USAGE and snapshot.reason:
        print(f"crackerjack: error: {one_line(snapshot.reason)}", file=sys.stderr)
    return exit_code


class _Here:
    """This process."""

    keeps_house = True

    def __init__(self, container: Container) -> None:
        self.container = container
        self.notes: list[str] = []
        self._job: Job | None = None

    def begin(self, config: Config, options: RunOptions, job_id: str | None) -> Followed:
        self._job = self.container.jobs.start(config, options, JobId(job_id) if job_id else None)
        return self._job

    def settle(self, config: Config, job: Followed) -> list[str]:  # noqa: ARG002
        return [self._job.note] if self._job is not None and self._job.note else []


@contextmanager
def _place(arguments: argparse.Namespace) -> Iterator[Place]:
    address = chosen_broker(arguments)
    if address is None:
        if arguments.detach:
            raise UsageError("--detach needs workers that do the work: give --broker too")
        with open_container(os.environ) as container:
            yield _Here(container)
        return
    from crackerjack.cli.elsewhere import Elsewhere

    with open_fleet_at(address, "run") as fleet:
        yield Elsewhere(fleet, arguments)


def _check_outputs(arguments: argparse.Namespace) -> None:
    if arguments.output and not arguments.format:
        raise UsageError("--output needs --format text, github, sarif, junit or json")
    if arguments.json and arguments.format and not arguments.output:
        raise UsageError("--json and --format both want stdout: give --output FILE for the report")
    if arguments.output and arguments.events_file:
        file, other = map(os.path.realpath, (arguments.output, arguments.events_file))
        if file == other and (os.path.isfile(file) or not os.path.exists(file)):
            raise UsageError("--output and --events-file name one file: give each its own")


def _options(arguments: argparse.Namespace, root: str) -> RunOptions:
    return RunOptions(
        workflow=arguments.workflow or "",
        fast=arguments.fast,
        comprehensive=arguments.comp,
        tests=arguments.run_tests,
        skip_hooks=arguments.skip_hooks,
        skip_cleaning=arguments.skip_cleaning,
        hooks=tuple(arguments.hook),
        changed_only=arguments.changed_only,
        since=arguments.since or "",
        paths=tuple(_inside(root, path) for path in arguments.path),
        outputs=tuple(map(os.path.realpath, _outputs(arguments))),
    )


def _inside(root: str, path: str) -> str:
    """A path of the command line, which is relative to where we are, as the project knows it."""
    directory, name = os.path.split(os.path.abspath(path))
    inside = os.path.relpath(os.path.join(os.path.realpath(directory), name), root)
    if inside == ".." or inside.startswith("../"):
        raise UsageError(f"--path {path} is not in the project {root}")
    return inside


def _outputs(arguments: argparse.Namespace) -> list[str]:
    """Where the events, the report and the view go. Linux alone has a link to what stdout is."""
    named = (arguments.output, arguments.events_file)
    return ["/dev/stdout", "/dev/stderr", *(path for path in named if path is not None)]


def _open_sinks(stack: ExitStack, arguments: argparse.Namespace) -> list[Sink]:
    """Where the events go beside the terminal's view."""
    sinks: list[Sink] = []
    if arguments.json:
        sinks.append(_line_writer(sys.stdout.buffer))
    if stream := _open_output(stack, arguments.events_file, "--events-file"):
        sinks.append(_line_writer(stream))
    return sinks


def _open_output(stack: ExitStack, path: str | None, option: str) -> IO[bytes] | None:
    """Open a file before the job exists: a run whose results cannot be written is not begun."""
    if path is None:
        return None
    store = os.path.realpath(state_dir(os.environ))
    if os.path.commonpath([store, os.path.realpath(path)]) == store:
        raise UsageError(f"{option} {path}: the store is there, and would be overwritten")
    try:
        stream = open(path, "wb")  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from None
    stack.callback(_close, stream)
    return stream


def _close(stream: IO[bytes]) -> None:
    with suppress(OSError):  # what cannot be written has been told: all is written through
        stream.close()


def _keep_house(container: Container, config: Config, view: View) -> None:
    """Forget old jobs, now that this one has been shown; what goes wrong changes no outcome."""
    try:
        container.jobs.prune(project=config.root, keep=config.keep_jobs)
    except StoreError as error:
        view.note(f"Old jobs were not forgotten: {error}")


def _line_writer(stream: IO[bytes]) -> Sink:
    def write(event: WorkflowEvent) -> None:
        write_through(stream, event.to_json() + b"\n")

    return write


def _say(text: str) -> None:
    print(one_line(text), file=sys.stderr)


class _Notes:
    """The view beside ``--json``: only what is not an event, on stderr."""

    def handle(self, event: WorkflowEvent) -> None:
        """Events are on stdout already."""

    def tick(self) -> None:
        """Nothing moves."""

    def note(self, text: str) -> None:
        """Show the message."""
        _say(text)

    def close(self) -> None:
        """Nothing was changed."""


def _view(arguments: argparse.Namespace) -> View:
    """What the person at the terminal sees; on stderr when stdout is for a report."""
    if arguments.json:
        return _Notes()
    stream = sys.stderr if arguments.format and not arguments.output else sys.stdout
    return make_view(stream, verbosity=arguments.verbose - arguments.quiet)


def _follow(container: Container, job: Followed, sinks: list[Sink], view: View) -> int:
    """Hand every event of the job to the sinks until the job has ended and all is shown."""
    subscription = container.jobs.subscribe(job.job_id)
    read = patient(subscription, view.note) if job.elsewhere else subscription.read
    warned = False
    try:
        while True:
            # After its last event there is nothing to read, but the job still lets go of what it held.
            exit_code = job.wait(_TICK if subscription.ended else 0)
            events = read(0 if exit_code is not None else _TICK)
            for event in events:
                for sink in sinks:
                    sink(event)
            if exit_code is not None and not events:
                break
            view.tick()
            if container.bus.trouble is not None and not warned:
                warned = True
                view.note(f"{container.bus.trouble}. The run goes on; its events wait in memory.")
        if job.trouble is not None:
            view.note(f"Not all of this run could be kept: {job.trouble}")
        return exit_code
    except OSError:
        job.stop("the output cannot be written")
        job.wait()
        raise
    finally:
        subscription.close()


@contextmanager
def _interruptible(job: Followed) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP interrupt the job; the second one ends the process at once."""

    def stop(number: int, _frame: FrameType | None) -> None:
        if job.cancellation.is_set:
            job.stop_now()
            os._exit(ExitCode.INTERRUPTED)  # the guardian ends what is left, and the job
        job.stop(signal.Signals(number).name)

    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN  # as under nohup: the user's choice
    ]
    before: dict[int, Any] = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
