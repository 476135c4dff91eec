"""What jobs are now, for all clients that ask: each event is folded once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Final

import msgspec

from crackerjack.errors import UnknownJob
from crackerjack.events.log import EventLog
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.types import JobId

_KEPT: Final = 64
_READ: Final = 256
"""Events that are folded in one turn of the event loop: about a millisecond."""


class Snapshots:
    """Keeps the snapshots of the last jobs that were asked for, and brings them up to date.

    Used on the event loop's thread. Raises :exc:`StoreUnavailable`.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        # With the time when it began: an id is free again when its job is forgotten.
        self._kept: OrderedDict[tuple[JobId, float], JobSnapshot] = OrderedDict()

    async def of(self, job_id: JobId) -> JobSnapshot:
        """The job as of its last event; raises :exc:`UnknownJob`."""
        key = (job_id, self._log.job(job_id).header.created)
        snapshot = self._kept.get(key) or JobSnapshot(job_id=job_id)
        # Between the look at the log and the fold others have no turn: they may fold the same one.
        while events := self._log.read(job_id, snapshot.seq, _READ):
            for event in events:
                snapshot.apply(event)
            self._keep(key, snapshot)
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
