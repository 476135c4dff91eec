"""What one client may see and run: the server's roots, and where it is to be believed, its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mcp.server.context import ServerRequestContext

from crackerjack.mcp.roots import NotAllowed, Roots

T = TypeVar("T")


class Access:
    """Gives each request the roots that its client may use."""

    def __init__(self, roots: Roots, *, local: bool) -> None:
        self._roots = roots
        self._local = local
        """Whether clients are on this machine as this user: then what they declare is allowed too."""

    async def grant(
        self, context: ServerRequestContext[Any, Any], work: Callable[[Roots], Awaitable[T]]
    ) -> T:
        """Do the work with our roots, and if these do not allow it, with the client's too.

        The client is asked for its roots then only: it takes a round trip.
        """
        try:
            return await work(self._roots)
        except NotAllowed:
            declared = await self._declared(context)
            if declared is None:
                raise
            return await work(declared)

    async def _declared(self, context: ServerRequestContext[Any, Any]) -> Roots | None:
        capabilities = context.session.client_capabilities
        if (
            not self._local
            or capabilities is None
            or capabilities.roots is None
            or not context.session.can_send_request
        ):
            return None
        listed = await context.session.list_roots()
        return self._roots.with_urls(str(root.uri) for root in listed.roots)
