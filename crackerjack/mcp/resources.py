"""Jobs as resources: what can be read of them, and who is told when it changes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import mcp_types as types
import msgspec
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated

from crackerjack.errors import InvalidJobId, StoreError
from crackerjack.mcp import inputs
from crackerjack.mcp.digest import shortened_lines
from crackerjack.mcp.roots import Roots
from crackerjack.mcp.tools import Call, Tools, silent
from crackerjack.types import JobId, parse_job_id
from crackerjack.web.feed import Feeds

JOBS: Final = "crackerjack://jobs"
_LISTED: Final = 20
_PAGE: Final = 64 * 1024
"""Characters of events in one answer, or one event where that alone has more."""
_TEXT: Final = 2_000  # characters of one text in a job or an event
_TELL_EVERY: Final = 1.0
"""Seconds between two updates of one resource: a client reads it anew each time."""
_TAKEN_WITHIN: Final = 5.0
"""Seconds that a client has to take an update, before it is told nothing more: the others wait for it."""
_MOST: Final = 1000  # subscriptions of one client
_LONGEST: Final = 200  # characters of a URI
_JSON: Final = "application/json"

Context = ServerRequestContext[Any, Any]


class _Wanted(NamedTuple):
    """What a URI names."""

    job_id: JobId | None
    part: str = ""
    since: int = 0


class Resources:
    """Reads resources, and tells clients of both kinds (who subscribe, who listen) what has changed."""

    def __init__(self, tools: Tools, feeds: Feeds) -> None:
        self._tools = tools
        self._feeds = feeds
        self._bus = InMemorySubscriptionBus()
        self._subscribed: dict[Connection, set[str]] = {}
        self._listening = 0
        self._streams = ListenHandler(self._bus)

    async def listed(self, roots: Roots) -> list[types.Resource]:
        """The list of jobs, and the latest of them."""
        rows = await self._tools.jobs(Call(roots, silent), inputs.Jobs(limit=_LISTED))
        return [
            types.Resource(uri=JOBS, name="jobs", title="Latest jobs", mime_type=_JSON),
            *(
                types.Resource(
                    uri=f"{JOBS}/{row.job_id}",
                    name=row.job_id,
                    title=f"{row.workflow} in {row.project}, {row.status}",
                    mime_type=_JSON,
                )
                for row in rows.jobs
            ),
        ]

    @staticmethod
    def templates() -> list[types.ResourceTemplate]:
        """What can be read of every job."""
        about = {
            "": ("job", "What a job is now"),
            "/findings": ("findings", "The findings of a job, by rule"),
            "/events{?since}": ("events", "The events of a job after one, some at a time"),
        }
        return [
            types.ResourceTemplate(
                uri_template=f"{JOBS}/{{job_id}}{end}", name=name, title=title, mime_type=_JSON
            )
            for end, (name, title) in about.items()
        ]

    async def read(self, uri: str, roots: Roots) -> str:
        """The resource as JSON. Raises :exc:`MCPError` and :exc:`CrackerjackError` where there is none."""
        call = Call(roots, silent)
        wanted = _parse(uri)
        if wanted.job_id is None:
            return _json(await self._tools.jobs(call, inputs.Jobs(limit=_LISTED)))
        if wanted.part == "findings":
            asked = inputs.Findings(job_id=wanted.job_id, limit=100)
            return _json(await self._tools.findings(call, asked))
        story = await self._tools.story(call, wanted.job_id)
        if wanted.part == "events":
            return await self._events(wanted)
        return _encoded(_harmless(story.snapshot.to_data(time.time())))

    async def subscribe(
        self, context: Context, params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        """For clients until 2025-11-25. The job may be one that is only about to begin."""
        uri = str(params.uri)
        try:
            _parse(uri)
        except InvalidJobId as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None
        connection = _connection(context)
        if connection not in self._subscribed:
            self._subscribed[connection] = set()
            connection.exit_stack.callback(self._subscribed.pop, connection, None)
        wanted = self._subscribed[connection]
        if len(wanted) >= _MOST:
            raise MCPError(
                types.INVALID_PARAMS, f"more than {_MOST} subscriptions: unsubscribe first"
            )
        wanted.add(uri)
        return types.EmptyResult()

    async def unsubscribe(
        self, context: Context, params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        """Undo :meth:`subscribe`."""
        self._subscribed.get(_connection(context), set()).discard(str(params.uri))
        return types.EmptyResult()

    @property
    def subscribers(self) -> int:
        """How many clients are connected that have subscribed."""
        return len(self._subscribed)

    async def listen(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """For clients from 2026-07-28 on."""
        self._listening += 1
        try:
            return await self._streams(context, params)
        finally:
            self._listening -= 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell clients of changes while the block runs."""
        task = asyncio.create_task(self._tell())
        try:
            yield
        finally:
            self._streams.close()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _tell(self) -> None:
        feed = await self._feeds.get(None)
        position = feed.head
        known: set[JobId] = set()
        while True:
            await feed.wait(position, 3600.0)
            await asyncio.sleep(_TELL_EVERY)
            changed: dict[JobId, bool] = {}
            try:
                while (page := await feed.page(position)) is not None:
                    for event, at in zip(page.events, page.positions, strict=True):
                        if at > position:
                            changed[event.job_id] = (
                                changed.get(event.job_id, False) or event.terminal
                            )
                    position = page.last
                    await asyncio.sleep(0)
            except StoreError:
                continue  # the poll comes back to it
            if self._listening or any(self._subscribed.values()):
                await self._announce(changed, known)
            known = {job_id for job_id, ended in changed.items() if not ended} | known
            known -= {job_id for job_id, ended in changed.items() if ended}

    async def _announce(self, changed: dict[JobId, bool], known: set[JobId]) -> None:
        """Say which resources have changed; `changed`: job -> whether it has ended."""
        if any(ended or job_id not in known for job_id, ended in changed.items()):
            await self._bus.publish(ResourcesListChanged())
            await self._say_updated(JOBS)
        for job_id in changed:
            for end in ("", "/findings", "/events"):
                await self._say_updated(f"{JOBS}/{job_id}{end}")

    async def _say_updated(self, uri: str) -> None:
        await self._bus.publish(ResourceUpdated(uri=uri))
        wanting = [one for one, uris in self._subscribed.items() if uri in uris]
        await asyncio.gather(*(self._send_updated(one, uri) for one in wanting))

    async def _send_updated(self, connection: Connection, uri: str) -> None:
        try:
            async with asyncio.timeout(_TAKEN_WITHIN):
                await connection.notify("notifications/resources/updated", {"uri": uri})
        except TimeoutError:
            self._subscribed.get(connection, set()).clear()

    async def _events(self, wanted: _Wanted) -> str:
        feed = await self._feeds.get(wanted.job_id)
        await feed.check(wanted.since)
        page = await feed.page(wanted.since)
        texts: list[str] = []
        last, size = wanted.since, 0
        if page is not None:
            for item, at in zip(page.items, page.positions, strict=True):
                if at <= wanted.since:
                    continue
                text = _encoded(_harmless(msgspec.json.decode(item)))
                size += len(text)
                if texts and size > _PAGE:
                    break
                texts.append(text)
                last = at
        finished = "true" if feed.ended and last >= feed.head else "false"
        return f'{{"events":[{",".join(texts)}],"next":{last},"head":{feed.head},"finished":{finished}}}'


