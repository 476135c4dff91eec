"""Who may connect to a broker, what nobody gets to see, and what is said when it does not work."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from crackerjack.errors import UsageError
from crackerjack.events.broker_address import broker_address, broker_in_environment
from tests.broker import nats_server
from tests.cli.command_line import CommandLine, Ended
from tests.fleet.certificates import USER, Authority, Nkey, credentials_and_config

SECRET: Final = "hunter2-not-to-be-seen"
PATIENCE: Final = 20.0
"""Seconds: it gives up after 10, and the machine may be busy."""


@pytest.fixture
def crackerjack(tmp_path: Path) -> CommandLine:
    project = tmp_path / "project"
    project.mkdir()
    return CommandLine(project, tmp_path / "state")


def listing(crackerjack: CommandLine, url: str, **environment: str) -> Ended:
    """What a command says that uses the broker."""
    variables = {f"CRACKERJACK_BROKER_{name}": value for name, value in environment.items()}
    ended = crackerjack("jobs", "--all", "--json", CRACKERJACK_BROKER=url, **variables)
    assert SECRET not in ended.stdout + ended.stderr
    return ended


def assert_refused(ended: Ended, *words: str) -> None:
    """One sentence, with these words in it, and exit code 2."""
    assert ended.exit_code == 2, ended
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("crackerjack: error: "), line
    for word in words:
        assert word in line, line


def with_user(url: str, login: str) -> str:
    return url.replace("//", f"//{login}@")


def test_user_and_password(crackerjack: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    users = f'authorization {{ users: [ {{ user: ann, password: "{SECRET}" }} ] }}'
    with nats_server(users) as server:
        for environment in ({"PASSWORD": SECRET}, {"PASSWORD_FILE": str(file)}):
            assert listing(crackerjack, server.url, USER="ann", **environment) == (0, "[]\n", "")
        assert listing(crackerjack, with_user(server.url, f"ann:{SECRET}")) == (0, "[]\n", "")
        assert_refused(listing(crackerjack, server.url), server.url, "asks for credentials")
        assert_refused(
            listing(crackerjack, server.url, USER="ann", PASSWORD=f"{SECRET}!"),
            server.url,
            "refuses these credentials",
            "CRACKERJACK_BROKER_USER",
        )


def test_token(crackerjack: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(SECRET)
    with nats_server(f'authorization {{ token: "{SECRET}" }}') as server:
        for environment in ({"TOKEN": SECRET}, {"TOKEN_FILE": str(file)}):
            assert listing(crackerjack, server.url, **environment) == (0, "[]\n", "")
        assert listing(crackerjack, with_user(server.url, SECRET)) == (0, "[]\n", "")
        assert_refused(listing(crackerjack, server.url, TOKEN=SECRET[1:]), "refuses")


def test_nkey_and_credentials(crackerjack: CommandLine, tmp_path: Path) -> None:
    key, other = Nkey(USER), Nkey(USER)
    files = {name: tmp_path / name for name in ("key", "other", "creds", "wrong")}
    files["key"].write_bytes(key.seed + b"\n")
    files["other"].write_bytes(other.seed)
    files["wrong"].write_text(SECRET)
    with nats_server(f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}") as server:
        assert listing(crackerjack, server.url, NKEY=str(files["key"])) == (0, "[]\n", "")
        assert_refused(listing(crackerjack, server.url, NKEY=str(files["other"])), "refuses")
        for name in ("NKEY", "CREDENTIALS"):
            ended = listing(crackerjack, server.url, **{name: str(files["wrong"])})
            assert_refused(ended, f"CRACKERJACK_BROKER_{name}", str(files["wrong"]))
    credentials, config = credentials_and_config()
    files["creds"].write_text(credentials)
    with nats_server(config) as server:
        ended = listing(crackerjack, server.url, CREDENTIALS=str(files["creds"]))
        assert ended == (0, "[]\n", "")


def tls_block(directory: Path, authority: Authority, *, verify: bool = False) -> str:
    certificate, key = authority.issue("server")
    files = f"cert_file: {json.dumps(str(certificate))}, key_file: {json.dumps(str(key))}"
    ca = f", ca_file: {json.dumps(str(authority.certificate))}, verify: true" if verify else ""
    return f"tls {{ {files}{ca} }}"


def test_tls(crackerjack: CommandLine, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path, "ca"), Authority(tmp_path, "stranger")
    ca = str(authority.certificate)
    with nats_server(tls_block(tmp_path, authority)) as server:
        assert listing(crackerjack, server.url, CA=ca) == (0, "[]\n", "")
        assert listing(crackerjack, server.url.replace("nats", "tls"), CA=ca).exit_code == 0
        for environment in ({"CA": str(stranger.certificate)}, {}):
            ended = listing(crackerjack, server.url, **environment)
            assert_refused(ended, server.url, "not to be trusted", "CRACKERJACK_BROKER_CA")
        ended = listing(crackerjack, server.url.replace("127.0.0.1", "localhost"), CA=ca)
        assert_refused(ended, "not to be trusted", "localhost")


def test_client_certificates(crackerjack: CommandLine, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path, "ca"), Authority(tmp_path, "stranger")
    ca = str(authority.certificate)
    cert, key = map(str, authority.issue("client"))
    other_cert, other_key = map(str, stranger.issue("other"))
    with nats_server(tls_block(tmp_path, authority, verify=True)) as server:
        assert listing(crackerjack, server.url, CA=ca, CERT=cert, KEY=key) == (0, "[]\n", "")
        for environment in ({}, {"CERT": other_cert, "KEY": other_key}):
            ended = listing(crackerjack, server.url, CA=ca, **environment)
            assert_refused(ended, server.url, "CRACKERJACK_BROKER_CERT")
        ended = listing(crackerjack, server.url, CA=ca, CERT=cert, KEY=other_key)
        assert_refused(ended, "CRACKERJACK_BROKER_KEY")


def test_nothing_is_said_in_the_clear_where_tls_was_asked_for(
    crackerjack: CommandLine, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "ca")
    with listener(lambda client: talk(client, INFO)) as (url, heard):
        ended = listing(
            crackerjack, url, CA=str(authority.certificate), USER="ann", PASSWORD=SECRET
        )
    assert_refused(ended, "does not offer the TLS that was asked for")
    assert b"".join(heard) == b""


INFO: Final = b'INFO {"server_id":"x","version":"2.12.0","headers":true,"max_payload":1048576}\r\n'


@contextmanager
def listener(serve: Callable[[socket.socket], bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A TCP server; what it heard is in the list."""
    heard: list[bytes] = []

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                client.settimeout(PATIENCE)
                try:
                    heard.append(serve(client))
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"nats://127.0.0.1:{server.getsockname()[1]}", heard
        server.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE)


