"""What one WebSocket client says, and what it is answered: ``/ws/progress/{job_id}``, ``/ws/events``."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from crackerjack.errors import (
    CrackerjackError,
    FutureCursor,
    InvalidJobId,
    StoreError,
    UnknownJob,
    UsageError,
)
from crackerjack.types import JobId, parse_job_id
from crackerjack.web.admission import Admission, query, subprotocol
from crackerjack.web.connection import GONE, UNREADABLE, Connection
from crackerjack.web.event_bridge import ALL_JOBS, EventBusWebSocketBridge
from crackerjack.web.feed import A_NUMBER
from crackerjack.web.page import Selection, wanted_types
from crackerjack.web.problems import problem
from crackerjack.web.socket import Socket

LARGEST_FROM_CLIENT: Final = 64 * 1024
"""Bytes in a message. Our server refuses a larger one as it comes, another one hands it to us."""
_MESSAGES_PER_SECOND: Final = 50
_BAD_MESSAGES: Final = 10
_RETRY_SECONDS: Final = 5
"""After which a client that found no room is to come back."""
_LONGEST_REASON: Final = 123  # bytes in a close frame, RFC 6455 section 5.5
_LOGGER: Final = logging.getLogger("crackerjack.web")


class Jobs(Protocol):
    """What a client can do to a job; called from a thread."""

    def cancel(self, job_id: JobId) -> bool:
        """Ask it to stop; False when it has ended. Raises :exc:`UnknownJob`."""
        ...


Snapshot = Callable[[JobId], Awaitable[tuple[int, bytes]]]
"""Gives the message ``job_snapshot`` and the `seq` of the last event in it."""


class Refused(CrackerjackError):
    """A client that is accepted only to be told why it is not served."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    @property
    def counted_as(self) -> str:
        """The reason without its numbers, for metrics, where each word is a counter of its own."""
        return self.reason.partition(" in ")[0].partition(",")[0]


