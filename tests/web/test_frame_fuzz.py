"""Frames of every kind, whole, broken, in pieces: the right answer or close code, and nothing left."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from tests.web.in_process import FRAMING, STOCK, InProcess, in_process
from tests.web.proxy import RESET
from tests.web.serving import SECONDS, Writer, decoded, handshake
from tests.web.waiting import wait_for

LARGEST: Final = 64 * 1024
PROTOCOL_ERROR, NO_CODE, NOT_UTF8, NONSENSE, TOO_LARGE = 1002, 1005, 1007, 1008, 1009


class Said(NamedTuple):
    """What a client sends, and what that means."""

    data: bytes
    answers: tuple[tuple[int, object], ...] = ()
    """What comes back: opcodes, and the payload or, of a message, its ``event_type``."""
    ends: int = 0
    """The close code that it leads to."""

    def __repr__(self) -> str:
        return f"Said({self.data[:40]!r} of {len(self.data)}, ends={self.ends})"


def frame(opcode: int, payload: bytes, *, first: int = 0x80, key: bytes = b"\1\2\3\4") -> bytes:
    """A masked frame as RFC 6455, section 5.2, has it."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65536:
        length = struct.pack("!BH", 0x80 | 126, size)
    else:
        length = struct.pack("!BQ", 0x80 | 127, size)
    repeated = key * (size // 4 + 1)
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated[:size], "big")).to_bytes(
        size, "big"
    )
    return bytes((first | opcode,)) + length + key + masked


def in_pieces(opcode: int, payload: bytes, cuts: Sequence[int], between: bytes) -> bytes:
    """One message in several frames, with control frames between them."""
    ends = sorted({min(cut, len(payload)) for cut in cuts})
    pieces = [payload[a:b] for a, b in zip([0, *ends], [*ends, len(payload)], strict=True)]
    opcodes = [opcode, *[Opcode.CONT] * len(ends)]
    firsts = [*[0] * len(ends), 0x80]
    return between.join(map(_frame, opcodes, pieces, firsts))


def _frame(opcode: int, payload: bytes, first: int) -> bytes:
    return frame(opcode, payload, first=first)


def _inner(payload: bytes, cuts: Sequence[int]) -> int:
    """How many frames of a message in pieces are followed by another."""
    return len({min(cut, len(payload)) for cut in cuts})


ERROR: Final = (int(Opcode.TEXT), "error")
KEYS = st.binary(min_size=4, max_size=4)
CONTROL = st.builds(
    lambda payload, key: Said(
        frame(Opcode.PING, payload, key=key), answers=((int(Opcode.PONG), payload),)
    ),
    st.binary(max_size=125),
    KEYS,
) | st.binary(max_size=125).map(lambda payload: Said(frame(Opcode.PONG, payload)))
NOT_JSON = st.one_of(
    st.text(max_size=300).map(lambda text: ("~" + text).encode()),
    st.sampled_from(
        ['{"type": "nothing"}', '{"type": ["ping"]}', "[]", '"ping"', "null", "1e999"]
    ).map(str.encode),
)
NOT_TEXT = st.one_of(
    st.binary(max_size=300).map(lambda data: b"\xff" + data),
    st.sampled_from([b'"\xff"', b'{"type": "\xed\xa0\x80"}', b'{"\xff": 1}', b'"\xc3']),
)
UNKNOWN = st.builds(
    lambda what, cuts, between: Said(
        in_pieces(what[0], what[1], cuts, between.data),
        answers=(*between.answers * _inner(what[1], cuts), ERROR),
    ),
    st.tuples(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), NOT_JSON)
    | st.tuples(st.just(Opcode.BINARY), NOT_TEXT),
    st.lists(st.integers(0, 400), max_size=4),
    CONTROL | st.just(Said(b"")),
)
PING = st.builds(
    lambda opcode, cuts: Said(
        in_pieces(opcode, b'{"type": "ping"}', cuts, b""), answers=((int(Opcode.TEXT), "pong"),)
    ),
    st.sampled_from([Opcode.TEXT, Opcode.BINARY]),
    st.lists(st.integers(0, 16), max_size=4),
)


def close_frame(code: int, reason: bytes = b"") -> Said:
    return Said(frame(Opcode.CLOSE, struct.pack("!H", code) + reason), ends=code)


