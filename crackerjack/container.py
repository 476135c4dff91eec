"""The composition root: builds each part once, in levels, and closes them in reverse."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import msgspec

from crackerjack.config import state_dir
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.hub import Hub
from crackerjack.events.log import EventLog
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.jobs.job_manager import JobManager
from crackerjack.jobs.process_identity import this_process

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from crackerjack.web.admission import Admission


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that a command works with."""

    state_dir: str
    log: EventLog
    hub: Hub
    bus: WorkflowEventBus
    jobs: JobManager


@contextmanager
def open_container(
    environment: Mapping[str, str], log: EventLog | None = None
) -> Iterator[Container]:
    """Open the user's store and build everything on it; `log` takes the store's place.

    Raises :exc:`StoreError` when the store cannot be used.
    """
    directory = state_dir(environment)
    owner = this_process()
    with closing(log or SqliteEventLog(os.path.join(directory, "store.db"))) as the_log:
        hub = Hub()
        with closing(WorkflowEventBus(the_log, hub, owner=owner)) as bus:
            jobs = JobManager(log=the_log, hub=hub, bus=bus, owner=owner, state_dir=directory)
            yield Container(state_dir=directory, log=the_log, hub=hub, bus=bus, jobs=jobs)


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a server."""

    app: Starlette
    drain: Callable[[], Awaitable[None]]
    """Sends all clients away, to come back with their positions."""


@contextmanager
def open_web(container: Container, admission: Admission, roots: Sequence[str]) -> Iterator[Web]:
    """Build the application on an open store; clients may start runs below the `roots`."""
    from crackerjack.events.poke import PokeBox
    from crackerjack.web.app import create_websocket_app
    from crackerjack.web.event_bridge import EventBusWebSocketBridge
    from crackerjack.web.feed import Feeds
    from crackerjack.web.metrics import Metrics

    log = container.log
    with ExitStack() as stack:
        pokes = stack.enter_context(PokeBox(os.path.join(container.state_dir, "pokes")))
        metrics = Metrics()
        feeds = Feeds(log, metrics.delivered)
        bridge = EventBusWebSocketBridge(feeds, container.hub, metrics, pokes=pokes)
        app = create_websocket_app(
            log=log,
            jobs=container.jobs,
            feeds=feeds,
            bridge=bridge,
            admission=admission,
            metrics=metrics,
            roots=roots,
        )
        yield Web(app=app, drain=bridge.drain)
