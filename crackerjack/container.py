"""The composition root: builds each part once, in levels, and closes them in reverse."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import msgspec

from crackerjack.config import state_dir
from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.hub import Hub
from crackerjack.events.log import EventLog
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.jobs.job_manager import JobManager
from crackerjack.jobs.process_identity import this_process


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that a command works with."""

    state_dir: str
    log: EventLog
    hub: Hub
    bus: WorkflowEventBus
    jobs: JobManager

    @property
    def pokes(self) -> str:
        """The directory of those who want to hear of new events; see :class:`PokeBox`."""
        return os.path.join(self.state_dir, "pokes")


@contextmanager
def open_container(
    environment: Mapping[str, str],
    log: EventLog | None = None,
    manage: Callable[..., JobManager] = JobManager,
) -> Iterator[Container]:
    """Open the user's store and build everything on it; `log` takes the store's place.

    `manage` takes what :class:`JobManager` does.

    Raises :exc:`StoreError` when the store cannot be used.
    """
    directory = state_dir(environment)
    owner = this_process()
    with closing(log or SqliteEventLog(os.path.join(directory, "store.db"))) as the_log:
        hub = Hub()
        with closing(WorkflowEventBus(the_log, hub, owner=owner)) as bus:
            jobs = manage(log=the_log, hub=hub, bus=bus, owner=owner, state_dir=directory)
            yield Container(state_dir=directory, log=the_log, hub=hub, bus=bus, jobs=jobs)
