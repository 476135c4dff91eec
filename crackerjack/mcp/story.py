"""A job as an agent follows it: folded once for all who wait, with what matters marked."""

from __future__ import annotations

import asyncio
import enum
from bisect import bisect_right
from collections import OrderedDict
from typing import Final, NamedTuple

import msgspec

from crackerjack.errors import CrackerjackError, UnknownJob
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.payload import (
    DiagnosticFound,
    EventType,
    FileFixed,
    HookEnded,
    PhaseEnded,
    TestCompleted,
)
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.jobs.states import FAILING
from crackerjack.reports.wording import count
from crackerjack.types import HookStatus, JobId
from crackerjack.web.feed import Feed, Feeds

_KEPT: Final = 16
"""Jobs; beyond them the one that was asked for least recently is folded again when it is."""
_LONGEST: Final = 3600.0  # seconds; any will do, a wait begins again
_TROUBLE: Final = frozenset({HookStatus.TOOL_MISSING, HookStatus.TOOL_ERROR, HookStatus.TIMED_OUT})


class Until(enum.StrEnum):
    """What a wait is for."""

    DECISIVE = "decisive"
    TEST = "test"
    FINISHED = "finished"
    ANY = "any"


class Mark(NamedTuple):
    """Something that is worth waking an agent for."""

    seq: int
    why: str


class Story(msgspec.Struct, kw_only=True):
    """One job up to an event, and where in it the things are that an agent wants to hear of.

    Decisive are a failing test, a hook that ends with the first errors of a kind (hook and rule), a
    hook whose tool is missing, crashed or timed out, and the end.
    """

    snapshot: JobSnapshot
    marks: list[Mark] = []
    """What is decisive, in order."""
    test_marks: list[Mark] = []
    """Failing tests, the end of the tests, and that of the job, in order."""
    found_at: dict[tuple[str, str], int] = {}
    """Hook and fingerprint of a finding -> `seq` of the event that told it last."""
    failed_at: dict[tuple[str, str], int] = {}
    """Hook and node id of a failing test -> the same."""
    ended_at: dict[str, int] = {}
    """Hook -> `seq` of the event that ended it last."""
    changed_at: dict[str, int] = {}
    """Path of a file that the job changed -> the same."""
    kinds: set[tuple[str, str]] = set()
    new_kinds: dict[str, list[str]] = {}
    """Hook that has not ended -> the rules of which it has told the first errors."""

    def apply(self, event: WorkflowEvent) -> None:
        """Take in the next event."""
        self.snapshot.apply(event)
        match event.event_type:
            case EventType.TEST_COMPLETED:
                self._tested(event.seq, event.payload)
            case EventType.DIAGNOSTIC_FOUND:
                self._found(event.seq, event.payload)
            case EventType.FILE_FIXED:
                self._changed(event.seq, event.payload)
            case EventType.HOOK_EXECUTION_COMPLETED | EventType.HOOK_EXECUTION_FAILED:
                self._ended(event.seq, event.payload)
            case EventType.QUALITY_PHASE_COMPLETED | EventType.QUALITY_PHASE_FAILED:
                self._phase_ended(event.seq, event.payload)
            case _ if event.terminal:
                ended = Mark(event.seq, "the job has ended")
                self.marks.append(ended)
                self.test_marks.append(ended)

    def first_mark(self, since: int, until: Until = Until.DECISIVE) -> Mark | None:
        """The first decisive event after `since`; the first of the tests for who waits for those."""
        marks = self.test_marks if until is Until.TEST else self.marks
        at = bisect_right(marks, since, key=lambda mark: mark.seq)
        return marks[at] if at < len(marks) else None

    def is_due(self, since: int, until: Until) -> bool:
        """Whether who waits since that event is to be told now."""
        if self.snapshot.finished or until is Until.FINISHED:
            return self.snapshot.finished
        if until is Until.ANY:
            return self.snapshot.seq > since
        return self.first_mark(since, until) is not None

    def _tested(self, seq: int, test: object) -> None:
        if isinstance(test, TestCompleted) and test.outcome in FAILING:
            self.failed_at[test.hook, test.nodeid] = seq
            failed = Mark(seq, f"{test.nodeid} {test.outcome}")
            self.marks.append(failed)
            self.test_marks.append(failed)

    def _found(self, seq: int, found: object) -> None:
        if not isinstance(found, DiagnosticFound):
            return
        self.found_at[found.hook, found.fingerprint] = seq
        kind = found.hook, found.code
        if found.severity == "error" and kind not in self.kinds:
            self.kinds.add(kind)
            self.new_kinds.setdefault(found.hook, []).append(found.code or "error")

    def _changed(self, seq: int, fix: object) -> None:
        if isinstance(fix, FileFixed) and fix.fixed:
            self.changed_at[fix.path] = seq

    def _ended(self, seq: int, ended: object) -> None:
        if not isinstance(ended, HookEnded):
            return
        self.ended_at[ended.hook] = seq
        # A hook tells all that it has found just before it ends: who is woken by the first of these
        # is told a part of them, and is woken again for the rest a moment later.
        first, *others = self.new_kinds.pop(ended.hook, [""])
        if ended.status in _TROUBLE:
            self.marks.append(Mark(seq, f"{ended.hook}: {ended.status.replace('_', ' ')}"))
        elif first:
            more = f", and {count(len(others), 'more kind')}" if others else ""
            self.marks.append(Mark(seq, f"the first {first} of {ended.hook}{more}"))

    def _phase_ended(self, seq: int, ended: object) -> None:
        if isinstance(ended, PhaseEnded) and ended.phase == "testing":
            how = f": {ended.status.replace('_', ' ')}" if ended.status else ""
            self.test_marks.append(Mark(seq, f"the tests have ended{how}"))


