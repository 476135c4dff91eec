"""The stream in a real browser: the client that docs/protocol.md shows, client.js and EventSource."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from crackerjack.events.payload import (
    EventType,
    Payload,
    PhaseEnded,
    PhaseStarted,
    StrategyEnded,
)
from crackerjack.types import JobId
from tests.web.browser import Site, Tab, chromium, site
from tests.web.serving import SECONDS, STEP, Writer, decoded, free_port, serving

PROTOCOL: Final = Path(__file__).parents[2] / "docs" / "protocol.md"
CLEANING: Final = "run_code_cleaning_001"
DOCUMENTED: Final = "localhost:8675"
"""The server of the documented client: the browser is told where that is here."""
UNTOLD: Final = "Phase undefined completed in undefineds"
"""What that client prints for a message that has neither."""


@pytest.fixture
def pages() -> Iterator[Site]:
    with site() as pages:
        yield pages


def documented_client() -> str:
    """The client as it stands in docs/protocol.md, as the script of a page."""
    (snippet,) = re.findall(
        r"^```javascript\n(.*?)^```$", PROTOCOL.read_text(), re.MULTILINE | re.DOTALL
    )
    assert f"ws://{DOCUMENTED}/ws/progress/job123" in snippet
    return f"<script>{snippet}</script>"


def phase_and_duration(line: str) -> tuple[str | None, float | None]:
    """What a line of the documented client says; None for what the message had not."""
    found = re.fullmatch(r"Phase (?:undefined|(\w+)) completed in (?:undefined|(.+))s", line)
    assert found, line
    return found[1], None if found[2] is None else float(found[2])


def wait_for_console(tab: Tab, wanted: list[str]) -> None:
    """Until the page has printed this, and nothing else."""
    tab.wait_for(lambda: tab.console() == wanted)


def remember_the_end(tab: Tab) -> None:
    """From now on the page remembers how its connection is closed."""
    tab.evaluate("void (window.ended = new Promise((end) => ws.addEventListener('close', end)))")


def the_end(tab: Tab) -> object:
    """Close code and reason, once the connection is closed."""
    return tab.evaluate("window.ended.then((event) => [event.code, event.reason])")


class TestTheDocumentedClient:
    def test_phases_appear_with_their_durations(
        self, writer: Writer, pages: Site, tmp_path: Path
    ) -> None:
        job_id = writer.job()
        pages.page = documented_client()
        happens: list[tuple[EventType, Payload]] = [
            (EventType.QUALITY_PHASE_STARTED, PhaseStarted(step_id=CLEANING, phase="cleaning")),
            (
                EventType.HOOK_STRATEGY_COMPLETED,
                StrategyEnded(step_id=STEP, strategy="fast", success=True, duration=20.33),
            ),
            (
                EventType.QUALITY_PHASE_COMPLETED,
                PhaseEnded(step_id=CLEANING, phase="cleaning", success=True, duration=5.33),
            ),
        ]
        with (
            serving("--allowed-origin", pages.origin) as server,
            chromium(tmp_path, {DOCUMENTED: server.port}) as tab,
        ):
            tab.open(pages.origin)
            wait_for_console(tab, [UNTOLD])  # the snapshot
            remember_the_end(tab)
            for event_type, payload in happens:
                writer.bus.publish(job_id, event_type, payload)
            writer.end(job_id)
            assert the_end(tab) == [1000, "job finished"]
            assert tab.console()[1:] == [
                "Phase cleaning completed in undefineds",
                "Phase undefined completed in 20.33s",
                "Phase cleaning completed in 5.33s",
                "Phase undefined completed in 1s",
            ]

    def test_a_run_that_begins_after_the_page_was_opened(
        self, writer: Writer, pages: Site, tmp_path: Path
    ) -> None:
        project = tmp_path / "project"
        project.mkdir()
        (project / "module.py").write_text("X = 1\n")
        pages.page = documented_client()
        with (
            serving("--allowed-origin", pages.origin) as server,
            chromium(tmp_path, {DOCUMENTED: server.port}) as tab,
        ):
            tab.open(pages.origin)
            wait_for_console(tab, [UNTOLD])  # a job that is waited for
            remember_the_end(tab)
            argv = [sys.executable, "-m", "crackerjack", "--skip-hooks", "--job-id", "job123"]
            subprocess.run(argv, cwd=project, check=True, capture_output=True, timeout=SECONDS)
            assert the_end(tab) == [1000, "job finished"]
            console = tab.console()[1:]
        log = [decoded(event)["data"] for event in writer.events(JobId("job123"))]
        assert [phase_and_duration(line) for line in console] == [
            (data.get("phase"), data.get("duration")) for data in log
        ]
        assert [line for line in console if re.match(r"Phase cleaning completed in [\d.]+s$", line)]


class TestPagesOfOtherSites:
    def test_an_origin_that_is_not_allowed_gets_no_connection(
        self, writer: Writer, pages: Site, tmp_path: Path
    ) -> None:
        job_id = writer.job()
        writer.publish(job_id, 3)
        pages.page = documented_client()
        with (
            serving("--allowed-origin", pages.origin) as server,
            chromium(tmp_path, {DOCUMENTED: server.port}) as tab,
        ):
            tab.open(pages.other_origin)
            tab.wait_for(lambda: "Unexpected response code: 403" in str(tab.complaints()))
            assert (tab.evaluate("ws.readyState"), tab.console()) == (3, [])
            tab.open(pages.origin)  # the same page by its allowed name
            wait_for_console(tab, [UNTOLD])

    def test_a_name_that_was_bound_to_our_address(self, writer: Writer, tmp_path: Path) -> None:
        """DNS rebinding: for the browser the page and the server are one site."""
        writer.job()
        with serving() as server, chromium(tmp_path, {"rebound.example:80": server.port}) as tab:
            tab.open("http://rebound.example/jobs")
            assert "this server is not" in tab.evaluate("document.body.innerText")
            tab.evaluate("void new WebSocket('ws://rebound.example/ws/progress/job123')")
            tab.wait_for(lambda: "Unexpected response code: 403" in str(tab.complaints()))


FOLLOW: Final = """
<script src="{url}/client.js"></script>
<script>
  crackerjack.stream('{url}', 'job123', {{
    token: '{token}',
    onEvent: (event) => console.log(event.seq),
    onEnd: (error) => console.log(error ? String(error) : 'ended'),
  }});