def talk(client: socket.socket, *said: bytes) -> bytes:
    """Say something, then answer each ping, and return all that was heard."""
    heard = b""
    for line in said:
        client.sendall(line)
    while chunk := client.recv(4096):
        heard += chunk
        if b"PING\r\n" in chunk:
            client.sendall(b"PONG\r\n")
    return heard


NO_SERVERS: Final[dict[str, tuple[tuple[bytes, ...], str]]] = {
    "silent": ((), "does not answer as a NATS server does"),
    "ssh": ((b"SSH-2.0-OpenSSH_9.6\r\n",), "does not answer as a NATS server does"),
    "flood": ((b"x" * 300_000,), "does not answer as a NATS server does"),
    "garbage": ((b"INFO {]\r\n",), "does not answer as a NATS server does"),
    "old": (
        (INFO.replace(b"2.12", b"2.10"),),
        "is a NATS server of version 2.10.0, which is too old",
    ),
}


def test_no_server_of_ours(crackerjack: CommandLine) -> None:
    """All of them while the silent one is waited for."""

    def told(name: str) -> None:
        said, words = NO_SERVERS[name]
        with listener(lambda client: talk(client, *said)) as (url, _):
            began = time.monotonic()
            assert_refused(listing(crackerjack, url), url, words)
            assert time.monotonic() - began < PATIENCE, name

    with ThreadPoolExecutor(len(NO_SERVERS)) as pool:
        for one in [pool.submit(told, name) for name in NO_SERVERS]:
            one.result()


