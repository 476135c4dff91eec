"""Debian's Chromium, driven through its DevTools protocol, and a site whose pages it opens.

https://chromedevtools.github.io/devtools-protocol/ - of which a few calls are all that is needed: a
library for it would double what an environment for development has to load.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.web.serving import SECONDS

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # needs rights that root in a container has not
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have 64 MB of it
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",  # all that is asked for is on this machine
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--remote-debugging-port=0",
)


@functools.cache
def chromium_path() -> str | None:
    """A Chromium that starts; on some systems one of its names only says how to install it."""
    for path in filter(None, map(shutil.which, _NAMES)):
        asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if asked.returncode == 0 and "Chrom" in asked.stdout:
            return path
    return None


class Tab:
    """A page in the browser."""

    def __init__(self, devtools: DevTools, session: str) -> None:
        self._devtools = devtools
        self._session = session
        self.call("Runtime.enable")
        self.call("Log.enable")
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Do something in this tab."""
        return self._devtools.call(method, session=self._session, **parameters)

    def another(self) -> Tab:
        """A further one of the same browser, which gets no keys."""
        return self._devtools.tab()

    def worker(self) -> Worker:
        """The worker that the tabs of this browser share."""
        return Worker(self._devtools)

    def crash(self) -> None:
        """End the process of the page, as a defect in the browser would."""
        self._devtools.send("Page.crash", self._session)

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        began = self._devtools.count(self._is_loaded)
        assert "errorText" not in self.call("Page.navigate", url=url)
        self._devtools.wait_for(lambda: self._devtools.count(self._is_loaded) > began)

    def console(self) -> list[str]:
        """What the page has printed with ``console.log`` so far, its own errors too."""
        return [
            text
            for event in self._devtools.events
            if event.get("sessionId") == self._session
            for text in _printed(event)
        ]

    def complaints(self) -> list[str]:
        """What the browser itself has reported, such as connections that failed."""
        return [
            event["params"]["entry"]["text"]
            for event in self._devtools.events
            if event.get("sessionId") == self._session and event["method"] == "Log.entryAdded"
        ]

    def reports(self) -> list[dict[str, Any]]:
        """All that was reported about this tab."""
        return [one for one in self._devtools.events if one.get("sessionId") == self._session]

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Take what the browser reports until the condition holds."""
        self._devtools.wait_for(condition, lambda: (self.console(), self.complaints()))

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; of a promise, once it is kept."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def _is_loaded(self, event: Mapping[str, Any]) -> bool:
        mine = event.get("sessionId") == self._session
        return mine and event["method"] == "Page.loadEventFired"


class Worker:
    """A shared worker."""

    def __init__(self, devtools: DevTools) -> None:
        self._devtools = devtools
        targets = devtools.call("Target.getTargets")["targetInfos"]
        (found,) = [
            one["targetId"]
            for one in targets
            if one["type"] == "shared_worker" and one["browserContextId"] == devtools.context
        ]
        attached = devtools.call("Target.attachToTarget", targetId=found, flatten=True)
        self._session = attached["sessionId"]

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in it."""
        answer = self._devtools.call(
            "Runtime.evaluate", session=self._session, expression=expression, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")


def _printed(event: Mapping[str, Any]) -> Iterator[str]:
    if event["method"] == "Runtime.consoleAPICalled":
        yield " ".join(str(part.get("value")) for part in event["params"]["args"])
    elif event["method"] == "Runtime.exceptionThrown":
        details = event["params"]["exceptionDetails"]
        yield details.get("exception", {}).get("description", details["text"])


class DevTools:
    """The connection to a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self.events: deque[dict[str, Any]] = deque()
        """All that was reported."""
        self._connection = connection
        self._calls = 0
        # What a page keeps, and its workers, no other test has: a context is like a profile.
        created = self.call("Target.createBrowserContext", disposeOnDetach=True)
        self.context: str = created["browserContextId"]

    def tab(self) -> Tab:
        """Open an empty tab in a window of its own: hidden tabs draw nothing."""
        target = self.call(
            "Target.createTarget",
            url="about:blank",
            newWindow=True,
            browserContextId=self.context,
        )
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        return Tab(self, attached["sessionId"])

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and wait for nothing."""
        self._calls += 1
        request = {"id": self._calls, "method": method, "params": parameters}
        if session is not None:
            request["sessionId"] = session
        self._connection.send(msgspec.json.encode(request).decode())
        return request

    def call(self, method: str, *, session: str | None = None, **parameters: Any) -> Any:
        """Call a method of the protocol, and wait for its answer."""
        request = self.send(method, session, **parameters)
        deadline = time.monotonic() + SECONDS
        while True:
            message = self._next(deadline)
            if message.get("id") == request["id"]:
                assert "error" not in message, (request, message)
                return message["result"]

    def count(self, matches: Callable[[Mapping[str, Any]], bool]) -> int:
        """How many of the reports are such ones."""
        return sum(map(matches, self.events))

    def wait_for(
        self, condition: Callable[[], object], seen: Callable[[], object] = lambda: ""
    ) -> None:
        """Take reports until the condition holds; fails with what was seen until then."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            try:
                self._next(deadline)
            except TimeoutError:
                pytest.fail(f"it did not come about in {SECONDS} s; seen: {seen()}")

    def _next(self, deadline: float) -> dict[str, Any]:
        received = self._connection.recv(max(0, deadline - time.monotonic()))
        message: dict[str, Any] = msgspec.json.decode(received)
        if "method" in message:
            self.events.append(message)
        return message


@contextmanager
def chromium(directory: Path, names: Mapping[str, int] | None = None) -> Iterator[Tab]:
    """A tab of a browser that has seen nothing yet; skips where there is none.

    `names` are names with a port, and the port of this machine that the browser goes to for each: with
    them it is a new one. Else it is one for all tests of this process, since starting it takes a second.
    """
    if names is None:
        with _tab(_shared_browser().url) as tab:
            yield tab
        return
    browser = Browser(directory, names)
    try:
        with _tab(browser.url) as tab:
            yield tab
    finally:
        browser.kill()


@contextmanager
def _tab(url: str) -> Iterator[Tab]:
    with connect(
        url, open_timeout=SECONDS, max_size=None, max_queue=None, proxy=None
    ) as connection:
        devtools = DevTools(connection)
        yield devtools.tab()
        devtools.call("Target.disposeBrowserContext", browserContextId=devtools.context)


class Browser:
    """A running browser with its profile in a directory."""

    def __init__(self, directory: Path, names: Mapping[str, int]) -> None:
        path = chromium_path()
        if path is None:
            pytest.skip(f"no Chromium here: none of {', '.join(_NAMES)} starts")
        profile = directory / "profile"
        rules = ",".join(f"MAP {name} 127.0.0.1:{port}" for name, port in names.items())
        with (directory / "chromium.log").open("w+") as log:
            self._process = subprocess.Popen(
                [path, *_FLAGS, f"--user-data-dir={profile}", f"--host-resolver-rules={rules}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(directory)},
                start_new_session=True,
            )
        try:
            self.url = _devtools_url(self._process, profile / "DevToolsActivePort", log.name)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it, and all its processes."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@functools.cache
def _shared_browser() -> Browser:
    directory = tempfile.mkdtemp(prefix="chromium-")
    browser = Browser(Path(directory), {})
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    atexit.register(browser.kill)
    return browser


def _devtools_url(process: subprocess.Popen[bytes], told: Path, log: str) -> str:
    """Where the browser listens: it writes a file, of two lines, when it does."""
    deadline = time.monotonic() + SECONDS
    while True:
        if told.exists() and len(lines := told.read_text().split("\n")) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        starting = process.poll() is None and time.monotonic() < deadline
        assert starting, Path(log).read_text()
        time.sleep(0.01)


class Site:
    """A site on this machine, with one page."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.origin = f"http://127.0.0.1:{port}"
        self.other_origin = f"http://localhost:{port}"
        """The same site by another name: for a browser, and a server, another one."""
        self.page = ""


@contextmanager
def site() -> Iterator[Site]:
    """Serve a page while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/"
            body = f"<!doctype html><title>A page</title>{served.page}".encode() if found else b""
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        served = Site(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join(SECONDS)
