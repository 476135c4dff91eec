"""One JSON document with everything that stands at the end of a job."""

from __future__ import annotations

from typing import Any

import msgspec

from crackerjack.events.payload import Payload
from crackerjack.jobs.snapshot import JobSnapshot


def render(job: JobSnapshot) -> str:
    """``job, steps, hooks, counts, coverage, findings, fixes, tests``.

    `job` says what it is and how it ended, `hooks` and `steps` are those of a ``job_snapshot``,
    `findings`, `fixes` and `tests` carry the keys of their events.
    """
    snapshot = job.to_data(job.updated or 0.0)
    about = ("job_id", "status", "workflow", "title", "project", "message", "exit_code", "reason")
    document = {
        "job": {key: snapshot[key] for key in (*about, "started", "ended")},
        "steps": snapshot["steps"],
        "hooks": snapshot["hooks"],
        "counts": snapshot["counts"],
        "coverage": snapshot["coverage"],
        "findings": [_data(found) for found in job.diagnostics],
        "fixes": [_data(fix) for fix in job.fixes],
        "tests": [_data(test) for hook in job.hooks.values() for test in hook.tests],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _data(payload: Payload) -> dict[str, Any]:
    return msgspec.structs.asdict(payload)
