"""Clients that take nothing of what they asked for, beside others that do."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage

from crackerjack.container import open_container
from crackerjack.events.poke import PokeBox
from crackerjack.mcp.server import Agents, build_agents
from crackerjack.web.feed import Feeds
from crackerjack.web.watcher import Watcher
from tests.mcp.store import Store
from tests.mcp.test_http import INITIALIZE
from tests.mcp.test_resources import JOBS
from tests.mcp.test_waiting import begun
from tests.web.serving import SECONDS

pytestmark = pytest.mark.anyio


@pytest.fixture
async def agents(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agents]:
    """A server that tells soon, and waits for nobody for long."""
    monkeypatch.setattr("crackerjack.mcp.resources._TELL_EVERY", 0.02)
    monkeypatch.setattr("crackerjack.mcp.resources._TAKEN_WITHIN", 0.1)
    with open_container(os.environ) as container, PokeBox(container.pokes) as pokes:
        feeds = Feeds(container.log)
        agents = build_agents(
            log=container.log,
            jobs=container.jobs,
            feeds=feeds,
            state_dir=container.state_dir,
            roots=["/"],
            local=True,
        )
        async with Watcher(feeds, container.hub, pokes).running(), agents.resources.running():
            yield agents


class Wire:
    """One client, message by message: what it does not take stays with the server."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader = reader
        self._writer = writer

    async def asks(self, method: str, params: dict[str, Any]) -> None:
        request = types.JSONRPCRequest(jsonrpc="2.0", id=1, method=method, params=params)
        await self._writer.send(SessionMessage(request))
        while not isinstance(await self.takes(), types.JSONRPCResponse):
            pass

    async def takes(self) -> Any:
        with anyio.fail_after(SECONDS):
            return (await self._reader.receive()).message


@asynccontextmanager
async def subscribed(agents: Agents, uri: str) -> AsyncIterator[Wire]:
    """A client that has subscribed."""
    options = agents.server.create_initialization_options()
    async with (
        create_client_server_memory_streams() as ((reader, writer), (from_client, to_client)),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(agents.server.run, from_client, to_client, options)
        wire = Wire(reader, writer)
        await wire.asks("initialize", INITIALIZE["params"])  # type: ignore[arg-type]
        begun = types.JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")
        await writer.send(SessionMessage(begun))
        await wire.asks("resources/subscribe", {"uri": uri})
        yield wire
        tasks.cancel_scope.cancel()


async def test_who_takes_nothing_keeps_nobody_waiting(agents: Agents, store: Store) -> None:
    run = begun()
    uri = f"{JOBS}/{run.job_id}"
    store.write(run)
    async with subscribed(agents, uri), subscribed(agents, uri) as reading:
        for number in range(5):
            store.write(run.test(f"tests/a.py::{number}"))
            assert (await reading.takes()).params == {"uri": uri}


async def test_a_client_that_is_gone_is_forgotten(agents: Agents, store: Store) -> None:
    async with subscribed(agents, JOBS) as reading:
        store.write(begun())
        assert (await reading.takes()).params == {"uri": JOBS}
        assert agents.resources.subscribers == 1
    assert agents.resources.subscribers == 0
