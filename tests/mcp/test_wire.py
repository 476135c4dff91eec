"""Standard output of `crackerjack mcp` byte by byte; and what is said where the extra is missing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp_types import jsonrpc_message_adapter

from tests.cli.command_line import Project
from tests.mcp.clients import SERVER, wait_until
from tests.mcp.test_http import ACCEPT, INITIALIZE
from tests.web.serving import SECONDS, serving

NOISE = """
import os, subprocess, sys, threading, time

def noise():
    sign = os.environ["NOISE_FROM"]
    while not os.path.exists(sign):
        time.sleep(0.01)
    while os.path.exists(sign):
        print("noise", flush=True)
        os.write(1, b"noise\\n")
        subprocess.run(["echo", "noise"])
        sys.__stdout__.write("noise\\n")
        time.sleep(0.01)
    sys.__stdout__.flush()
    open(sign + ".over", "w").close()

if sys.orig_argv[-1] == "mcp":
    threading.Thread(target=noise, daemon=True).start()
"""
WITHOUT_THE_EXTRA = "import sys\nsys.modules['mcp'] = None\n"


def customized(directory: Path, code: str) -> str:
    """A directory for PYTHONPATH, which makes every Python begin with this code."""
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(code)
    return str(directory)


class Wire:
    """A server whose every byte is seen."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.seen = b""

    def send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def ask(self, number: int, method: str, params: dict[str, Any]) -> Any:
        """Send a request, and read until its answer has come."""
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self.send(json.dumps(request).encode())
        while True:
            message = self.read()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def read(self) -> Any:
        """The next line, which is one message."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.seen += line
        assert line.endswith(b"\n"), line
        jsonrpc_message_adapter.validate_json(line, by_name=False)
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        assert b"\r" not in line
        return message

    def call(self, number: int, tool: str, **arguments: Any) -> Any:
        answer = self.ask(number, "tools/call", {"name": tool, "arguments": arguments})
        assert not answer.get("isError"), answer
        return answer["structuredContent"]

    def finish(self) -> tuple[bytes, bytes]:
        """Close its standard input; what else it said on both streams."""
        rest, words = self._process.communicate(timeout=SECONDS)
        assert self._process.returncode == 0, words
        return rest, words


@pytest.fixture
def noise_from(tmp_path: Path) -> Path:
    return tmp_path / "noise"


@pytest.fixture
def wire(project: Project, tmp_path: Path, noise_from: Path) -> Iterator[Wire]:
    environment = {
        **os.environ,
        "PYTHONPATH": customized(tmp_path / "noisy", NOISE),
        "NOISE_FROM": str(noise_from),
    }
    with subprocess.Popen(
        SERVER,
        cwd=project.root,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield Wire(process)
        finally:
            process.kill()


def test_nothing_but_the_protocol(project: Project, wire: Wire, noise_from: Path) -> None:
    project.write_tool("echo noise; echo noise >&2; printf 'no end of line'")
    wire.ask(1, "initialize", INITIALIZE["params"])  # type: ignore[arg-type]
    noise_from.write_text("")
    wire.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
    wire.ask(2, "tools/list", {})
    job_id = wire.call(3, "run_checks", hooks=["tool"], wait_s=30)["job_id"]
    wire.call(4, "wait", job_id=job_id, until="finished")
    told = wire.call(5, "output", job_id=job_id, hook="tool")
    assert "no end of line" in told["text"]
    wire.call(6, "explain")
    # What is no request at all may be answered, but with a message.
    for garbage in (
        b"",
        b"{",
        b"null",
        b'{"jsonrpc":"2.0","id":"\xff"}',
        b"\x00",
        b'"\xed\xa0\x80"',
    ):
        wire.send(garbage)
    wire.send(b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"x":"\\ud800"}}')
    wire.ask(8, "tools/list", {})
    noise_from.unlink()  # a thread that prints while Python ends is no part of a server
    wait_until(noise_from.with_name("noise.over").exists)
    # It ends although a call goes on, and says nothing but messages to the last byte.
    project.write("tool", "#!/bin/sh\nsleep 600\n")
    job_id = wire.call(9, "run_checks", hooks=["tool"])["job_id"]
    waiting = {"name": "wait", "arguments": {"job_id": job_id, "until": "finished"}}
    wire.send(
        json.dumps({"jsonrpc": "2.0", "id": 10, "method": "tools/call", "params": waiting}).encode()
    )
    rest, words = wire.finish()
    for line in rest.splitlines():
        jsonrpc_message_adapter.validate_json(line, by_name=False)
    assert rest == b"" or rest.endswith(b"\n")
    assert words.count(b"noise") > 10
    assert b"Traceback" not in words, words


class TestWithoutTheExtra:
    """Everything else works; and who asks for it is told what to install."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        return customized(tmp_path / "bare", WITHOUT_THE_EXTRA)

    def test_the_command(self, project: Project, path: str) -> None:
        ran = subprocess.run(
            SERVER,
            cwd=project.root,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "install it with `pip install 'crackerjack[mcp]'`" in ran.stderr
        assert "Traceback" not in ran.stderr

    def test_the_server(self, path: str) -> None:
        with serving(PYTHONPATH=path) as served, served.client() as client:
            assert client.get("/jobs").json() == {"jobs": []}
            with httpx.Client(timeout=SECONDS) as agent:
                answer = agent.post(f"{served.http}/mcp", json=INITIALIZE, headers=ACCEPT)
                assert agent.get(f"{served.http}/mcp").status_code == 501
            assert answer.status_code == 501
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert "pip install 'crackerjack[mcp]'" in answer.json()["detail"]
