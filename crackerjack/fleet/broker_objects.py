"""The objects of bundles and patches in a stream: each in parts, and then how many there are."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from crackerjack.errors import ObjectDamaged, ObjectMissing
from crackerjack.events.broker import Broker
from crackerjack.events.jetstream import Stream, Write
from crackerjack.fleet.changes import LARGEST_PATCH
from crackerjack.fleet.objects import content_of, is_object_name, stored_form

_KEPT: Final = 14 * 24 * 3600.0
"""Seconds until the broker forgets an object."""
_PART: Final = 512 * 1024
"""Bytes of a message, which stays below the megabyte that servers take."""
_PARTS: Final = "parts"
_NUMBER: Final = re.compile(rb"\d{1,9}")
_MOST: Final = LARGEST_PATCH // _PART + 2
"""Parts of an object: a little over, since what cannot be compressed grows by some bytes."""


class BrokerObjects:
    """An :class:`crackerjack.fleet.objects.ObjectStore` in a broker.

    A part is a message ``SPACE.object.NAME.NUMBER``, and ``SPACE.object.NAME.parts`` says how many there
    are. Objects are forgotten two weeks after they came; one that is older than half of that does not
    count as there, so whoever needs it sends it again, in time. Raises :exc:`StoreUnavailable`.
    """

    def __init__(self, broker: Broker) -> None:
        space = broker.address.space
        self._objects: Final = f"{space}.object"
        self._stream = Stream(broker, f"{space}_objects")
        self._stream.open(
            {
                "subjects": [f"{self._objects}.*.*"],
                "max_msgs_per_subject": 1,
                "max_age": int(_KEPT * 1e9),
                "allow_direct": True,
            }
        )

    def has(self, names: Collection[str]) -> set[str]:
        subjects = {self._subject(name, _PARTS): name for name in names}
        found = self._stream.last_of_each(list(subjects))
        oldest = self._stream.now() - _KEPT / 2
        return {subjects[subject] for subject, message in found.items() if message.stored > oldest}

    def put(self, name: str, content: bytes) -> None:
        stored = stored_form(content)
        parts = [stored[start : start + _PART] for start in range(0, len(stored), _PART)]
        # One by one, each with its time: the way to the broker may be slow.
        for number, part in enumerate(parts):
            self._stream.write([Write(self._subject(name, number), part)])
        self._stream.write([Write(self._subject(name, _PARTS), b"%d" % len(parts))])

    def get(self, name: str) -> bytes:
        if not is_object_name(name):
            raise ObjectMissing(name)
        said = self._stream.last(self._subject(name, _PARTS))
        count = int(said.data) if said is not None and _NUMBER.fullmatch(said.data) else 0
        if count > _MOST:
            raise ObjectDamaged(name, f"it has {count} parts")
        # More parts than that are of an earlier form of the same content.
        wanted = [self._subject(name, number) for number in range(count)]
        parts = dict.fromkeys(wanted, b"")
        for message in self._stream.read_on(self._subject(name, "*"), 1) if wanted else ():
            if message.subject in parts:
                parts[message.subject] = message.data
                if all(parts.values()):
                    break
        else:
            raise ObjectMissing(name)
        stored = b"".join(parts.values())
        return content_of(name, stored, largest=LARGEST_PATCH)

    def _subject(self, name: str, part: int | str) -> str:
        return f"{self._objects}.{name}.{part}"
