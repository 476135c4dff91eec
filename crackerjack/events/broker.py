"""The connection to a NATS server: its event loop has a thread, and every method may be called from any."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, Final, TypeVar

import nats.errors
from nats.aio.msg import Msg

from crackerjack.errors import StoreForbids, StoreUnavailable, UsageError
from crackerjack.events.broker_address import BrokerAddress
from crackerjack.events.broker_client import (
    BrokerClient,
    ConnectFailed,
    check_secrets,
    denied_subject,
)

_CONNECT: Final = 10.0
"""Seconds for the first connection; it gives up before."""
_RECONNECT: Final = 0.25
"""Seconds between attempts to come back, which never end: who calls meanwhile hears of it at once."""
_PING: Final = 2
"""Seconds between pings; a server that is silent for three of them is gone."""
_ANSWER: Final = 5.0
"""Seconds that a server may take for an answer."""
_NOBODY: Final = "503"
"""The status of the answer when nobody listens."""
_SEE: Final = "start the broker, or see whether it can be reached"
_NO_JETSTREAM: Final = (
    "has no JetStream for this account, or not at the moment",
    "start it as `nats-server -js`; a cluster that has lost a server needs some seconds",
)
_LOGGER: Final = logging.getLogger("crackerjack.broker")

Result = TypeVar("Result")
Handler = Callable[[Msg], None]
Outgoing = tuple[str, bytes, Mapping[str, str]]
"""A message on its way: its subject, its data and its headers."""


class _Denied(Exception):
    """The server does not let us use a subject."""


class Broker:
    """A connection that comes back by itself.

    Any thread may call it but the connection's own, which would wait for itself: what runs there is
    what was given to :meth:`subscribe` and :meth:`on_reconnect`, and may call :meth:`answer` alone.
    Every call raises :exc:`StoreUnavailable` while there is none, and when the server does not answer
    within 5 seconds: then what was asked for may have been done all the same. `name` is what the
    server shows. Raises it also when the first connection fails, and :exc:`StoreForbids` for what the
    server does not let this user do.
    """

    def __init__(self, address: BrokerAddress, *, name: str = "crackerjack") -> None:
        if problem := check_secrets(address):
            raise UsageError(problem)
        self.address: Final = address
        self._client = BrokerClient(address)
        self._asking: dict[str, list[asyncio.Future[None]]] = {}
        self._said: set[str] = set()
        self._collectors: dict[str, _Collector] = {}
        self._numbers = itertools.count()
        self._inbox = ""
        self._closing = True  # until it is open: what is said of a lost connection is not of this
        self._answering: set[asyncio.Task[None]] = set()
        self._on_reconnect: list[Callable[[], object]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="crackerjack-broker", daemon=True)
        self._thread.start()
        try:
            self._do(self._connect(name), _CONNECT)
        except BaseException:
            self._stop()
            raise

    @property
    def connected(self) -> bool:
        """Whether there is a connection at present."""
        return self._client.is_connected

    def on_reconnect(self, action: Callable[[], object]) -> None:
        """Call `action`, on the connection's thread, whenever the connection came back: no waiting."""
        self._on_reconnect.append(action)

    def request(
        self, subject: str, data: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Msg:
        """Send a message and return its answer."""
        self._check_connected()
        return self._do(self._allowed({subject}, self._request(subject, data, headers)))

    def ask(self, subject: str, data: bytes) -> bytes | None:
        """Send a message that wants an answer, and return that; None when nobody listens."""
        try:
            return self.request(subject, data).data
        except StoreUnavailable as error:
            if isinstance(error.__cause__, nats.errors.NoRespondersError):
                return None
            raise

    def answer(self, message: Msg, data: bytes) -> None:
        """Answer a message that was received; called by a handler."""
        if message.reply:
            task = self._loop.create_task(self._client.publish(message.reply, data))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    def pull(self, subject: str, data: bytes) -> Msg:
        """Ask a consumer for a message, which comes under its own subject and not under an inbox's."""
        self._check_connected()
        asked = self._client.request(subject, data, timeout=_ANSWER, old_style=True)
        return self._do(self._allowed({subject}, asked))

    def request_last(self, messages: Sequence[Outgoing]) -> Msg:
        """Send messages in order and return the answer to the last one."""
        self._check_connected()

        async def send() -> Msg:
            for subject, data, headers in messages[:-1]:
                await self._client.publish(subject, data, headers=dict(headers))
            return await self._request(*messages[-1])

        subjects = {subject for subject, _, _ in messages}
        return self._do(self._allowed(subjects, send()))

    def request_many(self, subject: str, data: bytes) -> list[Msg]:
        """Send a message that has several answers; the last one is empty, with a status."""
        self._check_connected()
        return self._do(self._allowed({subject}, self._request_many(subject, data)))

    def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a message that has no answer: it is lost where nobody listens, or this user may not."""
        self._check_connected()
        self._do(self._client.publish(subject, data, headers=dict(headers or {}) or None))

    def subscribe(self, subject: str, handler: Handler) -> Callable[[], None]:
        """Call `handler`, on the connection's thread, with each message from now on.

        It must neither wait nor raise. Returns what ends it.
        """

        async def received(message: Msg) -> None:
            handler(message)

        async def begin() -> Callable[[], Awaitable[None]]:
            subscription = await self._client.subscribe(
                subject, cb=received, pending_msgs_limit=-1, pending_bytes_limit=256 * 1024 * 1024
            )
            await self._reached()
            return subscription.unsubscribe

        self._check_connected()
        end = self._do(self._allowed({subject}, begin()))

        def unsubscribe() -> None:
            with suppress(StoreUnavailable, nats.errors.Error):
                self._do(_awaited(end()))

        return unsubscribe

    def close(self) -> None:
        """End the connection; what was sent is on its way."""
        self._closing = True
        if self._thread.is_alive():
            with suppress(StoreUnavailable, nats.errors.Error):
                self._do(self._close(), 2.0)
            self._stop()

    def unavailable(self, problem: str, hint: str = _SEE) -> StoreUnavailable:
        """The error that says that this broker `problem`."""
        return StoreUnavailable(self.address.shown, problem, hint)

    def forbids(self, problem: str) -> StoreForbids:
        """The error that says that this user may not do something."""
        return StoreForbids(
            self.address.shown, problem, "docs/fleet.md has the permissions that each role needs"
        )

    def no_jetstream(self) -> StoreUnavailable:
        """The error that says that the broker stores nothing."""
        return self.unavailable(*_NO_JETSTREAM)

    def _stop(self) -> None:
        with suppress(StoreUnavailable):
            self._do(self._end_tasks(), 2.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2.0)

    def _check_connected(self) -> None:
        if not self._client.is_connected:
            raise self.unavailable("cannot be reached")

    def _do(self, work: Coroutine[Any, Any, Result], timeout: float = _ANSWER) -> Result:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except (TimeoutError, CancelledError, nats.errors.TimeoutError) as error:
            future.cancel()
            raise self.unavailable(f"does not answer within {timeout:.0f} s") from error
        except _Denied as error:
            raise self.forbids(f"does not let this user use {error}") from error
        except ConnectFailed as error:
            raise StoreUnavailable(self.address.shown, error.problem, error.hint) from error
        except nats.errors.NoRespondersError as error:
            raise self.unavailable(*_NO_JETSTREAM) from error
        except (nats.errors.Error, OSError) as error:
            raise self.unavailable(f"failed: {str(error) or type(error).__name__}") from error

    # What follows runs on the thread of the connection.

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    async def _end_tasks(self) -> None:
        # What still waits would complain on stderr that nobody waits for it.
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self, name: str) -> None:
        async def reconnected() -> None:
            self._said.clear()
            _LOGGER.info("connected to %s again", self.address.shown)
            for action in self._on_reconnect:
                action()

        async def disconnected() -> None:
            for collector in self._collectors.values():
                collector.fail(nats.errors.ConnectionClosedError())
            if not self._closing:
                _LOGGER.warning("the connection to %s was lost", self.address.shown)

        async def failed(error: Exception) -> None:
            for asking in self._asking.get(denied_subject(error).lower(), []):
                if not asking.done():
                    asking.set_result(None)
            # Not each time: who cannot come back tries four times a second.
            if (said := repr(error)) not in self._said and not self._closing:
                self._said.add(said)
                _LOGGER.info("%s: %s", self.address.shown, said)

        await self._client.connect_once(
            name=name,
            error_cb=failed,
            disconnected_cb=disconnected,
            reconnected_cb=reconnected,
            reconnect_time_wait=_RECONNECT,
            ping_interval=_PING,
            max_outstanding_pings=2,
            pending_size=64 * 1024 * 1024,
        )
        self._closing = False
        self._inbox = self._client.new_inbox()
        await self._allowed({f"{self._inbox}.*"}, self._listen())

    async def _listen(self) -> None:
        await self._client.subscribe(f"{self._inbox}.*", cb=self._collect)
        await self._reached()

    async def _reached(self) -> None:
        """Return when the server has seen all that was sent, and what it says of that was heard."""
        # The library's ping overtakes what still waits to be sent; nothing waits behind its answer.
        await self._client.flush()
        await self._client.flush()

    async def _allowed(
        self, subjects: Collection[str], work: Coroutine[Any, Any, Result]
    ) -> Result:
        """Do what uses these subjects, unless the server says that we may not."""
        task = asyncio.ensure_future(work)
        denied: asyncio.Future[None] = self._loop.create_future()
        names = {subject.lower(): subject for subject in subjects}
        for name in names:
            self._asking.setdefault(name, []).append(denied)
        try:
            either: set[asyncio.Future[Any]] = {task, denied}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if denied.done():
                raise _Denied(", ".join(sorted(names.values())))
            return await task
        finally:
            task.cancel()
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            for name in names:
                self._asking[name].remove(denied)
                if not self._asking[name]:
                    del self._asking[name]

    async def _close(self) -> None:
        await self._client.close()

    async def _request(self, subject: str, data: bytes, headers: Mapping[str, str] | None) -> Msg:
        (answer,) = await self._collected(subject, data, headers, many=False)
        if (answer.headers or {}).get("Status") == _NOBODY and not answer.data:
            raise nats.errors.NoRespondersError
        return answer

    async def _request_many(self, subject: str, data: bytes) -> list[Msg]:
        answers = await self._collected(subject, data, None, many=True)
        if (answers[-1].headers or {}).get("Status") == _NOBODY:
            raise nats.errors.NoRespondersError
        return answers

    async def _collected(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None, *, many: bool
    ) -> list[Msg]:
        """The answers; not the client's own request, which waits on when the connection is lost."""
        number = str(next(self._numbers))
        collector = self._collectors[number] = _Collector(self._loop, many=many)
        reply = f"{self._inbox}.{number}"
        try:
            await self._client.publish(subject, data, reply, dict(headers or {}) or None)
            return await asyncio.wait_for(collector.complete, _ANSWER)
        finally:
            del self._collectors[number]

    async def _collect(self, message: Msg) -> None:
        collector = self._collectors.get(message.subject.rpartition(".")[2])
        if collector is not None:
            collector.add(message)


class _Collector:
    """Gathers the answers to one message: the first, or as many as come until one has a status."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, many: bool) -> None:
        self.complete: asyncio.Future[list[Msg]] = loop.create_future()
        self._many = many
        self._messages: list[Msg] = []

    def add(self, message: Msg) -> None:
        self._messages.append(message)
        last = not self._many or (message.headers and "Status" in message.headers)
        if last and not self.complete.done():
            self.complete.set_result(self._messages)

    def fail(self, error: Exception) -> None:
        if not self.complete.done():
            self.complete.set_exception(error)


async def _awaited(work: Awaitable[Result]) -> Result:
    return await work
