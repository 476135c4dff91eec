"""What keeps feeds live: it looks at the log whenever there may be something new in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Final

from crackerjack.errors import StoreError, StoreUnavailable
from crackerjack.events.hub import Hub
from crackerjack.events.poke import PokeBox
from crackerjack.jobs.job_manager import JobManager
from crackerjack.types import JobId
from crackerjack.web.feed import Feeds, WentBack

POLL_SECONDS: Final = 0.25
"""Between looks at the log when nobody says that something is new: what a lost poke costs."""
_BLIND_SECONDS: Final = 5.0
"""With a store that cannot be read for so long, clients are told so instead of being left to wait."""
_LOOK_FOR_LOST: Final = 5.0
"""Seconds between looks for jobs whose process is gone; their clients must hear within 15."""
_LOGGER: Final = logging.getLogger("crackerjack.web")


class Watcher:
    """Delivers new events to the feeds: those of this process's bus, which the hub announces, and
    those of other processes, which poke; a poll stands behind both.

    Belongs to the event loop's thread.
    """

    def __init__(
        self,
        feeds: Feeds,
        hub: Hub,
        pokes: PokeBox | None,
        *,
        on_blind: Callable[[], object] = lambda: None,
    ) -> None:
        self._feeds = feeds
        self._hub = hub
        self._pokes = pokes
        self._on_blind = on_blind
        """Called while the store cannot be read, when it could not for some seconds."""
        self._looking: asyncio.Task[None] | None = None
        self._is_due = False
        self._blind_since: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver while the block runs."""
        self._loop = loop = asyncio.get_running_loop()

        def wake(_job_id: JobId, _seq: int) -> None:
            loop.call_soon_threadsafe(self.look_soon)

        self._hub.add_waker(wake)
        if self._pokes is not None:
            loop.add_reader(self._pokes, self._poked)
        try:
            async with repeated(POLL_SECONDS, self.look_soon):
                yield
        finally:
            self._loop = None
            self._hub.remove_waker(wake)
            if self._pokes is not None:
                loop.remove_reader(self._pokes)
            if self._looking is not None:
                await _cancelled(self._looking)

    def look_soon(self) -> None:
        """Deliver what is new in the log soon; may be called any number of times."""
        self._is_due = True
        if self._looking is None and self._loop is not None:
            self._looking = self._loop.create_task(self._look())

    def _poked(self) -> None:
        if self._pokes is not None:
            self._pokes.clear()
        self.look_soon()

    async def _look(self) -> None:
        # By way of the loop, all that is committed in one of its turns is one read, and one write
        # to each client.
        try:
            while self._is_due:
                self._is_due, began = False, time.monotonic()
                try:
                    self._is_due = await self._feeds.look() or self._is_due
                except WentBack as error:
                    _LOGGER.warning("%s", error)
                    self._on_blind()
                except StoreUnavailable as error:  # the poll comes back to it
                    self._cannot_see(error, began)
                    return
                self._blind_since = None
                await asyncio.sleep(0)
        finally:
            self._looking = None

    def _cannot_see(self, error: StoreUnavailable, since: float) -> None:
        if self._blind_since is None:
            self._blind_since = since
            _LOGGER.warning("new events cannot be read: %s", error)
        if time.monotonic() - self._blind_since > _BLIND_SECONDS:
            self._on_blind()


@asynccontextmanager
async def ending_lost_jobs(jobs: JobManager) -> AsyncIterator[None]:
    """End the jobs whose process is gone while the block runs: who follows one must hear of it."""

    async def end_them() -> None:
        while True:
            try:
                await asyncio.to_thread(jobs.end_lost_jobs)
            except StoreError as error:
                _LOGGER.warning("lost jobs cannot be ended: %s", error)
            await asyncio.sleep(_LOOK_FOR_LOST)

    async with _while_running(end_them()):
        yield


@asynccontextmanager
async def repeated(seconds: float, action: Callable[[], object]) -> AsyncIterator[None]:
    """Call `action` every so many seconds while the block runs."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(seconds)
            action()

    async with _while_running(repeat()):
        yield


@asynccontextmanager
async def _while_running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await _cancelled(task)


async def _cancelled(task: asyncio.Task[None]) -> None:
    """End a task."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