</script>
"""
EVENT_SOURCE: Final = """
<script>
  const source = new EventSource('{url}/jobs/job123/events');
  for (const type of ['diagnostic_found', 'hook_output', 'workflow_completed']) {{
    source.addEventListener(type, (event) => console.log(JSON.parse(event.data).seq));
  }}
  source.onerror = () => {{ if (source.readyState === EventSource.CLOSED) console.log('ended'); }};
</script>
"""


def numbers(count: int) -> list[str]:
    """What a page prints that got so many events, each once and in order."""
    return [str(seq) for seq in range(1, count + 1)]


@pytest.mark.parametrize(
    ("page", "token", "signals"),
    [
        (FOLLOW, "", [signal.SIGKILL, signal.SIGTERM]),
        (FOLLOW, "sesame", [signal.SIGTERM]),
        (EVENT_SOURCE, "", [signal.SIGKILL]),
    ],
    ids=["client.js", "client.js with a token", "EventSource"],
)
def test_a_server_that_is_restarted_loses_nothing(
    page: str, token: str, signals: list[int], writer: Writer, pages: Site, tmp_path: Path
) -> None:
    job_id = writer.job()
    writer.publish(job_id, 3)
    allowed = ("--allowed-origin", pages.origin)
    port = free_port()
    with chromium(tmp_path) as tab:
        for number in signals:
            with serving(*allowed, port=port, CRACKERJACK_TOKEN=token) as server:
                if not pages.page:
                    pages.page = page.format(url=server.http, token=token)
                    tab.open(pages.origin)
                seen = numbers(len(writer.events(job_id)))
                wait_for_console(tab, seen)
                server.stop(number)
            writer.publish(job_id, 3)
        with serving(*allowed, port=port, CRACKERJACK_TOKEN=token):
            writer.end(job_id)
            wait_for_console(tab, [*numbers(len(writer.events(job_id))), "ended"])
