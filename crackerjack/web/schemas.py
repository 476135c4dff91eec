"""What stands on the wire, as JSON Schema: the one source of both documents, as tight as the values are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from crackerjack.events.payload import PAYLOADS, EventType
from crackerjack.hooks.undo import Restoration, UndoOutcome
from crackerjack.jobs.comparison import Comparison
from crackerjack.jobs.file_changes import ChangedFile
from crackerjack.jobs.queue_state import QueueEntry, QueueState, WorkerRecord
from crackerjack.jobs.states import RUNNING, STOPPED, WAITING, StepStatus
from crackerjack.jobs.statistics import CoverageSample, Figures, ProjectStatistics, Sample
from crackerjack.jobs.testing_statistics import FiguresOfTests, FlakyTest, SlowTest, TestSample
from crackerjack.reports.listing import JobLine
from crackerjack.types import ExitCode, HookStatus, JobStatus

Schema = dict[str, Any]

TEMPLATE: Final = "#/components/schemas/{name}"
JOB_ID_PATTERN: Final = "^[A-Za-z0-9_-]{1,64}$"
_ANSWERS: Final = (
    JobLine,
    Figures,
    Sample,
    ProjectStatistics,
    CoverageSample,
    FiguresOfTests,
    SlowTest,
    FlakyTest,
    TestSample,
    Comparison,
    ChangedFile,
    UndoOutcome,
    QueueEntry,
    QueueState,
    WorkerRecord,
)
"""Made anew for every request, so that no key is missing, as it may be in events of an earlier version."""


def ref(name: str) -> Schema:
    return {"$ref": TEMPLATE.format(name=name)}


def array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def record(**properties: Schema) -> Schema:
    """An object that has all of these keys; others may come with a later version."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def string(**more: Any) -> Schema:
    return {"type": "string", **more}


def one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def number(**more: Any) -> Schema:
    return {"type": "number", **more}


def whole(minimum: int = 0, **more: Any) -> Schema:
    return {"type": "integer", "minimum": minimum, **more}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


TIME: Final = number(exclusiveMinimum=0, description="Seconds since the epoch.")
SECONDS: Final = number(minimum=0)
JOB_ID: Final = string(pattern=JOB_ID_PATTERN)
_STEP_ID: Final = string(pattern="^[a-z_]+_[0-9]{3,}$")
_FLAG: Final[Schema] = {"type": "boolean"}
_SHORT: Final = string(maxLength=500)
_HOOK_STATUS: Final = one_of(*HookStatus)
_SEVERITIES: Final = ("error", "warning", "note")
_OUTCOMES: Final = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
_COUNT: Final = {"minimum": 0}
_FIRST: Final = {"minimum": 1}
_GOOD: Final = (HookStatus.PASSED, HookStatus.FIXED, HookStatus.SKIPPED)
_BAD: Final = tuple(status for status in HookStatus if status not in _GOOD)

_FIELDS: Final[Mapping[str, Schema]] = {
    "timestamp": TIME,
    "created": TIME,
    "step_id": _STEP_ID,
    "job_id": JOB_ID,
    "duration": _COUNT,
    "expected": _COUNT,
    "stream": one_of("stdout", "stderr"),
    "severity": one_of(*_SEVERITIES),
    "outcome": one_of(*_OUTCOMES),
    "phase": one_of("cleaning", "testing"),
    "strategy": one_of("fast", "comprehensive"),
    "percent": {"minimum": 0, "maximum": 100},
    "previous": {"minimum": 0, "maximum": 100},
    "pass_rate": {"minimum": 0, "maximum": 1},
    **{name: {"maxItems": 20} for name in ("recent", "slowest")},
    "median": _COUNT,
    **dict.fromkeys(("line", "column", "attempt"), _FIRST),
    **dict.fromkeys(("findings", "files", "fixed", "tests_failed", "count", "deselected"), _COUNT),
    **dict.fromkeys(("jobs", "runs", "passed", "cached", "p50", "p95", "trend"), _COUNT),
    **dict.fromkeys(("reruns", "added_lines", "removed_lines"), _COUNT),
    **dict.fromkeys(("depth", "oldest", "running", "slots", "busy", "age"), _COUNT),
}
"""What the type of a field does not say, and holds wherever there is a field of this name."""

_FIELDS_OF: Final[Mapping[str, Mapping[str, Schema]]] = {
    "HookEnded": {"status": _HOOK_STATUS},
    "PhaseEnded": {"status": one_of("", *HookStatus)},
    "WorkflowEnded": {"exit_code": {"enum": [code.value for code in ExitCode]}},
    "Sample": {"ended": TIME},
    "FiguresOfTests": {"flaky": {"maxItems": 100}},
    "FlakyTest": dict.fromkeys(("passed", "failed"), _FIRST),
    "UndoOutcome": {"outcome": one_of(*Restoration)},
    "Comparison": {"base": JOB_ID, "job": JOB_ID},
}

