"""``crackerjack worker``, and ``crackerjack queue`` of what waits for one."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import msgspec

from crackerjack.cli.reporting import person, print_json
from crackerjack.cli.store_option import needed_broker, open_fleet_at
from crackerjack.events.broker_address import VARIABLE
from crackerjack.fleet.queue_state import queue_state, render_queue
from crackerjack.fleet.queued_job import parse_labels
from crackerjack.reports.safe_text import one_line
from crackerjack.types import ExitCode
from crackerjack.worker_container import build_worker


def worker(arguments: argparse.Namespace) -> int:
    """Take jobs from the broker and run them; the first signal gives them back, the second ends all."""
    address = needed_broker(arguments)
    labels = parse_labels(arguments.label)
    for name in [name for name in os.environ if name.startswith(VARIABLE)]:
        del os.environ[name]  # what runs in the projects shall not have it
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with (
        open_fleet_at(address, "worker") as fleet,
        build_worker(fleet, slots=int(arguments.slots), labels=labels) as one,
    ):
        print(f"Working for {address.shown} (Ctrl-C gives back what runs)", file=sys.stderr)
        with _draining(one.drain):
            one.run()
    return ExitCode.PASSED


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
        unreadable = sorted(fleet.queue.unreadable)
    if unreadable:
        print(f"Not readable by this version: {one_line(', '.join(unreadable))}", file=sys.stderr)
    if arguments.json:
        print_json(msgspec.to_builtins(state))
    else:
        screen = person()
        screen.write(render_queue(state))
    return ExitCode.PASSED
