"""What jobs are now, for all clients that ask: each event is folded once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Final

import msgspec

from crackerjack.errors import UnknownJob
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.types import JobId
from crackerjack.web.reading import Reading

_KEPT: Final = 64
_READ: Final = 256
"""Events that are folded in one turn of the event loop: about a millisecond."""


class Snapshots:
    """Keeps the snapshots of the last jobs that were asked for, and brings them up to date.

    Used on the event loop's thread. Raises :exc:`StoreUnavailable`.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        # With the time when it began: an id is free again when its job is forgotten.
        self._kept: OrderedDict[tuple[JobId, float], JobSnapshot] = OrderedDict()

    async def of(self, job_id: JobId) -> JobSnapshot:
        """The job as of its last event; raises :exc:`UnknownJob`."""
        entry = await self._reading.ask(self._reading.log.job, job_id)
        key = (job_id, entry.header.created)
        snapshot = self._kept.get(key) or JobSnapshot(job_id=job_id)
        self._keep(key, snapshot)
        while snapshot.seq < entry.head and (
            events := await self._reading.events(job_id, snapshot.seq, _READ)
        ):
            for event in events:
                if event.seq > snapshot.seq:  # others fold the same snapshot
                    snapshot.apply(event)
            await asyncio.sleep(0)
        return snapshot

    def _keep(self, key: tuple[JobId, float], snapshot: JobSnapshot) -> None:
        self._kept[key] = snapshot
        self._kept.move_to_end(key)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    async def message(self, job_id: JobId) -> tuple[int, bytes]:
        """The message ``job_snapshot``, and the `seq` of the last event in it.

        Also for a job that does not exist yet: it waits, and its `seq` is 0.
        """
        try:
            snapshot = await self.of(job_id)
        except UnknownJob:
            snapshot = JobSnapshot(job_id=job_id)
        now = time.time()
        message = {
            "event_type": "job_snapshot",
            "data": snapshot.to_data(now),
            "timestamp": now,
            "job_id": job_id,
            "seq": snapshot.seq,
        }
        return snapshot.seq, msgspec.json.encode(message)
