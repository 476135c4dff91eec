"""Asking a server which jobs it has."""

from __future__ import annotations

from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec

from crackerjack.client.address import http_address
from crackerjack.client.problem import detail_of
from crackerjack.decoding import json_decoder
from crackerjack.errors import ServerRefused, ServerUnreachable, UsageError

_TIMEOUT: Final = 15.0  # seconds


class _Job(msgspec.Struct):
    job_id: str


class _Jobs(msgspec.Struct):
    jobs: list[_Job]


def latest_job(url: str, *, token: str = "") -> str:
    """The id of the newest job that is running, else of the newest; blocks.

    Raises :exc:`ServerUnreachable`, :exc:`ServerRefused`, and :exc:`UsageError` where there is none.
    """
    for query in ("?status=running&limit=1", "?limit=1"):
        if found := _jobs(url, query, token):
            return found[0].job_id
    raise UsageError(f"the server at {url} has no job yet; `crackerjack run` makes one")


def _jobs(url: str, query: str, token: str) -> list[_Job]:
    request = Request(f"{http_address(url)}/jobs{query}")  # noqa: S310 - HTTP, or none at all
    if token:
        # Whoever the server redirects us to gets no token.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            return json_decoder(_Jobs).decode(answer.read()).jobs
    except HTTPError as error:
        with error:
            raise ServerRefused(url, error.code, _detail(error)) from None
    except (OSError, HTTPException, msgspec.MsgspecError) as error:
        raise ServerUnreachable(url, str(getattr(error, "reason", error))) from None


def _detail(error: HTTPError) -> str:
    try:
        return detail_of(error.read(), error.reason)
    except OSError:
        return error.reason
