"""Waiting for what has no event of its own; with a deadline, and never for a fixed time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from tests.web.serving import SECONDS

_PAUSE: Final = 0.005  # seconds between two looks


def wait_for(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until the condition holds; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(_PAUSE)


async def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """The same beside other tasks."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(_PAUSE)
