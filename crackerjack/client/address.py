"""The address of a server, as people write it."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from crackerjack.errors import UsageError

_SECURE = {"http": False, "ws": False, "https": True, "wss": True}


def http_address(url: str) -> str:
    """The server's address for HTTP, without a slash at the end. Raises :exc:`UsageError`."""
    return _address(url, ("http", "https"))


def websocket_address(url: str) -> str:
    """The server's address for WebSocket, without a slash at the end. Raises :exc:`UsageError`."""
    return _address(url, ("ws", "wss"))


def _address(url: str, schemes: tuple[str, str]) -> str:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        secure = _SECURE[parts.scheme]
    except (ValueError, KeyError):
        raise _not_an_address(url) from None
    if not parts.hostname:
        raise _not_an_address(url)
    path = parts.path.rstrip("/")
    return SplitResult(schemes[secure], parts.netloc, path, "", "").geturl()


def _not_an_address(url: str) -> UsageError:
    return UsageError(f"{url!r} is not the address of a server, such as http://127.0.0.1:8675")
