"""The AsyncAPI 3 document of the live stream, made from the event types themselves."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from crackerjack import __version__
from crackerjack.events.payload import PAYLOADS

_TEMPLATE: Final = "#/components/schemas/{name}"
_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_TIME: Final = {"type": "number", "description": "Seconds since the epoch."}
_SEQ: Final = {"type": "integer", "minimum": 0}

_CONTROL: Final[dict[str, dict[str, Any]]] = {
    "job_snapshot": {"seq": True, "data": ("job_id", "status", "steps", "counts")},
    "stream_position": {"data": ("head",)},
    "pong": {"data": ()},
    "cancel_requested": {"data": ()},
    "error": {"data": ("code", "message")},
}
"""Messages that are not in the log, and what their `data` has beside `timestamp`."""

_QUERY: Final[dict[str, str]] = {
    "types": "Event types, comma-separated; `*` is a wildcard: `hook_*`.",
    "batch": "1: a message may be an array of events.",
    "token": "The server's token, where no header can be set.",
}

_WHICH: Final[dict[str, str]] = {
    "jobs": "Job ids, comma-separated.",
    "projects": "Absolute paths of the projects' directories, comma-separated.",
}


def asyncapi() -> dict[str, Any]:
    """The document, as plain values."""
    _, schemas = msgspec.json.schema_components(set(PAYLOADS.values()), ref_template=_TEMPLATE)
    messages = {
        **{str(name): _event(str(name), kind.__name__) for name, kind in PAYLOADS.items()},
        **{name: _control(name, **spec) for name, spec in _CONTROL.items()},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "crackerjack", "version": __version__},
        "channels": {
            "progress": _channel(
                "/ws/progress/{job_id}",
                messages,
                "One job, from its snapshot or after `since`.",
                {"since": "Only events after this seq; 0 from the start.", **_QUERY},
                {"job_id": {"description": "The job's id."}},
            ),
            "events": _channel(
                "/ws/events",
                messages,
                "Every job of the store.",
                {"since": "The `cursor` of the last message.", **_WHICH, **_QUERY},
                {},
            ),
        },
        "operations": {
            f"receive_{channel}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{channel}"},
                "messages": [
                    {"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages
                ],
            }
            for channel in ("progress", "events")
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def _channel(
    address: str,
    messages: dict[str, Any],
    description: str,
    query: dict[str, str],
    parameters: dict[str, Any],
) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": text} for name, text in query.items()}
    return {
        "address": address,
        "description": description,
        "parameters": parameters,
        "bindings": {"ws": {"query": {"type": "object", "properties": properties}}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _event(name: str, payload: str) -> dict[str, Any]:
    data = {"$ref": _TEMPLATE.format(name=payload)}
    required = ["event_type", "data", "timestamp", "job_id", "seq"]
    return _message(name, data, required)


def _control(name: str, *, data: tuple[str, ...], seq: bool = False) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"timestamp": _TIME},
        "required": [*data, "timestamp"],
    }
    required = ["event_type", "data", "timestamp", *(["job_id", "seq"] if seq else [])]
    return _message(name, schema, required)


def _message(name: str, data: dict[str, Any], required: list[str]) -> dict[str, Any]:
    properties = {
        "event_type": {"const": name},
        "data": data,
        "timestamp": _TIME,
        "job_id": {"type": "string"},
        "seq": _SEQ,
        "cursor": {"type": "string", "description": "In the stream of all jobs."},
    }
    payload = {**_OBJECT, "properties": properties, "required": required}
    return {"name": name, "contentType": "application/json", "payload": payload}
