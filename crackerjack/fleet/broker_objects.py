"""The objects of bundles and patches in a JetStream object store."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Collection
from typing import Any, Final

from nats.aio.client import Client
from nats.js.api import ObjectStoreConfig
from nats.js.errors import BucketNotFoundError, ObjectNotFoundError
from nats.js.object_store import ObjectStore as Bucket

from crackerjack.errors import ObjectMissing
from crackerjack.events.broker import Broker
from crackerjack.events.jetstream import Stream
from crackerjack.fleet.changes import LARGEST_PATCH
from crackerjack.fleet.objects import content_of, stored_form

_KEPT: Final = 14 * 24 * 3600.0
"""Seconds until the broker forgets an object."""


class BrokerObjects:
    """An :class:`crackerjack.fleet.objects.ObjectStore` in a broker.

    Objects are forgotten two weeks after they came; one that is older than half of that does not
    count as there, so whoever needs it sends it again, in time. Raises :exc:`StoreUnavailable`.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._bucket_name = f"{broker.address.space}_objects"
        self._stream = Stream(broker, f"OBJ_{self._bucket_name}")
        self._bucket = broker.work(self._open)

    def has(self, names: Collection[str]) -> set[str]:
        subjects = {self._subject(name): name for name in names}
        found = self._stream.last_of_each(list(subjects))
        oldest = time.time() - _KEPT / 2
        return {
            subjects[subject]
            for subject, message in found.items()
            if message.stored > oldest and not json.loads(message.data).get("deleted")
        }

    def put(self, name: str, content: bytes) -> None:
        async def put(_client: Client) -> object:
            return await self._bucket.put(name, stored_form(content))

        self._broker.work(put)

    def get(self, name: str) -> bytes:
        async def get(_client: Client) -> bytes | None:
            try:
                return (await self._bucket.get(name)).data
            except ObjectNotFoundError:
                return None

        stored = self._broker.work(get)
        if stored is None:
            raise ObjectMissing(name)
        return content_of(name, bytes(stored), largest=LARGEST_PATCH)

    async def _open(self, client: Client) -> Bucket:
        streams: Any = client.jetstream()
        try:
            bucket: Bucket = await streams.object_store(self._bucket_name)
        except BucketNotFoundError:
            config = ObjectStoreConfig(ttl=_KEPT)
            bucket = await streams.create_object_store(self._bucket_name, config)
        return bucket

    def _subject(self, name: str) -> str:
        encoded = base64.urlsafe_b64encode(name.encode()).decode()
        return f"$O.{self._bucket_name}.M.{encoded}"