def test_wrong_credentials_are_not_tried_for_ever(crackerjack: CommandLine) -> None:
    def refuse(client: socket.socket) -> bytes:
        client.sendall(INFO.replace(b"{", b'{"auth_required":true,', 1))
        heard = client.recv(4096)
        client.sendall(b"-ERR 'Authorization Violation'\r\n")
        return heard

    with listener(refuse) as (url, heard):
        assert_refused(listing(crackerjack, url, USER="ann", PASSWORD=SECRET), "refuses")
    assert 1 <= len(heard) <= 3


def test_nobody_there_and_no_jetstream(crackerjack: CommandLine) -> None:
    with nats_server(jetstream=False) as server:
        assert_refused(listing(crackerjack, server.url), server.url, "has no JetStream", "-js")
    assert_refused(listing(crackerjack, server.url), server.url, "cannot be reached", "refused")
    assert_refused(crackerjack("worker", CRACKERJACK_BROKER=server.url), "cannot be reached")
    assert_refused(listing(crackerjack, "nats://no.such.host.invalid:4222"), "cannot be reached")


def test_one_server_of_a_cluster_is_enough(crackerjack: CommandLine) -> None:
    with nats_server() as server, socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"nats://127.0.0.1:{closed.getsockname()[1]}"
        closed.close()
        assert listing(crackerjack, f"{gone},{server.url}") == (0, "[]\n", "")


def test_the_command_line_takes_no_secret(crackerjack: CommandLine) -> None:
    ended = crackerjack("jobs", "--broker", f"nats://ann:{SECRET}@127.0.0.1:1")
    assert_refused(ended, "--broker takes no password", "CRACKERJACK_BROKER_PASSWORD")
    assert SECRET not in ended.stderr
    with pytest.raises(UsageError, match="takes no password"):
        broker_address(f"nats://{SECRET}@127.0.0.1:1", {})


@pytest.mark.parametrize(
    "text",
    [
        f"http://ann:{SECRET}@host",
        f"nats://ann:{SECRET}@host:port",
        f"nats://{SECRET}@host/a b",
        f"nats://ann:{SECRET},x@host",  # a comma is between servers
        f"nats://ann:12#{SECRET}@host",  # this would be the server ann, and its port 12
    ],
)
def test_an_address_that_is_none_shows_no_secret(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        broker_in_environment({"CRACKERJACK_BROKER": text})
    assert SECRET not in str(caught.value)


def test_an_address_shows_no_secret() -> None:
    found = broker_in_environment({"CRACKERJACK_BROKER": f"nats://ann:{SECRET}@host/team"})
    assert found is not None
    assert found.password == SECRET
    for shown in (repr(found), str(found), found.shown, found.url):
        assert SECRET not in shown


def test_a_password_without_its_user_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="CRACKERJACK_BROKER_USER"):
        broker_address("nats://host", {"CRACKERJACK_BROKER_PASSWORD": SECRET})


def test_credentials_that_expire_are_no_end(crackerjack: CommandLine) -> None:
    """The library closes for good on most errors of a server: ours comes back."""
    from crackerjack.events.broker import Broker

    connections: list[float] = []

    def serve(client: socket.socket) -> bytes:
        connections.append(time.monotonic())
        if len(connections) > 1:
            return talk(client, INFO)
        client.sendall(INFO)
        while b"SUB" not in client.recv(4096).replace(b"PING", b""):
            client.sendall(b"PONG\r\n")
        client.sendall(b"PONG\r\n-ERR 'User Authentication Expired'\r\n")
        return b""

    with listener(serve) as (url, _):
        back = threading.Event()
        broker = Broker(broker_address(url, {}))
        broker.on_reconnect(back.set)
        assert back.wait(PATIENCE)
        broker.close()
