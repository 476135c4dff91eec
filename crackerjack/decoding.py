"""Decoders of our values, each built once and by one thread at a time.

msgspec looks at the fields of a Struct when it is first decoded, runs Python code for that, and lets
other threads see what is half done: two threads that decode the same class for the first time crash
the interpreter (seen with msgspec 0.22). A decoder that is built may be used by any thread.
"""

from __future__ import annotations

import threading
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

_BUILDING: Final = threading.Lock()
_JSON: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}
_MSGPACK: Final[dict[Any, msgspec.msgpack.Decoder[Any]]] = {}


def json_decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of this type from JSON."""
    decoder = _JSON.get(kind)
    if decoder is None:
        with _BUILDING:
            decoder = _JSON[kind] = msgspec.json.Decoder(kind)
    return decoder


def msgpack_decoder(kind: type[T]) -> msgspec.msgpack.Decoder[T]:
    """The decoder of this type from MessagePack."""
    decoder = _MSGPACK.get(kind)
    if decoder is None:
        with _BUILDING:
            decoder = _MSGPACK[kind] = msgspec.msgpack.Decoder(kind)
    return decoder


def decoded(data: bytes | msgspec.Raw, kind: type[T]) -> T | None:
    """What somebody wrote whom nobody vouches for, from JSON; None where it is not of this type."""
    try:
        return json_decoder(kind).decode(data)
    except (
        ValueError,
        RecursionError,
    ):  # msgspec's own errors, and those of UTF-8, are ValueErrors
        return None


def convert(value: Any, kind: type[T]) -> T:
    """What plain dicts and lists say, as this type; raises :exc:`msgspec.ValidationError`."""
    json_decoder(kind)
    return msgspec.convert(value, kind)
