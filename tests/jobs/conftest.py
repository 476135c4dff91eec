"""A log and what was written to it before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crackerjack.events.log import EventLog
from crackerjack.events.sqlite_log import SqliteEventLog
from tests.jobs.past import Past


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = SqliteEventLog(tmp_path / "events.db")
    yield log
    log.close()


@pytest.fixture
def past(log: EventLog) -> Past:
    return Past(log)
