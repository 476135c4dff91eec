"""One JetStream stream: its messages have numbers, and its subjects a last message each.

Spoken in JetStream's own requests (its ADR-1 for the API, ADR-31 for reading, ADR-50 for batches), since the
client library has no call for several of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
import nats.errors
from nats.aio.msg import Msg

from crackerjack.errors import StoreForbids, StoreUnavailable
from crackerjack.events.broker import Broker

Answer = TypeVar("Answer")

_EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
_WRONG_SEQUENCE: Final = 10071
_NOT_FOUND: Final = 10059
_EXISTS: Final = 10058
_NEEDED: Final = frozenset({"allow_atomic", "allow_direct", "allow_msg_ttl", "republish"})
"""Settings without which nothing works."""
_DISABLED: Final = (10039, 10076)
"""JetStream is not enabled, for the account or at all."""
_PAGE: Final = 256
"""Messages per read; more is another request."""
PAGE_BYTES: Final = 2 * 1024 * 1024
"""Bytes of messages per read."""
_SUBJECTS: Final = 256
"""Subjects per request for the last message of each; the server takes up to 1,024."""


class Message(msgspec.Struct, frozen=True):
    """A message of a stream."""

    number: int
    """Its place in the stream: 1, 2, 3, ... with holes where messages were removed."""
    subject: str
    data: bytes
    stored: float
    """When the server stored it, seconds since the epoch, by its own clock."""


class Write(msgspec.Struct, frozen=True):
    """A message to be stored."""

    subject: str
    data: bytes
    expected: int | None = None
    """The number of the subject's last message, 0 for none; None for any."""
    lifetime: int = 0
    """Seconds until the server forgets it; 0 for never."""


class WrongSequence(Exception):
    """A subject has another last message than the writer expects: nothing was written."""


