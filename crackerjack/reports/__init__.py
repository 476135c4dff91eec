"""What a job came to, as one document: for people, for CI systems, for other tools.

Every report is a pure function of a :class:`JobSnapshot`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from crackerjack.jobs.snapshot import JobSnapshot

Renderer = Callable[[JobSnapshot], str]
"""Returns the whole document, its last line ended."""


def _text(job: JobSnapshot) -> str:
    from crackerjack.reports import text

    return text.render(job)


def _github(job: JobSnapshot) -> str:
    from crackerjack.reports import github

    return github.render(job)


def _sarif(job: JobSnapshot) -> str:
    from crackerjack.reports import sarif

    return sarif.render(job)


def _junit(job: JobSnapshot) -> str:
    from crackerjack.reports import junit

    return junit.render(job)


def _json(job: JobSnapshot) -> str:
    from crackerjack.reports import json_report

    return json_report.render(job)


FORMATS: Final[Mapping[str, Renderer]] = {
    "text": _text,
    "github": _github,
    "sarif": _sarif,
    "junit": _junit,
    "json": _json,
}
"""By the name that ``--format`` takes; each module is imported when it is used."""
