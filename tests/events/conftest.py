"""All logs, so that one suite says what a log is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crackerjack.events.log import EventLog
from crackerjack.events.memory_log import MemoryEventLog
from crackerjack.events.nats_log import NatsEventLog
from crackerjack.events.sqlite_log import SqliteEventLog
from tests.broker import NatsServer, connect, nats_server


@pytest.fixture(scope="session")
def broker_server() -> Iterator[NatsServer]:
    with nats_server() as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "nats"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    log: EventLog
    if request.param == "memory":
        log = MemoryEventLog()
    elif request.param == "sqlite":
        log = SqliteEventLog(tmp_path / "events.db")
    else:
        log = NatsEventLog(connect(request.getfixturevalue("broker_server")))
    yield log
    log.close()
