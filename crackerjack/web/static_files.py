"""The files of the dashboard and of the JavaScript client: read once, compressed once."""

from __future__ import annotations

import gzip
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crackerjack.hashing import blake2b

_TYPES: Final = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
}

_NO_QUEUE: Final = b'<a href="#/queue" hidden>'
"""The link to the page of the queue, as it is in the file."""


class StaticFile:
    """One of them, as it goes to browsers."""

    def __init__(self, file: Traversable, *, with_queue: bool) -> None:
        content = file.read_bytes()
        if with_queue and file.name == "index.html":
            content = content.replace(_NO_QUEUE, _NO_QUEUE.replace(b" hidden", b""))
        packed = gzip.compress(content, mtime=0)
        etag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
        # Asked for anew each time, and answered with 304: after an upgrade no page mixes two versions.
        headers = {"Cache-Control": "no-cache", "ETag": etag, "Vary": "Accept-Encoding"}
        self._etag = etag
        self._plain = (content, headers)
        self._packed = (packed, {**headers, "Content-Encoding": "gzip"})
        self._media_type = _media_type(file)

    async def answer(self, request: Request) -> Response:
        """The file, compressed for who can unpack it."""
        if request.headers.get("if-none-match") == self._etag:
            return Response(status_code=304, headers=self._plain[1])
        packs = "gzip" in request.headers.get("accept-encoding", "")
        content, headers = self._packed if packs else self._plain
        return Response(content, media_type=self._media_type, headers=headers)


def _media_type(file: Traversable) -> str:
    return _TYPES[file.name.rpartition(".")[2]]


def _found() -> dict[str, Traversable]:
    root = resources.files("crackerjack.web").joinpath("static")
    pages = {"/" if file.name == "index.html" else f"/{file.name}": file for file in _files(root)}
    return pages | {f"/app/{file.name}": file for file in _files(root.joinpath("app"))}


def _files(directory: Traversable) -> list[Traversable]:
    return [file for file in directory.iterdir() if file.is_file()]


MEDIA_TYPES: Final = {path: _media_type(file) for path, file in sorted(_found().items())}
"""Where they are, and what: all the same for everybody, so they need no token."""


def static_routes(*, with_queue: bool) -> list[Route]:
    """All of them, for an application whose jobs are in a queue, or are not."""
    return [
        Route(path, StaticFile(file, with_queue=with_queue).answer, methods=["GET"])
        for path, file in _found().items()
    ]
