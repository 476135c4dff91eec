"""Who is not served, how that is said, and that nothing of it shows elsewhere."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus

from crackerjack.web.admission import Admission
from tests.web.in_process import InProcess, in_process
from tests.web.serving import (
    SECONDS,
    Served,
    Writer,
    decoded,
    handshake,
    received,
    serving,
    stalled_socket,
)
from tests.web.waiting import wait_for

TOKEN = "open-sesame-7"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    state = str(tmp_path_factory.mktemp("state"))
    with serving("--token", TOKEN, CRACKERJACK_STATE_DIR=state) as served:
        yield served


def status_of(server: Served, path: str, **options: object) -> int:
    with pytest.raises(InvalidStatus) as refused, server.connect(path, **options):
        pass
    return refused.value.response.status_code


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost.evil.example",
        "https://localhost",
        "http://localhost:1",
        "null",
        "",
    ],
)
def test_other_origins(server: Served, origin: str) -> None:
    headers = {"Origin": origin}
    assert status_of(server, "/ws/progress/job123", additional_headers=headers) == 403


def test_our_own_origin_and_none(server: Served) -> None:
    origin = {"Origin": server.http}
    with server.connect("/ws/progress/job123", additional_headers=origin) as connection:
        assert decoded(connection.recv(SECONDS))["event_type"] == "job_snapshot"
    with server.connect("/ws/progress/job123") as connection:
        assert decoded(connection.recv(SECONDS))["event_type"] == "job_snapshot"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8675", ""])
def test_a_name_that_was_bound_to_our_address(server: Served, host: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(handshake("/ws/progress/job123", host))
        assert b" 403 " in client.recv(4096).split(b"\r\n")[0]


class TestToken:
    path = "/ws/progress/job123"

    def test_missing(self, guarded: Served) -> None:
        assert status_of(guarded, self.path) == 401
        assert status_of(guarded, self.path, subprotocols=["crackerjack"]) == 401

    @pytest.mark.parametrize("sent", ["wrong", TOKEN + "x", TOKEN[:-1], "\u00e4", ""])
    def test_wrong(self, guarded: Served, sent: str) -> None:
        assert status_of(guarded, f"{self.path}?token={quote(sent)}") == 401
        if sent.isascii():  # as all is that a header can hold
            headers = {"Authorization": f"Bearer {sent}"}
            assert status_of(guarded, self.path, additional_headers=headers) == 401
            protocols = ["crackerjack", f"crackerjack.bearer.{sent}"]
            assert status_of(guarded, self.path, subprotocols=protocols) == 401

    def test_right(self, guarded: Served) -> None:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        protocols = ["crackerjack", f"crackerjack.bearer.{TOKEN}"]
        for path, options in (
            (self.path, {"additional_headers": bearer}),
            (f"{self.path}?token={TOKEN}", {}),
            (self.path, {"subprotocols": protocols}),
        ):
            with guarded.connect(path, **options) as connection:
                assert decoded(connection.recv(SECONDS))["event_type"] == "job_snapshot"
                if "subprotocols" in options:
                    assert connection.subprotocol == "crackerjack"

    def test_it_is_never_printed(self) -> None:
        with serving(CRACKERJACK_TOKEN=TOKEN) as served:
            with served.connect(f"{self.path}?token={TOKEN}") as connection:
                connection.recv(SECONDS)
            assert status_of(served, f"{self.path}?token={TOKEN}x") == 401
            served.process.terminate()
            assert served.process.stderr is not None
            assert TOKEN not in served.process.stderr.read()


def test_who_is_sent_away_leaves_nothing_in_the_log() -> None:
    """Else anybody who may not come in could fill it."""
    path = "/ws/progress/job123"
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with serving(CRACKERJACK_TOKEN=TOKEN) as served:
        assert status_of(served, path) == 401
        assert (
            status_of(served, path, additional_headers={**bearer, "Origin": "https://evil.example"})
            == 403
        )
        assert status_of(served, "/ws/nothing", additional_headers=bearer) == 403
        served.process.terminate()
        assert served.process.stderr is not None
        assert served.process.stderr.read() == ""


class TestWhatClientsSay:
    def test_ping(self, server: Served) -> None:
        with server.connect("/ws/progress/job123") as connection:
            connection.recv(SECONDS)
            connection.send('{"type": "ping"}')
            pong = decoded(connection.recv(SECONDS))
            assert (pong["event_type"], pong["job_id"]) == ("pong", "job123")

    def test_cancel(self, server: Served, writer: Writer) -> None:
        job_id = writer.job()
        writer.publish(job_id)
        with server.connect(f"/ws/progress/{job_id}") as connection:
            connection.recv(SECONDS)
            connection.send('{"type": "cancel"}')
            assert decoded(connection.recv(SECONDS))["event_type"] == "cancel_requested"
        assert writer.log.job(job_id).cancel_requested

    def test_nonsense_is_told_and_the_tenth_time_ends_it(self, server: Served) -> None:
        with server.connect("/ws/progress/job123") as connection:
            connection.recv(SECONDS)
            for message in ("{", "[]", '"x"', "1", "null", '{"type": 7}', '{"type": "no"}'):
                connection.send(message)
            connection.send("")
            connection.send("x" * 60_000)
            connection.send(b"\xff\x00")
            messages, code, _ = received(connection)
        assert [decoded(one)["data"]["code"] for one in messages] == ["bad_message"] * 10
        assert code == 1008

    def test_a_message_that_is_too_large(self, server: Served) -> None:
        with server.connect("/ws/progress/job123") as connection:
            connection.recv(SECONDS)
            connection.send("x" * 65_537)
            assert received(connection)[1] == 1009

    def test_too_many_messages(self, server: Served) -> None:
        with server.connect("/ws/progress/job123") as connection:
            connection.recv(SECONDS)

            def send() -> None:
                with suppress(ConnectionClosed):
                    for _ in range(200):
                        connection.send('{"type": "ping"}')

            sending = threading.Thread(target=send)
            sending.start()
            _, code, reason = received(connection)
            sending.join()
        assert (code, reason) == (4429, "more than 50 messages a second")


def test_too_many_connections(writer: Writer) -> None:
    admission = Admission(most_connections=3, most_connections_of_job=2)
    with in_process(admission=admission) as server:
        with server.connect("/ws/progress/a"), server.connect("/ws/progress/a"):
            with server.connect("/ws/progress/a") as third:
                assert received(third)[1:] == (1013, "retry in 5")
            with server.connect("/ws/progress/b"), server.connect("/ws/progress/c") as fourth:
                assert received(fourth)[1:] == (1013, "retry in 5")
        with server.connect("/ws/progress/a") as again:
            assert decoded(again.recv(SECONDS))["event_type"] == "job_snapshot"


class TestGoingDown:
    def test_clients_are_sent_away_at_different_times(self, server: Served) -> None:
        with ExitStack() as stack:
            paths = [f"/ws/progress/job{number}" for number in range(10)]
            connections = [stack.enter_context(server.connect(path)) for path in paths]
            for connection in connections:
                connection.recv(SECONDS)
            server.process.terminate()
            ends = [received(connection)[1:] for connection in connections]
        assert {code for code, _ in ends} == {1012}
        assert len({reason for _, reason in ends}) > 3
        assert server.process.wait(SECONDS) == 0

    def test_within_seconds_also_with_stalled_clients(self, writer: Writer) -> None:
        job_id = writer.job()
        writer.publish(job_id, 3000, text="x" * 5000)
        with serving() as served, stalled_socket(served.port, job_id):
            began = time.monotonic()
            assert served.stop() == 0
            assert time.monotonic() - began < 6  # five seconds, and a busy machine

    def test_a_second_signal_ends_it_at_once(self, writer: Writer) -> None:
        job_id = writer.job()
        writer.publish(job_id, 3000, text="x" * 5000)
        with (
            serving() as served,
            stalled_socket(served.port, job_id),
            served.connect("/ws/progress/another") as client,
        ):
            client.recv(SECONDS)
            served.process.send_signal(signal.SIGTERM)
            # It has heard the first signal, and waits for the client that takes nothing.
            assert received(client)[1] == 1012
            assert served.stop() == 128 + signal.SIGTERM


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CRACKERJACK_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        with in_process() as server:
            yield server


FRAMES = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda first, length, rest: bytes((first, length)) + rest,
        st.integers(0, 255),
        st.integers(0, 255),
        st.binary(max_size=150),
    ),
)


@settings(max_examples=60)
@given(st.lists(FRAMES, max_size=5))
def test_no_frames_harm_the_server(inside: InProcess, frames: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", inside.port), SECONDS) as client:
        client.sendall(handshake("/ws/progress/fuzz"))
        assert b" 101 " in client.recv(100)
        try:
            client.sendall(b"".join(frames))
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except ConnectionError:
            pass  # the server's right, after such frames
    with inside.connect("/ws/progress/alive") as connection:
        assert decoded(connection.recv(SECONDS))["event_type"] == "job_snapshot"
    wait_for(lambda: inside.connections() == 0)
