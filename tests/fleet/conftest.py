"""One broker for all tests of the room; each has a space of its own in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import NatsServer, nats_server
from tests.fleet.running import FleetOfTests


@pytest.fixture(scope="session")
def server() -> Iterator[NatsServer]:
    with nats_server() as server:
        yield server


@pytest.fixture
def fleet(server: NatsServer, tmp_path: Path) -> FleetOfTests:
    directory = tmp_path / "machines"
    directory.mkdir()
    return FleetOfTests(server, directory)
