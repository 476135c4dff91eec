"""Who is let in: the host that was asked for, the origin of a page, the token, and how many."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from crackerjack.errors import UsageError

BEARER_PROTOCOL: Final = "crackerjack.bearer."
"""A subprotocol that carries the token: a browser's WebSocket cannot set headers."""
_SCHEMES: Final = {"ws": "http", "wss": "https"}
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@/\s]+))(?::[0-9]*)?")
"""``host[:port]``, RFC 9110 section 7.2; without what only a URL can have, such as a user's name."""
_HOSTS: Final = frozenset({"localhost"})


class Refusal(msgspec.Struct, frozen=True):
    """Why a request is not answered."""

    status: int
    reason: str
    """A word for metrics: ``origin``, ``host``, ``token``."""
    detail: str
    """For the client: what to do about it."""


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one server; the same for HTTP and WebSocket."""

    token: str = ""
    """Empty: none is needed, and only this machine is trusted."""
    origins: frozenset[str] = frozenset()
    """Origins beside the server's own, such as ``https://ci.example.org``."""
    hosts: frozenset[str] = frozenset()
    """Names of this server beside ``localhost`` and its addresses."""
    most_connections: int = 10_000
    most_connections_of_job: int = 5_000

    def check_binding(self, host: str) -> None:
        """Raise :exc:`UsageError` for an address that other machines reach, without a token."""
        if not self.token and not is_loopback(host):
            raise UsageError(
                f"without a token anybody who reaches {host} could read and start runs: give --token, or "
                "set CRACKERJACK_TOKEN, or listen on 127.0.0.1 only"
            )

    def check_token(self) -> None:
        """Refuse a token that cannot come in a header: nobody would be let in, and not be told why."""
        if not re.fullmatch(r"[\x21-\x7e]*", self.token):
            raise UsageError("a token is of ASCII characters, without blanks: it goes in a header")

    def refusal(self, scope: Mapping[str, Any], *, needs_token: bool = True) -> Refusal | None:
        """Why this request is refused; None to let it in."""
        headers = header_map(scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return Refusal(
                403, "host", f"this server is not {host!r}: ask for it by its address, or localhost"
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_allowed(origin, scope, host):
            return Refusal(
                403, "origin", f"pages of {origin} may not ask here: see --allowed-origin"
            )
        if not needs_token:
            return None
        return self._refusal_of_client(scope, headers)

    def _refusal_of_client(
        self, scope: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Refusal | None:
        if self.token:
            if self.has_token(scope):
                return None
            return Refusal(401, "token", "send the token: Authorization: Bearer TOKEN")
        if "origin" in headers:
            return None
        if not is_local(scope):
            return Refusal(403, "origin", "only this machine may ask without an Origin or a token")
        if _is_for_another_site(headers, scope.get("method", "")):
            return Refusal(403, "origin", "pages of other sites may not ask here")
        return None

    def trusts(self, scope: Mapping[str, Any]) -> bool:
        """Whether this client may change something: start a job, or cancel one."""
        return self.has_token(scope) if self.token else is_local(scope)

    def has_token(self, scope: Mapping[str, Any]) -> bool:
        """Whether the request carries the token; compared in constant time."""
        wanted = self.token.encode("utf-8", "surrogateescape")
        return any(
            hmac.compare_digest(offered.encode("utf-8", "surrogateescape"), wanted)
            for offered in _offered_tokens(scope)
        )

    def allowed_origin(self, scope: Mapping[str, Any]) -> str | None:
        """The origin of another site whose page asks, and may; None where it is our own or none."""
        origin = header_map(scope).get("origin")
        return origin if origin in self.origins else None

    def _is_ours(self, host: str) -> bool:
        # A page that rebinds its name to our address asks for its own name, never for an address.
        name = _name(host)
        return name in _HOSTS or name in self.hosts or _address(name) is not None

    def _is_allowed(self, origin: str, scope: Mapping[str, Any], host: str) -> bool:
        scheme = _SCHEMES.get(scope["scheme"], scope["scheme"])
        return origin in self.origins or origin == f"{scheme}://{host}"


def parse_origins(origins: Iterable[str]) -> frozenset[str]:
    """Origins as browsers send them; raises :exc:`UsageError` for what can never be one."""
    found = []
    for origin in origins:
        parts = urlsplit(origin)
        exact = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme not in {"http", "https"} or not parts.netloc or origin.rstrip("/") != exact:
            raise UsageError(
                f"{origin!r} is not an origin: write scheme, host and port, as in https://ci.example.org"
            )
        found.append(exact)
    return frozenset(found)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches this address."""
    address = _address(_name(host) if host.count(":") < 2 else host)
    return host == "localhost" if address is None else address.is_loopback


def is_local(scope: Mapping[str, Any]) -> bool:
    """Whether the client is on this machine."""
    client = scope.get("client")
    return client is None or is_loopback(client[0])  # no address: a socket in the file system


def header_map(scope: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a request; of one that was sent twice, both with a comma (RFC 9110, section 5.3)."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def query(scope: Mapping[str, Any]) -> dict[str, str]:
    """The query of a request; of a name that was given twice, the last."""
    pairs = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return {name: values[-1] for name, values in pairs.items()}


def subprotocol(offered: Collection[str]) -> str | None:
    """What to answer to a client that offered subprotocols; a browser insists on one of them."""
    ours = [name for name in offered if name.startswith("crackerjack")]
    return min(ours, key=lambda name: name.startswith(BEARER_PROTOCOL), default=None)


def _offered_tokens(scope: Mapping[str, Any]) -> Iterable[str]:
    scheme, _, token = header_map(scope).get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield token.strip()
    if (token := query(scope).get("token", "")) != "":
        yield token
    for name in scope.get("subprotocols", ()):
        if name.startswith(BEARER_PROTOCOL):
            yield name.removeprefix(BEARER_PROTOCOL)


def _name(host: str) -> str:
    """The host of a Host header, without its port; empty for what is none."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def _is_for_another_site(headers: Mapping[str, str], method: str) -> bool:
    """Whether a page of another site embeds the answer, as an image say: then there is no Origin.

    A link that somebody follows is no such thing, but a form that is sent is. See W3C's Fetch Metadata.
    """
    is_link = headers.get("sec-fetch-dest") == "document" and method in {"GET", "HEAD"}
    return headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not is_link


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
