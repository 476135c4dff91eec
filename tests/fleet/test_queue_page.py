"""The page of the queue, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from crackerjack.events.nats_log import NatsEventLog
from crackerjack.fleet.leases import Leases
from crackerjack.fleet.queued_job import QueuedJob
from crackerjack.fleet.submission import submit
from crackerjack.fleet.work_queue import WorkQueue
from crackerjack.jobs.queue_state import WorkerRecord
from crackerjack.types import JobId
from tests.broker import NatsServer, connect
from tests.fleet.running import FleetOfTests
from tests.web.browser import Tab, chromium
from tests.web.dashboard import node_module, until, visit
from tests.web.serving import Served, serving

AXE: Final = """
axe.run(document).then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))
"""
LINK: Final = "document.querySelector('nav a[href=\"#/queue\"]')?.checkVisibility()"
ROWS: Final = "[...document.querySelectorAll('.queue-row')].map((one) => one.innerText)"


class Broker:
    """Puts jobs and workers into a space."""

    def __init__(self, server: NatsServer, fleet: FleetOfTests) -> None:
        self._broker = connect(server, fleet.url.rpartition("/")[2])
        self._log = NatsEventLog(self._broker)
        self._leases = Leases(self._broker)
        self._queue = WorkQueue(self._broker, self._leases)

    def submit(self, name: str, *needs: str) -> None:
        job = QueuedJob(job_id=JobId(name), project=f"/srv/{name}", bundle="none", needs=needs)
        submit(self._log, self._queue, job, "standard")

    def worker(self, name: str) -> None:
        self._leases.announce(
            WorkerRecord(worker=f"{name}:7:1", slots=2, busy=1, labels={"os": "linux"})
        )

    def close(self) -> None:
        self._log.close()


@pytest.fixture
def broker(server: NatsServer, fleet: FleetOfTests) -> Iterator[Broker]:
    with closing(Broker(server, fleet)) as broker:
        yield broker


@pytest.fixture
def serves(fleet: FleetOfTests) -> Iterator[Served]:
    with serving(CRACKERJACK_BROKER=fleet.url) as served:
        yield served


def size(tab: Tab, width: int) -> None:
    tab.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=800,
        deviceScaleFactor=1,
        mobile=False,
    )


def test_it_shows_what_waits_and_who_works(broker: Broker, serves: Served, tmp_path: Path) -> None:
    axe = (node_module("axe-core") / "axe.min.js").read_text()
    with chromium(tmp_path) as tab:
        visit(tab, f"{serves.http}/#/queue")
        until(tab, "document.querySelectorAll('.empty').length === 2")
        assert tab.evaluate(LINK)
        broker.submit("first", "gpu=1")
        broker.worker("machine")
        until(tab, f"{ROWS}.length === 2")
        waits, works = tab.evaluate(ROWS)
        assert "waiting" in waits
        assert "needs gpu=1" in waits
        assert "machine 7" in works
        assert "1 of 2" in works
        for theme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": theme}]
            tab.call("Emulation.setEmulatedMedia", features=features)
            tab.evaluate(f"{axe}; void 0")
            assert tab.evaluate(AXE) == []
        size(tab, 380)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 380
        tab.evaluate("document.querySelector('a.queue-row').click()")
        until(tab, "document.querySelector('main').innerText.includes('a worker with gpu=1')")
        assert tab.evaluate("document.querySelector('main h1').innerText") == "first first"


def test_there_is_no_link_to_it_without_a_broker(tmp_path: Path) -> None:
    with serving() as served, served.client() as http, chromium(tmp_path) as tab:
        visit(tab, served.http)
        until(tab, "document.querySelector('main h1')")
        assert not tab.evaluate(LINK)
        answer = http.get("/queue")
        assert answer.status_code == 404
        assert "`crackerjack serve --broker`" in answer.json()["detail"]
        assert "crackerjack_queue" not in http.get("/metrics").text