class WebSocketHandler:
    """Serves one WebSocket connection after another: registers it, listens to it, unregisters it."""

    def __init__(
        self,
        bridge: EventBusWebSocketBridge,
        admission: Admission,
        jobs: Jobs,
        snapshot: Snapshot,
        on_refusal: Callable[[str], object],
    ) -> None:
        self._bridge = bridge
        self._admission = admission
        self._jobs = jobs
        self._snapshot = snapshot
        self._on_refusal = on_refusal

    def progress(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """``/ws/progress/{job_id}``: one job, from its snapshot or after `since`."""
        return self._serve(Socket(scope, receive, send), self._follow_job)

    def events(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """``/ws/events``: every job of the store."""
        return self._serve(Socket(scope, receive, send), self._follow_all)

    async def _serve(
        self, websocket: Socket, follow: Callable[[Socket], Awaitable[Connection]]
    ) -> None:
        if (refusal := self._admission.refusal(websocket.scope)) is not None:
            self._on_refusal(refusal.reason)
            await websocket.deny(problem(refusal.status, refusal.detail))
            return
        await websocket.accept(subprotocol(websocket.scope.get("subprotocols", ())))
        try:
            connection = await follow(websocket)
        except Refused as refused:
            self._on_refusal(refused.counted_as)
            with suppress(*GONE):  # who left needs no reason
                await websocket.close(refused.code, refused.reason[:_LONGEST_REASON])
            return
        except StoreError as error:
            _LOGGER.warning("a client could not be served: %s", error)
            await websocket.close(1011, UNREADABLE)
            return
        try:
            trusted = self._admission.trusts(websocket.scope)
            websocket.forget_handshake()
            await _Conversation(self._jobs, websocket, connection, trusted=trusted).listen()
        except GONE:
            _LOGGER.debug("a client was gone before it was answered")
        finally:
            await self._bridge.unregister_client(connection.feed.job_id, websocket)

    async def _follow_job(self, websocket: Socket) -> Connection:
        try:
            job_id = parse_job_id(websocket.scope["path_params"]["job_id"])
        except InvalidJobId:
            raise Refused(1008, "invalid job id") from None
        self._check_room(job_id)
        asked = query(websocket.scope)
        selection = _selection(asked)
        if (text := asked.get("since")) is not None:
            since = _since(text)
            connection = await self._register(websocket, job_id, since, selection)
        else:
            since, message = await self._snapshot(job_id)
            connection = await self._register(websocket, job_id, since, selection)
            try:
                await connection.send(message)
            except GONE:
                connection.stop()  # it is registered: who listens to it finds it over, and takes it out
        connection.start(tell_position=text is not None or selection.types is not None)
        return connection

    async def _follow_all(self, websocket: Socket) -> Connection:
        self._check_room(ALL_JOBS)
        asked = query(websocket.scope)
        selection = _selection(asked)
        since = self._position_of(asked["since"]) if "since" in asked else None
        connection = await self._register(websocket, ALL_JOBS, since, selection)
        connection.start(tell_position=True)
        return connection

    def _position_of(self, cursor: str) -> int:
        try:
            return self._bridge.position_of(cursor)
        except UsageError:
            # Not in its words, which repeat the client's: a reason is counted, each by its own counter.
            raise Refused(4400, "since is a cursor that came with an event") from None
        except FutureCursor:
            raise Refused(4410, "the cursor is of another store") from None

    async def _register(
        self, websocket: Socket, job_id: JobId | None, since: int | None, selection: Selection
    ) -> Connection:
        try:
            return await self._bridge.register_client(job_id, websocket, since, selection=selection)
        except FutureCursor as error:
            raise Refused(4410, f"future cursor, head={error.head}") from None

    def _check_room(self, job_id: JobId | None) -> None:
        full = (
            self._bridge.get_active_connections() >= self._admission.most_connections
            or self._bridge.count(job_id) >= self._admission.most_connections_of_job
        )
        if full:
            raise Refused(1013, f"retry in {_RETRY_SECONDS}")


class _Conversation:
    """Answers what one client says: it may say little, seldom, or nothing at all."""

    __slots__ = (
        "_allowance",
        "_bad",
        "_connection",
        "_heard_at",
        "_jobs",
        "_trusted",
        "_websocket",
    )

    def __init__(
        self, jobs: Jobs, websocket: Socket, connection: Connection, *, trusted: bool
    ) -> None:
        self._jobs = jobs
        self._trusted = trusted
        self._websocket = websocket
        self._connection = connection
        self._bad = 0
        self._allowance = float(_MESSAGES_PER_SECOND)
        self._heard_at = time.monotonic()

    async def listen(self) -> None:
        """Answer what the client says until the connection is over.

        Who is sent away is heard out, unanswered: a server that is not ours cuts the connection when
        we return, maybe before the client was told why.
        """
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            if not self._connection.closed:
                text, data = message.get("text"), message.get("bytes")
                content = data if text is None else text.encode("utf-8", "surrogatepass")
                await self._hear(content or b"")

    async def _hear(self, content: bytes) -> None:
        if self._too_many():
            self._connection.close(4429, f"more than {_MESSAGES_PER_SECOND} messages a second")
        elif len(content) > LARGEST_FROM_CLIENT:
            self._connection.close(1009, "")
        else:
            await self._answer(content)

    def _too_many(self) -> bool:
        now = time.monotonic()
        regained = (now - self._heard_at) * _MESSAGES_PER_SECOND
        self._allowance = min(_MESSAGES_PER_SECOND, self._allowance + regained) - 1
        self._heard_at = now
        return self._allowance < 0

    async def _answer(self, content: bytes) -> None:
        match _type_of(content):
            case "ping":
                await self._say("pong", {})
            case "cancel" if self._connection.feed.job_id is not None:
                await self._cancel(self._connection.feed.job_id)
            case _:
                await self._error("bad_message", 'this server knows {"type": "ping"} and "cancel"')
                self._bad += 1
                if self._bad >= _BAD_MESSAGES:
                    self._connection.close(1008, f"{_BAD_MESSAGES} bad messages")

    async def _cancel(self, job_id: JobId) -> None:
        if not self._trusted:
            await self._error("forbidden", "to cancel a job, connect with the token")
            return
        try:
            asked = await asyncio.to_thread(self._jobs.cancel, job_id)
        except UnknownJob as error:
            await self._error("not_running", str(error))
            return
        if asked:
            await self._say("cancel_requested", {})
        else:
            await self._error("not_running", f"job {job_id} has ended")

    async def _error(self, code: str, sentence: str) -> None:
        await self._say("error", {"code": code, "message": sentence})

    async def _say(self, event_type: str, data: dict[str, Any]) -> None:
        now = time.time()
        message: dict[str, Any] = {
            "event_type": event_type,
            "data": {**data, "timestamp": now},
            "timestamp": now,
        }
        if self._connection.feed.job_id is not None:
            message["job_id"] = self._connection.feed.job_id
        await self._connection.say(message)


def _type_of(content: bytes) -> object:
    try:
        said = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return said.get("type") if isinstance(said, dict) else None


def _since(text: str) -> int:
    if not A_NUMBER.fullmatch(text):
        raise Refused(4400, "since is a whole number, 0 or more")
    return int(text)


def _selection(asked: dict[str, str]) -> Selection:
    try:
        types = wanted_types(asked.get("types", ""))
    except UsageError as error:
        raise Refused(4400, str(error)) from None
    jobs = [name for name in asked.get("jobs", "").split(",") if name]
    projects = [name for name in asked.get("projects", "").split(",") if name]
    if not all(map(os.path.isabs, projects)):
        raise Refused(4400, "projects are absolute paths of directories")
    return Selection(
        types=types,
        jobs=frozenset(jobs) if jobs else None,
        projects=frozenset(projects) if projects else None,
        batch=asked.get("batch") in {"1", "true"},
    )


def register_websocket_routes(app: Starlette, handler: WebSocketHandler) -> None:
    """Add the WebSocket endpoints to an application."""
    app.router.routes += [
        WebSocketRoute("/ws/progress/{job_id:path}", _Endpoint(handler.progress), name="progress"),
        WebSocketRoute("/ws/events", _Endpoint(handler.events), name="events"),
    ]


class _Endpoint:
    """An ASGI application that starlette does not take for a function, and wrap in its own way."""

    def __init__(self, serve: ASGIApp) -> None:
        self._serve = serve

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._serve(scope, receive, send)
