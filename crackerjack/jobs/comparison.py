"""One run against another of the same project: what is new, what is fixed, what remains.

Only what both runs looked at is compared: a finding of a hook that was skipped, or of a test that was
not run, is not fixed because nobody saw it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from crackerjack.errors import NotComparable
from crackerjack.events.log import JobEntry
from crackerjack.events.payload import DiagnosticFound, TestCompleted
from crackerjack.jobs.job_manager import JobManager
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.jobs.states import FAILING, HookState
from crackerjack.types import HookStatus, JobId, JobStatus

_RAN: Final = frozenset({HookStatus.PASSED, HookStatus.FIXED, HookStatus.FAILED})
_FINISHED: Final = frozenset({JobStatus.COMPLETED, JobStatus.FAILED})
_LOOK_BACK: Final = 50  # jobs


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What changed from the run `base` to the run `job`."""

    base: JobId
    job: JobId
    new: list[DiagnosticFound]
    fixed: list[DiagnosticFound]
    remaining: list[DiagnosticFound]
    unseen: list[DiagnosticFound]
    """In `base`, and maybe still there: this run looked at a part of the files only."""
    new_tests: list[TestCompleted]
    """Tests that fail now and did not."""
    fixed_tests: list[TestCompleted]
    """Tests that failed and pass now, as they are now; and files that could be collected again."""
    remaining_tests: list[TestCompleted]
    unseen_tests: list[TestCompleted]
    """Tests that failed, and were not run now."""
    not_compared: dict[str, str]
    """Hook -> why: one of the runs has no result of it."""


def compare(base: JobSnapshot, now: JobSnapshot) -> Comparison:
    """Compare two runs of one project. Findings are told apart by fingerprint, which moved lines leave."""
    before, after = _hooks(base), _hooks(now)
    names = [name for name in after if _why_not(before.get(name), after[name]) == ""]
    old = _findings(before, names)
    current = _findings(after, names)
    gone = [found for key, found in old.items() if key not in current]
    whole = not now.partial
    tests_before, tests_after = _tests(before, names), _tests(after, names)
    failed = {key: test for key, test in tests_before.items() if test.outcome in FAILING}
    failing = {key: test for key, test in tests_after.items() if test.outcome in FAILING}
    return Comparison(
        base=base.job_id,
        job=now.job_id,
        new=[found for key, found in current.items() if key not in old],
        fixed=gone if whole else [],
        remaining=[found for key, found in current.items() if key in old],
        unseen=[] if whole else gone,
        new_tests=[test for key, test in failing.items() if key not in failed],
        fixed_tests=[
            tests_after.get(key, test)
            for key, test in failed.items()
            if _is_fixed(key, tests_after)
        ],
        remaining_tests=[test for key, test in failing.items() if key in failed],
        unseen_tests=[
            test
            for key, test in failed.items()
            if key not in failing and not _is_fixed(key, tests_after)
        ],
        not_compared={
            name: why
            for name in {**before, **after}
            if (why := _why_not(before.get(name), after.get(name)))
        },
    )


def base_of(jobs: JobManager, job_id: JobId) -> JobEntry:
    """The run that a job is compared with unless another is named: the last finished one before it.

    Raises :exc:`UnknownJob`, and :exc:`NotComparable` where there is none, or none so far back.
    """
    entry = jobs.entry(job_id)
    before = False
    latest = jobs.entries(project=entry.header.project, limit=_LOOK_BACK)
    for other in latest:
        if before and other.status in _FINISHED:
            return other
        before = before or other.header.job_id == job_id
    project = entry.header.project
    if len(latest) == _LOOK_BACK:
        raise NotComparable(
            f"the last {_LOOK_BACK} jobs of {project} have no finished run before {job_id}: "
            "name the one to compare it with"
        )
    raise NotComparable(
        f"job {job_id} is the first finished run of {project}: there is none to compare it with"
    )


def _hooks(job: JobSnapshot) -> dict[str, HookState]:
    """By name; of a hook that ran in several steps the last one."""
    return {hook.name: hook for hook in job.hooks.values()}


def _why_not(before: HookState | None, after: HookState | None) -> str:
    for hook, when in ((before, "before"), (after, "now")):
        if hook is None:
            return f"it was not part of the run {when}"
        if hook.status not in _RAN:
            return f"{hook.status} {when}"
    return ""


def _findings(
    hooks: Mapping[str, HookState], names: list[str]
) -> dict[tuple[str, str], DiagnosticFound]:
    return {
        (found.hook, found.fingerprint): found
        for name in names
        for found in hooks[name].diagnostics
    }


def _tests(
    hooks: Mapping[str, HookState], names: list[str]
) -> dict[tuple[str, str], TestCompleted]:
    return {(name, test.nodeid): test for name in names for test in hooks[name].tests}


def _is_fixed(key: tuple[str, str], after: Mapping[tuple[str, str], TestCompleted]) -> bool:
    """Whether it passes now. A file that could not be imported has failed itself: its tests were run now."""
    hook, nodeid = key
    return _passed(after.get(key)) or (
        key not in after
        and "::" not in nodeid
        and any(one == hook and other.startswith(f"{nodeid}::") for one, other in after)
    )


def _passed(test: TestCompleted | None) -> bool:
    return test is not None and test.outcome in {"passed", "xfailed"}