WRONG = st.one_of(
    st.sampled_from(
        [
            Said(b"\x81\x02hi", ends=PROTOCOL_ERROR),  # without a mask
            Said(frame(Opcode.TEXT, b"x", first=0xC0), ends=PROTOCOL_ERROR),
            Said(frame(Opcode.TEXT, b"x", first=0x90), ends=PROTOCOL_ERROR),
            Said(frame(3, b"x"), ends=PROTOCOL_ERROR),
            Said(frame(15, b""), ends=PROTOCOL_ERROR),
            Said(frame(Opcode.PING, b"x" * 126), ends=PROTOCOL_ERROR),
            Said(frame(Opcode.PING, b"x", first=0), ends=PROTOCOL_ERROR),
            Said(frame(Opcode.CONT, b"x"), ends=PROTOCOL_ERROR),
            Said(frame(Opcode.TEXT, b"x", first=0) * 2, ends=PROTOCOL_ERROR),
            Said(frame(Opcode.CLOSE, b"x"), ends=PROTOCOL_ERROR),
            Said(frame(Opcode.CLOSE, b"\x03\xe8\xff"), ends=NOT_UTF8),
            Said(frame(Opcode.CLOSE, b""), ends=NO_CODE),
            close_frame(999)._replace(ends=PROTOCOL_ERROR),
            close_frame(1005)._replace(ends=PROTOCOL_ERROR),
            Said(frame(Opcode.TEXT, b"x" * (LARGEST + 1)), ends=TOO_LARGE),
            Said(in_pieces(Opcode.BINARY, b"x" * (LARGEST + 1), [9, 400], b""), ends=TOO_LARGE),
            # 2**63 bytes and more are announced, and do not come
            Said(b"\x82\xff" + b"\x7f" + b"\xff" * 7 + b"\1\2\3\4", ends=TOO_LARGE),
        ]
    ),
    st.sampled_from([1000, 1001, 1011, 3000, 4999]).map(close_frame),
    NOT_TEXT.map(lambda data: Said(frame(Opcode.TEXT, data), ends=NOT_UTF8)),
)


