"""Feeds: the streams of the log as shared pages, and the one reader that finds what is new in it."""

from __future__ import annotations

import asyncio
import re
import time
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol
from weakref import WeakValueDictionary

from crackerjack.errors import FutureCursor, StoreUnavailable, UnknownJob, UsageError
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.log import EventLog
from crackerjack.types import JobId
from crackerjack.web.page import MOST_EVENTS, Page
from crackerjack.web.reading import Reading

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Of events as JSON, in the pages that several clients may want; the frames made of them take about
as much again. With less than a long job has, a thousand clients that come back at once at different
places read each page again and again."""
A_NUMBER: Final = re.compile(r"[0-9]{1,18}")
"""A position, or another whole number, as clients send it: one that 64 bits of the store can hold."""
_READ: Final = 512
"""Events per look at the log: some milliseconds, then the event loop has its turn."""
_CHECK_EVERY: Final = 2.0
"""Seconds between looks whether a broker still has what it had."""


class Reader(Protocol):
    """Who is at the head of a feed and takes new pages as they come."""

    def push(self, page: Page) -> bool:
        """Take the page, which follows the last one; False to be called no more."""
        ...


class Pages:
    """The last pages that were read from the log, for all who replay the same range."""

    def __init__(self) -> None:
        self._pages: OrderedDict[tuple[object, int], Page] = OrderedDict()
        self._starts: defaultdict[object, list[int]] = defaultdict(list)
        """Where the pages of each stream begin, in order."""
        self._bytes = 0

    def get(self, stream: object, position: int) -> Page | None:
        """The page of the stream that is the last to begin at or before a position."""
        starts = self._starts.get(stream, [])
        at = bisect_right(starts, position)
        if not at:
            return None
        key = stream, starts[at - 1]
        self._pages.move_to_end(key)
        return self._pages[key]

    def put(self, stream: object, page: Page) -> None:
        """Keep a page, in the place of one that begins where it does."""
        key = stream, page.after
        if (replaced := self._pages.pop(key, None)) is not None:
            self._bytes -= replaced.size
        else:
            insort(self._starts[stream], page.after)
        self._pages[key] = page
        self._bytes += page.size
        while self._bytes > _MOST_BYTES and len(self._pages) > 1:
            self._drop()

    def _drop(self) -> None:
        (stream, start), dropped = self._pages.popitem(last=False)
        self._bytes -= dropped.size
        starts = self._starts[stream]
        del starts[bisect_left(starts, start)]
        if not starts:
            del self._starts[stream]


class Feed:
    """One stream of events: a job's, or (`job_id` None) that of the whole store.

    Belongs to the event loop's thread. Positions are those of :class:`Page`. What asks the log raises
    :exc:`StoreUnavailable`.
    """

    def __init__(self, reading: Reading, pages: Pages, job_id: JobId | None) -> None:
        self.job_id: Final = job_id
        self._reading = reading
        self._log = reading.log
        self._pages = pages
        self.head = 0
        """The last position that can be read."""
        self.ended = False
        """Whether the job's terminal event is in the log: nothing comes after the head."""
        self.exists = True
        """False while no job has this id."""
        self.live: set[Reader] = set()
        """Who has read up to the head; told of each new page."""
        self._waiters: set[asyncio.Future[None]] = set()
        # Not the id alone: it is free again when its job is forgotten, and pages are kept for longer.
        self._pages_of: object = object()
        self._turn = asyncio.Lock()
        self._looked_up = False

    async def ready(self) -> None:
        """Read from the log where it stands, unless that was done."""
        async with self._turn:
            if not self._looked_up:
                await self.look_up()

    async def look_up(self) -> None:
        """Read from the log where it stands; needed again only where nobody calls :meth:`Feeds.look`."""
        if self.job_id is None:
            position = await self._reading.ask(self._log.position)
            self.head = max(self.head, position)  # which may have been delivered meanwhile
            self._pages_of, self._looked_up = None, True
            return
        try:
            entry = await self._reading.ask(self._log.job, self.job_id)
        except UnknownJob:
            self.exists = self.head > 0
        else:
            # More may have been delivered while the log was asked.
            self.head = max(self.head, entry.head)
            self.ended = self.ended or entry.terminal is not None
            self._pages_of = (self.job_id, entry.header.created)
        self._looked_up = True

    async def check_readable(self) -> None:
        """Raise :exc:`StoreUnavailable` where waiting for more events would be in vain."""
        await self._reading.ask(self._log.position)

    @property
    def identity(self) -> object:
        """Tells the job from another one, which had its id before and was forgotten."""
        return self._pages_of

    async def check(self, since: int) -> None:
        """Raise :exc:`FutureCursor` for a position that was never reached.

        The log may be ahead of the head, and then so may a client that was elsewhere before.
        """
        if since <= self.head:
            return
        head = await self._head_of_log()
        if since > head:
            raise FutureCursor(self.job_id or "*", since, head)

    async def found(self) -> bool:
        """Whether the job exists by now: before its first event only the log can tell."""
        if not self.exists and self.job_id is not None:
            with suppress(UnknownJob):
                await self._reading.ask(self._log.job, self.job_id)
                self.exists = True
        return self.exists

    async def _head_of_log(self) -> int:
        if self.job_id is None:
            return await self._reading.ask(self._log.position)
        try:
            return (await self._reading.ask(self._log.job, self.job_id)).head
        except UnknownJob:
            return 0

    async def page(self, after: int) -> Page | None:
        """A page that has what follows a position in it, maybe with some before; None at the head.

        Others have a turn only where the log is asked over the network, and none before None.
        """
        while after < self.head:
            page = self._pages.get(self._pages_of, after)
            if page is not None and page.last > after:
                return page
            async with self._turn:  # one reads for all who want the same
                page = self._pages.get(self._pages_of, after)
                if page is None or page.last <= after:
                    page = await self._read(self._start(page, after))
            if page.last > after:
                return page
            raise StoreUnavailable(
                self.job_id or "", "does not give yet what it has", "ask again in a moment"
            )
        return None

    @staticmethod
    def _start(before: Page | None, after: int) -> int:
        """Where a page with what follows `after` begins: so that the pages of most clients are the same."""
        if before is not None and before.last == after and len(before.events) < MOST_EVENTS:
            return before.after
        return after - after % MOST_EVENTS

    def deliver(self, page: Page) -> None:
        """Take in what is new in the log: the last of `page` is the head from now on."""
        self.head, self.exists = page.last, True
        self.ended = self.ended or (self.job_id is not None and page.terminal)
        for reader in tuple(self.live):
            if not reader.push(page):
                self.live.discard(reader)
        self.wake()

    def wake(self) -> None:
        """Let everyone who waits look again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def wait(self, after: int, seconds: float) -> bool:
        """Wait until there is something after a position, at most so many seconds; whether there is."""
        if self.head <= after and not self.ended:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await asyncio.wait_for(waiter, seconds)
            except TimeoutError:
                pass
            finally:
                self._waiters.discard(waiter)
        return self.head > after

    def encode(self, event: WorkflowEvent, position: int) -> bytes:
        """The event as JSON; in the stream of the store with the `cursor` to resume after it."""
        encoded = event.to_json()
        if self.job_id is not None:
            return encoded
        return b'%b,"cursor":"%b"}' % (encoded[:-1], self.cursor(position).encode())

    def cursor(self, position: int) -> str:
        """A position of the store as clients hold it: worth nothing in another store."""
        return f"{self._log.store_id}.{position}"

    async def _read(self, start: int) -> Page:
        head, last = self.head, None
        if self.job_id is not None:
            events = await self._reading.events(self.job_id, start, MOST_EVENTS)
            positions = [event.seq for event in events]
        else:
            found = await self._reading.all_events(start, MOST_EVENTS, head)
            # The log may be ahead of the head: what is there comes with the next page, and not in this
            # one too, for whoever has this page goes on after its end.
            within = [(position, event) for position, event in found if position <= head]
            events, positions = [event for _, event in within], [at for at, _ in within]
            # Positions have holes, also where jobs were forgotten.
            last = head if len(within) < MOST_EVENTS else None
        page = Page(start, events, positions, self.encode, self._reading.project_of, last=last)
        self._pages.put(self._pages_of, page)
        return page


def _ignore(_events: list[WorkflowEvent], _read_at: float) -> None:
    pass


class WentBack(StoreUnavailable):
    """The store has less than was delivered: a broker lost its disk, or the end of what was on it."""


class Feeds:
    """All feeds of one log; a feed lives as long as somebody holds it.

    :meth:`look` finds what any process committed and delivers it. Call it on the event loop's thread.
    `on_events` is told of what was delivered, and when it was read: seconds since the epoch.
    """

    def __init__(
        self, log: EventLog, on_events: Callable[[list[WorkflowEvent], float], object] = _ignore
    ) -> None:
        self._log = log
        self.reading: Final = Reading(log)
        self._on_events = on_events
        self._pages = Pages()
        self._feeds: WeakValueDictionary[JobId | None, Feed] = WeakValueDictionary()
        self._position = log.position()
        self._check_at = 0.0

    async def get(self, job_id: JobId | None) -> Feed:
        """The feed of a job, which need not exist yet; of the whole store with None.

        Raises :exc:`StoreUnavailable`.
        """
        feed = self._feeds.get(job_id)
        # One that has ended serves those who hold it; by now its job may be forgotten.
        if feed is None or feed.ended:
            # It is here before the log is asked: what is delivered meanwhile is delivered to it too.
            feed = self._feeds[job_id] = Feed(self.reading, self._pages, job_id)
        await feed.ready()
        return feed

    def position_of(self, cursor: str) -> int:
        """The position of the store that a cursor means.

        Raises :exc:`UsageError` for what is no cursor, and :exc:`FutureCursor` for one of another store.
        """
        store, _, position = cursor.rpartition(".")
        if not store or not A_NUMBER.fullmatch(position):
            raise UsageError(f"{cursor[:80]!r} is not a cursor: send one that came with an event")
        if store != self._log.store_id:
            raise FutureCursor("*", int(position), self._position)
        return int(position)

    async def look(self) -> bool:
        """Deliver some of what is new; True when there may be more. Raises :exc:`StoreUnavailable`.

        To be called again only when it has returned. After :exc:`WentBack` nobody has the feeds any
        more that there were: who held one has to begin again.
        """
        found = await self.reading.news(self._position, _READ)
        if not found:
            await self._check_position()
            return False
        read_at = time.time()
        self._position = found[-1][0]
        by_job: defaultdict[JobId, list[WorkflowEvent]] = defaultdict(list)
        for _, event in found:
            by_job[event.job_id].append(event)
        for job_id, events in by_job.items():
            if (feed := self._feeds.get(job_id)) is not None:
                self._deliver(feed, events, [event.seq for event in events])
        if (feed := self._feeds.get(None)) is not None:
            self._deliver(feed, [event for _, event in found], [at for at, _ in found])
            feed.head = max(feed.head, self._position)
        self._on_events([event for _, event in found], read_at)
        return len(found) == _READ

    async def _check_position(self) -> None:
        """Raise :exc:`WentBack` where the store ends before what it had; now and then, if it may."""
        if self._log.recent is None or time.monotonic() < self._check_at:
            return
        self._check_at = time.monotonic() + _CHECK_EVERY
        position = await self.reading.ask(self._log.position)
        if position < self._position:
            self._position, self._pages = position, Pages()
            self._feeds.clear()
            raise WentBack("of the broker", "has lost what was at its end", "clients begin again")

    def _deliver(self, feed: Feed, events: list[WorkflowEvent], positions: list[int]) -> None:
        # A feed that was made a moment ago may be ahead of us: it has read its head from the log.
        known = sum(position <= feed.head for position in positions)
        if known < len(events):
            new, at = events[known:], positions[known:]
            # A replica of a broker may have told of an old head: then this is no page that follows it,
            # and who is there reads what is between from the log.
            after = feed.head if feed.job_id is None else at[0] - 1
            feed.deliver(Page(after, new, at, feed.encode, self.reading.project_of))
