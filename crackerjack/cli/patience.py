"""Reading from a store that is away for a while, such as a broker that is started anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from crackerjack.errors import StoreUnavailable
from crackerjack.events.event import WorkflowEvent
from crackerjack.events.subscription import Subscription

_PAUSE: Final = 0.25  # seconds between attempts

Read = Callable[[float], list[WorkflowEvent]]


def patient(subscription: Subscription, note: Callable[[str], object]) -> Read:
    """The subscription's :meth:`read`, which waits for a store that cannot be read, and says so."""
    import logging

    # What the connection says of itself would go through a live view, and be said twice.
    logging.getLogger("crackerjack.broker").setLevel(logging.ERROR)
    away = False

    def read(timeout: float) -> list[WorkflowEvent]:
        nonlocal away
        try:
            events = subscription.read(timeout)
        except StoreUnavailable as error:
            if not away:
                note(f"{error}. What the job does meanwhile is shown afterwards.")
            away = True
            time.sleep(min(timeout, _PAUSE))
            return []
        away = False
        return events

    return read
