"""The connection to a NATS server: its event loop has a thread, and every method may be called from any."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, Final, TypeVar

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from crackerjack.errors import StoreUnavailable
from crackerjack.events.broker_address import BrokerAddress

_CONNECT: Final = 5.0
"""Seconds for the first connection."""
_RECONNECT: Final = 0.25
"""Seconds between attempts to come back, which never end: who calls meanwhile hears of it at once."""
_PING: Final = 2
"""Seconds between pings; a server that is silent for three of them is gone."""
_ANSWER: Final = 5.0
"""Seconds that a server may take for an answer."""
_NOBODY: Final = "503"
"""The status of the answer when nobody listens."""
_LOGGER: Final = logging.getLogger("crackerjack.broker")

Result = TypeVar("Result")
Handler = Callable[[Msg], None]
Outgoing = tuple[str, bytes, Mapping[str, str]]
"""A message on its way: its subject, its data and its headers."""


class Broker:
    """A connection that comes back by itself.

    Every call raises :exc:`StoreUnavailable` while there is none, and when the server does not answer
    within 5 seconds: then what was asked for may have been done all the same. `name` is what the
    server shows. Raises it also when the first connection fails.
    """

    def __init__(self, address: BrokerAddress, *, name: str = "crackerjack") -> None:
        self.address: Final = address
        self._client = Client()
        self._collectors: dict[str, _Collector] = {}
        self._numbers = itertools.count()
        self._inbox = ""
        self._closing = False
        self._answering: set[asyncio.Task[None]] = set()
        self._on_reconnect: list[Callable[[], object]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="crackerjack-broker", daemon=True)
        self._thread.start()
        try:
            self._do(self._connect(name), _CONNECT + 1)
        except BaseException:
            self._stop()
            raise

    @property
    def connected(self) -> bool:
        """Whether there is a connection at present."""
        return self._client.is_connected

    def on_reconnect(self, action: Callable[[], object]) -> None:
        """Call `action`, on the connection's thread, whenever the connection came back."""
        self._on_reconnect.append(action)

    def request(
        self, subject: str, data: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Msg:
        """Send a message and return its answer."""
        self._check_connected()
        return self._do(self._request(subject, data, headers))

    def ask(self, subject: str, data: bytes) -> bool:
        """Send a message that wants an answer; False when nobody listens."""
        try:
            self.request(subject, data)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, nats.errors.NoRespondersError):
                return False
            raise
        return True

    def answer(self, message: Msg) -> None:
        """Answer a message that was received; called by a handler."""
        if message.reply:
            task = self._loop.create_task(self._client.publish(message.reply, b""))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    def pull(self, subject: str, data: bytes) -> Msg:
        """Ask a consumer for a message, which comes under its own subject and not under an inbox's."""
        self._check_connected()
        return self._do(self._client.request(subject, data, timeout=_ANSWER, old_style=True))

    def request_last(self, messages: Sequence[Outgoing]) -> Msg:
        """Send messages in order and return the answer to the last one."""
        self._check_connected()

        async def send() -> Msg:
            for subject, data, headers in messages[:-1]:
                await self._client.publish(subject, data, headers=dict(headers))
            return await self._request(*messages[-1])

        return self._do(send())

    def request_many(self, subject: str, data: bytes) -> list[Msg]:
        """Send a message that has several answers; the last one is empty, with a status."""
        self._check_connected()
        return self._do(self._request_many(subject, data))

    def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a message that has no answer: it is lost where nobody listens."""
        self._check_connected()
        self._do(self._client.publish(subject, data, headers=dict(headers or {}) or None))

    def work(self, task: Callable[[Client], Coroutine[Any, Any, Result]]) -> Result:
        """Run what takes the client itself, on the connection's thread."""
        self._check_connected()
        return self._do(task(self._client), 6 * _ANSWER)

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
            await self._client.flush()
            return subscription.unsubscribe

        self._check_connected()
        end = self._do(begin())

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

    # What follows runs on the thread of the connection, but for _do.

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2.0)

    def _do(self, work: Coroutine[Any, Any, Result], timeout: float = _ANSWER) -> Result:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except (TimeoutError, CancelledError, nats.errors.TimeoutError) as error:
            future.cancel()
            raise self.unavailable(f"does not answer within {timeout:.0f} s") from error
        except nats.errors.NoRespondersError as error:
            raise self.unavailable("has no JetStream, or not what was asked for") from error
        except (nats.errors.Error, OSError) as error:
            raise self.unavailable(f"failed: {str(error) or type(error).__name__}") from error

    def unavailable(self, problem: str) -> StoreUnavailable:
        """The error that says that this broker `problem`."""
        return StoreUnavailable(
            self.address.shown, problem, "start the broker, or see whether it can be reached"
        )

    def _check_connected(self) -> None:
        if not self._client.is_connected:
            raise self.unavailable("cannot be reached")

    async def _connect(self, name: str) -> None:
        async def reconnected() -> None:
            _LOGGER.info("connected to %s again", self.address.shown)
            for action in self._on_reconnect:
                action()

        async def disconnected() -> None:
            for collector in self._collectors.values():
                collector.fail(nats.errors.ConnectionClosedError())
            if not self._closing:
                _LOGGER.warning("the connection to %s was lost", self.address.shown)

        async def failed(error: Exception) -> None:
            _LOGGER.info("%s: %r", self.address.shown, error)

        first = self._client.connect(
            self.address.url,
            name=name,
            error_cb=failed,
            disconnected_cb=disconnected,
            reconnected_cb=reconnected,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_RECONNECT,  # type: ignore[arg-type] # seconds, also parts of them
            ping_interval=_PING,
            max_outstanding_pings=2,
            connect_timeout=int(_CONNECT),
            pending_size=64 * 1024 * 1024,
            **self.address.client_options(),
        )
        await asyncio.wait_for(first, _CONNECT)
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(f"{self._inbox}.*", cb=self._collect)

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
