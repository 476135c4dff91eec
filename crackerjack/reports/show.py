"""The text of ``crackerjack show JOB``: everything found, by file."""

from __future__ import annotations

import time
from typing import Final

from crackerjack.events.payload import DiagnosticFound
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.reports import wording
from crackerjack.reports.safe_text import inert, one_line
from crackerjack.reports.style import PLAIN, Line, Look, wrap
from crackerjack.reports.summary import next_steps, table

_INDENT: Final = 6  # cells, of lines that go on; a test's message has 4
_ALL_LINES: Final = 10_000  # of a failing test's message: here it is shown whole


def render(job: JobSnapshot, *, width: int = 80, look: Look = PLAIN) -> str:
    """The job's header, findings by file, failing tests, changes, table, verdict and commands.

    `width` is in cells of the terminal.
    """
    sections = [
        _header(job, width),
        _findings(job, width),
        [part for line in _failing_tests(job) for part in wrap(line, width, _INDENT)],
        [part for fix in job.fixes for part in wrap(wording.fix(fix), width, _INDENT)],
        table(job, look, width),
        wrap(wording.verdict(job), width, 2),
        next_steps(job, look, width, but=f"crackerjack show {job.job_id}"),
    ]
    if job.unread:
        events = wording.count(job.unread, "event")
        sections.insert(1, [[("warn", f"{events} of a newer crackerjack cannot be shown")]])
    return "\n".join(
        "".join(f"{look.paint(line)}\n" for line in section) for section in sections if section
    )


def _header(job: JobSnapshot, width: int) -> list[Line]:
    title: Line = [("strong", one_line(job.title or job.workflow or "Job"))]
    where = f"job {job.job_id}"
    if job.project:
        where += f" in {inert(job.project)}"
    if job.started is not None:
        where += f", {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(job.started))}"
    return [title, *wrap([("faint", where)], width, 2)]


def _findings(job: JobSnapshot, width: int) -> list[Line]:
    """The findings under the name of their file, in the order of its lines."""
    by_path: dict[str, list[DiagnosticFound]] = {}
    for found in job.diagnostics:
        by_path.setdefault(found.path, []).append(found)
    lines: list[Line] = []
    for path in sorted(by_path):
        if lines:
            lines.append([])
        lines.append([("path", inert(path) or "the project as a whole")])
        places = {id(found): _place(found) for found in by_path[path]}
        column = max(map(len, places.values()))
        for found in sorted(by_path[path], key=_position):
            place = places[id(found)]
            message = wording.finding(found)[2:]
            lines += wrap([("faint", f"  {place:>{column}}  "), *message], width, column + 4)
    return lines


def _failing_tests(job: JobSnapshot) -> list[Line]:
    return [
        line for test in job.failing_tests for line in wording.failing_test(test, limit=_ALL_LINES)
    ]


def _position(found: DiagnosticFound) -> tuple[int, int]:
    return found.line or 0, found.column or 0


def _place(found: DiagnosticFound) -> str:
    return ":".join(str(part) for part in (found.line, found.column) if part is not None)
