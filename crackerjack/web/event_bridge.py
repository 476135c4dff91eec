"""The bridge between the log and WebSocket clients: the one registry of connections."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

from crackerjack.events.hub import Hub
from crackerjack.events.poke import PokeBox
from crackerjack.types import JobId
from crackerjack.web.connection import UNREADABLE, Connection, Limits, WebSocket
from crackerjack.web.feed import Feeds
from crackerjack.web.page import Selection
from crackerjack.web.watcher import Watcher, repeated

_RETRY_SECONDS: Final = (0.5, 5.0)
"""When clients of a server that goes down are to come back: spread, so that they don't at once."""

ALL_JOBS: Final = None
"""In the place of a job's id: the stream of all jobs of the store."""


class Observer(Protocol):
    """Is told what happens to connections, to count it."""

    def opened(self, *, resumed: bool) -> None:
        """A client was registered; `resumed`: with the position that it had reached."""
        ...

    def closed(self, code: int) -> None:
        """A connection was ended from our side."""
        ...


class EventBusWebSocketBridge:
    """Routes the events of every job to the WebSocket clients of that job.

    It learns of new events from the bus of this process, through the hub, and from other processes
    through `pokes` and a poll that stands behind them. A client that fails or stalls is dropped, and
    concerns nobody else. All methods are called on the event loop's thread, inside :meth:`running`.
    """

    def __init__(
        self,
        feeds: Feeds,
        hub: Hub,
        observer: Observer,
        *,
        pokes: PokeBox | None = None,
        limits: Limits = Limits(),  # noqa: B008 - immutable
    ) -> None:
        self._feeds = feeds
        self._observer = observer
        self._limits = limits
        self._connections: defaultdict[JobId | None, dict[WebSocket, Connection]] = defaultdict(
            dict
        )
        self._watcher = Watcher(feeds, hub, pokes, on_blind=self._send_away)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver events while the block runs."""
        async with (
            self._watcher.running(),
            repeated(self._limits.look_every, self._look_after_all),
        ):
            yield

    async def register_client(
        self,
        job_id: JobId | None,
        websocket: WebSocket,
        since: int | None = None,
        *,
        selection: Selection = Selection(),  # noqa: B008 - immutable
    ) -> Connection:
        """Send this accepted client the job's events after `since`, or from now on.

        With :data:`ALL_JOBS` those of all jobs, and `since` is a position of the store. Raises
        :exc:`FutureCursor` and :exc:`StoreUnavailable`.
        """
        feed = await self._feeds.get(job_id)
        if since is not None:
            await feed.check(since)
        connection = Connection(
            websocket,
            feed,
            since=feed.head if since is None else since,
            selection=selection,
            limits=self._limits,
            on_end=self._ended,
        )
        self._connections[job_id][websocket] = connection
        self._observer.opened(resumed=bool(since))
        return connection

    async def unregister_client(self, job_id: JobId | None, websocket: WebSocket) -> bool:
        """Send it nothing more; False when it is not registered."""
        connection = self._forget(job_id, websocket)
        if connection is not None:
            connection.stop()
        return connection is not None

    def get_active_connections(self, job_id: JobId | None = None) -> int:
        """How many clients there are: of one job, or altogether."""
        if job_id is not None:
            return self.count(job_id)
        return sum(map(len, self._connections.values()))

    def count(self, job_id: JobId | None) -> int:
        """How many clients there are of one stream; with :data:`ALL_JOBS`, of that of all jobs."""
        return len(self._connections.get(job_id, ()))

    def get_jobs_with_clients(self) -> list[JobId]:
        """The jobs that somebody watches."""
        return [job_id for job_id in self._connections if job_id is not None]

    def lag(self) -> int:
        """How many events the client that is furthest behind is behind."""
        # A page of the log may have led a client past what its feed was told.
        return max([0, *(one.feed.head - one.position for one in self._all())])

    def position_of(self, cursor: str) -> int:
        """See :meth:`Feeds.position_of`."""
        return self._feeds.position_of(cursor)

    async def drain(self) -> None:
        """Send every client away, to come back with its position: the server is going down."""
        for connection in self._all():
            connection.close(1012, f"retry in {random.uniform(*_RETRY_SECONDS):.1f}")  # noqa: S311

    def _send_away(self) -> None:
        for connection in self._all():
            connection.close(1011, UNREADABLE)

    def _look_after_all(self) -> None:
        now = time.monotonic()
        for connection in self._all():
            connection.look_after(now)

    def _all(self) -> list[Connection]:
        return [one for clients in self._connections.values() for one in clients.values()]

    def _ended(self, connection: Connection, code: int) -> None:
        self._forget(connection.feed.job_id, connection.websocket)
        self._observer.closed(code)

    def _forget(self, job_id: JobId | None, websocket: WebSocket) -> Connection | None:
        clients = self._connections.get(job_id, {})
        connection = clients.pop(websocket, None)
        if not clients:
            self._connections.pop(job_id, None)
        return connection
