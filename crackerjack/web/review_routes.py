"""What a run found and changed, to be looked through: findings, comparison, changes and their undoing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crackerjack.errors import NotComparable, UsageError
from crackerjack.events.payload import DiagnosticFound
from crackerjack.hooks.diagnostic import printable_path
from crackerjack.hooks.source_lines import SourceLines
from crackerjack.jobs.comparison import base_of, compare
from crackerjack.jobs.file_changes import changed_files
from crackerjack.jobs.job_manager import JobManager, refuse_to_wait
from crackerjack.masking import Masker
from crackerjack.reports import FORMATS
from crackerjack.types import JobId, parse_job_id
from crackerjack.web.admission import Admission
from crackerjack.web.answers import Roots, as_json, explaining, wanted_job
from crackerjack.web.problems import problem
from crackerjack.web.snapshots import Snapshots

_SARIF: Final = "application/sarif+json"
_LONGEST_LINE: Final = 400  # characters of a source line
_LOOKED_AT: Final = 4000
"""Characters of a line that are searched for secrets; what is shown is among them."""


class ReviewRoutes:
    """Answers requests about what a run found and changed. Files and the store are read in threads."""

    def __init__(
        self, *, jobs: JobManager, snapshots: Snapshots, admission: Admission, roots: Roots
    ) -> None:
        self._jobs = jobs
        self._snapshots = snapshots
        self._admission = admission
        self._roots = roots
        self._mask = Masker(os.environ)

    def routes(self) -> list[Route]:
        """All of them, for an application."""
        job = "/jobs/{job_id}"
        return [
            Route(f"{job}/diagnostics", explaining(self.diagnostics), methods=["GET"]),
            Route(f"{job}/compare", explaining(self.compare), methods=["GET"]),
            Route(f"{job}/changes", explaining(self.changes), methods=["GET"]),
            Route(f"{job}/undo", explaining(self.undo), methods=["POST"]),
        ]

    async def diagnostics(self, request: Request) -> Response:
        """``GET /jobs/{id}/diagnostics``: the findings that stand, as JSON or SARIF."""
        snapshot = await self._snapshots.of(wanted_job(request))
        if _SARIF in request.headers.get("accept", ""):
            # Seconds, of a job with many findings; one that goes on changes with every event that is read here.
            sarif = FORMATS["sarif"]
            report = (
                await asyncio.to_thread(sarif, snapshot) if snapshot.finished else sarif(snapshot)
            )
            return Response(report.encode(), media_type=_SARIF)
        asked = request.query_params
        wanted = {name: asked[name] for name in ("hook", "path", "severity") if name in asked}
        if asked.get("source", "0") not in {"0", "1"}:
            raise UsageError("source is 1, for the lines that the findings are about, or 0")
        found = [
            one
            for one in snapshot.diagnostics
            if all(getattr(one, name) == value for name, value in wanted.items())
        ]
        seq = snapshot.seq
        if asked.get("source") == "1":
            rows = await asyncio.to_thread(self._with_lines, snapshot.job_id, found)
            return as_json({"diagnostics": rows, "seq": seq})
        return as_json({"diagnostics": found, "seq": seq})

    def _with_lines(self, job_id: JobId, found: Sequence[DiagnosticFound]) -> list[dict[str, Any]]:
        """The findings with the lines that they are about, as these are now."""
        project = self._jobs.entry(job_id).header.project
        rows = [{**msgspec.to_builtins(one), "source": None} for one in found]
        if project not in self._roots:
            return rows
        lines = SourceLines(project)
        inside = {path: _is_inside(project, path) for path in {one.path for one in found}}
        for row, one in zip(rows, found, strict=True):
            text = lines(one.path, one.line) if one.line and inside[one.path] else ""
            row["source"] = self._mask(text[:_LOOKED_AT])[:_LONGEST_LINE]
        return rows

    async def compare(self, request: Request) -> Response:
        """``GET /jobs/{id}/compare?base=``: what is new, fixed and remaining since another run."""
        job_id, asked = wanted_job(request), request.query_params.get("base")
        project = (await asyncio.to_thread(self._jobs.entry, job_id)).header.project
        if asked:
            base = await asyncio.to_thread(self._jobs.entry, parse_job_id(asked))
        else:
            base = await asyncio.to_thread(base_of, self._jobs, job_id)
        if base.header.project != project:
            raise NotComparable(f"job {base.header.job_id} is a run of {base.header.project}")
        before = await self._snapshots.of(base.header.job_id)
        now = await self._snapshots.of(job_id)
        if before.finished and now.finished:
            return as_json(await asyncio.to_thread(compare, before, now))
        return as_json(compare(before, now))  # of what changes with every event that is read here

    async def changes(self, request: Request) -> Response:
        """``GET /jobs/{id}/changes``: what cleaning and fixing changed, file by file."""
        job_id = wanted_job(request)
        entry = await asyncio.to_thread(self._jobs.entry, job_id)
        project = entry.header.project
        if project not in self._roots:
            return self._roots.refusal(project)

        def read() -> dict[str, Any]:
            files = changed_files(project, self._jobs.changes(job_id), self._mask)
            return {"job_id": job_id, "ended": entry.terminal is not None, "files": files}

        return as_json(await asyncio.to_thread(read))

    async def undo(self, request: Request) -> Response:
        """``POST /jobs/{id}/undo``: put back what the job changed, unless somebody changed it since."""
        if not self._admission.trusts(request.scope):
            return problem(403, "to undo what a job changed, send the server's token")
        job_id = wanted_job(request)
        entry = await asyncio.to_thread(self._jobs.entry, job_id)
        if entry.header.project not in self._roots:
            return self._roots.refusal(entry.header.project)
        outcomes = await asyncio.to_thread(self._jobs.undo, job_id, refuse_to_wait)
        files = [msgspec.structs.replace(one, path=printable_path(one.path)) for one in outcomes]
        return as_json({"job_id": job_id, "files": files})


def _is_inside(project: str, path: str) -> bool:
    """Whether it is a file of the project, and no link of the project leads elsewhere."""
    try:
        real = os.path.realpath(os.path.join(project, path))
    except ValueError:
        return False
    root = os.path.realpath(project)
    return real.startswith(os.path.join(root, ""))
