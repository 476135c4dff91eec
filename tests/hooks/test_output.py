from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from crackerjack.hooks.output import (
    CHUNK,
    INTERVAL,
    PASSED_ON,
    TAIL,
    Capture,
    OutputRelay,
    ReportLines,
    pieces,
)


class Received:
    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def __call__(self, stream: str, text: str) -> None:
        assert len(text.encode()) <= CHUNK
        self.calls.append((stream, text))

    def text(self, stream: str = "stdout") -> str:
        return "".join(text for name, text in self.calls if name == stream)


def test_the_first_line_is_passed_on_at_once_and_the_next_ones_together() -> None:
    received = Received()
    relay = OutputRelay(received)
    relay.feed("stdout", b"one\n", 100.0)
    assert received.calls == [("stdout", "one\n")]
    relay.feed("stdout", b"two\n", 100.001)
    relay.feed("stdout", b"three\n", 100.002)
    assert len(received.calls) == 1
    assert relay.due == 100.0 + INTERVAL
    relay.flush(relay.due)
    assert received.calls[1:] == [("stdout", "two\nthree\n")]
    assert relay.due == math.inf


def test_a_line_that_is_not_whole_waits_and_asks_for_no_flush() -> None:
    received = Received()
    relay = OutputRelay(received)
    relay.feed("stdout", b"half", 100.0)
    assert (received.calls, relay.due) == ([], math.inf)
    relay.feed("stdout", b" a line\nrest", 101.0)
    assert received.calls == [("stdout", "half a line\n")]
    relay.finish()
    assert received.text() == "half a line\nrest"


def test_a_line_of_300_kb_comes_in_pieces_before_it_ends() -> None:
    received = Received()
    relay = OutputRelay(received)
    line = b"x" * 300_000
    for start in range(0, len(line), 1000):
        relay.feed("stdout", line[start : start + 1000], 100.0)
    assert len(received.text()) >= 300_000 - CHUNK
    relay.feed("stdout", b"\nnext\n", 101.0)
    relay.finish()
    assert received.text() == "x" * 300_000 + "\nnext\n"


def test_bytes_that_are_not_utf8_stay_readable_and_small() -> None:
    received = Received()
    relay = OutputRelay(received)
    relay.feed("stdout", b"a\xff\0b\n" + b"\xfe" * 2 * CHUNK + b"\n", 100.0)
    relay.finish()
    assert received.text() == "a\\xff\0b\n" + "\\xfe" * 2 * CHUNK + "\n"


def test_a_character_is_not_cut_in_two() -> None:
    data = ("€" * CHUNK).encode()
    texts = [text for _, text in pieces(data)]
    assert "".join(texts) == "€" * CHUNK
    assert max(len(text.encode()) for text in texts) <= CHUNK


def test_too_much_is_left_out_but_for_the_end() -> None:
    received = Received()
    relay = OutputRelay(received)
    lines = [b"%06d\n" % number for number in range(500_000)]
    now = 100.0
    for start in range(0, len(lines), 1000):
        relay.feed("stdout", b"".join(lines[start : start + 1000]), now)
        now += 0.001
    relay.feed("stderr", b"a word on the other stream\n", now)
    relay.finish()
    head, _, rest = received.text().partition("[")
    notice, _, tail = rest.partition("]\n")
    assert head.encode() == b"".join(lines)[: len(head)]
    assert PASSED_ON - CHUNK <= len(head) <= PASSED_ON
    assert TAIL - 7 <= len(tail) <= TAIL
    assert tail.encode() == b"".join(lines)[-len(tail) :]
    assert len(tail) % 7 == 0
    left_out = len(lines) * 7 - len(head) - len(tail)
    assert notice == f"{left_out:,} bytes of output are left out here"
    assert received.text("stderr") == "a word on the other stream\n"


def test_half_a_line_that_waits_when_it_becomes_too_much_stays_in_its_place() -> None:
    received = Received()
    relay = OutputRelay(received)
    data = b"".join(b"%07d\n" % number for number in range(PASSED_ON // 4))
    for start in range(0, len(data), 65_533):  # reads end within lines
        relay.feed("stdout", data[start : start + 65_533], 100.0 + start)
    relay.finish()
    assert data.decode().endswith(received.text().rpartition("]\n")[2])


def test_a_little_too_much_loses_nothing() -> None:
    received = Received()
    relay = OutputRelay(received)
    data = b"0123456\n" * ((PASSED_ON + TAIL // 2) // 8)
    relay.feed("stdout", data, 100.0)
    relay.finish()
    assert received.text() == data.decode()


def test_the_notice_stands_on_a_line_of_its_own() -> None:
    received = Received()
    relay = OutputRelay(received)
    relay.feed("stdout", b"x" * (PASSED_ON + 10 * TAIL), 100.0)
    relay.finish()
    notices = [text for _, text in received.calls if "left out" in text]
    assert len(notices) == 1
    assert notices[0].startswith("\n[")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stdout", "stderr"]),
            st.binary(max_size=40) | st.sampled_from([b"\n", b"z" * CHUNK, "€\n".encode()]),
            st.floats(0, 0.1),
        )
    )
)
def test_whatever_is_fed_comes_out_once_and_in_order(feeds: list[tuple[str, bytes, float]]) -> None:
    received = Received()
    relay = OutputRelay(received)
    now = 0.0
    for stream, data, pause in feeds:
        now += pause
        if relay.due <= now:
            relay.flush(now)
        relay.feed(stream, data, now)
        assert relay.due == math.inf or relay.due <= now + INTERVAL
    relay.finish()
    for stream in ("stdout", "stderr"):
        everything = b"".join(data for name, data, _ in feeds if name == stream)
        if all(len(data) < CHUNK for _, data, _ in feeds):  # else bad UTF-8 may be cut elsewhere
            assert received.text(stream) == everything.decode("utf-8", "backslashreplace")
        assert received.text(stream).count("\n") == everything.count(b"\n")


def test_a_capture_keeps_the_beginning() -> None:
    capture = Capture("stdout", 10, None)
    states = []
    for data in (b"12345678", b"90", b"x"):
        capture.take(data)
        states.append(capture.truncated)
    assert states == [False, False, True]
    assert capture.kept() == b"1234567890"


def test_reports_are_lines_and_a_monster_is_none() -> None:
    lines: list[bytes] = []
    reports = ReportLines(lines.append)
    reports.take(b'{"a":')
    reports.take(b"1}\n{}\n")
    for _ in range(40):
        reports.take(b"y" * 64 * 1024)
    reports.take(b"\n{}\n")
    assert lines[:2] == [b'{"a":1}', b"{}"]
    assert lines[-1] == b"{}"
    assert sum(len(line) for line in lines) < 1024 * 1024
