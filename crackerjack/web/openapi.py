"""The OpenAPI 3.1 document of the HTTP endpoints."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from crackerjack import __version__
from crackerjack.events.payload import DiagnosticFound
from crackerjack.jobs.statistics import ProjectStatistics
from crackerjack.reports.listing import JobLine
from crackerjack.types import JobStatus
from crackerjack.web.problems import MEDIA_TYPE
from crackerjack.web.start_request import StartRequest

_TEMPLATE: Final = "#/components/schemas/{name}"
_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["event_type", "data", "timestamp", "job_id", "seq"],
    "properties": {
        "event_type": {"type": "string"},
        "data": {"type": "object"},
        "timestamp": {"type": "number"},
        "job_id": {"type": "string"},
        "seq": {"type": "integer", "minimum": 1},
    },
}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
_JOB_ID: Final = {
    "name": "job_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
}


def openapi() -> dict[str, Any]:
    """The document, as plain values."""
    _, schemas = msgspec.json.schema_components(
        [JobLine, StartRequest, DiagnosticFound, ProjectStatistics], ref_template=_TEMPLATE
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "crackerjack", "version": __version__},
        "paths": {**_jobs(), **_one_job(), **_server()},
        "components": {
            "schemas": {**schemas, "Event": _EVENT, "Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _jobs() -> dict[str, Any]:
    return {
        "/jobs": {
            "get": _operation(
                "Jobs, newest first.",
                {"200": _of(_object(jobs=_list("JobLine")))},
                _query(status=_string(enum=list(JobStatus)), project=_string(), limit=_whole()),
                refused=(400,),
            ),
            "post": {
                **_operation(
                    "Start a run, in a process of its own.",
                    {"201": _of(_ref("JobLine"))},
                    refused=(400, 403, 409, 413, 422),
                ),
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": _ref("StartRequest")}},
                },
            },
        },
        "/stats": {
            "get": _operation(
                "How the last jobs of each project went: pass rates and durations.",
                {"200": _of(_object(projects=_list("ProjectStatistics"), timestamp=_seconds()))},
                _query(project=_string(), jobs=_whole()),
                refused=(400,),
            )
        },
    }


def _one_job() -> dict[str, Any]:
    snapshot = _object(event_type={"const": "job_snapshot"}, data={"type": "object"}, seq=_whole())
    cancelled = _object(job_id=_string(), cancel_requested={"const": True})
    hook = {"name": "hook", "in": "path", "required": True, "schema": _string()}
    text = {"200": _content("Text.", {"text/plain": _string()})}
    return {
        "/jobs/{job_id}": _get("What the job is now.", {"200": _of(snapshot)}),
        "/jobs/{job_id}/events": _events(),
        "/jobs/{job_id}/diagnostics": _diagnostics(),
        "/jobs/{job_id}/output/{hook}": _get("What a hook printed.", text, [hook]),
        "/jobs/{job_id}/cancel": {
            "post": _operation(
                "Ask the job to stop.",
                {"202": _of(cancelled)},
                [_JOB_ID],
                refused=(400, 403, 404, 409),
            )
        },
    }


def _events() -> dict[str, Any]:
    page = _object(
        events=_list("Event"), next=_whole(), head=_whole(), finished={"type": "boolean"}
    )
    return _get(
        "Events after `since`: a page, with `wait` a long poll, or server-sent events.",
        {
            "200": _content("Events.", {"application/json": page, "text/event-stream": _string()}),
            "204": {"description": "The job has ended, and you have all of it."},
        },
        _query(since=_whole(), limit=_whole(), wait={"type": "number"}, types=_string()),
        refused=(410, 503),
    )


def _diagnostics() -> dict[str, Any]:
    found = _object(diagnostics=_list("DiagnosticFound"), seq=_whole())
    formats = {"application/json": found, "application/sarif+json": {"type": "object"}}
    return _get(
        "The findings that stand.",
        {"200": _content("Findings.", formats)},
        _query(hook=_string(), path=_string(), severity=_string()),
    )


def _server() -> dict[str, Any]:
    status = {"200": _of(_object(status=_string()))}
    metrics = {"200": _content("Prometheus text.", {"text/plain": _string()})}
    return {
        "/healthz": {"get": _operation("The process answers.", status)},
        "/readyz": {"get": _operation("The store can be read.", status, refused=(503,))},
        "/metrics": {"get": _operation("Counters and histograms.", metrics, refused=(503,))},
    }


def _get(
    summary: str,
    answers: dict[str, Any],
    parameters: list[dict[str, Any]] | None = None,
    refused: tuple[int, ...] = (),
) -> dict[str, Any]:
    parameters = [_JOB_ID, *(parameters or [])]
    return {"get": _operation(summary, answers, parameters, refused=(400, 404, *refused))}


def _operation(
    summary: str,
    answers: dict[str, Any],
    parameters: list[dict[str, Any]] | None = None,
    *,
    refused: tuple[int, ...] = (),
) -> dict[str, Any]:
    problem = _content("Refused.", {MEDIA_TYPE: _ref("Problem")})
    problems = {str(status): problem for status in sorted({401, 403, *refused})}
    return {"summary": summary, "parameters": parameters or [], "responses": answers | problems}


def _of(schema: dict[str, Any]) -> dict[str, Any]:
    return _content("The answer.", {"application/json": schema})


def _content(description: str, schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    content = {media_type: {"schema": schema} for media_type, schema in schemas.items()}
    return {"description": description, "content": content}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": _TEMPLATE.format(name=name)}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(name)}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _query(**schemas: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]


def _string(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


def _seconds() -> dict[str, Any]:
    return {"type": "number"}


def _whole() -> dict[str, Any]:
    return {"type": "integer", "minimum": 0}
