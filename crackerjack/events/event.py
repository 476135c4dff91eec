"""An event: what was written to the log, and so what every client sees."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from crackerjack.decoding import json_decoder
from crackerjack.events.payload import PAYLOADS, TERMINAL_TYPES, EventType, Payload
from crackerjack.types import JobId

LATEST: Final = 253402300799.0
"""Seconds since the epoch: the last time that has a date, for what strangers wrote."""


class Draft(msgspec.Struct, frozen=True):
    """An event on its way to the log: everything but the `seq`, which the log gives."""

    job_id: JobId
    event_type: EventType
    body: bytes
    """The payload as a JSON object."""
    timestamp: float


class WorkflowEvent(msgspec.Struct, frozen=True, rename={"body": "data"}):
    """One event of a job, as committed: the fields in the order of the wire.

    `body` is the payload as the log holds it, JSON already encoded: an event is encoded once, when it
    is published, and never again. :attr:`data` and :attr:`payload` decode it.
    """

    event_type: str
    body: msgspec.Raw
    timestamp: float
    """Seconds since the epoch; equals the payload's."""
    job_id: JobId
    seq: int
    """Position in the job's log: 1, 2, 3, ... without a hole."""

    @property
    def data(self) -> dict[str, Any]:
        """The payload as a plain object, unknown keys included."""
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded

    @property
    def payload(self) -> Payload:
        """The payload, typed. Raises :exc:`ValueError` for an event type this version lacks."""
        return json_decoder(PAYLOADS[EventType(self.event_type)]).decode(self.body)

    @property
    def readable(self) -> bool:
        """Whether it is of a type that this version knows, with what belongs to that."""
        try:
            return self.payload is not None
        except (ValueError, RecursionError):
            return False

    @property
    def terminal(self) -> bool:
        """Whether this is the last event of its job."""
        return self.event_type in TERMINAL_TYPES

    def to_json(self) -> bytes:
        """The event as one JSON object, without a newline."""
        return _ENCODER.encode(self)


def draft(job_id: JobId, event_type: EventType, payload: Payload) -> Draft:
    """Encode one event for the log, stamped with the time if the payload has none.

    Raises :exc:`TypeError` when the payload is not of the event type's class.
    """
    if type(payload) is not PAYLOADS[event_type]:
        raise TypeError(f"{event_type} takes {PAYLOADS[event_type].__name__}, not {payload!r}")
    timestamp = payload.timestamp or time.time()
    if timestamp != payload.timestamp:
        payload = msgspec.structs.replace(payload, timestamp=timestamp)
    return Draft(job_id, event_type, _ENCODER.encode(payload), timestamp)


def parse_event(line: bytes | str) -> WorkflowEvent:
    """Read one event from its JSON; raises :exc:`msgspec.MsgspecError` for anything else."""
    return json_decoder(WorkflowEvent).decode(line)


_ENCODER: Final = msgspec.json.Encoder()
