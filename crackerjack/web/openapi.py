"""The OpenAPI 3.1 document of the HTTP endpoints."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from crackerjack import __version__
from crackerjack.events.payload import PAYLOADS
from crackerjack.hooks.undo import UndoOutcome
from crackerjack.jobs.comparison import Comparison
from crackerjack.jobs.file_changes import ChangedFile
from crackerjack.jobs.queue_state import QueueState
from crackerjack.jobs.statistics import ProjectStatistics
from crackerjack.reports.listing import JobLine
from crackerjack.types import JobStatus
from crackerjack.web.problems import MEDIA_TYPE
from crackerjack.web.schemas import (
    JOB_ID,
    JOB_ID_PATTERN,
    SECONDS,
    TIME,
    Schema,
    array,
    components,
    event,
    one_of,
    record,
    ref,
    snapshot,
    string,
    whole,
    with_source,
)
from crackerjack.web.start_request import StartRequest
from crackerjack.web.static_files import MEDIA_TYPES

_PROBLEM: Final = {
    "type": string(),
    "title": string(),
    "status": whole(400, maximum=599),
    "detail": string(minLength=1),
}
_JOB_ID: Final = {"name": "job_id", "in": "path", "required": True, "schema": JOB_ID}
_NUMBER: Final = whole(maximum=10**18 - 1)
_TYPES: Final = string(pattern="^[a-z_*,]*$")


def openapi() -> dict[str, Any]:
    """The document, as plain values."""
    schemas = components(
        JobLine,
        StartRequest,
        ProjectStatistics,
        Comparison,
        ChangedFile,
        UndoOutcome,
        QueueState,
    )
    schemas["FindingWithSource"] = with_source(schemas["DiagnosticFound"])
    schemas["StartRequest"]["properties"]["job_id"]["pattern"] = f"^$|{JOB_ID_PATTERN}"
    events = {str(name): event(str(name)) for name in PAYLOADS}
    return {
        "openapi": "3.1.0",
        "info": {"title": "crackerjack", "version": __version__},
        "paths": {**_jobs(), **_one_job(), **_server(), **_documents()},
        "components": {
            "schemas": {
                **schemas,
                **events,
                "Event": {
                    "oneOf": [ref(name) for name in events],
                    "discriminator": {"propertyName": "event_type"},
                },
                "Problem": record(**_PROBLEM),
                "FutureCursor": record(**_PROBLEM, head=whole()),
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _jobs() -> dict[str, Any]:
    created = _of(ref("JobLine"))
    created["headers"] = {"Location": {"required": True, "schema": string(pattern="^/jobs/")}}
    return {
        "/jobs": {
            "get": _operation(
                "Jobs, newest first.",
                {"200": _of(record(jobs=array(ref("JobLine"), maxItems=1000)))},
                _query(status=one_of(*JobStatus), project=string(), limit=_NUMBER),
                refused=(400, 503),
            ),
            "post": {
                **_operation(
                    "Start a run, in a process of its own.",
                    {"201": created},
                    refused=(400, 403, 409, 413, 422, 503),
                ),
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": ref("StartRequest")}},
                },
            },
        },
        "/queue": {
            "get": _operation(
                "What waits for workers, what runs, and the workers; 404 where jobs need none.",
                {"200": _of(ref("QueueState"))},
                refused=(404, 503),
            )
        },
        "/stats": {
            "get": _operation(
                "How the last jobs of each project went: pass rates and durations.",
                {"200": _of(record(projects=array(ref("ProjectStatistics")), timestamp=TIME))},
                _query(project=string(), jobs=_NUMBER),
                refused=(400, 503),
            )
        },
    }


def _one_job() -> dict[str, Any]:
    cancelled = record(job_id=JOB_ID, cancel_requested={"const": True})
    changed = record(job_id=JOB_ID, ended={"type": "boolean"}, files=array(ref("ChangedFile")))
    undone = record(job_id=JOB_ID, files=array(ref("UndoOutcome")))
    hook = {"name": "hook", "in": "path", "required": True, "schema": string(minLength=1)}
    text = {"200": _content("Text.", {"text/plain": string()})}
    return {
        "/jobs/{job_id}": _get("What the job is now.", {"200": _of(snapshot())}),
        "/jobs/{job_id}/events": _events(),
        "/jobs/{job_id}/diagnostics": _diagnostics(),
        "/jobs/{job_id}/output/{hook}": _get("What a hook printed.", text, [hook]),
        "/jobs/{job_id}/compare": _get(
            "What is new, fixed and remaining since another run: by default the last finished one.",
            {"200": _of(ref("Comparison"))},
            _query(base={**JOB_ID, "pattern": f"^$|{JOB_ID_PATTERN}"}),
            refused=(409,),
        ),
        "/jobs/{job_id}/changes": _get(
            "What cleaning and fixing changed, file by file, as diffs.",
            {"200": _of(changed)},
            refused=(409,),
        ),
        "/jobs/{job_id}/undo": _post(
            "Put back what the job changed, unless somebody changed it since.",
            {"200": _of(undone)},
        ),
        "/jobs/{job_id}/cancel": _post("Ask the job to stop.", {"202": _of(cancelled)}),
    }


def _events() -> dict[str, Any]:
    page = record(
        events=array(ref("Event"), maxItems=1000),
        next=whole(),
        head=whole(),
        finished={"type": "boolean"},
    )
    return _get(
        "Events after `since`: a page, with `wait` a long poll, or server-sent events.",
        {
            "200": _content("Events.", {"application/json": page, "text/event-stream": string()}),
            "204": {"description": "The job has ended, and you have all of it."},
        },
        _query(since=_NUMBER, limit=_NUMBER, wait=SECONDS, types=_TYPES),
        refused=(410,),
    )


def _diagnostics() -> dict[str, Any]:
    finding = {"anyOf": [ref("DiagnosticFound"), ref("FindingWithSource")]}
    found = record(diagnostics=array(finding), seq=whole())
    sarif = record(version={"const": "2.1.0"}, runs=array({"type": "object"}))
    sarif = _more(sarif)  # of whose keys SARIF's own schema speaks
    formats = {"application/json": found, "application/sarif+json": sarif}
    return _get(
        "The findings that stand.",
        {"200": _content("Findings.", formats)},
        _query(hook=string(), path=string(), severity=string(), source=one_of("0", "1")),
    )


def _server() -> dict[str, Any]:
    healthy = {"200": _of(record(status={"const": "ok"}))}
    ready = {"200": _of(record(status={"const": "ready"}))}
    metrics = {"200": _content("Prometheus text.", {"text/plain": string()})}
    return {
        "/healthz": {"get": _operation("The process answers.", healthy, needs_token=False)},
        "/readyz": {
            "get": _operation("The store can be read.", ready, refused=(503,), needs_token=False)
        },
        "/metrics": {"get": _operation("Counters and histograms.", metrics, refused=(503,))},
    }


def _documents() -> dict[str, Any]:
    openapi = record(openapi=string(pattern="^3[.]1[.]"), paths={"type": "object"})
    asyncapi = record(asyncapi=string(pattern="^3[.]0[.]"), channels={"type": "object"})
    return {
        **{
            path: {
                "get": _operation(
                    "Part of the page.", {"200": _file(media_type)}, needs_token=False
                )
            }
            for path, media_type in MEDIA_TYPES.items()
        },
        "/openapi.json": {"get": _operation("This document.", {"200": _of(_more(openapi))})},
        "/asyncapi.json": {
            "get": _operation("The live stream, in the same way.", {"200": _of(_more(asyncapi))})
        },
    }


def _file(media_type: str) -> dict[str, Any]:
    return _content("A file.", {media_type: string()})


def _more(schema: Schema) -> Schema:
    """An object that has many more keys, which another document describes."""
    return {**schema, "additionalProperties": True}


def _get(
    summary: str,
    answers: dict[str, Any],
    parameters: list[dict[str, Any]] | None = None,
    refused: tuple[int, ...] = (),
) -> dict[str, Any]:
    parameters = [_JOB_ID, *(parameters or [])]
    return {"get": _operation(summary, answers, parameters, refused=(400, 404, 503, *refused))}


def _post(summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {"post": _operation(summary, answers, [_JOB_ID], refused=(400, 404, 409, 503))}


def _operation(
    summary: str,
    answers: dict[str, Any],
    parameters: list[dict[str, Any]] | None = None,
    *,
    refused: tuple[int, ...] = (),
    needs_token: bool = True,
) -> dict[str, Any]:
    always = {401, 403} if needs_token else {403}
    problems = {str(status): _refused(status) for status in sorted({*always, *refused})}
    return {
        "summary": summary,
        "parameters": parameters or [],
        "responses": answers | problems,
        **({} if needs_token else {"security": []}),
    }


def _refused(status: int) -> dict[str, Any]:
    kind = "FutureCursor" if status == HTTPStatus.GONE else "Problem"
    schema = {"allOf": [ref(kind), {"properties": {"status": {"const": status}}}]}
    answer = _content(HTTPStatus(status).phrase, {MEDIA_TYPE: schema})
    if status == HTTPStatus.UNAUTHORIZED:
        answer["headers"] = {"WWW-Authenticate": {"required": True, "schema": string()}}
    return answer


def _of(schema: Schema) -> dict[str, Any]:
    return _content("The answer.", {"application/json": schema})


def _content(description: str, schemas: dict[str, Schema]) -> dict[str, Any]:
    content = {media_type: {"schema": schema} for media_type, schema in schemas.items()}
    return {"description": description, "content": content}


def _query(**schemas: Schema) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]
