"""The client of a NATS server as we need it: never in the clear where TLS was asked for, and one that comes back."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from contextlib import suppress
from typing import Any, Final

import nats.errors
from nats.aio.client import Client

from crackerjack.events.broker_address import VARIABLE, BrokerAddress

OLDEST: Final = (2, 12)
"""The first version of the server with all that is asked of it: batches that are stored whole or not at all."""
_ATTEMPT: Final = 3
"""Seconds for one attempt to connect."""
_FIRST: Final = 8.0
"""Seconds for the first connection, all attempts included."""
_DENIED: Final = "permissions violation"


class Insecure(nats.errors.Error):
    """The server does not offer the TLS that was asked for."""


class ConnectFailed(Exception):
    """The first connection could not be made; `problem` and `hint` are for the user."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint


class BrokerClient(Client):
    """A client for one address."""

    def __init__(self, address: BrokerAddress) -> None:
        super().__init__()
        self._address = address
        if address.wants_tls:
            logging.getLogger("asyncio").addFilter(_worth_saying)
        self._failures: list[Exception] = []

    async def connect_once(self, **options: Any) -> None:
        """Connect, with a few attempts alone; a connection that is lost later comes back by itself.

        Raises :exc:`ConnectFailed`.
        """
        told = options.pop("error_cb")
        hopeless = asyncio.Event()

        async def failed(error: Exception) -> None:
            self._failures.append(error)
            if isinstance(error, ssl.SSLError):
                hopeless.set()  # the library now waits long for the end of what has no beginning
            await told(error)

        connecting = self.connect(
            self._address.servers,
            error_cb=failed,
            # Two for each server; with an endless number a wrong password would be tried for ever.
            max_reconnect_attempts=1,
            connect_timeout=_ATTEMPT,
            **self._address.client_options(),
            **options,
        )
        either = {asyncio.ensure_future(connecting), asyncio.ensure_future(hopeless.wait())}
        done, left = await asyncio.wait(either, timeout=_FIRST, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        await asyncio.wait(either, timeout=1.0)
        for task in done:
            if error := task.exception():
                if not isinstance(error, nats.errors.Error | OSError | TimeoutError | ValueError):
                    raise error
                self._failures.append(error)
        if not self.is_connected:
            # It counts as connected also where the server hung up while we said who we are.
            with suppress(nats.errors.Error, OSError):
                await self.close()
            raise self._explained()
        self._check_version()
        self.options["max_reconnect_attempts"] = -1
        self._failures.clear()

    def _connect_command(self) -> bytes:
        # Whether there is TLS, the server says in the clear: who is in between could have said otherwise.
        if self._address.wants_tls and not self._server_info.get("tls_required"):
            raise Insecure("the server does not offer TLS")
        return super()._connect_command()

    async def _process_err(self, err_msg: str) -> None:
        if _DENIED in err_msg:
            await super()._process_err(err_msg)
        else:
            # The library would close for good, say when credentials expire: we come back with new ones.
            await self._process_op_err(nats.errors.Error(f"nats: {err_msg}"))

    async def _process_pong(self) -> None:
        # The library would tell also who waits no more, fail at it, and read nothing from then on.
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    def _check_version(self) -> None:
        version = self.connected_server_version
        if (version.major, version.minor) < OLDEST:
            raise ConnectFailed(
                f"is a NATS server of version {version.major}.{version.minor}.{version.patch}, which is"
                " too old",
                f"use version {'.'.join(map(str, OLDEST))} or newer",
            )

    def _explained(self) -> ConnectFailed:
        explained = [_explain(error, self._address) for error in self._failures]
        known = [found for found in explained if found is not None]
        if known:
            return min(known, key=lambda found: _TELLING.index(found[0]))[1]
        return ConnectFailed(
            "hangs up, or does not answer as a NATS server does",
            f"is it the port for clients (4222)? A server that wants a client certificate takes"
            f" {VARIABLE}_CERT and {VARIABLE}_KEY",
        )


_TELLING: Final = ("insecure", "credentials", "certificate", "tls", "unreachable")
"""Of several failures the first of these is told: it says most."""


def _explain(error: Exception, address: BrokerAddress) -> tuple[str, ConnectFailed] | None:
    """What a failure means, where that can be said."""
    said = str(error).lower()
    if isinstance(error, Insecure):
        problem, hint = (
            "does not offer the TLS that was asked for, so nothing was said to it",
            f"set up its tls block, or write nats:// and leave out {VARIABLE}_CA and {VARIABLE}_CERT",
        )
        return "insecure", ConnectFailed(problem, hint)
    if "authorization" in said or "authentication" in said:
        problem = "refuses these credentials" if address.has_credentials else "asks for credentials"
        hint = (
            f"set {VARIABLE}_USER and {VARIABLE}_PASSWORD, {VARIABLE}_TOKEN, {VARIABLE}_NKEY or"
            f" {VARIABLE}_CREDENTIALS to what the server knows"
        )
        return "credentials", ConnectFailed(problem, hint)
    if isinstance(error, ssl.SSLCertVerificationError):
        problem = f"has a certificate that is not to be trusted ({error.verify_message})"
        hint = f"{VARIABLE}_CA names the file of the CA that signed it"
        return "certificate", ConnectFailed(problem, hint)
    if isinstance(error, ssl.SSLError):
        problem = f"and we agree on no TLS connection ({error.reason or error})"
        hint = f"if it wants a client certificate, set {VARIABLE}_CERT and {VARIABLE}_KEY"
        return "tls", ConnectFailed(problem, hint)
    if isinstance(error, OSError) and not isinstance(error, TimeoutError | ConnectionResetError):
        # A positive number is the system's; what asyncio says of it is Python's own.
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else error.strerror or str(error)
        problem = f"cannot be reached ({why})"
        hint = "start the broker, or see whether its address is right"
        return "unreachable", ConnectFailed(problem, hint)
    return None


def check_secrets(address: BrokerAddress) -> str:
    """What is wrong with the files of an nkey or credentials, before the library reads them; else empty."""
    for path, name in ((address.nkey, "NKEY"), (address.credentials, "CREDENTIALS")):
        if path and not _usable(path, credentials=name == "CREDENTIALS"):
            wanted = "a JWT and a seed, as nsc writes them" if name == "CREDENTIALS" else "a seed"
            return f"{VARIABLE}_{name}: {path} does not hold {wanted}"
    return ""


def _worth_saying(record: logging.LogRecord) -> bool:
    # The library wraps TLS in a way that asyncio remarks upon each time that a connection ends.
    return not record.getMessage().startswith("returning true from eof_received()")


def _usable(path: str, *, credentials: bool) -> bool:
    import nkeys  # type: ignore[import-untyped]

    try:
        with open(path, "rb") as file:
            content = file.read(64 * 1024).strip()
        if credentials:
            _, found, rest = content.partition(b"BEGIN NATS USER JWT-")
            content = rest.partition(b"BEGIN USER NKEY SEED-")[2].partition(b"\n")[2]
            content = content.partition(b"\n")[0].strip() if found else b""
        nkeys.from_seed(bytearray(content)).wipe()
    except (OSError, nkeys.NkeysError, ValueError):
        return False
    return True


def denied_subject(error: Exception) -> str:
    """The subject, in lower case, that the server refused to us; empty for any other error."""
    said = str(error)
    return said.split('"')[1] if _DENIED in said.lower() and said.count('"') > 1 else ""
