"""SARIF 2.1.0, from the ``{report}`` file or else from stdout.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.exit_code import findings_exit
from crackerjack.hooks.parsers.reading import (
    ProjectPaths,
    broke,
    decode,
    judge,
    position,
    severity,
)


class _Text(msgspec.Struct, frozen=True):
    text: str = ""
    markdown: str = ""


class _Artifact(msgspec.Struct, frozen=True):
    uri: str = ""


class _Region(msgspec.Struct, frozen=True, rename="camel"):
    start_line: int | None = None
    start_column: int | None = None


class _Physical(msgspec.Struct, frozen=True, rename="camel"):
    artifact_location: _Artifact = _Artifact()
    region: _Region = _Region()


class _Location(msgspec.Struct, frozen=True, rename="camel"):
    physical_location: _Physical = _Physical()


class _Result(msgspec.Struct, frozen=True, rename="camel"):
    message: _Text
    rule_id: str = ""
    kind: str = "fail"
    level: str = ""
    locations: tuple[_Location, ...] = ()
    suppressions: tuple[object, ...] = ()


class _Configuration(msgspec.Struct, frozen=True):
    level: str = "warning"


class _Rule(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    default_configuration: _Configuration = _Configuration()


class _Driver(msgspec.Struct, frozen=True):
    rules: tuple[_Rule, ...] = ()


class _Tool(msgspec.Struct, frozen=True):
    driver: _Driver


class _Notification(msgspec.Struct, frozen=True):
    message: _Text = _Text()


class _Invocation(msgspec.Struct, frozen=True, rename="camel"):
    execution_successful: bool = True
    tool_execution_notifications: tuple[_Notification, ...] = ()


class _Run(msgspec.Struct, frozen=True):
    tool: _Tool
    results: tuple[_Result, ...] | None = None
    """None when the tool did not look (section 3.14.23)."""
    invocations: tuple[_Invocation, ...] = ()


class _Log(msgspec.Struct, frozen=True):
    runs: tuple[_Run, ...]


def parse(hook: str, output: ToolOutput) -> Parsed:
    """What is suppressed, or of a kind other than ``fail``, is no finding."""
    log = decode(output.report or output.stdout, _Log)
    if log is None or not log.runs or any(run.results is None for run in log.runs):
        return broke(hook, output, "without a readable SARIF report")
    paths = ProjectPaths(output.root)
    found = [one for run in log.runs for one in _diagnostics(hook, run, paths)]
    for run in log.runs:
        for invocation in run.invocations:
            if not invocation.execution_successful:
                return broke(hook, output, _why(invocation), found)
    return judge(hook, output, found, findings_exit=findings_exit(output))


def _why(invocation: _Invocation) -> str:
    notes = [note.message.text for note in invocation.tool_execution_notifications]
    return "; ".join(["and says that it did not succeed", *notes])


def _diagnostics(hook: str, run: _Run, paths: ProjectPaths) -> Iterator[Diagnostic]:
    levels = {rule.id: rule.default_configuration.level for rule in run.tool.driver.rules}
    for result in run.results or ():
        if result.kind != "fail" or result.suppressions:
            continue
        place = result.locations[0].physical_location if result.locations else _Physical()
        yield Diagnostic(
            hook=hook,
            path=paths(_file(place.artifact_location.uri)),
            line=position(place.region.start_line),
            column=position(place.region.start_column),
            code=result.rule_id,
            severity=severity(result.level or levels.get(result.rule_id, "warning")),
            message=result.message.text or result.message.markdown,
        )


def _file(uri: str) -> str:
    return urllib.parse.unquote(uri.removeprefix("file://"))
