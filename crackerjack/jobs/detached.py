"""Starts a run in a process of its own, which goes on when whoever started it is gone."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO, Annotated, Final

import msgspec

from crackerjack.errors import JobExists, UnknownJob, UsageError
from crackerjack.events.log import EventLog
from crackerjack.jobs.process_identity import pid_of
from crackerjack.types import JobId

BEGINS_WITHIN: Final = 60.0
"""Seconds until a run has its job in the log: it reads the configuration before, from a disk that may hang."""
_LOOK_EVERY: Final = 0.02
"""Seconds between looks at whether the run has begun, or has given up."""
_MOST_WORDS: Final = 4000  # bytes of what a run that did not begin said
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]
"""What can be an argument of a command: no program takes a null byte in one."""


class DetachedOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of ``crackerjack run`` that may be asked for from afar, by their names there."""

    fast: bool = False
    comp: bool = False
    run_tests: bool = False
    skip_hooks: bool = False
    skip_cleaning: bool = False
    changed_only: bool = False
    check: bool = False
    fix: bool = False
    strip_code: bool = False
    no_cache: bool = False
    fail_fast: bool = False
    hook: tuple[Text, ...] = ()
    """Only these hooks."""
    path: tuple[Text, ...] = ()
    """Only these files and what is in these directories; absolute, or relative to the project."""
    since: Text = ""
    """Only files that differ from this revision."""
    jobs: int | None = None
    """Hooks side by side."""
    timeout: float | None = None
    """Seconds, for the whole run."""

    def arguments(self) -> list[str]:
        """The same as a command line. A value never stands alone, where it could be an option."""
        words: list[str] = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            option = "--" + name.replace("_", "-")
            if value is True:
                words.append(option)
            elif isinstance(value, tuple):
                words += [f"{option}={one}" for one in value]
            elif value:
                words.append(f"{option}={value}")
        return words


def start_detached(
    log: EventLog, project: str, workflow: str, options: DetachedOptions, job_id: JobId
) -> None:
    """Start ``crackerjack run`` and return when its job is in the log.

    Raises :exc:`JobExists`, and :exc:`UsageError` with the run's own sentence when it does not begin,
    and with ours when the system starts no such process (there is a limit to the length of all arguments),
    or when it has not begun in time and was ended.
    """
    if _runner(log, job_id) is not None:
        raise JobExists(job_id)
    paths = tuple(os.path.join(project, path) for path in options.path)
    options = msgspec.structs.replace(options, path=paths)
    choice = [f"--workflow={workflow}"] if workflow else []
    argv = [
        *(sys.executable, "-P", "-m", "crackerjack", "run", "--quiet"),
        *(f"--job-id={job_id}", f"--project={project}"),
        *choice,
        *options.arguments(),
    ]
    deadline = time.monotonic() + BEGINS_WITHIN
    with tempfile.TemporaryFile() as said:
        process = _process(argv, said)
        # Somebody has to ask how it ended, or it stays a zombie for as long as we live.
        threading.Thread(target=process.wait, name=f"reaper-{job_id}", daemon=True).start()
        while not _has_begun(log, job_id, process.pid):
            try:
                process.wait(_LOOK_EVERY)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    os.killpg(process.pid, signal.SIGKILL)
                    raise UsageError(
                        f"the run did not begin within {BEGINS_WITHIN:.0f} s"
                    ) from None
                continue
            if _has_begun(log, job_id, process.pid):
                return
            if _runner(log, job_id) is not None:
                raise JobExists(job_id)
            said.seek(0)
            words = said.read(_MOST_WORDS).decode(errors="replace").strip()
            raise UsageError(words.removeprefix("crackerjack: error: ") or "the run did not begin")


def _process(argv: list[str], said: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
    except OSError as error:
        less = ": ask for fewer paths, or for directories" if error.errno == errno.E2BIG else ""
        raise UsageError(f"no run can be started: {error.strerror}{less}") from error


def _has_begun(log: EventLog, job_id: JobId, pid: int) -> bool:
    """Whether the job is in the log; in one of many machines, whoever runs it is another process."""
    runner = _runner(log, job_id)
    return runner == pid or (log.recent is not None and runner is not None)


def _runner(log: EventLog, job_id: JobId) -> int | None:
    """The number of the process that runs the job, 0 on another host; None while there is no such job."""
    try:
        return pid_of(log.job(job_id).header.owner)
    except UnknownJob:
        return None
