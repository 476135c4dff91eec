"""The ASGI application: the live stream, and the same log over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette

from crackerjack.events.log import EventLog
from crackerjack.jobs.job_manager import JobManager
from crackerjack.web.admission import Admission
from crackerjack.web.event_bridge import EventBusWebSocketBridge
from crackerjack.web.metrics import Metrics
from crackerjack.web.snapshots import Snapshots
from crackerjack.web.websocket_handler import WebSocketHandler, register_websocket_routes


def create_websocket_app(
    *,
    log: EventLog,
    jobs: JobManager,
    bridge: EventBusWebSocketBridge | None,
    admission: Admission,
    metrics: Metrics,
) -> Starlette:
    """Build the application; without a bridge it answers all but the live stream."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if bridge is not None:
                await stack.enter_async_context(bridge.running())
            yield

    app = Starlette(lifespan=lifespan)
    if bridge is not None:
        handler = WebSocketHandler(
            bridge, admission, jobs, Snapshots(log).message, on_refusal=metrics.refused
        )
        register_websocket_routes(app, handler)
    return app