@pytest.fixture(scope="module", params=[FRAMING, STOCK], ids=["framed", "another server"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def inside(protocol: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CRACKERJACK_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        with Writer() as writer:
            writer.publish(writer.job("large"), 2000)
        with in_process(protocol=protocol) as server:
            yield server


class Faults(logging.Handler):
    """Keeps what the server says went wrong."""

    def __init__(self, but_for: str) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self.but_for = but_for

    def emit(self, record: logging.LogRecord) -> None:
        if self.but_for not in record.getMessage():
            self.said.append(self.format(record))


@pytest.fixture(scope="module")
def faults(protocol: str) -> Iterator[Faults]:
    # uvicorn's own protocol writes a traceback for each text that is not UTF-8.
    handler = Faults(but_for="Invalid UTF-8" if protocol == STOCK else "\0")
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


class Conversation:
    """A connection as bytes: says anything, and hears every frame."""

    def __init__(self, server: InProcess) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(handshake("/ws/progress/fuzz"))
        self._waiting = b""
        self.reset = False
        """Whether the server closed without reading all: what it said may be lost then."""
        while b"\r\n\r\n" not in self._waiting:
            self._waiting += self._socket.recv(4096)
        head, _, self._waiting = self._waiting.partition(b"\r\n\r\n")
        assert b" 101 " in head[:20]
        assert self.hear() == (Opcode.TEXT, "job_snapshot")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, data: bytes, cuts: Sequence[int] = ()) -> None:
        ends = sorted({min(cut, len(data)) for cut in cuts})
        try:
            for a, b in zip([0, *ends], [*ends, len(data)], strict=True):
                self._socket.sendall(data[a:b])
        except ConnectionError:  # the server has heard enough
            self.reset = True

    def hear(self) -> tuple[int, object] | None:
        """The next frame: its opcode, and the type of its message or its payload; None at the end."""
        while len(self._waiting) < 2 or len(self._waiting) < self._frame()[1]:
            try:
                data = self._socket.recv(65536)
            except ConnectionError:
                self.reset = True
                data = b""
            if not data:
                return None
            self._waiting += data
        start, end = self._frame()
        opcode, payload = self._waiting[0] & 0x0F, self._waiting[start:end]
        self._waiting = self._waiting[end:]
        if opcode == Opcode.TEXT:
            return opcode, decoded(payload)["event_type"]
        return opcode, payload

    def _frame(self) -> tuple[int, int]:
        """Where the payload of the first frame begins, and ends; no answer is longer than 64 KiB."""
        first, length = self._waiting[:2]
        assert first & 0xF0 == 0x80
        if length < 126:
            return 2, 2 + length
        assert length == 126
        return 4, 4 + int.from_bytes(self._waiting[2:4], "big")

    def hear_the_end(self) -> int | None:
        """Hear the server out; its close code, None when that is lost."""
        code = None
        while (said := self.hear()) is not None:
            assert code is None, "nothing follows a close frame"
            opcode, payload = said
            if opcode == Opcode.CLOSE:
                assert isinstance(payload, bytes)
                code = int.from_bytes(payload[:2], "big") if payload else NO_CODE
                self.say(frame(Opcode.CLOSE, payload))  # else the server waits for seconds
        assert code is not None or self.reset, "it was told nothing"
        return code


def nothing_is_left(server: InProcess, faults: Faults) -> None:
    wait_for(lambda: server.connections() == 0)
    said, faults.said = faults.said, []
    assert said == []


LONG = st.sampled_from(
    [
        Said(frame(Opcode.TEXT, content), answers=(ERROR,))
        for content in (b"", b"[" * 50_000, b"1" * 5000, b"x" * LARGEST)
    ]
)
GOOD = st.lists(CONTROL | UNKNOWN | PING | LONG, max_size=14)
CUTS = st.lists(st.integers(0, 2000), max_size=4)
HALF = settings(max_examples=settings().max_examples // 2)


@HALF
@given(said=GOOD, cuts=CUTS)
def test_every_frame_is_answered_in_order(
    inside: InProcess, faults: Faults, said: list[Said], cuts: list[int]
) -> None:
    answers = [answer for one in said for answer in one.answers]
    wrong = [number for number, answer in enumerate(answers) if answer == ERROR]
    if ends := len(wrong) >= 10:
        answers = answers[: wrong[9] + 1]
    with Conversation(inside) as client:
        client.say(b"".join(one.data for one in said), cuts)
        heard = [client.hear() for _ in answers]
        assert [one for one in heard if one and one[0] == Opcode.TEXT] == [
            one for one in answers if one[0] == Opcode.TEXT
        ]
        # The pongs of the protocol overtake the answers to messages, not one another.
        if not ends:
            assert sorted(map(repr, heard)) == sorted(map(repr, answers))
            client.say(frame(Opcode.CLOSE, b"\x03\xe8"))
            assert client.hear_the_end() == 1000
        else:
            assert client.hear_the_end() in {NONSENSE, None}
    nothing_is_left(inside, faults)


@HALF
@given(said=GOOD, end=WRONG, after=st.binary(max_size=40), cuts=CUTS)
def test_each_gets_the_close_code_that_it_deserves(
    inside: InProcess, faults: Faults, said: list[Said], end: Said, after: bytes, cuts: list[int]
) -> None:
    if end.ends == NOT_UTF8:
        after = b""  # it may be worse, and is looked at before the text is
    allowed = {end.ends, None}
    if sum(answer == ERROR for one in said for answer in one.answers) >= 10:
        allowed.add(NONSENSE)  # it depends on the network what the server sees first
    with Conversation(inside) as client:
        client.say(b"".join(one.data for one in said) + end.data + after, cuts)
        assert client.hear_the_end() in allowed
    nothing_is_left(inside, faults)


def test_who_is_sent_away_is_told_why(inside: InProcess, faults: Faults) -> None:
    with Conversation(inside) as client:
        for _ in range(10):
            client.say(frame(Opcode.TEXT, b"what?"))
            assert client.hear() == ERROR
        assert client.hear_the_end() == NONSENSE
    nothing_is_left(inside, faults)


@pytest.mark.parametrize("path", ["/ws/progress/large", "/ws/progress/no%20id", "/ws/events"])
def test_a_client_that_is_gone_before_it_is_answered(
    inside: InProcess, faults: Faults, path: str
) -> None:
    """It resets the connection as soon as it has asked."""
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", inside.port), SECONDS) as client:
            client.sendall(handshake(path))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with inside.connect("/ws/progress/alive") as connection:
        connection.recv(SECONDS)
    nothing_is_left(inside, faults)
