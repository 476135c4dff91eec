"""What the endpoints have in common: how they read a request, and how they answer it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from crackerjack.errors import CrackerjackError, UsageError
from crackerjack.types import JobId, parse_job_id
from crackerjack.web.feed import A_NUMBER
from crackerjack.web.problems import explain, problem

Endpoint = Callable[[Request], Awaitable[Response]]


def explaining(endpoint: Endpoint) -> Endpoint:
    """The door of this floor: an error becomes a problem document."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except msgspec.ValidationError as error:
            return problem(422, str(error))
        except msgspec.DecodeError as error:
            return problem(400, f"the body is not JSON: {error}")
        except CrackerjackError as error:
            return explain(error)

    return answer


def as_json(value: Any, *, status: int = 200) -> Response:
    """The answer that has this value."""
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


def wanted_job(request: Request) -> JobId:
    """The job of the path. Raises :exc:`InvalidJobId`."""
    return parse_job_id(request.path_params["job_id"])


def wanted_number(text: str | None, name: str, default: int, most: int) -> int:
    """A number of the query, `most` for a larger one. Raises :exc:`UsageError`."""
    if text is None:
        return default
    if not A_NUMBER.fullmatch(text):
        raise UsageError(f"{name} is a whole number, 0 or more, not {text[:80]!r}")
    return min(int(text), most)


class Roots:
    """The directories below which clients may start runs, read sources and change files."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots: Final = [os.path.realpath(root) for root in roots]

    def __contains__(self, project: str) -> bool:
        real = os.path.realpath(project)
        return os.path.isabs(project) and any(
            os.path.commonpath([root, real]) == root for root in self._roots
        )

    def refusal(self, project: str) -> Response:
        """The answer about a project that is not below one of them."""
        if not os.path.isabs(project):
            return problem(403, f"a project is named by its absolute path, not by {project!r}")
        roots = " or ".join(self._roots) or "any directory"
        return problem(
            403, f"{project} is not below {roots}: see --project-root of `crackerjack serve`"
        )
