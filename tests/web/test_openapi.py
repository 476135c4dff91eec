"""The OpenAPI document: that it is one, that it describes what there is, and that the server keeps to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from starlette.routing import Route

from crackerjack.types import JobId
from crackerjack.web.openapi import openapi
from tests.web.contract import check_body, references, resolve
from tests.web.in_process import InProcess, in_process
from tests.web.serving import Writer

SCHEMA: Final = schemathesis.openapi.from_dict(openapi())
# Also asked for: a job that there is not or that has ended, a root that is none, a future cursor.
CHECKS: Final = SCHEMA.config.checks
CHECKS.positive_data_acceptance.expected_statuses = ["2xx", "403", "404", "409", "410"]
CHECKS.negative_data_rejection.expected_statuses = ["400", "403", "404", "409", "410", "422"]
OPERATIONS: Final = {
    found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)
}
PARAMETERS: Final = [
    label
    for label, operation in OPERATIONS.items()
    if operation.definition.raw.get("parameters") or "requestBody" in operation.definition.raw
]
JOBS: Final = ("ended", "running", "queued", "unknown")
A_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A server that may start runs nowhere, and a store with jobs in every state."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRACKERJACK_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        with Writer() as writer:
            for name, count in (("ended", 30), ("running", 12), ("queued", 0)):
                writer.publish(writer.job(name), count)
            writer.end(JobId("ended"))
            with in_process() as server:
                yield server


def test_it_is_an_openapi_document() -> None:
    SCHEMA.validate()
    document = openapi()
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        )
    for reference in references(document):
        assert resolve(document, reference) is not None


def test_it_describes_every_endpoint(api: InProcess) -> None:
    there = {
        (re.sub(r":\w+}", "}", route.path), method)
        for route in api.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {
        (path, method.upper())
        for path, operations in openapi()["paths"].items()
        for method in operations
    }
    assert there == described


@pytest.mark.parametrize(
    ("mode", "label"),
    [
        *((GenerationMode.POSITIVE, label) for label in OPERATIONS),
        *((GenerationMode.NEGATIVE, label) for label in PARAMETERS),
    ],
    ids=str,
)
@settings(
    max_examples=10 + settings().max_examples // 10,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whatever_is_asked_the_answer_is_one_that_it_describes(
    api: InProcess, mode: GenerationMode, label: str, data: st.DataObject
) -> None:
    case = data.draw(OPERATIONS[label].as_strategy(generation_mode=mode))
    ask_for_what_is_there(case, data)
    with requests.Session() as session:
        response = case.call(base_url=api.http, session=session)
    case.validate_response(response)
    kind = response.headers.get("content-type", [""])[0].partition(";")[0]
    check_body(case.operation.path, case.method, response.status_code, kind, response.content)


def ask_for_what_is_there(case: Case[Any], data: st.DataObject) -> None:
    """Put values that lead somewhere in the place of others that are as valid; wait for little."""
    path, query = case.path_parameters or {}, case.query or {}
    if re.fullmatch("[A-Za-z0-9_-]{1,64}", str(path.get("job_id", ""))):
        path["job_id"] = data.draw(st.sampled_from(JOBS))
    if A_NUMBER.fullmatch(str(query.get("wait", ""))):
        query["wait"] = data.draw(st.sampled_from((0, 0.001, 1e-7, 0.02)))
    if re.fullmatch("[0-9]{1,18}", str(query.get("since", ""))):
        query["since"] = data.draw(st.integers(0, 40))
