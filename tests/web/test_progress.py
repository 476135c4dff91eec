"""``/ws/progress/{job_id}``, through a real client of a real server."""

from __future__ import annotations

import pytest

from tests.web.serving import SECONDS, Served, Writer, decoded, received


def test_the_whole_log_of_an_ended_job(server: Served, writer: Writer) -> None:
    job_id = writer.job()
    writer.publish(job_id, 600)
    writer.end(job_id)
    with server.connect(f"/ws/progress/{job_id}?since=0") as connection:
        messages, code, reason = received(connection)
    assert messages == writer.events(job_id)
    assert (code, reason) == (1000, "job finished")


def test_live_events_follow_the_replay_without_a_seam(server: Served, writer: Writer) -> None:
    job_id = writer.job()
    writer.publish(job_id, 10)
    with server.connect(f"/ws/progress/{job_id}?since=3") as connection:
        got = [decoded(connection.recv(SECONDS)) for _ in range(8)]
        assert [one.get("seq") for one in got] == [4, 5, 6, 7, 8, 9, 10, 10]
        assert got[-1]["event_type"] == "stream_position"
        writer.publish(job_id, 3)
        assert [decoded(connection.recv(SECONDS))["seq"] for _ in range(3)] == [11, 12, 13]
        writer.end(job_id)
        messages, code, _ = received(connection)
    assert [decoded(one)["event_type"] for one in messages] == ["workflow_completed"]
    assert code == 1000


def test_without_since_a_snapshot_comes_first(server: Served, writer: Writer) -> None:
    job_id = writer.job()
    writer.publish(job_id, 5)
    with server.connect(f"/ws/progress/{job_id}") as connection:
        snapshot = decoded(connection.recv(SECONDS))
        assert (snapshot["event_type"], snapshot["seq"]) == ("job_snapshot", 5)
        assert snapshot["data"]["status"] == "running"
        writer.publish(job_id, 1)
        assert decoded(connection.recv(SECONDS))["seq"] == 6


def test_a_job_that_is_not_there_yet(server: Served, writer: Writer) -> None:
    with server.connect("/ws/progress/later") as connection:
        snapshot = decoded(connection.recv(SECONDS))
        assert (snapshot["data"]["status"], snapshot["seq"]) == ("waiting", 0)
        job_id = writer.job("later")
        writer.publish(job_id, 2)
        writer.end(job_id)
        messages, code, _ = received(connection)
    assert [decoded(one)["seq"] for one in messages] == [1, 2, 3]
    assert code == 1000


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("/ws/progress/no%20id", 1008, "invalid job id"),
        ("/ws/progress/..%2F..%2Fx", 1008, "invalid job id"),
        ("/ws/progress/job123?since=7", 4410, "future cursor, head=5"),
        ("/ws/progress/job123?since=-1", 4400, "since is a whole number, 0 or more"),
        ("/ws/progress/job123?since=x", 4400, "since is a whole number, 0 or more"),
    ],
)
def test_refused(server: Served, writer: Writer, path: str, code: int, reason: str) -> None:
    writer.publish(writer.job(), 5)
    with server.connect(path) as connection:
        assert received(connection) == ([], code, reason)


def test_going_down_sends_clients_away_to_come_back(server: Served, writer: Writer) -> None:
    job_id = writer.job()
    with server.connect(f"/ws/progress/{job_id}") as connection:
        connection.recv(SECONDS)
        server.process.terminate()
        messages, code, reason = received(connection)
    assert (messages, code) == ([], 1012)
    assert reason.startswith("retry in ")
    assert server.process.wait(SECONDS) == 0
