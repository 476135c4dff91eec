"""What a job is now: the fold of its events, and so the same for every client.

The terminal, ``crackerjack show``, the reports and the ``job_snapshot`` message all read a
:class:`JobSnapshot`; none of them keeps a state of its own about the job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from crackerjack.events.event import WorkflowEvent
from crackerjack.events.payload import DiagnosticFound, FileFixed, TestCompleted
from crackerjack.jobs.changes import CHANGES, NO_CHANGE
from crackerjack.jobs.states import FAILING, OUTCOMES, SEVERITIES, JobState
from crackerjack.types import JobId, JobStatus

_FAILING_ON_THE_WIRE: Final = 20  # a snapshot stays small; the rest is in the events
_MESSAGE_LIMIT: Final = 500  # characters


class OutOfOrder(ValueError):
    """An event that is not the next one of the snapshot's job."""

    def __init__(self, job_id: str, seq: int, event: WorkflowEvent) -> None:
        super().__init__(job_id, seq, event)
        self.job_id = job_id
        self.seq = seq
        self.event = event

    def __str__(self) -> str:
        return (
            f"event {self.event.seq} of job {self.event.job_id} does not follow event {self.seq} "
            f"of job {self.job_id}: read the log of {self.job_id} after {self.seq}"
        )


class JobSnapshot(JobState, kw_only=True):
    """One job, as of its event `seq`. Changed by :meth:`apply` alone."""

    def apply(self, event: WorkflowEvent) -> None:
        """Take in the next event of the job; raises :exc:`OutOfOrder` for any other."""
        if event.job_id != self.job_id or event.seq != self.seq + 1:
            raise OutOfOrder(self.job_id, self.seq, event)
        self.seq = event.seq
        self.updated = event.timestamp
        if self.started is None:
            self.started = event.timestamp
            self.status = JobStatus.RUNNING
            self.message = "Starting"
        if event.event_type in NO_CHANGE:
            return
        try:
            change, payload = CHANGES[event.event_type], event.payload
        except (KeyError, ValueError):
            self.unread += 1
            return
        change(self, payload)

    @property
    def diagnostics(self) -> Iterator[DiagnosticFound]:
        """All findings that stand, hook by hook."""
        return (found for hook in self.hooks.values() for found in hook.diagnostics)

    @property
    def fixes(self) -> Iterator[FileFixed]:
        """Every file that was changed, or refused, hook by hook."""
        return (fix for hook in self.hooks.values() for fix in hook.fixes)

    @property
    def failing_tests(self) -> Iterator[TestCompleted]:
        """The tests that failed or could not run."""
        return (
            test for hook in self.hooks.values() for test in hook.tests if test.outcome in FAILING
        )

    @property
    def finished(self) -> bool:
        """Whether the job has ended."""
        return self.ended is not None

    def counts(self) -> dict[str, Any]:
        """How many findings of which severity, fixed files, and tests of which outcome."""
        severities, outcomes = dict.fromkeys(SEVERITIES, 0), dict.fromkeys(OUTCOMES, 0)
        hooks = self.hooks.values()
        for hook in hooks:
            _add(severities, hook.severities)
            _add(outcomes, hook.outcomes)
        collected = [hook.collected for hook in hooks if hook.collected is not None]
        return {
            "findings": sum(hook.findings for hook in hooks),
            **{f"{severity}s": count for severity, count in severities.items()},
            "fixed": len({path for hook in hooks for path in hook.changed_paths}),
            "tests": {
                "collected": sum(collected) if collected else None,
                "deselected": sum(hook.deselected for hook in hooks),
                **outcomes,
            },
        }

    def remaining(self, now: float) -> float | None:
        """Seconds until the job will have ended, from the project's history; None if unknown.

        `now` is in seconds since the epoch.
        """
        if self.status is not JobStatus.RUNNING:
            return None
        known = [left for hook in self.hooks.values() if (left := hook.remaining(now)) is not None]
        if self.expected is not None and self.started is not None:
            known.append(self.expected - (now - self.started))
        return max(0.0, *known) if known else None

    def to_data(self, now: float) -> dict[str, Any]:
        """The `data` of the ``job_snapshot`` message at the time `now`, seconds since the epoch.

        Its size depends on the number of hooks, not on what they found.
        """
        failing = [
            {
                "nodeid": test.nodeid[:_MESSAGE_LIMIT],
                "path": test.path,
                "line": test.line,
                "message": test.message[:_MESSAGE_LIMIT],
                "flaky": test.flaky,
            }
            for test, _ in zip(self.failing_tests, range(_FAILING_ON_THE_WIRE), strict=False)
        ]
        return {
            "job_id": self.job_id,
            "status": self.status.value,
            "workflow": self.workflow,
            "title": self.title,
            "project": self.project,
            "message": self.message[:_MESSAGE_LIMIT],
            "current_stage": self.current_stage,
            "overall_progress": self.overall_progress,
            "expected": self.expected,
            "remaining": self.remaining(now),
            "steps": [step.to_data() for step in self.steps.values()],
            "hooks": [hook.to_data(phase=not key[1]) for key, hook in self.hooks.items()],
            "reruns": [
                {"step": step_id, "hook": name, "repeats": repeated}
                for (step_id, name), (repeated, _) in self.goes_on.items()
            ],
            "counts": self.counts(),
            "failing_tests": failing,
            "coverage": None if self.coverage is None else self.coverage.percent,
            "exit_code": self.exit_code,
            "reason": self.reason[:_MESSAGE_LIMIT],
            "started": self.started,
            "ended": self.ended,
            "timestamp": now,
        }


def fold(events: Iterable[WorkflowEvent], *, job_id: JobId) -> JobSnapshot:
    """The snapshot of the job after these events, which start with its first."""
    snapshot = JobSnapshot(job_id=job_id)
    for event in events:
        snapshot.apply(event)
    return snapshot


def _add(total: dict[str, int], counts: Mapping[str, int]) -> None:
    for key, count in counts.items():
        total[key] = total.get(key, 0) + count
