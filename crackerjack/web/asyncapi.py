"""The AsyncAPI 3 document of the live stream, made from the event types themselves."""

from __future__ import annotations

from typing import Any, Final

from crackerjack import __version__
from crackerjack.events.payload import PAYLOADS
from crackerjack.web.schemas import (
    JOB_ID,
    JOB_ID_PATTERN,
    TIME,
    Schema,
    components,
    event,
    one_of,
    record,
    snapshot,
    string,
    whole,
)

_CURSOR: Final = string(
    pattern=r"^[0-9a-f]+\.[0-9]+$", description="The position in the stream of all jobs."
)
_ERRORS: Final = ("bad_message", "forbidden", "not_running")
_QUERY: Final[dict[str, str]] = {
    "types": "Event types, comma-separated; `*` is a wildcard: `hook_*`. At most 64.",
    "batch": "1: a message may be an array of events.",
    "token": "The server's token, where no header can be set.",
}
_WHICH: Final[dict[str, str]] = {
    "jobs": "Job ids, comma-separated.",
    "projects": "Absolute paths of the projects' directories, comma-separated.",
}


def asyncapi() -> dict[str, Any]:
    """The document, as plain values."""
    channels = {
        "progress": _channel(
            "/ws/progress/{job_id}",
            "One job, from its snapshot or after `since`.",
            from_us=_of_one_job(),
            from_clients=_from_clients("ping", "cancel"),
            query={"since": "Only events after this seq; 0 from the start.", **_QUERY},
            parameters={"job_id": {"description": f"The job's id: {JOB_ID_PATTERN}"}},
        ),
        "events": _channel(
            "/ws/events",
            "Every job of the store.",
            from_us=_of_all_jobs(),
            from_clients=_from_clients("ping"),
            query={"since": "The `cursor` of the last message.", **_WHICH, **_QUERY},
            parameters={},
        ),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "crackerjack", "version": __version__},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            **_operations("receive", "send", _of_one_job(), _of_all_jobs()),
            **_operations("say", "receive", _from_clients("ping", "cancel"), _from_clients("ping")),
        },
        "components": {"schemas": components()},
    }


def _of_one_job() -> dict[str, Schema]:
    """What the server says on ``/ws/progress/{job_id}``."""
    whose = {"job_id": JOB_ID}
    return {
        **{str(name): event(str(name)) for name in PAYLOADS},
        "job_snapshot": snapshot(),
        "stream_position": _control("stream_position", {"head": whole()}, **whose, seq=whole()),
        "cancel_requested": _control("cancel_requested", {}, **whose),
        **_answers(_ERRORS, **whose),
    }


def _of_all_jobs() -> dict[str, Schema]:
    """What the server says on ``/ws/events``."""
    return {
        **{str(name): event(str(name), cursor=_CURSOR) for name in PAYLOADS},
        "stream_position": _control("stream_position", {"head": whole()}, cursor=_CURSOR),
        **_answers(_ERRORS[:1], cursor=_CURSOR),
    }


def _answers(errors: tuple[str, ...], **more: Schema) -> dict[str, Schema]:
    said = {"code": one_of(*errors), "message": string(minLength=1)}
    return {"pong": _control("pong", {}, **more), "error": _control("error", said, **more)}


def _control(name: str, data: dict[str, Schema], **more: Schema) -> Schema:
    """A message that is not in the log."""
    return record(
        event_type={"const": name}, data=record(**data, timestamp=TIME), timestamp=TIME, **more
    )


def _from_clients(*names: str) -> dict[str, Schema]:
    return {name: record(type={"const": name}) for name in names}


def _channel(
    address: str,
    description: str,
    *,
    from_us: dict[str, Schema],
    from_clients: dict[str, Schema],
    query: dict[str, str],
    parameters: dict[str, Any],
) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": text} for name, text in query.items()}
    return {
        "address": address,
        "description": description,
        "parameters": parameters,
        "bindings": {"ws": {"query": {"type": "object", "properties": properties}}},
        "messages": {
            name: {"name": name, "payload": payload}
            for name, payload in {**from_us, **from_clients}.items()
        },
    }


def _operations(
    verb: str, action: str, progress: dict[str, Schema], events: dict[str, Schema]
) -> dict[str, Any]:
    """What clients do on each channel, in the document's view from the server."""
    return {
        f"{verb}_{channel}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
        }
        for channel, messages in (("progress", progress), ("events", events))
    }
