"""Decoders are built by one thread at a time: else msgspec crashes the interpreter."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import msgspec
import pytest

from crackerjack.decoding import convert, json_decoder, msgpack_decoder

RACE: Final = """
from __future__ import annotations
import sys, threading
import msgspec
from crackerjack.decoding import msgpack_decoder

sys.setswitchinterval(1e-6)
for _ in range(100):
    class Inner(msgspec.Struct):
        names: tuple[str, ...] = ()
        number: int | None = None

    class Outer(msgspec.Struct):
        inner: tuple[Inner, ...] = ()
        text: str = ""

    value = Outer(inner=(Inner(names=("a", "b"), number=1),), text="c")
    encoded = msgspec.msgpack.encode(value)
    start = threading.Barrier(4)

    def decode():
        start.wait()
        assert msgpack_decoder(Outer).decode(encoded) == value

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_that_decode_a_class_for_the_first_time_do_not_crash() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", RACE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Point(msgspec.Struct):
    x: int


def test_a_decoder_is_built_once() -> None:
    assert json_decoder(Point) is json_decoder(Point)
    assert msgpack_decoder(list[Point]) is msgpack_decoder(list[Point])


def test_what_is_no_such_thing_is_refused() -> None:
    assert convert({"x": 1}, Point) == Point(1)
    with pytest.raises(msgspec.ValidationError):
        convert({"x": "1"}, Point)
