"""What holds for every HTTP request: who may ask, what browsers may do with the answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crackerjack.web.admission import Admission
from crackerjack.web.problems import problem
from crackerjack.web.static_files import MEDIA_TYPES

OPEN: Final = MEDIA_TYPES.keys() | {"/healthz", "/readyz"}
"""Paths that tell nothing of anybody's project: they need no token."""
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),  # the token may stand in our query
    (b"cross-origin-opener-policy", b"same-origin"),
)
# What a page loads is no document, and takes the page's policy; only a worker has one of its own.
_PARTS: Final = frozenset(
    path
    for path, kind in MEDIA_TYPES.items()
    if kind in {"text/javascript", "text/css"} and path != "/app/live-worker.js"
)
_PART_HEADERS: Final = tuple(
    header for header in _HEADERS if header[0] in {b"x-content-type-options", b"referrer-policy"}
)
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, last-event-id"),
    (b"access-control-max-age", b"600"),
)
_LOGGER: Final = logging.getLogger("crackerjack.web")


class Guard:
    """Stands before the application's HTTP endpoints; WebSocket connections have their own handler."""

    def __init__(
        self, app: ASGIApp, admission: Admission, on_refusal: Callable[[str], object]
    ) -> None:
        self._app = app
        self._admission = admission
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = self._admission.allowed_origin(scope)
        headers = _PART_HEADERS if scope["path"] in _PARTS else _HEADERS
        allowed: list[tuple[bytes, bytes]] = [*headers]
        if origin is not None:
            allowed += [(b"access-control-allow-origin", origin.encode()), (b"vary", b"Origin")]
        begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": [*message.get("headers", ()), *allowed]}
            await send(message)

        preflight = scope["method"] == "OPTIONS"
        needs_token = scope["path"] not in OPEN and not preflight
        refusal = self._admission.refusal(scope, needs_token=needs_token)
        if refusal is not None:
            self._on_refusal(refusal.reason)
            await problem(refusal.status, refusal.detail)(scope, receive, send_guarded)
        elif preflight and origin is not None:
            allowed += _PREFLIGHT
            await send_guarded({"type": "http.response.start", "status": 204})
            await send_guarded({"type": "http.response.body"})
        else:
            await self._answer(scope, receive, send_guarded, lambda: begun)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, begun: Callable[[], bool]
    ) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception:  # a door: a bug of ours must not show itself to the client
            _LOGGER.exception("answering %s %s failed", scope["method"], scope["path"])
            if not begun():
                await problem(500, "crackerjack itself failed; its log says how")(
                    scope, receive, send
                )