class Stories:
    """The stories of the jobs that somebody asked for. Belongs to the event loop's thread."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self.reading: Final = feeds.reading
        self._kept: OrderedDict[JobId, tuple[object, Story]] = OrderedDict()
        """With what tells the job from another one of that id."""
        self._followers: dict[JobId, _Follower] = {}

    async def of(self, job_id: JobId) -> Story:
        """The job as of now. Raises :exc:`UnknownJob` and :exc:`StoreUnavailable`."""
        feed = await self._feeds.get(job_id)
        if not feed.exists:
            raise UnknownJob(job_id)
        identity, story = self._kept.get(job_id, (None, None))
        if story is None or identity != feed.identity:
            story = Story(snapshot=JobSnapshot(job_id=job_id))
        self._kept[job_id] = feed.identity, story
        self._kept.move_to_end(job_id)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        while (page := await feed.page(story.snapshot.seq)) is not None:
            for event in page.events:
                if event.seq > story.snapshot.seq:  # others fold the same story
                    story.apply(event)
            await asyncio.sleep(0)
        return story

    async def wait(self, job_id: JobId, since: int, until: Until, seconds: float) -> Story:
        """The job as soon as it :meth:`Story.is_due`, at the latest after so many seconds.

        However many wait for a job, its events are read and folded once. Raises as :meth:`of`, and
        :exc:`FutureCursor` for an event that the job does not have yet.
        """
        feed = await self._feeds.get(job_id)
        story = await self.of(job_id)
        await feed.check(since)
        if story.is_due(since, until) or seconds <= 0:
            return story
        follower = self._followers.get(job_id)
        if follower is None:
            follower = self._followers[job_id] = _Follower(self, feed)
        try:
            await follower.wait(since, until, seconds)
        finally:
            if follower.is_idle:
                self._followers.pop(job_id, None)
                follower.stop()
        return await self.of(job_id)


class _Follower:
    """Follows one job for all who wait for it: one task, while there is anyone."""

    def __init__(self, stories: Stories, feed: Feed) -> None:
        self._stories = stories
        self._feed = feed
        self._waiting: dict[asyncio.Future[None], tuple[int, Until]] = {}
        self._task = asyncio.create_task(self._follow())

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits."""
        return not self._waiting

    def stop(self) -> None:
        """Follow no more."""
        self._task.cancel()

    async def wait(self, since: int, until: Until, seconds: float) -> None:
        """Return when that is due, or so many seconds have passed; raises what following raises."""
        told = asyncio.get_running_loop().create_future()
        self._waiting[told] = since, until
        try:
            await asyncio.wait_for(told, seconds)
        except TimeoutError:
            pass
        finally:
            del self._waiting[told]

    async def _follow(self) -> None:
        job_id = JobId(self._feed.job_id or "")
        try:
            while True:
                story = await self._stories.of(job_id)
                for told, (since, until) in self._waiting.items():
                    if story.is_due(since, until) and not told.done():
                        told.set_result(None)
                if story.snapshot.finished:
                    return  # everyone was told, and nothing comes any more
                await self._feed.wait(story.snapshot.seq, _LONGEST)
        except CrackerjackError as error:  # told to everyone who waits
            for told in self._waiting:
                if not told.done():
                    told.set_exception(error)
