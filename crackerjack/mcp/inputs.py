"""What the tools take, described for a model."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from crackerjack.mcp.story import Until

JobId = Annotated[str, Field(description="from run_checks or jobs", min_length=1, max_length=64)]
Seconds = Annotated[float, Field(ge=0, le=600)]
_PATIENCE: Final = 50.0
"""Seconds; most clients give a call up after 60, and what the answer would have told is not lost, but late."""


def _argument(text: str) -> str:
    if "\0" in text:
        raise ValueError("no program takes a null byte")
    return text


Path = Annotated[str, Field(max_length=4096), AfterValidator(_argument)]
Name = Annotated[str, Field(max_length=200), AfterValidator(_argument)]
Project = Annotated[
    Path | None,
    Field(description="absolute path of the project's directory; by default the server's own"),
]


class Input(BaseModel):
    """What is common to all of them."""

    model_config = ConfigDict(extra="forbid")


class RunChecks(Input):
    """What to run."""

    project: Project = None
    workflow: Annotated[
        Name,
        Field(
            description="fast, standard (default), test (the tests alone), comprehensive (tests too), or "
            "one of the project's own"
        ),
    ] = ""
    tests: Annotated[bool, Field(description="run the tests too, where the workflow does not")] = (
        False
    )
    hooks: Annotated[
        list[Name],
        Field(description="only these, such as mypy; explain lists them", max_length=100),
    ] = []
    paths: Annotated[
        list[Path],
        Field(
            description="only these files and what is in these directories, relative to the project",
            max_length=1000,
        ),
    ] = []
    changed_only: Annotated[
        bool, Field(description="only files that differ from the last commit")
    ] = False
    check_only: Annotated[
        bool, Field(description="write nothing: without it formatters and fixers change files")
    ] = False
    wait_s: Annotated[
        Seconds,
        Field(description="seconds to wait for the first decisive thing; 0 returns at once"),
    ] = 0


class Wait(Input):
    """What to wait for."""

    job_id: JobId
    since: Annotated[
        int, Field(description="the `next` of the last answer; 0 from the start", ge=0)
    ] = 0
    until: Annotated[
        Until,
        Field(
            description="decisive: the first failing test, the first error of a new kind, a tool that "
            "is missing or crashed, or the end; test: a failing test, or the end of the tests; "
            "finished: the end alone; any: any event"
        ),
    ] = Until.DECISIVE
    timeout_s: Annotated[Seconds, Field(description="return then with what there is")] = _PATIENCE


class Findings(Input):
    """Which findings."""

    job_id: JobId
    only: Annotated[
        Literal["new", "all"], Field(description="new: not found by the last finished run before")
    ] = "all"
    hook: Name | None = None
    path: Annotated[Path | None, Field(description="a file, or a directory")] = None
    severity: Literal["error", "warning", "note"] | None = None
    limit: Annotated[int, Field(description="rules, not places", ge=1, le=100)] = 20
    cursor: Annotated[str, Field(description="of the last answer", max_length=20)] = ""


class Compare(Input):
    """Which runs."""

    job_id: JobId
    base: Annotated[
        str | None,
        Field(description="an earlier job; by default the last finished one", max_length=64),
    ] = None


class Output(Input):
    """Whose output."""

    job_id: JobId
    hook: Name
    tail: Annotated[int, Field(description="lines from the end", ge=1, le=500)] = 50


class Jobs(Input):
    """Which jobs."""

    project: Project = None
    limit: Annotated[int, Field(ge=1, le=100)] = 10


class OfJob(Input):
    """Which job."""

    job_id: JobId


class Explain(Input):
    """Which project."""

    project: Project = None
