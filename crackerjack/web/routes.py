"""The log and the jobs over HTTP: the endpoints under ``/jobs``, and ``/stats``."""

from __future__ import annotations

import asyncio
import os
import re
import time
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crackerjack.errors import (
    JobEnded,
    JobExists,
    UnknownJob,
    UsageError,
)
from crackerjack.events.log import EventLog
from crackerjack.events.payload import HookOutput
from crackerjack.jobs.detached import start_detached
from crackerjack.jobs.job_manager import JobManager
from crackerjack.jobs.statistics import ProjectStatistics, project_statistics
from crackerjack.reports.listing import JobLine, job_line
from crackerjack.types import JobId, JobStatus, parse_job_id
from crackerjack.web.admission import Admission
from crackerjack.web.answers import Roots, as_json, explaining, wanted_job, wanted_number
from crackerjack.web.feed import Feed, Feeds
from crackerjack.web.metrics import Metrics
from crackerjack.web.page import Selection, wanted_types
from crackerjack.web.problems import TooLarge, problem
from crackerjack.web.snapshots import Snapshots
from crackerjack.web.sse import EventStream
from crackerjack.web.start_request import StartRequest

_MOST: Final = 1000
"""Events or jobs in one answer."""
_LONGEST_WAIT: Final = 60.0  # seconds of a long poll
_LARGEST_BODY: Final = 64 * 1024  # bytes


