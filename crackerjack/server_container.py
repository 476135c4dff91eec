"""The composition root of a server: its parts on top of the container's, closed in reverse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from starlette.applications import Starlette

from crackerjack.container import Container
from crackerjack.events.poke import PokeBox
from crackerjack.web.admission import Admission
from crackerjack.web.app import create_websocket_app
from crackerjack.web.connection import Limits
from crackerjack.web.event_bridge import EventBusWebSocketBridge
from crackerjack.web.feed import Feeds
from crackerjack.web.metrics import Metrics


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a server."""

    app: Starlette
    bridge: EventBusWebSocketBridge


@contextmanager
def open_web(
    container: Container,
    admission: Admission,
    *,
    roots: Sequence[str] = (),
    limits: Limits = Limits(),  # noqa: B008 - immutable
) -> Iterator[Web]:
    """Build the application on an open store; clients may start runs below the `roots`."""
    with PokeBox(container.pokes) as pokes:
        metrics = Metrics()
        feeds = Feeds(container.log, metrics.delivered)
        bridge = EventBusWebSocketBridge(feeds, container.hub, metrics, pokes=pokes, limits=limits)
        app = create_websocket_app(
            log=container.log,
            jobs=container.jobs,
            feeds=feeds,
            bridge=bridge,
            admission=admission,
            metrics=metrics,
            roots=roots,
        )
        yield Web(app=app, bridge=bridge)
