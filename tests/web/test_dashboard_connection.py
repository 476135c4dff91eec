"""The dashboard's connection where it is likely to be lost unseen, in a real browser."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Final

import pytest

from crackerjack.types import JobId
from tests.web.browser import chromium
from tests.web.dashboard import LIVE, SEQ, until
from tests.web.serving import Served, Writer
from tests.web.waiting import wait_for

LOST: Final = "document.querySelector('#connection.lost')"
AN_HOUR_LATER: Final = "Date.now = ((now) => () => now() + 3_600_000)(Date.now); 0"


@pytest.fixture
def job(writer: Writer) -> JobId:
    job_id = writer.job()
    writer.publish(job_id, 3)
    return job_id


def streams(server: Served) -> int:
    """How many connections follow a job."""
    with server.client() as client:
        found = re.search(
            r'connections\{stream="job",transport="websocket"\} (\d+)', client.get("/metrics").text
        )
    assert found
    return int(found[1])


def test_a_server_that_is_silent(
    server: Served, writer: Writer, job: JobId, tmp_path: Path
) -> None:
    """Its connection is up, and the computer wakes up, or a long time has gone by."""
    with chromium(tmp_path) as tab:
        tab.open(f"{server.http}/#/job/{job}")
        until(tab, f"{SEQ} === 3 && {LIVE}")
        server.process.send_signal(signal.SIGSTOP)
        tab.worker().evaluate(AN_HOUR_LATER)
        until(tab, f"{LOST}?.textContent.includes('the server is silent')")
        until(tab, f"{LOST}?.textContent.includes('trying again')")
        server.process.send_signal(signal.SIGCONT)
        writer.publish(job, 2)
        until(tab, f"{SEQ} === 5 && {LIVE}")


def test_a_tab_that_crashes_takes_nothing_from_the_others(
    server: Served, writer: Writer, job: JobId, tmp_path: Path
) -> None:
    """Whichever has the worker that holds the connection in its process."""
    other = writer.job("other")
    writer.publish(other, 2)
    with chromium(tmp_path) as tab:
        first, second, third = tab.another(), tab.another(), tab.another()
        for one, name in ((first, job), (second, other), (third, job)):
            one.open(f"{server.http}/#/job/{name}")
            until(one, f"{SEQ} > 0 && {LIVE}")
        assert streams(server) == 2
        first.crash()
        writer.publish(other, 3)
        until(second, f"{SEQ} === 5 && {LIVE}")
        second.crash()
        writer.publish(job, 3)
        until(third, f"{SEQ} === 6 && {LIVE}")
        wait_for(lambda: streams(server) == 1)


def test_a_page_that_one_comes_back_to(
    server: Served, writer: Writer, job: JobId, tmp_path: Path
) -> None:
    with chromium(tmp_path) as tab:
        tab.open(f"{server.http}/#/job/{job}")
        until(tab, f"{SEQ} === 3 && {LIVE}")
        tab.evaluate("addEventListener('pageshow', (event) => { window.kept = event.persisted })")
        tab.open(f"{server.http}/openapi.json")
        wait_for(lambda: streams(server) == 0)
        writer.publish(job, 2)
        history = tab.call("Page.getNavigationHistory")
        tab.call("Page.navigateToHistoryEntry", entryId=history["entries"][-2]["id"])
        until(tab, f"{SEQ} === 5 && {LIVE}")
        assert tab.evaluate("window.kept"), "the browser has loaded it anew: it holds something"
        writer.publish(job, 2)
        until(tab, f"{SEQ} === 7")
