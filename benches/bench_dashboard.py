"""The dashboard in Chromium: its first view, a busy job, a huge job, and how soon an event is seen."""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benches.paired import Row, print_table, verdict
from crackerjack.types import JobId
from tests.web.browser import Tab, chromium
from tests.web.serving import Writer, serving

ROUNDS: Final = 5
BUSY_SECONDS: Final = 60.0
BUSY_RATE: Final = 500  # events a second
BATCH: Final = 25
"""Events that are written at once: 20 times a second."""
SEQ: Final = "document.querySelector('[data-count=seq]')?.textContent"
WAIT: Final = """
new Promise((done) => {{
  const look = () => ({condition}) ? done(performance.now()) : requestAnimationFrame(look);
  look();
}})
"""
TASKS: Final = """
window.tasks = [];
new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((one) => one.duration)))
  .observe({ type: 'longtask' });
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.environ["CRACKERJACK_STATE_DIR"] = str(Path(directory, "state"))
        with Writer() as writer, serving() as server:
            rows = [
                *_first_view(writer, server.http, directory),
                *_huge(writer, server.http, directory),
            ]
            rows += _seen(writer, server.http, directory)
            rows += _busy(writer, server.http, directory)
    print_table("The dashboard in Chromium", ("", "measured", "bar"), rows)


def _row(what: str, value: float, bar: float, unit: str) -> Row:
    return what, f"{value:.4g} {unit}", verdict(value, bar, f" {unit}")


@contextmanager
def _browser(directory: str) -> Iterator[Tab]:
    with tempfile.TemporaryDirectory(dir=directory) as profile, chromium(Path(profile)) as tab:
        tab.call("Network.enable")
        yield tab


def _wait(tab: Tab, condition: str) -> float:
    """Milliseconds from the page's beginning until the condition is drawn."""
    return float(tab.evaluate(WAIT.format(condition=condition)))


def _transferred(tab: Tab) -> float:
    """Kilobytes that came over the network."""
    found = [event for event in tab.reports() if event["method"] == "Network.loadingFinished"]
    return float(sum(event["params"]["encodedDataLength"] for event in found)) / 1000


def _first_view(writer: Writer, url: str, directory: str) -> Iterator[Row]:
    writer.publish(writer.job("finished"), 1999)
    writer.end(JobId("finished"))
    took, size = [], 0.0
    for _ in range(ROUNDS):
        with _browser(directory) as tab:
            tab.open(f"{url}/#/job/finished")
            took.append(_wait(tab, f"{SEQ} === '2000'"))
            tab.evaluate("new Promise((done) => setTimeout(done, 500))")
            size = _transferred(tab)
    yield _row("first view, 2,000 events", statistics.median(took), 400, "ms")
    yield _row("transferred for it", size, 60, "kB")


def _huge(writer: Writer, url: str, directory: str) -> Iterator[Row]:
    writer.publish(writer.job("huge"), 25_000)  # 20,000 findings
    for _ in range(75):
        _said(writer, 1000)
    writer.end(JobId("huge"))
    for name, shows in (
        ("", f"{SEQ} === '100001'"),
        ("/events", "document.querySelector('.event-summary')"),
    ):
        with _browser(directory) as tab:
            tab.open(f"{url}/#/job/huge{name}")
            yield _row(f"100,000 events: {name[1:] or 'job'}", _wait(tab, shows), 1500, "ms")


def _said(writer: Writer, count: int) -> None:
    from crackerjack.events.payload import EventType, HookOutput

    said = HookOutput(step_id="run_fast_hooks_001", hook="ruff-check", stream="stdout", text="a\n")
    for _ in range(count):
        writer.bus.publish(JobId("huge"), EventType.HOOK_OUTPUT, said)
    writer.bus.flush(30)


def _seen(writer: Writer, url: str, directory: str) -> Iterator[Row]:
    """From the commit of an event until the frame that shows it."""
    job_id = writer.job("seen")
    writer.publish(job_id, 1)
    delays = []
    with _browser(directory) as tab:
        tab.open(f"{url}/#/job/seen")
        _wait(tab, "document.querySelector('#connection').textContent === '● live'")
        for seq in range(2, 102):
            shown: list[float] = []
            look = f"Number({SEQ}) >= {seq}"
            tab.evaluate(
                f"void (window.shown = {WAIT.format(condition=look)}.then(() => Date.now()))"
            )
            writer.publish(job_id, 1)
            committed = time.time() * 1000
            shown.append(tab.evaluate("window.shown"))
            delays.append(max(0.0, shown[0] - committed))
    yield _row("commit to pixel, p95", statistics.quantiles(delays, n=20)[-1], 100, "ms")


def _busy(writer: Writer, url: str, directory: str) -> Iterator[Row]:
    job_id = writer.job("busy")
    writer.publish(job_id, 1)
    with _browser(directory) as tab:
        tab.open(f"{url}/#/job/busy/events")
        _wait(tab, "document.querySelector('.event-row')")
        before = _heap(tab)
        tab.evaluate(TASKS)  # collecting garbage would be one
        writing = threading.Thread(target=_write, args=[writer, job_id])
        writing.start()
        writing.join()
        total = int(BUSY_SECONDS * BUSY_RATE) + 1
        _wait(tab, f"{SEQ} === '{total}'")
        longest = float(tab.evaluate("Math.max(0, ...window.tasks)"))
        grown = _heap(tab) - before
    yield _row(f"{BUSY_RATE} events/s for {BUSY_SECONDS:.0f} s: longest task", longest, 50, "ms")
    yield _row("growth of its heap", grown, 30, "MB")


def _write(writer: Writer, job_id: JobId) -> None:
    began = time.monotonic()
    for turn in range(int(BUSY_SECONDS * BUSY_RATE / BATCH)):
        time.sleep(max(0.0, began + turn * BATCH / BUSY_RATE - time.monotonic()))
        writer.publish(job_id, BATCH)


def _heap(tab: Tab) -> float:
    """Megabytes in use, without what is garbage."""
    tab.call("HeapProfiler.collectGarbage")
    used: dict[str, Any] = tab.call("Runtime.getHeapUsage")
    return float(used["usedSize"]) / 1e6
