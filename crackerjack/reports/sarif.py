"""SARIF 2.1.0 (OASIS): one run per hook, so that each tool keeps its name, version and rules.

Failing tests are not in it: SARIF is for findings of static analysis; JUnit has the tests.
"""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import quote

import msgspec

from crackerjack.events.payload import DiagnosticFound
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.jobs.states import STOPPED, HookState
from crackerjack.reports import wording
from crackerjack.reports.safe_text import inert, inert_lines
from crackerjack.types import HookStatus

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_FINGERPRINT: Final = "crackerjack/v1"
_LEVELS: Final = frozenset({"error", "warning", "note"})
_ROOT: Final = "PROJECTROOT"
_LOOKED: Final = frozenset({HookStatus.PASSED, HookStatus.FIXED, HookStatus.FAILED})
_UNFINISHED: Final = frozenset({*wording.BROKEN, STOPPED})


def render(job: JobSnapshot) -> str:
    """One run for each hook that looked or should have; one that could not, or was stopped, says so."""
    runs = [
        _run(job, hook)
        for hook in job.hooks.values()
        if not hook.tests and hook.status in _LOOKED | _UNFINISHED
    ]
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}
    return msgspec.json.format(msgspec.json.encode(log), indent=2).decode() + "\n"


def _run(job: JobSnapshot, hook: HookState) -> dict[str, Any]:
    codes = list(dict.fromkeys(_rule(found) for found in hook.diagnostics))
    driver: dict[str, Any] = {
        "name": inert(hook.name),
        "rules": [{"id": code} for code in codes],
    }
    if hook.tool_version:
        driver["version"] = inert(hook.tool_version)
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"crackerjack/{_quoted(hook.name)}/{job.job_id}"},
        "originalUriBaseIds": {_ROOT: {"uri": f"file://{_quoted(job.project.rstrip('/'))}/"}},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(hook)],
        "results": [_result(found, codes.index(_rule(found))) for found in hook.diagnostics],
    }


def _invocation(hook: HookState) -> dict[str, Any]:
    invocation: dict[str, Any] = {"executionSuccessful": hook.status in _LOOKED}
    if hook.started is not None:
        invocation["startTimeUtc"] = _utc(hook.started)
    if hook.status in _UNFINISHED:
        invocation["toolExecutionNotifications"] = [
            {"level": "error", "message": {"text": wording.result(hook)}}
        ]
    return invocation


def _result(found: DiagnosticFound, rule_index: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": _rule(found),
        "ruleIndex": rule_index,
        "level": found.severity if found.severity in _LEVELS else "warning",
        "message": {"text": "\n".join(inert_lines(found.message)) or _rule(found)},
    }
    if found.fingerprint:
        result["partialFingerprints"] = {_FINGERPRINT: found.fingerprint}
    if found.path:
        place: dict[str, Any] = {
            "artifactLocation": {"uri": _quoted(found.path), "uriBaseId": _ROOT}
        }
        if found.line is not None:
            place["region"] = {"startLine": max(1, found.line)}
            if found.column is not None:
                place["region"]["startColumn"] = max(1, found.column)
        result["locations"] = [{"physicalLocation": place}]
    return result


def _rule(found: DiagnosticFound) -> str:
    """A finding without a code is named after its hook: a rule needs a name."""
    return inert(found.code) or inert(found.hook)


def _quoted(path: str) -> str:
    """A path as part of a URI (RFC 3986); ``./`` before a name with a colon, which is no scheme."""
    first = path.partition("/")[0]
    return ("./" if ":" in first else "") + quote(path.encode("utf-8", "backslashreplace"))


def _utc(timestamp: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(timestamp))
