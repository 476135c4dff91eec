"""Errors as problem documents, RFC 9457: what is wrong, for a program and for a person."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.responses import Response

from crackerjack.errors import (
    ConfigError,
    CrackerjackError,
    FilesElsewhere,
    FutureCursor,
    JobEnded,
    JobExists,
    NotComparable,
    ProjectBusy,
    StillRunning,
    StoreError,
    UnknownJob,
    UsageError,
)


class TooLarge(CrackerjackError):
    """A request body beyond what any real one needs."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the body is larger than {self.limit} bytes"


MEDIA_TYPE: Final = "application/problem+json"

_STATUS: Final[tuple[tuple[type[CrackerjackError], int], ...]] = (
    (UnknownJob, 404),
    (JobExists, 409),
    (JobEnded, 409),
    (FutureCursor, 410),
    (StoreError, 503),
    (ConfigError, 422),
    (NotComparable, 409),
    (StillRunning, 409),
    (FilesElsewhere, 409),
    (ProjectBusy, 409),
    (UsageError, 400),
    (TooLarge, 413),
    (CrackerjackError, 500),
)
"""The first class that an error is of decides."""


def problem(status: int, detail: str, **more: Any) -> Response:
    """The answer to a request that failed; `more` are further members of the document."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return Response(
        msgspec.json.encode(document), status_code=status, media_type=MEDIA_TYPE, headers=headers
    )


def explain(error: CrackerjackError) -> Response:
    """The problem document for an error of ours."""
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    more = {"head": error.head} if isinstance(error, FutureCursor) else {}
    return problem(status, str(error), **more)
