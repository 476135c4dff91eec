"""What the documents promise, held against everything that the tests receive.

Every WebSocket message goes through :func:`check_message`, every HTTP answer through
:func:`check_answer`; :class:`CheckedConnection` and :class:`CheckedClient` see to it. Clients are told to
ignore keys that they don't know. We know all of ours: here a key without a description is an error.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, overload

import httpx
import jsonschema_rs
import msgspec
from websockets.sync.client import ClientConnection
from websockets.typing import Data

from crackerjack.web.asyncapi import asyncapi
from crackerjack.web.openapi import openapi

_openapi: Final = functools.cache(openapi)
PROBLEM: Final = "application/problem+json"
STREAM: Final = "text/event-stream"
_HIDDEN: Final = re.compile(rb"^data: (.*)$", re.MULTILINE)


def closed(schema: Any) -> Any:
    """The schema without room for keys that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if found.get("type") == "object" and isinstance(found.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


def _validator(schema: Mapping[str, Any], document: Mapping[str, Any]) -> jsonschema_rs.Validator:
    whole = {**schema, "components": {"schemas": document["components"]["schemas"]}}
    return jsonschema_rs.Draft202012Validator(closed(whole))


def _check(validator: jsonschema_rs.Validator, value: Any, what: str) -> None:
    if not validator.is_valid(value):
        errors = "\n".join(str(error) for error in validator.iter_errors(value))
        raise AssertionError(f"{what} is not as its document says:\n{errors}")


# WebSocket


@functools.cache
def _messages() -> dict[str, dict[str, jsonschema_rs.Validator]]:
    """Channel -> event type -> what its messages are."""
    document = asyncapi()
    sent = [one for one in document["operations"].values() if one["action"] == "send"]
    return {
        (channel := operation["channel"]["$ref"].rpartition("/")[2]): {
            (name := message["$ref"].rpartition("/")[2]): _validator(
                document["channels"][channel]["messages"][name]["payload"], document
            )
            for message in operation["messages"]
        }
        for operation in sent
    }


def check_message(path: str, data: str | bytes) -> None:
    """Raise :exc:`AssertionError` unless AsyncAPI has such a message, or a batch, on this path."""
    channel = "events" if path.partition("?")[0].endswith("/ws/events") else "progress"
    said = msgspec.json.decode(data)
    batch = said if isinstance(said, list) else [said]
    assert 0 < len(batch) <= 256
    for message in batch:
        name = message["event_type"]
        assert name in _messages()[channel], f"{channel} has no message {name!r}: {message}"
        _check(_messages()[channel][name], message, f"{name} of {path}")


class CheckedConnection(ClientConnection):
    """A WebSocket client that takes only what the AsyncAPI document describes."""

    @overload
    def recv(self, timeout: float | None, decode: Literal[True]) -> str: ...
    @overload
    def recv(self, timeout: float | None, decode: Literal[False]) -> bytes: ...
    @overload
    def recv(self, timeout: float | None = None, *, decode: Literal[True]) -> str: ...
    @overload
    def recv(self, timeout: float | None = None, *, decode: Literal[False]) -> bytes: ...
    @overload
    def recv(self, timeout: float | None = None, decode: bool | None = None) -> Data: ...
    def recv(self, timeout: float | None = None, decode: bool | None = None) -> Data:
        data = super().recv(timeout, decode)
        assert self.request is not None
        check_message(self.request.path, data)
        return data


# HTTP


def check_answer(response: httpx.Response, mounted_at: str = "") -> None:
    """Raise :exc:`AssertionError` unless OpenAPI has such an answer, its body included."""
    request = response.request
    path = request.url.path.removeprefix(mounted_at)
    what = f"{response.status_code} to {request.method} {path}"
    kind = response.headers.get("content-type", "").partition(";")[0]
    if (template := _template(path, request.method)) is None:
        # A preflight, or what is not there, or not in that way; and who may not ask is told so first.
        if request.method == "OPTIONS" and response.status_code == 204:
            return
        assert response.status_code in {401, 403, 404, 405}, what
        assert kind == PROBLEM, what
        _check(_problem(), response.json(), what)
        return
    method = "GET" if request.method == "HEAD" else request.method
    if request.method == "HEAD":  # the answer to GET, less its body
        assert (response.status_code, kind) in _bodies()[template, method], what
        assert response.content == b"", what
    else:
        check_body(template, method, response.status_code, kind, response.content)
    promised = _openapi()["paths"][template][method.lower()]["responses"]
    for name, header in promised[str(response.status_code)].get("headers", {}).items():
        assert name in response.headers or not header.get("required"), f"{what} has no {name}"


def check_body(template: str, method: str, status: int, kind: str, body: bytes) -> None:
    """The same for a body that came in another way; `template` is a path of the document."""
    what = f"{status} to {method} {template}"
    validators = _bodies()[template, method]
    assert any(told == status for told, _ in validators), f"{what} is not documented"
    assert (status, kind) in validators, f"{what} as {kind!r} is not documented"
    if kind == STREAM:
        for event in _HIDDEN.findall(body):
            _check(_event(), msgspec.json.decode(event), what)
    elif kind.endswith("json"):
        _check(validators[status, kind], msgspec.json.decode(body), what)
    elif not kind:
        assert body == b"", what


@functools.cache
def _bodies() -> dict[tuple[str, str], dict[tuple[int, str], jsonschema_rs.Validator]]:
    """Path and method -> status and media type -> what the body is."""
    document = _openapi()
    return {
        (path, method.upper()): {
            (int(status), kind): _validator(schema, document)
            for status, answer in operation["responses"].items()
            for kind, schema in _schemas(answer)
        }
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def _schemas(answer: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Media type and schema; without a body an empty media type."""
    if "content" not in answer:
        yield "", {}
    for kind, content in answer.get("content", {}).items():
        yield kind, content["schema"]


@functools.cache
def _problem() -> jsonschema_rs.Validator:
    return _validator(_openapi()["components"]["schemas"]["Problem"], _openapi())


@functools.cache
def _event() -> jsonschema_rs.Validator:
    return _validator(_openapi()["components"]["schemas"]["Event"], _openapi())


def _template(path: str, method: str) -> str | None:
    """The document's path that this one is of, if the method is one of its."""
    for template, verb in _bodies():
        pattern = re.sub(
            r"\{(\w+)\}", lambda name: r".+" if name[1] == "hook" else "[^/]+", template
        )
        if verb == method.replace("HEAD", "GET") and re.fullmatch(pattern, path):
            return template
    return None


class CheckedClient(httpx.Client):
    """An HTTP client that takes only what the OpenAPI document describes; streams it leaves alone."""

    def send(
        self, request: httpx.Request, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        response = super().send(request, stream=stream, **options)
        if not stream:
            check_answer(response, self.base_url.path.rstrip("/"))
        return response


# Of documents


def references(document: Any) -> Iterator[str]:
    """Every ``$ref`` in a document."""
    if isinstance(document, dict):
        if isinstance(document.get("$ref"), str):
            yield document["$ref"]
        document = [*document.values()]
    if isinstance(document, list):
        for one in document:
            yield from references(one)


def resolve(document: Any, reference: str) -> Any:
    """What a ``$ref`` of the document means; raises :exc:`KeyError` when there is nothing."""
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document
