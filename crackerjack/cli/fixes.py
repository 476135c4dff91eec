"""The fixes of a run on a worker, made in the project here."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from crackerjack.cli.reporting import say_waiting
from crackerjack.cli.store_option import needed_broker, open_fleet_at
from crackerjack.config import Config, find_project, load_config
from crackerjack.errors import StillRunning, UsageError
from crackerjack.fleet.changes import Applied, Fate, apply_changes
from crackerjack.fleet_container import Fleet
from crackerjack.reports.safe_text import one_line
from crackerjack.types import ExitCode, JobId

_KEPT: frozenset[Fate] = frozenset({Fate.CHANGED_MEANWHILE, Fate.REFUSED})


def apply(arguments: argparse.Namespace) -> int:
    """Make the fixes of an ended run here; exit code 1 when a file was left as it is."""
    root = find_project(arguments.project)
    config = load_config(root, environment=os.environ, overrides={})
    job_id = JobId(arguments.job)
    with open_fleet_at(needed_broker(arguments), "apply") as fleet:
        if fleet.log.job(job_id).terminal is None:
            raise StillRunning(job_id)
        name = fleet.log.records.result(job_id)
        if not name:
            raise UsageError(f"job {job_id} fixed nothing on a worker")
        applied = make_fixes(fleet, config, job_id, fleet.objects.get(name))
    for line in fate_of_fixes(applied, job_id):
        print(one_line(line))
    kept = any(one.fate in _KEPT for one in applied)
    return ExitCode.FINDINGS if kept else ExitCode.PASSED


def make_fixes(fleet: Fleet, config: Config, job_id: JobId, patch: bytes) -> Sequence[Applied]:
    """Make what a worker changed, in files that are as it got them, so that it can be undone."""
    return apply_changes(
        config.root,
        patch,
        job_id=job_id,
        state_dir=fleet.container.state_dir,
        limits=config.bundle,
        on_wait=say_waiting,
    )


def fate_of_fixes(applied: Sequence[Applied], job_id: JobId) -> list[str]:
    """What became of the fixes, for the user."""
    lines = [
        f"{one.path} was not fixed here: {one.reason or 'it was changed meanwhile'}"
        for one in applied
        if one.fate in _KEPT
    ]
    if count := sum(one.fate is Fate.APPLIED for one in applied):
        files = "1 file was" if count == 1 else f"{count} files were"
        lines.append(f"{files} fixed here too; `crackerjack undo {job_id}` takes that back.")
    elif not lines:
        lines.append("All files are as the run left them already.")
    return lines
