"""Workflow commands: findings become annotations on the lines of a pull request on GitHub.

The syntax is that of "Workflow commands for GitHub Actions"; GitHub shows ten annotations of each
level per step and drops the others without a word, so the most important come first and the others
are listed as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.reports import wording
from crackerjack.reports.safe_text import inert, inert_lines, one_line
from crackerjack.reports.style import PLAIN

_SHOWN: Final = 10  # annotations of one level per step

Level = Literal["error", "warning", "notice"]
_LEVELS: Final[dict[str, Level]] = {"error": "error", "warning": "warning", "note": "notice"}


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """One message on a line of a file; on the run itself without a `path`."""

    level: Level
    title: str
    message: str
    path: str = ""
    line: int | None = None
    column: int | None = None
    rank: int = 0
    """Lower is more important, within a level."""

    def command(self) -> str:
        """The workflow command."""
        known: dict[str, object] = {}
        if self.path:
            known = {"file": self.path, "line": self.line, "col": self.column}
        known["title"] = self.title
        properties = ",".join(
            f"{key}={_property(str(value))}" for key, value in known.items() if value is not None
        )
        return f"::{self.level} {properties}::{_data(self.message)}"

    def text(self) -> str:
        """The same as a line that is no command, wherever GitHub would look for one."""
        place = wording.location(self.path, self.line, self.column)
        line = f"- {f'{place}: ' if place else ''}{one_line(self.message)} [{inert(self.title)}]"
        return line.replace("##[", "## [")


def render(job: JobSnapshot) -> str:
    """At most ten commands of each level, the rest as text, then the verdict."""
    shown: list[str] = []
    left_out: list[Annotation] = []
    for level in ("error", "warning", "notice"):
        wanted = [one for one in _annotations(job) if one.level == level]
        wanted.sort(key=lambda one: one.rank)
        shown += [one.command() for one in wanted[:_SHOWN]]
        left_out += wanted[_SHOWN:]
    if left_out:
        shown += [
            f"::group::{len(left_out)} more, not annotated: GitHub shows {_SHOWN} of each level",
            *(one.text() for one in left_out),
            "::endgroup::",
        ]
    verdict = PLAIN.paint(wording.verdict(job)).replace("##[", "## [")
    return "".join(f"{line}\n" for line in [*shown, verdict])


def _annotations(job: JobSnapshot) -> Iterator[Annotation]:
    """Broken tools first, then failing tests, then each hook's first finding, its second, ..."""
    for hook in job.hooks.values():
        if hook.status in wording.BROKEN:
            yield Annotation(
                level="error", title=hook.name, message=f"{hook.name}: {wording.result(hook)}"
            )
        for rank, found in enumerate(hook.diagnostics, start=2):
            yield Annotation(
                level=_LEVELS.get(found.severity, "warning"),
                title=f"{found.hook} {found.code}".rstrip(),
                message=found.message or found.code or found.hook,
                path=found.path,
                line=found.line,
                column=found.column,
                rank=rank,
            )
    for test in job.failing_tests:
        yield Annotation(
            level="error",
            title=test.nodeid,
            message=test.message or f"{test.nodeid} failed",
            path=test.path,
            line=test.line,
            rank=1,
        )


def _data(text: str) -> str:
    """The message of a command, which may have several lines."""
    text = "\n".join(inert_lines(text))
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")
