"""Names for the values that every room of the house shares."""

from __future__ import annotations

import enum
import re
from typing import Final, NewType

from crackerjack.errors import InvalidJobId

JobId = NewType("JobId", str)
"""Names one run for ever; made by :func:`parse_job_id`, so never a path or a query."""

_JOB_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class HookStatus(enum.StrEnum):
    """How one hook ended. A run without evidence is never ``PASSED``."""

    PASSED = "passed"
    FIXED = "fixed"
    """It changed files, and the re-run is clean."""
    FAILED = "failed"
    """It found something."""
    TIMED_OUT = "timed_out"
    TOOL_MISSING = "tool_missing"
    TOOL_ERROR = "tool_error"
    """The tool crashed, was misconfigured, or said something that cannot be read."""
    INCONCLUSIVE = "inconclusive"
    """The tool ran but could not look, say without a network."""
    SKIPPED = "skipped"


class JobStatus(enum.StrEnum):
    """Where a job stands; the last three are for ever."""

    WAITING = "waiting"
    """A valid id that no job has yet."""
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class ExitCode(enum.IntEnum):
    """What the command says to the shell."""

    PASSED = 0
    FINDINGS = 1
    """The project has findings or failing tests."""
    USAGE = 2
    """Usage, configuration or store error."""
    TOOL = 3
    """A tool is missing, crashed or timed out, and nothing else failed."""
    INTERRUPTED = 130


def is_job_id(text: str) -> bool:
    """Whether :func:`parse_job_id` takes it."""
    return _JOB_ID.fullmatch(text) is not None


def parse_job_id(text: str) -> JobId:
    """Return `text` as a job id: a UUID, or 1-64 characters of ``[A-Za-z0-9_-]``.

    A UUID fits that alphabet, so one rule covers both. Raises :exc:`InvalidJobId`.
    """
    if not is_job_id(text):
        raise InvalidJobId(text)
    return JobId(text)
