"""Why a server refuses, in its own words: its answer is a problem document, RFC 9457."""

from __future__ import annotations

import msgspec

from crackerjack.decoding import json_decoder


class _Problem(msgspec.Struct):
    detail: str


def detail_of(answer: bytes | bytearray, otherwise: str) -> str:
    """The sentence in a refusal; `otherwise` where there is none, as from a proxy in between."""
    try:
        return json_decoder(_Problem).decode(answer).detail
    except msgspec.MsgspecError:
        return otherwise
