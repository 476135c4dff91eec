"""The commands about jobs that ran or run: ``jobs``, ``show``, ``events``, ``cancel``, ..."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Final

import msgspec

from crackerjack.cli.reporting import person, print_json, say_waiting, write_report
from crackerjack.cli.store_option import open_store
from crackerjack.config import find_project, load_config
from crackerjack.errors import JobEnded, UsageError
from crackerjack.hooks.diagnostic import printable_path
from crackerjack.hooks.undo import Restoration
from crackerjack.jobs.job_manager import JobManager
from crackerjack.reports.safe_text import inert
from crackerjack.types import ExitCode, JobId, JobStatus

_DONE: Final = frozenset({Restoration.RESTORED, Restoration.ALREADY})
_RESTORATIONS: Final = {
    Restoration.RESTORED: "put back",
    Restoration.ALREADY: "is as it was before",
    Restoration.CHANGED_SINCE: "left alone: it was changed since",
    Restoration.MISSING: "left alone: it is gone",
    Restoration.REFUSED: "could not be put back",
}


def jobs(arguments: argparse.Namespace) -> int:
    """List jobs, newest first. Looking also ends the jobs whose process is gone."""
    from crackerjack.reports import listing

    if arguments.status and arguments.status not in list(JobStatus):
        raise UsageError(f"no status {arguments.status!r}; there are: {', '.join(JobStatus)}")
    project = None if arguments.all else find_project(arguments.project)
    limit = int(arguments.limit)
    most = sys.maxsize if arguments.status else limit
    with open_store(arguments) as container:
        manager = container.jobs
        rows = [
            listing.job_line(entry, manager.terminal_event(entry))
            for entry in manager.entries(project=project, limit=most)
        ]
    wanted = [row for row in rows if arguments.status in {None, row.status}]
    wanted = wanted[:limit]
    if arguments.json:
        print_json([msgspec.to_builtins(row) for row in wanted])
    elif limit:
        screen = person()
        text = listing.render(
            wanted, now=time.time(), width=screen.size().columns, look=screen.look
        )
        screen.write(text)
    return ExitCode.PASSED


def show(arguments: argparse.Namespace) -> int:
    """Show what a job did and found, as text or as a report."""
    from crackerjack.reports import show as whole

    with open_store(arguments) as container:
        container.jobs.end_lost_jobs()
        snapshot = container.jobs.snapshot(job_or_last(container.jobs, arguments))
    if arguments.json or arguments.format:
        write_report(snapshot, "json" if arguments.json else arguments.format, sys.stdout.buffer)
    else:
        screen = person()
        screen.write(whole.render(snapshot, width=screen.size().columns, look=screen.look))
    return ExitCode.PASSED


def cancel(arguments: argparse.Namespace) -> int:
    """Ask a running job to stop, in whatever process it runs."""
    with open_store(arguments) as container:
        container.jobs.end_lost_jobs()
        entry = container.jobs.entry(arguments.job)
        if entry.terminal is not None or not container.jobs.cancel(arguments.job):
            raise JobEnded(arguments.job, entry.terminal or "just now")
    if arguments.json:
        print_json({"job_id": arguments.job, "cancel_requested": True})
    else:
        print(
            f"Asked job {arguments.job} to stop; `crackerjack show {arguments.job}` says how it ended."
        )
    return ExitCode.PASSED


def undo(arguments: argparse.Namespace) -> int:
    """Put back what a job changed; exit code 1 when a file had to be left as it is."""
    with open_store(arguments) as container:
        container.jobs.end_lost_jobs()
        job_id = job_or_last(container.jobs, arguments)
        outcomes = container.jobs.undo(job_id, say_waiting)
    if arguments.json:
        print_json([msgspec.to_builtins(outcome) for outcome in outcomes])
    elif not outcomes:
        print(f"Job {job_id} changed nothing.")
    else:
        for outcome in outcomes:
            reason = f" ({outcome.reason})" if outcome.reason else ""
            path = printable_path(outcome.path)
            print(f"{inert(path)}: {_RESTORATIONS[outcome.outcome]}{reason}")
    done = all(outcome.outcome in _DONE for outcome in outcomes)
    return ExitCode.PASSED if done else ExitCode.FINDINGS


def prune(arguments: argparse.Namespace) -> int:
    """Forget the oldest ended jobs, whole."""
    root = find_project(arguments.project)
    config = load_config(root, environment=os.environ, overrides={})
    keep = config.keep_jobs if arguments.keep is None else int(arguments.keep)
    with open_store(arguments) as container:
        container.jobs.end_lost_jobs()
        count = container.jobs.prune(project=None if arguments.all else root, keep=keep)
    if arguments.json:
        print_json({"forgotten": count, "kept_at_most": keep})
    else:
        print(f"Forgot {count} job{'' if count == 1 else 's'}; kept the last {keep}.")
    return ExitCode.PASSED


def job_or_last(manager: JobManager, arguments: argparse.Namespace) -> JobId:
    """The job that the command line names, else the project's last one."""
    if arguments.job:
        return JobId(arguments.job)
    project = find_project(arguments.project)
    entries = manager.entries(project=project, limit=1)
    if not entries:
        raise UsageError(f"no job of {project} in this store; `crackerjack run` makes one")
    return entries[0].header.job_id