_ENDED: Final[Mapping[str, Schema]] = {
    EventType.HOOK_EXECUTION_COMPLETED: {"status": one_of(*_GOOD)},
    EventType.HOOK_EXECUTION_FAILED: {"status": one_of(*_BAD)},
}


def components(*others: type[msgspec.Struct]) -> dict[str, Schema]:
    """The schemas that others refer to by :func:`ref`: of the payloads of all events, and of `others`."""
    kinds = {*PAYLOADS.values(), *others}
    _, schemas = msgspec.json.schema_components(kinds, ref_template=TEMPLATE)
    payloads = {kind.__name__ for kind in PAYLOADS.values()}
    answers = {kind.__name__ for kind in _ANSWERS}
    for name, schema in schemas.items():
        if name in payloads | answers | {"PlannedStep"}:
            _tighten(name, schema)
        if name in payloads:
            schema["required"] = ["timestamp", *schema.get("required", ())]
            schema["properties"]["timestamp"].pop("default")
        elif name in answers:
            schema["required"] = list(schema["properties"])
    return schemas


def with_source(finding: Schema) -> Schema:
    """A finding with the text of its line."""
    line = maybe(string(maxLength=400))
    properties, required = finding["properties"], finding["required"]
    return {
        **finding,
        "title": "FindingWithSource",
        "properties": {**properties, "source": line},
        "required": [*required, "source"],
    }


def event(name: str, **more: Schema) -> Schema:
    """An event of one type, with `more` keys beside those that every event has."""
    return record(
        event_type={"const": name},
        data=_data(name),
        timestamp=TIME,
        job_id=JOB_ID,
        seq=whole(1),
        **more,
    )


def snapshot() -> Schema:
    """The message ``job_snapshot``; see :meth:`JobSnapshot.to_data`."""
    return record(
        event_type={"const": "job_snapshot"},
        data=_snapshot_data(),
        timestamp=TIME,
        job_id=JOB_ID,
        seq=whole(),
    )


def _tighten(name: str, schema: Schema) -> None:
    for field, found in schema["properties"].items():
        found.update(_FIELDS.get(field, {}))
        found.update(_FIELDS_OF.get(name, {}).get(field, {}))


def _data(name: str) -> Schema:
    payload = PAYLOADS[EventType(name)]
    data = ref(payload.__name__)
    if "success" not in payload.__struct_fields__ or not name.endswith(_ENDINGS):
        return data
    told = {"success": {"const": name.endswith("_completed")}, **_ENDED.get(name, {})}
    return {"allOf": [data, {"properties": told}]}


_ENDINGS: Final = ("_completed", "_failed", "_interrupted")


def _snapshot_data() -> Schema:
    time = maybe(TIME)
    failing = record(
        nodeid=_SHORT, path=string(), line=maybe(whole(1)), message=_SHORT, flaky=_FLAG
    )
    return record(
        job_id=JOB_ID,
        status=one_of(*JobStatus),
        workflow=string(),
        title=string(),
        project=string(),
        message=_SHORT,
        current_stage=string(),
        overall_progress=whole(maximum=100),
        expected=maybe(SECONDS),
        remaining=maybe(SECONDS),
        steps=array(_step()),
        hooks=array(_hook()),
        reruns=array(record(step=_STEP_ID, hook=string(), repeats=_STEP_ID)),
        counts=_counts(),
        failing_tests=array(failing, maxItems=20),
        coverage=maybe(number(minimum=0, maximum=100)),
        exit_code=maybe({"enum": [code.value for code in ExitCode]}),
        reason=_SHORT,
        started=time,
        ended=time,
        timestamp=TIME,
    )


def _step() -> Schema:
    return record(
        step_id=_STEP_ID,
        action=string(),
        needs=array(_STEP_ID),
        status=one_of(*StepStatus),
        started=maybe(TIME),
        duration=maybe(SECONDS),
        reason=_SHORT,
        done=number(minimum=0, maximum=1),
    )


def _hook() -> Schema:
    return record(
        name=string(),
        step=_STEP_ID,
        status=one_of(WAITING, RUNNING, STOPPED, *HookStatus),
        started=maybe(TIME),
        expected=maybe(SECONDS),
        duration=maybe(SECONDS),
        findings=whole(),
        fixed=whole(),
        cached=_FLAG,
        reason=_SHORT,
        attempt=whole(1),
        phase=_FLAG,
        **_severities(),
        tests=_tests(),
    )


def _counts() -> Schema:
    return record(findings=whole(), **_severities(), fixed=whole(), tests=_tests())


def _severities() -> dict[str, Schema]:
    return {f"{severity}s": whole() for severity in _SEVERITIES}


def _tests() -> Schema:
    return record(
        collected=maybe(whole()), deselected=whole(), **{outcome: whole() for outcome in _OUTCOMES}
    )