class JobRoutes:
    """Answers requests about jobs. The store is asked in threads, but for pages of events."""

    def __init__(
        self,
        *,
        log: EventLog,
        jobs: JobManager,
        feeds: Feeds,
        snapshots: Snapshots,
        admission: Admission,
        metrics: Metrics,
        live: bool,
        roots: Roots,
    ) -> None:
        self._log = log
        self._jobs = jobs
        self._feeds = feeds
        self._snapshots = snapshots
        self._admission = admission
        self._polling = metrics.connections.labels("long_poll", "job")
        self._streams: set[EventStream] = set()
        metrics.connections.labels("sse", "job").set_function(lambda: len(self._streams))
        metrics.lag.labels("sse").set_function(
            lambda: max((stream.lag for stream in self._streams), default=0)
        )
        self._live = live
        self._roots = roots

    def routes(self) -> list[Route]:
        """All of them, for an application."""
        job = "/jobs/{job_id}"
        return [
            Route("/jobs", explaining(self.list_jobs), methods=["GET"]),
            Route("/jobs", explaining(self.start), methods=["POST"]),
            Route(job, explaining(self.snapshot), methods=["GET"]),
            Route(f"{job}/events", explaining(self.events), methods=["GET"]),
            Route(f"{job}/output/{{hook:path}}", explaining(self.output), methods=["GET"]),
            Route(f"{job}/cancel", explaining(self.cancel), methods=["POST"]),
            Route("/stats", explaining(self.statistics), methods=["GET"]),
        ]

    async def list_jobs(self, request: Request) -> Response:
        """``GET /jobs?status=&project=&limit=``: newest first."""
        asked = request.query_params
        status, project = asked.get("status"), asked.get("project")
        if status is not None and status not in list(JobStatus):
            raise UsageError(f"no status {status!r}; there are: {', '.join(JobStatus)}")
        limit = wanted_number(asked.get("limit"), "limit", 100, _MOST)

        def read() -> list[JobLine]:
            rows = (
                job_line(entry, self._jobs.terminal_event(entry))
                for entry in self._jobs.entries(project=project, limit=_MOST)
            )
            return [row for row in rows if status in {None, row.status}][:limit]

        return as_json({"jobs": await asyncio.to_thread(read)})

    async def start(self, request: Request) -> Response:
        """``POST /jobs``: start a run, in a process of its own."""
        if not self._admission.trusts(request.scope):
            return problem(403, "to start a run, send the server's token")
        wanted = msgspec.json.decode(await _body(request), type=StartRequest)
        if wanted.project not in self._roots:
            return self._roots.refusal(wanted.project)
        job_id = parse_job_id(wanted.job_id) if wanted.job_id else JobId(os.urandom(5).hex())
        if wanted.job_id and (await self._feeds.get(job_id)).exists:
            raise JobExists(job_id)
        await asyncio.to_thread(
            start_detached, self._log, wanted.project, wanted.workflow, wanted.options, job_id
        )
        entry = await asyncio.to_thread(self._log.job, job_id)
        answer = as_json(msgspec.to_builtins(job_line(entry, None)), status=201)
        answer.headers["Location"] = f"/jobs/{job_id}"
        return answer

    async def snapshot(self, request: Request) -> Response:
        """``GET /jobs/{id}``: what the job is now."""
        job_id = wanted_job(request)
        seq, message = await self._snapshots.message(job_id)
        if seq == 0:
            await asyncio.to_thread(self._log.job, job_id)  # raises UnknownJob
        return Response(message, media_type="application/json")

    async def events(self, request: Request) -> Response:
        """``GET /jobs/{id}/events``: a page, a long poll, or server-sent events."""
        asked = request.query_params
        feed = await self._feeds.get(wanted_job(request))
        if not self._live:
            await feed.look_up()
        if not await feed.found():
            raise UnknownJob(feed.job_id or "")
        selection = Selection(types=wanted_types(asked.get("types", "")))
        wants_stream = "text/event-stream" in request.headers.get("accept", "")
        resumed = request.headers.get("last-event-id") if wants_stream else None
        since = wanted_number(resumed or asked.get("since"), "since", 0, 10**18)
        await feed.check(since)
        if not wants_stream:
            return await self._page(request, feed, since, selection)
        if not self._live:
            return problem(503, "this server has no live stream: poll the events instead")
        if feed.ended and since >= feed.head:
            return Response(status_code=204)  # tells an EventSource not to come back
        return EventStream(feed, since, selection, self._streams)

    async def _page(
        self, request: Request, feed: Feed, since: int, selection: Selection
    ) -> Response:
        asked = request.query_params
        limit = wanted_number(asked.get("limit"), "limit", 256, _MOST)
        wait = min(_seconds(asked.get("wait")), _LONGEST_WAIT) if self._live else 0.0
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        items, since = await _collect(feed, since, selection, limit)
        with self._polling.track_inprogress():
            # For no event there is nothing to wait for: each wait would be over at once.
            while limit and not items and not feed.ended and (left := deadline - loop.time()) > 0:
                await feed.wait(since, left)
                items, since = await _collect(feed, since, selection, limit)
        finished = feed.ended and since >= feed.head
        return Response(
            b'{"events":[%b],"next":%d,"head":%d,"finished":%b}'
            % (b",".join(items), since, feed.head, b"true" if finished else b"false"),
            media_type="application/json",
        )

    async def output(self, request: Request) -> Response:
        """``GET /jobs/{id}/output/{hook}``: all that the hook printed and was kept."""
        job_id, hook = wanted_job(request), request.path_params["hook"]
        if not hook:
            raise HTTPException(404)

        def read() -> str:
            self._log.job(job_id)
            said = (
                event.payload
                for event in self._jobs.events(job_id)
                if event.event_type == "hook_output"
            )
            return "".join(
                one.text for one in said if isinstance(one, HookOutput) and one.hook == hook
            )

        text = await asyncio.to_thread(read)
        return Response(text.encode("utf-8", "backslashreplace"), media_type="text/plain")

    async def cancel(self, request: Request) -> Response:
        """``POST /jobs/{id}/cancel``: ask the job to stop, wherever it runs."""
        if not self._admission.trusts(request.scope):
            return problem(403, "to cancel a job, send the server's token")
        job_id = wanted_job(request)
        if not await asyncio.to_thread(self._jobs.cancel, job_id):
            entry = await asyncio.to_thread(self._jobs.entry, job_id)
            raise JobEnded(job_id, entry.terminal or "just now")
        return as_json({"job_id": job_id, "cancel_requested": True}, status=202)

    async def statistics(self, request: Request) -> Response:
        """``GET /stats?project=&jobs=``: how the last jobs went, project by project; of one its tests too."""
        project = request.query_params.get("project")
        jobs = wanted_number(request.query_params.get("jobs"), "jobs", 100, _MOST)

        def read() -> list[ProjectStatistics]:
            entries = self._jobs.entries(project=project, limit=_MOST)
            projects = dict.fromkeys(entry.header.project for entry in entries)
            return [
                project_statistics(self._log, one, jobs=jobs, tests=project is not None)
                for one in projects
            ]

        return as_json({"projects": await asyncio.to_thread(read), "timestamp": time.time()})


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise TooLarge(_LARGEST_BODY)
    return bytes(body)


async def _collect(
    feed: Feed, since: int, selection: Selection, limit: int
) -> tuple[list[bytes], int]:
    """At most so many wanted events after a position, and the position up to which that is all."""
    items: list[bytes] = []
    while len(items) < limit and (page := await feed.page(since)) is not None:
        for part in page.messages(selection, since):
            items.append(part.data)
            since = part.last
            if len(items) == limit:
                return items, since
        since = page.last
        await asyncio.sleep(0)  # others have a turn: nothing may be wanted of a whole long log
    return items, since


def _seconds(text: str | None) -> float:
    if text is None:
        return 0.0
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", text):  # as JSON has them
        raise UsageError(f"wait is a number of seconds, not {text[:80]!r}")
    return float(text)