class Stream:
    """The stream `name` of a broker. Raises :exc:`StoreUnavailable`."""

    def __init__(self, broker: Broker, name: str) -> None:
        self._broker = broker
        self.name: Final = name
        self._settings: dict[str, Any] = {}

    def open(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Make the stream unless it is there, and return its settings; one that is there keeps its own.

        Raises :exc:`StoreForbids` where this user may not make it.
        """
        self._settings = settings
        found: dict[str, Any] = (self.info() or self._make(settings))["config"]
        for name in sorted(_NEEDED & settings.keys()):
            if not found.get(name):
                raise self._broker.unavailable(
                    f"has a stream {self.name} without {name}, which crackerjack did not make",
                    "name another space: nats://host/space",
                )
        return found

    def made_again(self) -> dict[str, Any]:
        """Make the stream anew where it is gone, say with the disk of its broker; its description."""
        fresh = {"metadata": {"store": os.urandom(16).hex()}}  # it is another store
        return self._make(self._settings | (fresh if "metadata" in self._settings else {}))

    def info(self) -> dict[str, Any] | None:
        """The server's description of the stream; None where there is none."""
        answer = self._ask("INFO", {})
        if error := answer.get("error"):
            if error.get("err_code") == _NOT_FOUND:
                return None
            raise self._refused(error)
        return answer

    def last_number(self) -> int:
        """The number of the last message that was ever stored; 0 for none."""
        info = self.info()
        return int(info["state"]["last_seq"]) if info else 0

    def now(self) -> float:
        """What the server's clock says, seconds since the epoch."""
        info = self.info() or {}
        return datetime.fromisoformat(info["ts"]).timestamp() if "ts" in info else time.time()

    def write(self, writes: Sequence[Write]) -> list[int]:
        """Store the messages one behind the other, all or none, and return their numbers.

        Raises :exc:`WrongSequence`. After :exc:`StoreUnavailable` they may be there all the same.
        """
        messages = [(write.subject, write.data, _headers(write)) for write in writes]
        if len(messages) > 1:
            batch = os.urandom(12).hex()
            for place, (_, _, headers) in enumerate(messages, 1):
                headers |= {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(place)}
            messages[-1][2]["Nats-Batch-Commit"] = "1"
        answer = self._asked(lambda: self._broker.request_last(messages))
        stored = int(self._stored(answer)["seq"])
        return list(range(stored - len(writes) + 1, stored + 1))

    def last(self, subject: str) -> Message | None:
        """The last message of a subject, which may have wildcards."""
        request = _json({"last_by_subj": subject})
        return stored_message(self._asked(lambda: self._broker.request(self._direct, request)))

    def last_of_each(self, subjects: Sequence[str]) -> dict[str, Message]:
        """The last message of each subject that has one."""
        found: dict[str, Message] = {}
        for start in range(0, len(subjects), _SUBJECTS):
            wanted = list(subjects[start : start + _SUBJECTS])
            for message in self._many({"multi_last": wanted, "batch": len(wanted)}):
                found[message.subject] = message
        return found

    def read(
        self, subject: str, start: int, limit: int = _PAGE, most_bytes: int = PAGE_BYTES
    ) -> list[Message]:
        """The next messages of a subject, which may have wildcards, from this number on.

        At most `limit`; fewer where they have about `most_bytes`, none when there are none.
        """
        return self._many(
            {
                "seq": max(start, 1),
                "next_by_subj": subject,
                "batch": min(limit, _PAGE),
                "max_bytes": most_bytes,
            }
        )

    def read_on(self, subject: str, start: int, most_bytes: int = PAGE_BYTES) -> Iterator[Message]:
        """All messages of a subject from this number on, read in pages of about so many bytes."""
        while page := self.read(subject, start, most_bytes=most_bytes):
            yield from page
            start = page[-1].number + 1

    def purge(self, subject: str, keep: int = 0) -> None:
        """Remove the messages of a subject, but for the last `keep`."""
        wanted: dict[str, Any] = {"filter": subject}
        answer = self._ask("PURGE", wanted | ({"keep": keep} if keep else {}))
        if error := answer.get("error"):
            raise self._refused(error)

    @property
    def _direct(self) -> str:
        return f"$JS.API.DIRECT.GET.{self.name}"

    def _ask(self, verb: str, request: dict[str, Any]) -> dict[str, Any]:
        answer = self._broker.request(f"$JS.API.STREAM.{verb}.{self.name}", _json(request))
        decoded: dict[str, Any] = msgspec.json.decode(answer.data)
        return decoded

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """What the broker answers; where it came back without the stream, of a new one."""
        try:
            return ask()
        except StoreUnavailable as error:
            nobody = isinstance(error.__cause__, nats.errors.NoRespondersError)
            if not nobody or not self._settings or self.info() is not None:
                raise
            self.made_again()
            return ask()

    def _make(self, settings: dict[str, Any]) -> dict[str, Any]:
        replicas = self._broker.address.replicas
        wanted = {"name": self.name, "storage": "file", "num_replicas": replicas, **settings}
        try:
            answer = self._ask("CREATE", wanted)
        except StoreForbids as denied:
            raise StoreForbids(
                self._broker.address.shown,
                f"has no stream {self.name}, and this user may not make it",
                "let its administrator run `crackerjack queue` once, which makes all streams",
            ) from denied
        if not (error := answer.get("error")):
            return answer
        # Somebody may have been faster.
        found = self.info() if error.get("err_code") == _EXISTS else None
        if found is None:
            raise self._refused(error)
        return found

    def _many(self, request: dict[str, Any]) -> list[Message]:
        answers = self._asked(lambda: self._broker.request_many(self._direct, _json(request)))
        status = (answers[-1].headers or {}).get("Status")
        if status not in {"204", "404"}:
            raise self._broker.unavailable(f"cannot read the stream {self.name} ({status})")
        return [message for answer in answers[:-1] if (message := stored_message(answer))]

    def _stored(self, answer: Msg) -> dict[str, Any]:
        stored: dict[str, Any] = msgspec.json.decode(answer.data)
        if error := stored.get("error"):
            if error.get("err_code") == _WRONG_SEQUENCE:
                raise WrongSequence(error.get("description"))
            raise self._refused(error)
        return stored

    def _refused(self, error: dict[str, Any]) -> StoreUnavailable:
        if error.get("err_code") in _DISABLED:
            return self._broker.no_jetstream()
        return StoreUnavailable(
            self._broker.address.shown,
            f"refuses ({error.get('description')})",
            f"see its stream {self.name}: its limits, and what this user may do",
        )


def _headers(write: Write) -> dict[str, str]:
    headers: dict[str, str] = {}
    if write.expected is not None:
        headers[_EXPECTED] = str(write.expected)
    if write.lifetime:
        headers["Nats-TTL"] = f"{write.lifetime}s"
    return headers


def stored_message(answer: Msg) -> Message | None:
    """The stored message in an answer, or in what a stream published again; None where there is none."""
    headers = answer.headers or {}
    try:
        return Message(
            int(headers["Nats-Sequence"]),
            headers["Nats-Subject"],
            answer.data,
            datetime.fromisoformat(headers["Nats-Time-Stamp"]).timestamp(),
        )
    except (KeyError, ValueError, OverflowError):
        return None


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
