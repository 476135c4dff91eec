"""What a worker that does a part of a job says to the one that runs the job.

The last message holds again all that counts: what was lost on the way is not lost. The first and the last one are answered; without an answer nobody wants the work any more.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec

from crackerjack.decoding import decoded
from crackerjack.events.broker import Broker
from crackerjack.fleet.objects import ObjectStore, object_name
from crackerjack.hooks.hook import HookResult
from crackerjack.hooks.pytest_session import TestResult
from crackerjack.hooks.testing import TestRun

_INLINE: Final = 256 * 1024
"""Bytes of a result that go with the message; a larger one goes by way of the object store."""
STOP: Final = "stop"
"""The end of the subject on which the work is called off."""
WANTED: Final = b"yes"
UNWANTED: Final = b"no"
"""What is answered to a worker: whether the work is still its own, or another has it by now."""
_PATIENCE: Final = 10.0
"""Seconds in which whoever wants a result must come back, if the broker was away."""


class Said(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One message."""

    worker: str
    """The process, ``host:pid:start``."""
    attempt: str
    """Tells this worker's messages from those of another that had the same part before."""
    started: bool = False
    output: tuple[tuple[str, str], ...] = ()
    """Pieces of output: the stream and the text."""
    tests: tuple[TestResult, ...] = ()
    collected: tuple[int, int] | None = None
    result: str = ""
    """The name of the object with the :class:`Result`."""
    whole: bytes = b""
    """The :class:`Result` itself, where it is small."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """All that came of a part."""

    hook: HookResult | None = None
    tests: TestRun | None = None
    outcomes: tuple[TestResult, ...] = ()
    error: str = ""
    """Why there is neither; a sentence."""


def decode_said(data: bytes) -> Said | None:
    """What a message says; None where it cannot be read."""
    return decoded(data, Said)


def result_of(said: Said, objects: ObjectStore) -> Result:
    """What a last message brings, or that it cannot be read. Raises what the store does."""
    content = said.whole or objects.get(said.result)
    return decoded(content, Result) or Result(
        error=f"what worker {said.worker} says cannot be read"
    )


class Talk:
    """The worker's side."""

    def __init__(self, broker: Broker, objects: ObjectStore, subject: str, said: Said) -> None:
        self._broker = broker
        self._objects = objects
        self._subject = subject
        self._template = said

    def begin(self) -> bool:
        """Say that the work begins; False when nobody wants it. Raises :exc:`StoreUnavailable`."""
        return self._broker.ask(self._subject, self._encoded(started=True)) == WANTED

    def go_on(self) -> bool:
        """Say that the work goes on; False when nobody wants it. Raises :exc:`StoreUnavailable`."""
        return self._broker.ask(self._subject, self._encoded()) == WANTED

    def output(self, stream: str, text: str) -> None:
        """Pass on a piece of output."""
        self._broker.publish(self._subject, self._encoded(output=((stream, text),)))

    def test(self, result: TestResult) -> None:
        """Pass on how a test ended."""
        self._broker.publish(self._subject, self._encoded(tests=(result,)))

    def collected(self, count: int, deselected: int) -> None:
        """Pass on how many tests there are."""
        self._broker.publish(self._subject, self._encoded(collected=(count, deselected)))

    def end(self, result: Result) -> bool:
        """Pass on what came of it; False when another worker has the work by now.

        Raises :exc:`StoreUnavailable`.
        """
        content = msgspec.json.encode(result)
        if len(content) <= _INLINE:
            said = self._encoded(whole=content)
        else:
            name = object_name(content)
            self._objects.put(name, content)
            said = self._encoded(result=name)
        deadline = time.monotonic() + _PATIENCE
        while (answer := self._broker.ask(self._subject, said)) is None:
            if time.monotonic() > deadline:
                return True  # there is nobody whom it could be left to
            time.sleep(0.5)
        return answer == WANTED

    def _encoded(self, **fields: object) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(self._template, **fields))
