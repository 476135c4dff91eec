"""The commands about a project: ``hooks``, ``config``, ``doctor``, ``init`` and ``completion``."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import msgspec

from crackerjack.cli.reporting import print_json
from crackerjack.config import PYPROJECT, Config, Settings, find_project, load_config, state_dir
from crackerjack.container import open_container
from crackerjack.errors import CrackerjackError, UsageError
from crackerjack.hooks.atomic import create_file, read_regular, replace_file
from crackerjack.hooks.project import Project
from crackerjack.hooks.selection import NOT_ASKED_FOR
from crackerjack.hooks.undo import UndoStore
from crackerjack.reports import wording
from crackerjack.reports.hook_rows import HookRow, hook_rows, why_left_out
from crackerjack.reports.safe_text import inert
from crackerjack.types import ExitCode, JobId
from crackerjack.workflow.options import RunOptions
from crackerjack.workflow.workflow import Workflow, select_workflow

_TABLE: Final = """\
[tool.crackerjack]
# `crackerjack config` shows every setting, `crackerjack hooks` what will run.
workflow = "standard"
exclude = []
"""
_HOW_TO_ASK: Final = (
    "Run one with --hook NAME. To have it in every run, configure its tool, "
    "or set enabled = true in [tool.crackerjack.hooks.NAME]."
)
_LITTLE_SPACE: Final = 100 * 1024 * 1024  # bytes


def hooks(arguments: argparse.Namespace) -> int:
    """List what will run in this project, with which tool from where, and what will not and why."""
    effective = _config(arguments)
    rows = hook_rows(effective, state_dir(os.environ))
    if arguments.json:
        print_json([msgspec.to_builtins(row) for row in rows])
        return ExitCode.PASSED
    waiting = [row.hook for row in rows if row.reason.startswith(NOT_ASKED_FOR)]
    for title, runs in (("Will run:", True), ("Will not run:", False)):
        told = [row for row in rows if row.runs is runs and row.hook not in waiting]
        if told:
            print(title)
        for row in told:
            print(f"  {row.hook:16} {row.strategy:14} {inert(_about(row))}")
    if waiting:
        print("Not asked for in this project:")
        width = shutil.get_terminal_size().columns - 3  # indented
        for text in (", ".join(waiting), _HOW_TO_ASK):
            print(textwrap.indent(textwrap.fill(text, width, break_on_hyphens=False), "  "))
    return ExitCode.PASSED


def _looked_at(effective: Config, workflow: Workflow) -> Project:
    return Project.to_look_at(
        effective, state_dir(os.environ), wanted=workflow.wanted, everything=workflow.everything
    )


def _about(row: HookRow) -> str:
    if not row.runs:
        return row.reason
    if row.tool is None:
        return "built in"
    return f"{row.tool} {row.version} from {_ORIGINS[row.origin or '']}: {row.path}"


_ORIGINS: Final = {
    "": "nowhere",
    "project": "the project's environment",
    "crackerjack": "crackerjack's environment",
    "path": "PATH",
}


def config(arguments: argparse.Namespace) -> int:
    """Show the effective configuration, and where each value comes from."""
    effective = _config(arguments)
    rows = {
        name: {
            "value": msgspec.to_builtins(getattr(effective, name)),
            "origin": effective.origins[name],
        }
        for name in Settings.__struct_fields__
    }
    if arguments.json:
        print_json({"project": effective.root, "settings": rows})
        return ExitCode.PASSED
    print(f"Project: {inert(effective.root)}")
    for name, row in rows.items():
        value = msgspec.json.encode(row["value"]).decode()
        print(f"  {name:17} = {value}  ({row['origin']})")
    return ExitCode.PASSED


class Check(msgspec.Struct, frozen=True):
    """One line of ``crackerjack doctor``."""

    subject: str
    ok: bool
    says: str
    tool: bool = False
    """Whether it is about a tool of one hook, and not about everything that runs here."""


def doctor(arguments: argparse.Namespace) -> int:
    """Check everything that a run needs; the exit code is the one that a run would have for it."""
    checks = list(_checks(arguments))
    if arguments.json:
        print_json([msgspec.to_builtins(check) for check in checks])
    else:
        for check in checks:
            print(f"{'ok  ' if check.ok else 'FAIL'}  {check.subject:14} {inert(check.says)}")
    failed = [check for check in checks if not check.ok]
    if all(check.tool for check in failed):
        return ExitCode.TOOL if failed else ExitCode.PASSED
    return ExitCode.USAGE


def _checks(arguments: argparse.Namespace) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("python", ok=True, says=f"{version} at {sys.executable}")
    directory = state_dir(os.environ)
    try:
        with open_container(os.environ) as container:
            count = len(container.jobs.entries(limit=sys.maxsize))
            # Changes nothing, and needs all that a change does.
            container.log.renew_lease(JobId("doctor"), owner="doctor", expires=0.0)
        with closing(UndoStore(directory)) as undo:
            undo.changes("doctor")
        yield Check("store", ok=True, says=f"{directory} ({wording.count(count, 'job')})")
        yield _space(directory)
    except CrackerjackError as error:
        yield Check("store", ok=False, says=str(error))
    try:
        effective = _config(arguments)
    except CrackerjackError as error:
        yield Check("configuration", ok=False, says=str(error))
        return
    yield Check("configuration", ok=True, says=effective.root)
    yield from _broker(arguments)
    yield Check(
        "git", ok=True, says=shutil.which("git") or "not installed: all files are looked at"
    )
    try:
        yield from _check_hooks(effective)
    except CrackerjackError as error:
        yield Check("hooks", ok=False, says=str(error))


def _broker(arguments: argparse.Namespace) -> Iterator[Check]:
    """Whether runs can go to workers, where a broker is named."""
    from crackerjack.cli.store_option import chosen_broker, open_fleet_at

    try:
        if (address := chosen_broker(arguments)) is None:
            return
        with open_fleet_at(address, "doctor") as fleet:
            workers = [one for one in fleet.leases.workers() if not one.draining]
            depth = sum(1 for _ in fleet.queue.jobs())
    except CrackerjackError as error:
        yield Check("broker", ok=False, says=str(error))
        return
    there = f"{wording.count(len(workers), 'worker')}, {wording.count(depth, 'job')} in the queue"
    hint = "" if workers else ": start one with `crackerjack worker`"
    yield Check("broker", ok=bool(workers), says=f"{address.shown} ({there}){hint}")


def _space(directory: str) -> Check:
    free = shutil.disk_usage(directory).free
    return Check("disk", ok=free > _LITTLE_SPACE, says=f"{free >> 20} MiB free for the store")


def _check_hooks(effective: Config) -> Iterator[Check]:
    workflow = select_workflow(effective, RunOptions())
    with _looked_at(effective, workflow) as project:
        python = project.layout.python or "none found: tools come from crackerjack's environment"
        yield Check("environment", ok=True, says=python)
        for entry in project.planned:
            if why_left_out(entry, workflow):
                continue
            if entry.runs:
                says = project.tool_version(entry) or "built in"
                yield Check(entry.hook.name, ok=True, says=says, tool=True)
            elif entry.asked:
                yield Check(entry.hook.name, ok=False, says=entry.reason, tool=True)


def init(arguments: argparse.Namespace) -> int:
    """Add ``[tool.crackerjack]`` to pyproject.toml, which is made when there is none."""
    effective = _config(arguments)
    path = os.path.join(effective.root, PYPROJECT)
    tool: dict[str, Any] = effective.pyproject.get("tool", {})
    wrote = "crackerjack" not in tool
    if wrote:
        _append(path, _TABLE)
    if arguments.json:
        print_json({"path": path, "wrote": wrote})
    elif wrote:
        print(f"Added [tool.crackerjack] to {inert(path)}. Next: crackerjack hooks")
    else:
        print(f"{inert(path)} has [tool.crackerjack] already; nothing was changed.")
    return ExitCode.PASSED


def _append(path: str, table: str) -> None:
    """Append to the file, whole or not at all; it is made when there is none."""
    try:
        before = read_regular(path)
    except FileNotFoundError:
        refusal = create_file(path, table.encode(), 0o644)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    else:
        gap = b"\n" if before.endswith(b"\n") else b"\n\n"
        refusal = replace_file(path, before + gap + table.encode(), expect=before)
    if refusal is not None:
        raise UsageError(f"{path} {refusal.reason}")


def completion(arguments: argparse.Namespace) -> int:
    """Print the completion script for a shell."""
    import shtab

    print(shtab.complete(arguments.whole_parser(), shell=arguments.shell))
    return ExitCode.PASSED


def _config(arguments: argparse.Namespace) -> Config:
    return load_config(find_project(arguments.project), environment=os.environ, overrides={})
