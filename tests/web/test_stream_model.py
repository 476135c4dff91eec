"""Random histories of a server and its clients against a list of events, over every transport."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Final

import httpx
import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crackerjack.events.hub import Hub
from crackerjack.events.payload import EventType
from crackerjack.jobs.job_manager import JobManager
from crackerjack.jobs.snapshot import fold
from crackerjack.types import JobId
from crackerjack.web.connection import Limits
from tests.web.in_process import FRAMING, STOCK, InProcess, in_process
from tests.web.serving import SECONDS, Writer, received
from tests.web.stream_clients import Client, EventSource, WebSocketClient, pages
from tests.web.stream_events import KINDS, Model, payload

JOBS: Final = st.sampled_from([JobId(name) for name in ("one", "two", "3", "Job_4-x")])
"""Few, so that much happens to each; a name is used again when its job was forgotten."""
TYPES: Final = st.sampled_from(
    ["", "", "", "*", "hook_*", "hook_output", "diagnostic_found,test_*", "workflow_*", "no_such"]
)
SHARE: Final = st.floats(0, 1)
WORDS: Final = st.text(max_size=12)
SIZES: Final = st.sampled_from([0, 1, 90, 2_000, 20_000])
MOST_CLIENTS: Final = 8
# An idle client is soon told its position, and that is how one with a filter knows that it has all.
LIMITS: Final = Limits(position_every=0.02, look_every=0.01)


def plain(value: object) -> Any:
    """As it arrives: JSON and back."""
    return msgspec.json.decode(msgspec.json.encode(value))


class Streams(RuleBasedStateMachine):
    """Publish, end, subscribe, cut, resume, page, prune, restart."""

    protocol: str

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.clients: list[WebSocketClient | EventSource] = []
        self.stack = ExitStack()
        directory = tempfile.mkdtemp()
        self.stack.callback(shutil.rmtree, directory)
        environment = self.stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("CRACKERJACK_STATE_DIR", directory)
        self.writer = Writer()
        self.clock = 1_730_804_130.456
        self.serve()

    def serve(self) -> None:
        self.serving = ExitStack()
        self.server: InProcess = self.serving.enter_context(
            in_process(limits=LIMITS, protocol=self.protocol)
        )
        # Without certificates, which nothing here needs: to load them takes 60 ms each time.
        self.http = self.serving.enter_context(self.server.client(verify=False))

    # What a run does.

    def publish_one(self, job: JobId, kind: EventType, words: str) -> None:
        self.begin(job)
        self.clock += 0.001
        what = payload(kind, words, len(self.model.jobs[job]))
        what = msgspec.structs.replace(what, timestamp=self.clock)
        self.model.add(job, kind, what)  # a client may have it before we go on
        self.writer.bus.publish(job, kind, what)

    def begin(self, job: JobId) -> None:
        if job not in self.model.jobs:
            self.model.jobs[job] = []
            self.writer.job(job)

    @rule(
        job=JOBS,
        kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
        words=WORDS,
        size=SIZES,
        settle=st.booleans(),
    )
    def publish(
        self, job: JobId, kinds: list[EventType], words: str, size: int, settle: bool
    ) -> None:
        """With `settle` all clients get it before anything else happens."""
        if self.model.ended(job):
            return
        for kind in kinds:
            self.publish_one(job, kind, (words or "x") * (size // len(words or "x")))
        self.flush(settle=settle)

    @rule(job=JOBS, count=st.sampled_from([40, 255, 256, 300]), size=st.sampled_from([1, 4000]))
    def publish_many(self, job: JobId, count: int, size: int) -> None:
        """More than a page, a message or a look holds."""
        if not self.model.ended(job):
            for number in range(count):
                self.publish_one(job, KINDS[number % 3], "y" * size)
            self.flush(settle=False)

    @rule(job=JOBS, settle=st.booleans())
    def end(self, job: JobId, settle: bool) -> None:
        if not self.model.ended(job):
            self.publish_one(job, EventType.WORKFLOW_COMPLETED, "done")
            self.flush(settle=settle)

    @rule(job=JOBS)
    def create(self, job: JobId) -> None:
        self.begin(job)

    def flush(self, *, settle: bool) -> None:
        self.writer.bus.flush(SECONDS)
        if settle:
            self.settle()

    @rule()
    def settle(self) -> None:
        """Every client gets all that there is for it."""
        for client in list(self.open_clients()):
            client.catch_up()

    def open_clients(self) -> Iterator[WebSocketClient | EventSource]:
        return (client for client in self.clients if client.open)

    # What clients do.

    @rule(job=JOBS, share=SHARE | st.none(), types=TYPES, batch=st.booleans())
    def watch_a_job(self, job: JobId, share: float | None, types: str, batch: bool) -> None:
        """Also one that does not exist yet."""
        client = WebSocketClient(self.model, job, types=types, batch=batch)
        head = len(client.stream)
        client.place = 0 if share is None else round(share * head)
        client.connect(self.server, None if share is None else client.place)
        if share is None:
            assert client.place == head
            state = fold(self.writer.log.read(job, 0, 10**6) if head else [], job_id=job)
            when = client.snapshot["timestamp"]
            assert client.snapshot == plain(state.to_data(when))
        self.keep(client)

    @rule(types=TYPES, jobs=st.sampled_from(["", "one", "two,3"]), batch=st.booleans())
    def watch_all_jobs(self, types: str, jobs: str, batch: bool) -> None:
        client = WebSocketClient(self.model, None, types=types, jobs=jobs, batch=batch)
        client.connect(self.server, None)
        self.keep(client)

    @rule(share=SHARE, types=TYPES, batch=st.booleans())
    def watch_all_jobs_from_a_position(self, share: float, types: str, batch: bool) -> None:
        client = WebSocketClient(self.model, None, types=types, batch=batch)
        client.place = round(share * len(client.stream))
        client.connect(self.server, f"{self.writer.log.store_id}.{client.place}")
        self.keep(client)

    @rule(job=JOBS, all_jobs=st.booleans(), share=SHARE, batch=st.booleans())
    def watch_while_much_happens(
        self, job: JobId, all_jobs: bool, share: float, batch: bool
    ) -> None:
        """What is committed while a client catches up belongs to the replay or to what follows it."""
        if self.model.ended(job):
            return
        self.begin(job)
        client = WebSocketClient(self.model, None if all_jobs else job, batch=batch)
        client.place = round(share * len(client.stream))
        store = f"{self.writer.log.store_id}." if all_jobs else ""
        with ThreadPoolExecutor(1) as run:
            publishing = run.submit(self.publish_bit_by_bit, job)
            client.connect(self.server, f"{store}{client.place}")
            publishing.result(SECONDS)
        client.catch_up()
        self.keep(client)

    def publish_bit_by_bit(self, job: JobId) -> None:
        for number in range(100):
            self.publish_one(job, KINDS[number % 3], "z")
            if number % 4 == 0:
                self.flush(settle=False)
        self.flush(settle=False)

    @rule(job=JOBS, share=SHARE, types=TYPES, by_header=st.booleans())
    def watch_an_event_source(self, job: JobId, share: float, types: str, by_header: bool) -> None:
        client = EventSource(self.model, job, types=types)
        client.place = round(share * len(client.stream))
        self.connect(client, by_header=by_header)
        self.keep(client)

    def connect(self, client: EventSource, *, by_header: bool) -> None:
        status = client.connect(self.http, by_header=by_header)
        if client.job_id not in self.model.jobs:
            assert status == 404
        elif status == 204:
            assert client.job_ended
            assert client.place == len(client.stream)
        else:
            assert status == 200

    def keep(self, client: WebSocketClient | EventSource) -> None:
        if not client.open:
            return
        self.clients.append(client)
        if len(self.clients) > MOST_CLIENTS:
            self.clients.pop(0).cut(abruptly=False)

    @precondition(lambda self: any(client.open for client in self.clients))
    @rule(number=st.integers(0, MOST_CLIENTS), messages=st.integers(0, 3), abruptly=st.booleans())
    def cut(self, number: int, messages: int, abruptly: bool) -> None:
        """At any moment: maybe after some of what waits for it, maybe with the rest on its way."""
        live = list(self.open_clients())
        client = live[number % len(live)]
        if isinstance(client, WebSocketClient):
            for _ in range(messages):
                if client.open and client.awaited and not client.job_ended:
                    client.hear()
        client.cut(abruptly=abruptly)

    @precondition(lambda self: any(not client.open for client in self.clients))
    @rule(number=st.integers(0, MOST_CLIENTS), by_header=st.booleans())
    def resume(self, number: int, by_header: bool) -> None:
        away = [client for client in self.clients if not client.open]
        self.come_back(away[number % len(away)], by_header=by_header)

    def come_back(self, client: WebSocketClient | EventSource, *, by_header: bool) -> None:
        if isinstance(client, WebSocketClient):
            client.resume(self.server)
        else:
            self.connect(client, by_header=by_header)
        if client.job_ended:
            if client.open:
                client.catch_up()
            self.clients.remove(client)

    @rule(job=JOBS, share=SHARE, types=TYPES, limit=st.sampled_from([1, 7, 256, 1000]))
    def read_pages(self, job: JobId, share: float, types: str, limit: int) -> None:
        reader = Client(self.model, job, types=types)
        reader.place = round(share * len(reader.stream))
        if limit < 7:  # each is a request
            reader.place = max(reader.place, len(reader.stream) - 5)
        if job in self.model.jobs:
            pages(lambda since: self.page(job, since=since, types=types, limit=limit), reader)
        else:
            assert self.page(job, since=0).status_code == 404

    @rule(job=JOBS, ends=st.booleans())
    def poll(self, job: JobId, ends: bool) -> None:
        """A long poll that begins before there is something, and ends with it."""
        if self.model.ended(job):
            return
        self.begin(job)
        reader = Client(self.model, job)
        reader.place = len(reader.stream)
        kind = EventType.WORKFLOW_COMPLETED if ends else EventType.HOOK_OUTPUT
        with ThreadPoolExecutor(1) as client:
            polling = client.submit(self.page, job, since=reader.place, wait=SECONDS)
            self.publish_one(job, kind, "at last")
            self.flush(settle=False)
            answer = polling.result(SECONDS)
        pages(lambda _: answer, reader)
        assert reader.place == len(reader.stream)

    def page(self, job: JobId, **asked: Any) -> httpx.Response:
        return self.http.get(f"/jobs/{job}/events", params=asked)

    @rule(job=JOBS, beyond=st.integers(1, 1000))
    def a_future_cursor_is_refused(self, job: JobId, beyond: int) -> None:
        head = len(self.model.jobs.get(job, ()))
        with self.server.connect(f"/ws/progress/{job}?since={head + beyond}") as connection:
            assert received(connection) == ([], 4410, f"future cursor, head={head}")
        if job in self.model.jobs:
            assert self.page(job, since=head + beyond).status_code == 410

    # What else happens.

    @rule(keep=st.integers(0, 2))
    def prune(self, keep: int) -> None:
        """Who was away when its job was forgotten is told that there is no such event any more."""
        self.settle()
        before = [entry.header.job_id for entry in self.writer.log.jobs()]
        count = self.manager().prune(project=None, keep=keep)
        kept = {entry.header.job_id for entry in self.writer.log.jobs()}
        forgotten = [job for job in before if job not in kept]
        assert forgotten == [job for job in before if self.model.ended(job)][keep:]
        assert len(forgotten) == count
        for job in forgotten:
            self.model.forget(job)
            for client in [client for client in self.clients if client.job_id == job]:
                self.clients.remove(client)
                self.comes_back_in_vain(client)

        self.writer.close()
        self.writer = Writer()  # as another run, which may use the id again

    def manager(self) -> JobManager:
        writer = self.writer
        directory = os.environ["CRACKERJACK_STATE_DIR"]
        return JobManager(
            log=writer.log, hub=Hub(), bus=writer.bus, owner=writer.owner, state_dir=directory
        )

    def comes_back_in_vain(self, client: WebSocketClient | EventSource) -> None:
        assert not client.open
        if isinstance(client, EventSource):
            assert client.connect(self.http, by_header=True) == 404
        elif client.place:
            url = f"/ws/progress/{client.job_id}?since={client.place}"
            with self.server.connect(url) as connection:
                assert received(connection) == ([], 4410, "future cursor, head=0")

    @rule()
    def restart(self) -> None:
        """Event sources are cut before: uvicorn waits for their end."""
        for client in list(self.open_clients()):
            if isinstance(client, EventSource):
                client.cut()
        self.serving.close()
        for client in list(self.open_clients()):
            if isinstance(client, WebSocketClient):
                code, _ = client.hear_the_end()
                assert code == 1012 or (code, client.job_ended, client.awaited) == (1000, True, [])
        self.serve()

    @invariant()
    def the_server_has_the_clients_that_there_are(self) -> None:
        """Those whose job has ended are gone, or on their way."""
        deadline = time.monotonic() + SECONDS
        live = [one for one in self.open_clients() if isinstance(one, WebSocketClient)]
        least = sum(not client.job_ended for client in live)
        while not least <= (count := self.server.connections()) <= len(live):
            assert time.monotonic() < deadline, (least, count, len(live))
            time.sleep(0.002)

    def teardown(self) -> None:
        try:
            self.everybody_has_everything()
        finally:
            with self.stack, self.serving:
                self.stack.callback(self.writer.close)
                for client in list(self.open_clients()):
                    client.cut()

    def everybody_has_everything(self) -> None:
        for client in list(self.clients):
            if not client.open:
                self.come_back(client, by_header=True)
        self.settle()
        for client in self.open_clients():
            if isinstance(client, WebSocketClient):
                client.hear_nothing_more()
        for job in self.model.jobs:
            self.the_same_over_all_transports(job)

    def the_same_over_all_transports(self, job: JobId) -> None:
        reader = Client(self.model, job)
        pages(lambda since: self.page(job, since=since, limit=1000), reader)
        source = EventSource(self.model, job)
        self.connect(source, by_header=False)
        source.catch_up()
        source.cut()
        client = WebSocketClient(self.model, job, batch=True)
        client.connect(self.server, 0)
        client.catch_up()
        client.cut(abruptly=False)


class Framed(Streams):
    protocol = FRAMING


class OnAnotherServer(Streams):
    protocol = STOCK


FEW = settings(max_examples=max(3, settings().max_examples // 25), stateful_step_count=20)
TestFramed = Framed.TestCase
TestFramed.settings = FEW
TestOnAnotherServer = OnAnotherServer.TestCase
TestOnAnotherServer.settings = FEW
