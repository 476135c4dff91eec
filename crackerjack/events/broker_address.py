"""Where a broker is, and who we are there: from the command line the address, from elsewhere the secrets."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from crackerjack.errors import UsageError

VARIABLE: Final = "CRACKERJACK_BROKER"
"""The variable with the address; what belongs to it begins with this name."""
DEFAULT_SPACE: Final = "crackerjack"
_SPACE: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REPLICAS: Final = ("1", "3", "5")


class BrokerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A NATS server and how to prove to it who we are.

    The secrets come from the environment (`CRACKERJACK_BROKER_USER` and so on) or from files that it
    names, never from the command line, which every user of a machine can read.
    """

    url: str
    """``nats://host:port``, or several with commas; without secrets."""
    space: str = DEFAULT_SPACE
    """Where the streams are in the broker: teams that share one have a space each."""
    user: str = ""
    password: str = ""
    token: str = ""
    nkey: str = ""
    """A file with the seed of an nkey."""
    credentials: str = ""
    """A file with a JWT and a seed, as ``nsc`` makes it."""
    tls_ca: str = ""
    """A file with the certificates that the server's is to be signed by."""
    tls_cert: str = ""
    tls_key: str = ""
    """Files with our own certificate, for servers that ask for one, and its key."""
    replicas: int = 1
    """On how many servers of a cluster the streams are kept that we make."""

    @property
    def shown(self) -> str:
        """The address for people."""
        return self.url if self.space == DEFAULT_SPACE else f"{self.url}/{self.space}"

    @property
    def servers(self) -> list[str]:
        """The servers, each with its port."""
        return self.url.split(",")

    @property
    def wants_tls(self) -> bool:
        """Whether nothing may be said in the clear."""
        return bool(self.tls_ca or self.tls_cert) or "tls://" in self.url

    @property
    def has_credentials(self) -> bool:
        """Whether there is anything to prove who we are with."""
        return bool(self.user or self.token or self.nkey or self.credentials or self.tls_cert)

    @property
    def inbox(self) -> str:
        """Where answers to us come: under our name, so that a server can keep others from listening."""
        return f"_INBOX.{self.user}" if _NAME.fullmatch(self.user) else "_INBOX"

    def __repr__(self) -> str:
        """Without secrets: tracebacks and logs may show it."""
        return f"BrokerAddress({self.shown!r})"

    def client_options(self) -> dict[str, Any]:
        """The secrets, as the client takes them."""
        options: dict[str, Any] = {"inbox_prefix": self.inbox}
        if self.user:
            options |= {"user": self.user, "password": self.password}
        if self.token:
            options["token"] = self.token
        if self.nkey:
            options["nkeys_seed"] = self.nkey
        if self.credentials:
            options["user_credentials"] = self.credentials
        if self.wants_tls:
            options["tls"] = self._tls()
        return options

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.tls_ca or None)
            if self.tls_cert:
                context.load_cert_chain(self.tls_cert, self.tls_key or None)
        except OSError as error:  # ssl.SSLError is one
            raise UsageError(
                f"the certificates of the broker cannot be used ({error}): see"
                f" {VARIABLE}_CA, {VARIABLE}_CERT and {VARIABLE}_KEY"
            ) from error
        return context


def broker_address(text: str, environment: Mapping[str, str]) -> BrokerAddress:
    """The broker at an address from the command line; the rest is in the environment.

    Raises :exc:`UsageError`, also for an address with a password in it.
    """
    if "@" in text:
        raise UsageError(
            f"--broker takes no password: every user of the machine can read a command line. Set"
            f" {VARIABLE}_USER and {VARIABLE}_PASSWORD, or {VARIABLE}_TOKEN, or"
            f" {VARIABLE} to the whole address"
        )
    return _parse(text, environment)


def broker_in_environment(environment: Mapping[str, str]) -> BrokerAddress | None:
    """The broker that `CRACKERJACK_BROKER` names, which may hold a password; None where it is not set."""
    text = environment.get(VARIABLE)
    return _parse(text, environment) if text else None


def _parse(text: str, environment: Mapping[str, str]) -> BrokerAddress:
    urls, space, login = [], "", ("", "")
    for part in text.split(","):
        try:
            url, found, user = _server(part.strip())
        except ValueError:
            # Not the part alone: a comma or a # may be in a password.
            raise _wrong(text) from None
        urls.append(url)
        space, login = found or space, user if user[0] else login
    secrets = {name: _secret(environment, name) for name in ("USER", "PASSWORD", "TOKEN")}
    if secrets["PASSWORD"] and not secrets["USER"]:
        raise UsageError(f"{VARIABLE}_PASSWORD needs {VARIABLE}_USER too")
    replicas = environment.get(f"{VARIABLE}_REPLICAS", "1")
    if replicas not in _REPLICAS:
        raise UsageError(f"{VARIABLE}_REPLICAS is {replicas[:20]!r}: it can be 1, 3 or 5")
    return BrokerAddress(
        url=",".join(urls),
        space=space or DEFAULT_SPACE,
        user=secrets["USER"] or (login[0] if login[1] else ""),
        password=secrets["PASSWORD"] or login[1],
        token=secrets["TOKEN"] or ("" if login[1] else login[0]),
        nkey=_file(environment, "NKEY"),
        credentials=_file(environment, "CREDENTIALS"),
        tls_ca=_file(environment, "CA"),
        tls_cert=_file(environment, "CERT"),
        tls_key=_file(environment, "KEY"),
        replicas=int(replicas),
    )


def _server(text: str) -> tuple[str, str, tuple[str, str]]:
    """One server of an address: its URL, the space, user and password. Raises :exc:`ValueError`."""
    parts = urlsplit(text)
    port = 4222 if parts.port is None else parts.port
    space = parts.path.strip("/")
    if (
        parts.scheme not in {"nats", "tls"}
        or not parts.hostname
        or parts.query
        or parts.fragment
        or not port
        or (space and not _SPACE.fullmatch(space))
    ):
        raise ValueError(text)
    parts.hostname.encode("idna")  # else looking it up fails as nothing that is understood
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    login = unquote(parts.username or ""), unquote(parts.password or "")
    return f"{parts.scheme}://{host}:{port}", space, login


def _wrong(text: str) -> UsageError:
    shown = re.sub(r"//.*@", "//", text)[:80]
    return UsageError(
        f"{shown!r} is not the address of a broker: write nats://host:4222, or nats://host:4222/space"
        " with 1-32 characters of A-Z a-z 0-9 _ - as the space"
    )


def _secret(environment: Mapping[str, str], name: str) -> str:
    if path := _file(environment, f"{name}_FILE"):
        try:
            with open(path, encoding="utf-8") as file:
                return file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{VARIABLE}_{name}_FILE: {path} cannot be read: {error}") from error
    return environment.get(f"{VARIABLE}_{name}", "")


def _file(environment: Mapping[str, str], name: str) -> str:
    path = environment.get(f"{VARIABLE}_{name}", "")
    if path and not os.path.isfile(path):
        raise UsageError(f"{VARIABLE}_{name}: there is no file {path}")
    return path
