"""What an agent can do: each method is a tool, takes plain values and returns one of the models."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from crackerjack.config import load_config
from crackerjack.errors import UnknownJob, UsageError
from crackerjack.events.log import EventLog, JobEntry
from crackerjack.events.payload import DiagnosticFound, HookOutput, TestCompleted, WorkflowEnded
from crackerjack.hooks.files import is_within
from crackerjack.hooks.selection import NOT_ASKED_FOR
from crackerjack.hooks.source_lines import SourceLines
from crackerjack.hooks.undo import Restoration, UndoOutcome
from crackerjack.jobs.comparison import base_of, compare
from crackerjack.jobs.detached import DetachedOptions, start_detached
from crackerjack.jobs.job_manager import JobManager, refuse_to_wait
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.mcp import inputs, models
from crackerjack.mcp.compared import compared
from crackerjack.mcp.digest import Digests, failing_test, group, grouped, shortened
from crackerjack.mcp.roots import Roots
from crackerjack.mcp.story import Stories, Story
from crackerjack.reports.hook_rows import HookRow, hook_rows
from crackerjack.reports.safe_text import inert
from crackerjack.types import HookStatus, JobId, parse_job_id

Report = Callable[[int, str], Awaitable[None]]
"""Tells a person how far it is: the `seq` of the last event, and a sentence."""

_FIRST_REPORT: Final = 2.0  # seconds
_REPORT_EVERY: Final = 10.0
"""Seconds between reports in a long wait: a person sees that it goes on, and clients that give up
after a minute without a word do not."""
_TEXT: Final = 16_000  # characters of output
_LINE: Final = 2_000  # characters
_TESTS: Final = 20
_PUT_BACK: Final = frozenset({Restoration.RESTORED, Restoration.ALREADY})


async def silent(_seq: int, _sentence: str) -> None:
    """Reports to nobody."""


class Call(NamedTuple):
    """One call of a tool."""

    roots: Roots
    """What the caller may see and run."""
    report: Report


class _Chosen(NamedTuple):
    """What the tool findings tells of."""

    findings: list[DiagnosticFound]
    tests: list[TestCompleted]
    base: str = ""
    """The job that new ones are new against."""
    note: str = ""


class Tools:
    """The tools. Used on the event loop's thread; what blocks is done in other threads.

    All raise :exc:`crackerjack.errors.CrackerjackError`, whose sentence says what to do.
    """

    def __init__(
        self, *, log: EventLog, jobs: JobManager, stories: Stories, state_dir: str
    ) -> None:
        self._log = log
        self._jobs = jobs
        self._stories = stories
        self._digests = Digests()
        self._state_dir = state_dir

    async def run_checks(self, call: Call, asked: inputs.RunChecks) -> models.Started:
        """Start a run, in a process of its own that outlives this one."""
        root = call.roots.project(asked.project)
        job_id = JobId(os.urandom(5).hex())
        options = DetachedOptions(
            run_tests=asked.tests,
            hook=tuple(asked.hooks),
            path=tuple(asked.paths),
            changed_only=asked.changed_only,
            check=asked.check_only,
            fix=not asked.check_only,
        )
        await asyncio.to_thread(start_detached, self._log, root, asked.workflow, options, job_id)
        news = None
        if asked.wait_s > 0:
            news = await self.wait(call, inputs.Wait(job_id=job_id, timeout_s=asked.wait_s))
        return started(job_id, root, news)

    async def wait(self, call: Call, asked: inputs.Wait) -> models.Digest:
        """What is new since an event, as soon as there is what is waited for."""
        entry = await self._entry(call, asked.job_id)
        since, until = asked.since, asked.until
        deadline = time.monotonic() + asked.timeout_s
        reported, pause = since, _FIRST_REPORT
        while True:
            left = deadline - time.monotonic()
            story = await self._stories.wait(entry.header.job_id, since, until, min(left, pause))
            if story.is_due(since, until) or left <= pause:
                return self._digests.of(story, since, until)
            pause = min(2 * pause, _REPORT_EVERY)
            if story.snapshot.seq > reported:
                reported = story.snapshot.seq
                await call.report(reported, _progress(story))

    async def findings(self, call: Call, asked: inputs.Findings) -> models.Findings:
        """The findings that stand, by rule."""
        job = (await self.story(call, asked.job_id)).snapshot
        if asked.hook is not None and job.finished:
            _check_hook(job, asked.hook)
        chosen = await self._chosen(call, job, only_new=asked.only == "new")
        path = None if asked.path is None else _relative(asked.path, job.project)
        found = [one for one in chosen.findings if _is_wanted(one, asked, path)]
        tests = [one for one in chosen.tests if _is_wanted(one, asked, path)]
        groups = grouped(found)
        first = _offset(asked.cursor)
        last = first + asked.limit
        source = SourceLines(job.project)
        return models.Findings(
            job_id=job.job_id,
            finished=job.finished,
            only=asked.only,
            base=chosen.base,
            total=len(found),
            groups=await asyncio.to_thread(
                lambda: [group(one, source) for one in groups[first:last]]
            ),
            cursor=str(last) if last < len(groups) else "",
            failing_tests=[failing_test(one) for one in tests[:_TESTS]],
            more_failing_tests=max(0, len(tests) - _TESTS),
            note=chosen.note,
            do_next=_after_findings(job, is_any=bool(found or tests)),
        )

    async def compare(self, call: Call, asked: inputs.Compare) -> models.Compared:
        """A job against an earlier run of its project."""
        job_id = asked.job_id
        now = (await self.story(call, job_id)).snapshot
        _check_finished(now)
        comparison = compare(await self._base(call, now, asked.base), now)
        return await asyncio.to_thread(compared, comparison, SourceLines(now.project))

    async def output(self, call: Call, asked: inputs.Output) -> models.Output:
        """The end of what a hook printed."""
        job_id, hook = asked.job_id, asked.hook
        story = await self.story(call, job_id)
        _check_hook(story.snapshot, hook)
        count, lines = await asyncio.to_thread(
            self._last_lines, story.snapshot.job_id, hook, asked.tail
        )
        return models.Output(
            job_id=job_id,
            hook=hook,
            lines=count,
            text="\n".join(lines)[-_TEXT:],
            note="" if count else "it printed nothing, or its result was known from an earlier run",
        )

    async def jobs(self, call: Call, asked: inputs.Jobs) -> models.Jobs:
        """The jobs of the allowed projects, newest first."""
        wanted = None if asked.project is None else call.roots.project(asked.project)

        def read() -> list[models.JobRow]:
            entries = self._jobs.entries(project=wanted, limit=1000)
            allowed = [one for one in entries if call.roots.allows(one.header.project)]
            rows = []
            for entry in allowed[: asked.limit]:
                with contextlib.suppress(UnknownJob):  # forgotten since it was listed
                    rows.append(self._row(entry))
            return rows

        rows = await asyncio.to_thread(read)
        return models.Jobs(jobs=rows, do_next="" if rows else "run_checks starts the first one")

    async def cancel(self, call: Call, asked: inputs.OfJob) -> models.Cancelled:
        """Ask a job to stop."""
        job_id = asked.job_id
        entry = await self._entry(call, job_id)
        stopping = await asyncio.to_thread(self._jobs.cancel, entry.header.job_id)
        then = f"wait(job_id={job_id!r}, until='finished') says when it has stopped"
        return models.Cancelled(
            job_id=job_id,
            cancel_requested=stopping,
            do_next=then if stopping else f"it had ended: wait(job_id={job_id!r}) says how",
        )

    async def undo(self, call: Call, asked: inputs.OfJob) -> models.Undone:
        """Put back what a job changed."""
        job_id = asked.job_id
        entry = await self._entry(call, job_id)
        outcomes = await asyncio.to_thread(self._jobs.undo, entry.header.job_id, refuse_to_wait)
        return models.Undone(
            job_id=job_id,
            files={
                inert(one.path): " ".join(
                    filter(None, [one.outcome.value.replace("_", " "), inert(one.reason)])
                )
                for one in outcomes
            },
            note=_after_undo(outcomes),
        )

    async def explain(self, call: Call, asked: inputs.Explain) -> models.Explained:
        """What a run would do in a project."""
        root = call.roots.project(asked.project)

        def look() -> models.Explained:
            config = load_config(root, environment=os.environ, overrides={})
            rows = [row for row in hook_rows(config, self._state_dir) if _is_told(row)]
            return models.Explained(
                project=inert(root),
                workflow=inert(config.workflow),
                hooks=[
                    models.PlannedHook(hook=row.hook, runs=row.runs, why=_why(row)) for row in rows
                ],
                do_next=f"run_checks(project={root!r})",
            )

        return await asyncio.to_thread(look)

    async def _entry(self, call: Call, job_id: str) -> JobEntry:
        entry = await self._stories.reading.ask(self._jobs.entry, parse_job_id(job_id))
        call.roots.check(entry.header.project)
        return entry

    async def story(self, call: Call, job_id: str) -> Story:
        """A job of an allowed project, as of now."""
        entry = await self._entry(call, job_id)
        return await self._stories.of(entry.header.job_id)

    async def _base(self, call: Call, now: JobSnapshot, base: str | None) -> JobSnapshot:
        if base is None:
            entry = await asyncio.to_thread(base_of, self._jobs, now.job_id)
            return (await self._stories.of(entry.header.job_id)).snapshot
        snapshot = (await self.story(call, base)).snapshot
        _check_finished(snapshot)
        if snapshot.project != now.project:
            raise UsageError(f"job {base} is of another project, {snapshot.project}")
        return snapshot

    async def _chosen(self, call: Call, job: JobSnapshot, *, only_new: bool) -> _Chosen:
        """All that stands, or what is new."""
        everything = _Chosen(list(job.diagnostics), list(job.failing_tests))
        if not only_new:
            return everything
        try:
            base = await self._base(call, job, None)
        except UsageError as error:
            return everything._replace(note=f"all are told: {error}")
        comparison = compare(base, job)
        left_out = ", ".join(
            hook.name
            for hook in job.hooks.values()
            if hook.name in comparison.not_compared
            and (hook.findings or hook.status == HookStatus.FAILED)
        )
        note = f"not compared, so not told: {left_out}" if left_out else ""
        return _Chosen(comparison.new, comparison.new_tests, base.job_id, note)

    def _last_lines(self, job_id: JobId, hook: str, tail: int) -> tuple[int, list[str]]:
        kept: deque[str] = deque(maxlen=tail)
        count = 0
        for event in self._jobs.events(job_id):
            if event.event_type != "hook_output":
                continue
            said = event.payload
            if isinstance(said, HookOutput) and said.hook == hook:
                lines = said.text.splitlines()
                count += len(lines)
                kept.extend(lines[-tail:])
        return count, [shortened(line, _LINE) for line in kept]

    def _row(self, entry: JobEntry) -> models.JobRow:
        terminal = self._jobs.terminal_event(entry)
        ended = None if terminal is None else terminal.payload
        row = models.JobRow(
            job_id=entry.header.job_id,
            project=inert(entry.header.project),
            workflow=inert(entry.header.workflow),
            status=entry.status.value,
            started=datetime.fromtimestamp(entry.header.created, UTC).isoformat("T", "seconds"),
        )
        if isinstance(ended, WorkflowEnded):
            row.seconds = round(ended.duration, 1)
            row.findings = ended.findings
            row.tests_failed = ended.tests_failed
            row.reason = shortened(ended.reason, 300)
        return row


def started(job_id: str, project: str, news: models.Digest | None) -> models.Started:
    """A job that was begun, with what is known of it where somebody has waited for that."""
    return models.Started(
        job_id=job_id,
        status="running" if news is None else news.status,
        project=inert(project),
        next=0 if news is None else news.next,
        digest=news,
        do_next=f"wait(job_id={job_id!r})" if news is None else news.do_next,
    )


def _check_finished(job: JobSnapshot) -> None:
    if not job.finished:
        name = job.job_id
        raise UsageError(f"job {name} still runs: wait(job_id={name!r}, until='finished') first")


def _after_undo(outcomes: Sequence[UndoOutcome]) -> str:
    if not outcomes:
        return "the job changed nothing"
    left = sum(one.outcome not in _PUT_BACK for one in outcomes)
    return f"{left} of {len(outcomes)} left alone: put back by hand what is wanted" if left else ""


def _check_hook(job: JobSnapshot, hook: str) -> None:
    names = sorted({state.name for state in job.hooks.values()})
    if hook not in names:
        known = ", ".join(names) or "none yet"
        raise UsageError(f"job {job.job_id} has no hook {hook[:80]!r}; it has: {known}")


def _is_wanted(
    found: DiagnosticFound | TestCompleted, asked: inputs.Findings, path: str | None
) -> bool:
    severity = found.severity if isinstance(found, DiagnosticFound) else "error"
    return (
        asked.hook in {None, found.hook}
        and asked.severity in {None, severity}
        and (path is None or is_within(found.path, [path]))
    )


def _relative(path: str, project: str) -> str:
    """The path as findings have it; agents often know absolute ones only."""
    return os.path.normpath(os.path.relpath(path, project) if os.path.isabs(path) else path)


def _after_findings(job: JobSnapshot, *, is_any: bool) -> str:
    if not job.finished:
        return f"the job goes on: wait(job_id={job.job_id!r}, since={job.seq})"
    return "after the fix, run_checks again and compare" if is_any else ""


def _progress(story: Story) -> str:
    job = story.snapshot
    tests = job.counts()["tests"]
    done = sum(value for key, value in tests.items() if key not in {"collected", "deselected"})
    of_tests = f", {done}/{tests['collected']} tests" if tests["collected"] else ""
    return f"{job.overall_progress} %: {shortened(job.message, 200)}{of_tests}"


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise UsageError(f"{cursor[:80]!r} is not a cursor: pass the one of the last answer")
    return int(cursor)


def _is_told(row: HookRow) -> bool:
    return row.runs or not row.reason.startswith(NOT_ASKED_FOR)


def _why(row: HookRow) -> str:
    if not row.runs:
        return shortened(row.reason, 300)
    return inert(f"{row.tool} {row.version}: {row.path}") if row.tool else "built in"
