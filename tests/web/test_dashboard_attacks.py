"""The dashboard under attack: hostile addresses, names and texts, and a server that is not what it was."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from crackerjack.events.payload import EventType
from tests.sample_run import JOB, TESTS, SampleRun
from tests.web.browser import Tab, chromium
from tests.web.dashboard import LIVE, until, visit
from tests.web.serving import SECONDS, Served, Writer, free_port, serving

MAIN: Final = "document.querySelector('main').innerText"


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    with chromium(tmp_path) as tab:
        yield tab


ADDRESSES: Final = {
    "constructor": "There is nothing here",
    "__proto__": "There is nothing here",
    f"job/{JOB}/constructor": "There is nothing here",
    f"job/{JOB}/__proto__": "There is nothing here",
    f"job/{JOB}/events?seq=0.5": "4 events",
    "job/..": "there is no such job",
    "compare/%2e%2e": "there is no such job",
    f"job/{JOB}/output/..": "there is no such job or hook",
}


def test_addresses_that_mean_something_to_the_browser(
    server: Served, writer: Writer, tab: Tab
) -> None:
    writer.publish(writer.job(JOB), 3)
    writer.end(JOB)
    for address, says in ADDRESSES.items():
        visit(tab, f"{server.http}/#/{address}")
        until(tab, f"{MAIN}.includes('{says}')")
    assert (tab.console(), tab.complaints()) == ([], [])


STREAM: Final = """
(async () => {
  await new Promise((done) => document.head.append(Object.assign(
    document.createElement('script'), { src: '/client.js', onload: done })));
  return new Promise((done) => crackerjack.stream(location.origin, 'job123', {
    token: TOKEN, onEvent: (event) => done(event.seq), onEnd: (error) => done(String(error)) }));
})()
"""


def test_a_token_that_is_no_name_of_a_subprotocol(writer: Writer, tab: Tab) -> None:
    """Such as those of ``openssl rand -base64 32``."""
    token = "ab/c+d=="
    writer.publish(writer.job(), 3)
    with serving(CRACKERJACK_TOKEN=token) as server:
        tab.open(f"{server.http}/?token={quote(token, safe='')}#/job/job123")
        until(tab, LIVE)
        assert tab.evaluate(STREAM.replace("TOKEN", repr(token))) == 1
        visit(tab, f"{server.http}/?token=%D0%BA#/job/job123")  # that can be in no header
        until(tab, "document.querySelector('[name=token]')")


def test_a_store_with_less_than_the_page_has(writer: Writer, tab: Tab) -> None:
    """The page asks some times for the rest, and not for ever."""
    writer.publish(writer.job(), 30)
    state, port = Path(os.environ["CRACKERJACK_STATE_DIR"]), free_port()
    with serving(port=port) as server:
        tab.open(f"{server.http}/#/job/job123")
        until(tab, LIVE)
        server.stop(signal.SIGKILL)
    shutil.move(state, state.with_name("elsewhere"))
    with Writer() as other, serving(port=port):
        other.publish(other.job(), 5)
        for name in ("tests", "findings", "events?text=x"):
            tab.evaluate(f"location.hash = '#/job/job123/{name}'")
            until(tab, f"{MAIN}.includes('its store was replaced')")
            tab.evaluate("location.hash = '#/job/job123/changes'")
            until(tab, f"!{MAIN}.includes('its store was replaced')")


LINES: Final = r"""
(async () => {
  const { Lines } = await import('/app/ansi.js');
  const text = (rows) => rows.map((row) => row.spans.map((span) => span.text).join('')).join('');
  const [long, escapes] = [new Lines(), new Lines()];
  const began = performance.now();
  for (let piece = 0; piece < 1000; piece += 1) long.take('x'.repeat(16000));
  const took = performance.now() - began;
  long.take('\u001b[3');
  long.take('1mred\nnext');
  escapes.take('\u001b]0;no end\n\u001b]8;;javascript:alert(1)\u001b\\a link\u001b]8;;\u001b\\\n');
  return {
    took, lines: long.lines, characters: text(long.rows).length, goesOn: long.rows.at(-2).goesOn,
    red: long.rows.at(-2).spans.at(-1), end: text(long.rows.slice(-1)), escapes: text(escapes.rows),
  };
})()
"""


def test_a_line_without_an_end(server: Served, tab: Tab) -> None:
    """It is read once: 16 MB in pieces took 7 s when each piece had all before it read again."""
    tab.open(server.http)
    read: dict[str, Any] = tab.evaluate(LINES)
    assert read.pop("took") < 3000
    assert read == {
        "lines": 2,
        "characters": 1000 * 16000 + len("red") + len("next"),
        "goesOn": True,
        "red": {"text": "red", "classes": "ansi-1"},
        "end": "next",
        "escapes": "0;no enda link",
    }


EDITOR: Final = """
(async () => {
  const { editorLink } = await import('/app/places.js');
  const place = { path: '../a&line=9#?"<\\n.py', line: 1 };
  return ['idea://open?file={path}&line={line}', 'javascript:alert("{path}")', 'vscode://file{path}'].map((template) => {
    localStorage.setItem('crackerjack.editor', template);
    return editorLink('/p', place);
  });
})()
"""


def test_a_path_stays_in_its_place_of_the_editors_address(server: Served, tab: Tab) -> None:
    tab.open(server.http)
    path = "/p/../a%26line%3D9%23%3F%22%3C%0A.py"
    assert tab.evaluate(EDITOR) == [
        f"idea://open?file={path}&line=1",
        f"vscode://file{path}:1:1",
        f"vscode://file{path}",
    ]


def test_a_test_with_a_very_long_name_is_found(server: Served, writer: Writer, tab: Tab) -> None:
    name = "test_a.py::test_b[" + "x" * 200_000 + "]"
    writer.job(JOB)
    run = SampleRun().begin(tests=True).phase(TESTS).hook(TESTS, "pytest").collected(1)
    for event in run.test(name, "failed", message="no").events:
        writer.bus.publish(JOB, EventType(event.event_type), event.payload)
    writer.bus.flush(SECONDS)
    tab.open(f"{server.http}/#/job/{JOB}")
    until(tab, "document.querySelector('.card a[href*=test_b]')")
    tab.evaluate("document.querySelector('.card a[href*=test_b]').click()")
    until(tab, "document.querySelector('.details-inner')")
    tab.evaluate("document.querySelector('.test-row').click()")
    until(tab, "!document.querySelector('.details-inner')")
    tab.evaluate("document.querySelector('.test-row').click()")
    until(tab, "document.querySelector('.details-inner') && location.hash.length > 200000")
    assert (tab.console(), tab.complaints()) == ([], [])


CHANGES: Final = """
(async () => {
  const { open } = await import('/app/tab-changes.js');
  const files = Array.from({ length: 150_000 }, (_, index) => (
    { path: `f${index}`, state: 'as_left', removed: false, added_lines: 0, removed_lines: 0, diff: null, why: 'x' }));
  window.fetch = async () => new Response(JSON.stringify({ files }));
  const box = document.createElement('div');
  document.querySelector('main').replaceChildren(box);
  open(box, { job: Object.assign(new EventTarget(), { id: 'x', finished: true }), signal: new AbortController().signal });
})()
"""


def test_a_job_that_changed_very_many_files(server: Served, tab: Tab) -> None:
    tab.open(server.http)
    until(tab, f"{MAIN}.includes('No jobs yet')")
    tab.evaluate(CHANGES)
    until(tab, f"{MAIN}.includes('Undo these changes') && {MAIN}.includes('149,500 more')")
    assert tab.evaluate("document.querySelectorAll('details.change').length") == 500
