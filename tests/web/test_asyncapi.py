"""The AsyncAPI document: that it is one, that every event fits, and that nothing else does.

That each message the tests receive is as it says is seen to by `tests/web/contract.py`. There is no
package with AsyncAPI's own schema, so its shape is checked here, as the specification 3.0.0 has it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

import jsonschema_rs
import msgspec
import pytest

from crackerjack.events.payload import PAYLOADS, EventType
from crackerjack.web.asyncapi import asyncapi
from tests import sample_run
from tests.web.contract import check_message, references, resolve
from tests.web.serving import SECONDS, Served, Writer, decoded, received

DOCUMENT: Final = asyncapi()
PROGRESS, ALL = "/ws/progress/job123", "/ws/events"
EVENT: Final[dict[str, Any]] = {
    "event_type": "hook_execution_failed",
    "data": {
        "timestamp": 1730804130.5,
        "step_id": "run_fast_hooks_001",
        "success": False,
        "duration": 0.5,
        "hook": "ruff-check",
        "status": "failed",
        "cached": False,
        "findings": 1,
        "files": 3,
        "fixed": 0,
        "exit_code": 1,
        "reason": "",
        "tool_version": "",
        "attempt": 1,
        "rerun": False,
    },
    "timestamp": 1730804130.5,
    "job_id": "job123",
    "seq": 7,
}


def test_it_has_the_shape_of_an_asyncapi_document() -> None:
    assert set(DOCUMENT) <= {
        "asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"
    }  # fmt: skip
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for channel in DOCUMENT["channels"].values():
        assert set(channel) == {"address", "description", "parameters", "bindings", "messages"}
        assert {f"{{{name}}}" for name in channel["parameters"]} == {
            step for step in channel["address"].split("/") if step.startswith("{")
        }
        assert set(channel["bindings"]["ws"]) <= {"method", "query", "headers", "bindingVersion"}
        for message in channel["messages"].values():
            assert set(message) == {"name", "payload"}
    for operation in DOCUMENT["operations"].values():
        assert set(operation) == {"action", "channel", "messages"}
        assert operation["action"] in {"send", "receive"}
        own = operation["channel"]["$ref"] + "/messages/"
        assert all(message["$ref"].startswith(own) for message in operation["messages"])


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    for reference in references(DOCUMENT):
        assert resolve(DOCUMENT, reference) is not None
    payloads = [
        message["payload"]
        for channel in DOCUMENT["channels"].values()
        for message in channel["messages"].values()
    ]
    for schema in [*payloads, *DOCUMENT["components"]["schemas"].values()]:
        # Without a schemaFormat a payload is JSON Schema draft 7, with some words more.
        jsonschema_rs.meta.validate(
            {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
        )


def test_every_event_of_every_kind_of_run_fits(server: Served, writer: Writer) -> None:
    runs = (sample_run.skip_hooks_run(), sample_run.passing_run(), sample_run.failing_run())
    for number, run in enumerate(runs):
        job_id = writer.job(f"run-{number}")
        for event in run.events:
            writer.bus.publish(job_id, EventType(event.event_type), event.payload)
        writer.bus.flush(SECONDS)
        with server.connect(f"/ws/progress/{job_id}?since=0") as connection:
            messages, code, _ = received(connection)
        assert (len(messages), code) == (len(run.events), 1000)
        with server.connect(f"/ws/progress/{job_id}") as connection:
            (snapshot,), _, _ = received(connection)
        assert decoded(snapshot)["data"]["status"] in {"completed", "failed"}


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_event_type_is_described_for_both_streams(name: str) -> None:
    for channel in ("progress", "events"):
        payload = DOCUMENT["channels"][channel]["messages"][name]["payload"]
        assert payload["properties"]["event_type"] == {"const": name}
        assert ("cursor" in payload["required"]) == (channel == "events")


def _without(*path: str) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        for step in path[:-1]:
            message = message[step]
        del message[path[-1]]

    return change


def _with(value: Any, *path: str) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        for step in path[:-1]:
            message = message[step]
        message[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _without("seq"),
        _without("job_id"),
        _without("timestamp"),
        _without("data", "timestamp"),
        _without("data", "hook"),
        _without("data", "status"),
        _with(0, "seq"),
        _with("../x", "job_id"),
        _with(0, "timestamp"),
        _with("unheard_of", "event_type"),
        _with("odd", "data", "status"),
        _with("passed", "data", "status"),
        _with(True, "data", "success"),
        _with(-1, "data", "duration"),
        _with(-1, "data", "findings"),
        _with("fast hooks", "data", "step_id"),
        _with(1, "data", "undocumented"),
        _with(1, "undocumented"),
        _with("0f.7", "cursor"),
    ],
)
def test_what_is_not_as_described_is_noticed(change: Callable[[Any], None]) -> None:
    check_message(PROGRESS, msgspec.json.encode(EVENT))
    message = copy.deepcopy(EVENT)
    change(message)
    with pytest.raises(AssertionError):
        check_message(PROGRESS, msgspec.json.encode(message))


def test_events_of_all_jobs_have_a_cursor() -> None:
    check_message(ALL, msgspec.json.encode([EVENT | {"cursor": "0f.7"}]))
    with pytest.raises(AssertionError):
        check_message(ALL, msgspec.json.encode(EVENT))