def _connection(context: Context) -> Connection:
    """What one client is from its first request to its last; a session of the SDK is made for each."""
    return context.session._connection  # noqa: SLF001 - the SDK shows it to nobody


def _encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _harmless(value: Any) -> Any:
    """The same with every text in it inert, and not too long: it comes from tools and files."""
    if isinstance(value, str):
        return shortened_lines(value, _TEXT)
    if isinstance(value, list):
        return [_harmless(one) for one in value]
    if isinstance(value, dict):
        return {key: _harmless(one) for key, one in value.items()}
    return value


def _parse(uri: str) -> _Wanted:
    """What a URI names. Raises :exc:`CrackerjackError` for a bad id, :exc:`MCPError` for no resource."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise _no_resource(uri) from None
    names = parts.path.strip("/").split("/") if parts.path.strip("/") else []
    is_ours = parts.scheme == "crackerjack" and parts.netloc == "jobs"
    if not is_ours or len(names) > 2 or len(uri) > _LONGEST:
        raise _no_resource(uri)
    if not names:
        return _Wanted(None)
    job_id = parse_job_id(names[0])
    part = names[1] if len(names) == 2 else ""
    if part not in {"", "findings", "events"}:
        raise _no_resource(uri)
    since = parse_qs(parts.query).get("since", ["0"])[0]
    if not (since.isascii() and since.isdigit() and len(since) < 19):
        raise _no_resource(uri)
    return _Wanted(job_id, part, int(since))


def _no_resource(uri: str) -> MCPError:
    return MCPError(
        types.INVALID_PARAMS, f"no resource {uri[:200]!r}; {JOBS} lists the jobs that there are"
    )


def _json(answer: Any) -> str:
    text: str = answer.model_dump_json(exclude_defaults=True)
    return text
