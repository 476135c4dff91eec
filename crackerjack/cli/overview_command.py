"""``crackerjack watch`` of several jobs: an overview that moves, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Final

from crackerjack.config import find_project
from crackerjack.container import Container
from crackerjack.errors import UsageError
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.reports.listing import JobLine, job_line
from crackerjack.terminal.output import Output
from crackerjack.terminal.overview import overview
from crackerjack.terminal.region import Region
from crackerjack.types import ExitCode, JobId

_FRAME: Final = 0.5  # seconds between two looks at the store
_LOOK_FOR_LOST: Final = 2.0  # seconds between looks whether a job's process is gone
_LISTED: Final = 200  # jobs
_READ: Final = 1000  # events


def wants_overview(container: Container, arguments: argparse.Namespace) -> bool:
    """Whether to show several jobs: all were asked for, or more than one of the project goes on."""
    if arguments.job:
        if arguments.all:
            raise UsageError("--all watches every job: leave the job out")
        return False
    if arguments.all:
        return True
    entries = container.jobs.entries(project=find_project(arguments.project), limit=_LISTED)
    return sum(entry.terminal is None for entry in entries) > 1


def watch_overview(container: Container, arguments: argparse.Namespace) -> int:
    """Show the jobs until Ctrl-C; on what is no terminal, once."""
    project = None if arguments.all else find_project(arguments.project)
    output = Output(sys.stdout, os.environ)
    jobs = _Jobs(container, project)
    if output.is_plain:
        going, ended = jobs.look()
        lines = overview(going, ended, output.look, output.size(), time.time())
        output.write_lines(lines)
        return ExitCode.PASSED
    region = Region(output)
    try:
        while True:
            going, ended = jobs.look()
            size = output.size()
            region.draw([], overview(going, ended, output.look, size, time.time()), size)
            time.sleep(_FRAME)
    finally:
        output.write("\n")


class _Jobs:
    """The jobs of a store, each event read once."""

    def __init__(self, container: Container, project: str | None) -> None:
        self._container = container
        self._project = project
        self._snapshots: dict[tuple[JobId, float], JobSnapshot] = {}
        self._looked = 0.0

    def look(self) -> tuple[list[tuple[JobLine, JobSnapshot]], list[JobLine]]:
        """Those that go on, the oldest first, and those that have ended, the newest first."""
        manager = self._container.jobs
        if time.monotonic() - self._looked > _LOOK_FOR_LOST:
            manager.end_lost_jobs()
            self._looked = time.monotonic()
        going, ended, kept = [], [], {}
        for entry in manager.entries(project=self._project, limit=_LISTED):
            line = job_line(entry, manager.terminal_event(entry))
            if entry.terminal is not None:
                ended.append(line)
                continue
            # With the time when it began: an id is free again when its job is forgotten.
            key = (entry.header.job_id, entry.header.created)
            snapshot = self._snapshots.get(key) or JobSnapshot(job_id=entry.header.job_id)
            self._bring_up_to_date(snapshot)
            kept[key] = snapshot
            going.append((line, snapshot))
        self._snapshots = kept
        return going[::-1], ended

    def _bring_up_to_date(self, snapshot: JobSnapshot) -> None:
        while events := self._container.log.read(snapshot.job_id, snapshot.seq, _READ):
            for event in events:
                snapshot.apply(event)
