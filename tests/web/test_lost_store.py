"""A store that is taken from under a server: nobody is left to wait for events that cannot come."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.web.serving import SECONDS, Served, Writer, decoded, received
from tests.web.waiting import wait_for


@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_that_is_taken_away_is_missed(
    server: Served, writer: Writer, *, replaced: bool
) -> None:
    job_id = writer.job()
    path = f"/ws/progress/{job_id}?since=0"
    with server.connect(path) as connection, server.client() as client:
        assert decoded(connection.recv(SECONDS))["event_type"] == "stream_position"
        assert client.get("/readyz").status_code == 200
        state = Path(os.environ["CRACKERJACK_STATE_DIR"])
        shutil.move(state, state.with_name("elsewhere"))
        if replaced:
            other = Writer()
            other.publish(other.job())
            other.close()
        for asked in ("/readyz", "/metrics"):
            answer = client.get(asked)
            assert answer.status_code == 503
            assert "removed or replaced" in answer.json()["detail"]
        assert received(connection)[1:] == (1011, "the store cannot be read")
        wait_for(lambda: is_sent_away(server, path))
        server.stop()
        assert server.process.stderr is not None
        said = server.process.stderr.read()
    assert said.count("new events cannot be read") == 1
    assert "Traceback" not in said


def is_sent_away(server: Served, path: str) -> bool:
    with server.connect(path) as connection:
        return received(connection)[1:] == (1011, "the store cannot be read")
