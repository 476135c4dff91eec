"""Feeds: the streams of the log as shared pages, and the one reader that finds what is new in it."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol
from weakref import WeakValueDictionary

from crackerjack.errors import FutureCursor, UnknownJob, UsageError
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.log import EventLog
from crackerjack.types import JobId
from crackerjack.web.page import MOST_EVENTS, Page

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Of events as JSON, in the pages that several clients may want; the frames made of them take about
as much again. With less than a long job has, a thousand clients that come back at once at different
places read each page again and again."""
A_NUMBER: Final = re.compile(r"[0-9]{1,18}")
"""A position, or another whole number, as clients send it: one that 64 bits of the store can hold."""
_READ: Final = 512
"""Events per look at the log: some milliseconds, then the event loop has its turn."""


class Reader(Protocol):
    """Who is at the head of a feed and takes new pages as they come."""

    def push(self, page: Page) -> bool:
        """Take the page, which follows the last one; False to be called no more."""
        ...


class Pages:
    """The last pages that were read from the log, for all who replay the same range."""

    def __init__(self) -> None:
        self._pages: OrderedDict[tuple[object, int], Page] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[object, int]) -> Page | None:
        page = self._pages.get(key)
        if page is not None:
            self._pages.move_to_end(key)
        return page

    def put(self, key: tuple[object, int], page: Page) -> None:
        if (replaced := self._pages.pop(key, None)) is not None:
            self._bytes -= replaced.size
        self._pages[key] = page
        self._bytes += page.size
        while self._bytes > _MOST_BYTES and len(self._pages) > 1:
            _, dropped = self._pages.popitem(last=False)
            self._bytes -= dropped.size


class Feed:
    """One stream of events: a job's, or (`job_id` None) that of the whole store.

    Belongs to the event loop's thread. Positions are those of :class:`Page`.
    """

    def __init__(self, log: EventLog, pages: Pages, job_id: JobId | None) -> None:
        self.job_id: Final = job_id
        self._log = log
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
        self.look_up()

    def look_up(self) -> None:
        """Read from the log where it stands; needed again only where nobody calls :meth:`Feeds.look`."""
        if self.job_id is None:
            self.head, self._pages_of = self._log.position(), None
            return
        try:
            entry = self._log.job(self.job_id)
        except UnknownJob:
            self.exists = False
        else:
            self.head, self.ended = entry.head, entry.terminal is not None
            self._pages_of = (self.job_id, entry.header.created)

    def check_readable(self) -> None:
        """Raise :exc:`StoreUnavailable` where waiting for more events would be in vain."""
        self._log.position()

    @property
    def identity(self) -> object:
        """Tells the job from another one, which had its id before and was forgotten."""
        return self._pages_of

    def check(self, since: int) -> None:
        """Raise :exc:`FutureCursor` for a position that was never reached.

        The log may be ahead of the head, and then so may a client that was elsewhere before.
        """
        if since <= self.head:
            return
        head = self._head_of_log()
        if since > head:
            raise FutureCursor(self.job_id or "*", since, head)

    def found(self) -> bool:
        """Whether the job exists by now: before its first event only the log can tell."""
        if not self.exists and self.job_id is not None:
            with suppress(UnknownJob):
                self._log.job(self.job_id)
                self.exists = True
        return self.exists

    def _head_of_log(self) -> int:
        if self.job_id is None:
            return self._log.position()
        try:
            return self._log.job(self.job_id).head
        except UnknownJob:
            return 0

    def page(self, after: int) -> Page | None:
        """A page that has the position `after` + 1 in it, maybe with some before; None at the head."""
        if after >= self.head:
            return None
        start = after - after % MOST_EVENTS
        key = (self._pages_of, start)
        page = self._pages.get(key)
        if page is None or page.last < min(start + MOST_EVENTS, self.head):
            page = self._read(start)
            self._pages.put(key, page)
        return page if page.last > after else None

    def deliver(self, page: Page) -> None:
        """Take in what is new in the log: `page` follows the head."""
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

    def project_of(self, job_id: JobId) -> str:
        """The directory of a job's project; empty for a job that was forgotten meanwhile.

        Raises :exc:`StoreUnavailable`.
        """
        try:
            return self._log.job(job_id).header.project
        except UnknownJob:
            return ""

    def cursor(self, position: int) -> str:
        """A position of the store as clients hold it: worth nothing in another store."""
        return f"{self._log.store_id}.{position}"

    def _read(self, start: int) -> Page:
        if self.job_id is not None:
            events = self._log.read(self.job_id, start, MOST_EVENTS)
            return Page(
                start, events, [event.seq for event in events], self.encode, self.project_of
            )
        # The log may be ahead of the head: what is there comes with the next page, and not in this one
        # too, for whoever has this page goes on after its end.
        end = min(start + MOST_EVENTS, self.head)
        found = self._log.read_all(start, MOST_EVENTS)
        within = [(position, event) for position, event in found if position <= end]
        # Positions have holes where jobs were forgotten: a page without an event leads over its hole.
        last = end if within or not found else found[0][0] - 1
        events, positions = [event for _, event in within], [position for position, _ in within]
        return Page(start, events, positions, self.encode, self.project_of, last=last)


def _ignore(_events: list[WorkflowEvent], _read_at: float) -> None:
    pass


class Feeds:
    """All feeds of one log; a feed lives as long as somebody holds it.

    :meth:`look` finds what any process committed and delivers it. Call it on the event loop's thread.
    `on_events` is told of what was delivered, and when it was read: seconds since the epoch.
    """

    def __init__(
        self, log: EventLog, on_events: Callable[[list[WorkflowEvent], float], object] = _ignore
    ) -> None:
        self._log = log
        self._on_events = on_events
        self._pages = Pages()
        self._feeds: WeakValueDictionary[JobId | None, Feed] = WeakValueDictionary()
        self._position = log.position()

    def get(self, job_id: JobId | None) -> Feed:
        """The feed of a job, which need not exist yet; of the whole store with None.

        Raises :exc:`StoreUnavailable`.
        """
        feed = self._feeds.get(job_id)
        # One that has ended serves those who hold it; by now its job may be forgotten.
        if feed is None or feed.ended:
            feed = self._feeds[job_id] = Feed(self._log, self._pages, job_id)
        return feed

    def position_of(self, cursor: str) -> int:
        """The position of the store that a cursor means.

        Raises :exc:`UsageError` for what is no cursor, and :exc:`FutureCursor` for one of another store.
        """
        store, _, position = cursor.rpartition(".")
        if not store or not A_NUMBER.fullmatch(position):
            raise UsageError(f"{cursor[:80]!r} is not a cursor: send one that came with an event")
        if store != self._log.store_id:
            raise FutureCursor("*", int(position), self._log.position())
        return int(position)

    def look(self) -> bool:
        """Deliver some of what is new; True when there may be more. Raises :exc:`StoreUnavailable`."""
        found = self._log.read_all(self._position, _READ)
        if not found:
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

    @staticmethod
    def _deliver(feed: Feed, events: list[WorkflowEvent], positions: list[int]) -> None:
        # A feed that was made a moment ago may be ahead of us: it has read its head from the log.
        known = sum(position <= feed.head for position in positions)
        if known < len(events):
            new, at = events[known:], positions[known:]
            feed.deliver(Page(feed.head, new, at, feed.encode, feed.project_of))
