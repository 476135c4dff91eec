"""What one client may see and run: the server's roots, and where it is to be believed, its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from crackerjack.mcp.roots import NotAllowed, Roots

T = TypeVar("T")
Context = ServerRequestContext[Any, Any]
Told = Mapping[str, types.InputResponse]
"""What the client was asked for when it made the same call before."""

_ROOTS: Final = "roots"
"""Our name for the question for the client's roots."""
_WITHIN: Final = 10.0  # seconds


class RootsWanted(Exception):
    """The client has to say its roots, and call again: servers ask nothing from 2026-07-28 on."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Final = types.InputRequiredResult(
            input_requests={_ROOTS: types.ListRootsRequest()}
        )


class Access:
    """Gives each request the roots that its client may use."""

    def __init__(self, roots: Roots, *, local: bool) -> None:
        self._roots = roots
        self._local = local
        """Whether clients are on this machine as this user: then what they declare is allowed too."""

    async def grant(
        self, context: Context, work: Callable[[Roots], Awaitable[T]], told: Told | None = None
    ) -> T:
        """Do the work with our roots, and if these do not allow it, with the client's too.

        The client is asked for its roots then only: it takes a round trip. With `told`, it may have to
        call again: raises :exc:`RootsWanted`. One that does not answer has no roots.
        """
        try:
            return await work(self._roots)
        except NotAllowed:
            declared = await self._declared(context, told)
            if declared is None:
                raise
            return await work(declared)

    async def _declared(self, context: Context, told: Told | None) -> Roots | None:
        capabilities = context.session.client_capabilities
        if not self._local or capabilities is None or capabilities.roots is None:
            return None
        listed = (told or {}).get(_ROOTS)
        if listed is None:
            if context.session.can_send_request:
                listed = await _listed(context)
            elif told is not None:
                raise RootsWanted
        if not isinstance(listed, types.ListRootsResult):
            return None
        return self._roots.with_urls(str(root.uri) for root in listed.roots)


async def _listed(context: Context) -> types.ListRootsResult | None:
    try:
        async with asyncio.timeout(_WITHIN):
            return await context.session.list_roots()
    except (MCPError, TimeoutError):
        return None
