"""Both logs, so that one suite says what a log is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crackerjack.events.log import EventLog
from crackerjack.events.memory_log import MemoryEventLog
from crackerjack.events.sqlite_log import SqliteEventLog


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    log: EventLog = (
        MemoryEventLog() if request.param == "memory" else SqliteEventLog(tmp_path / "events.db")
    )
    yield log
    log.close()
