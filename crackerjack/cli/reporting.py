"""Where the output of a command goes: to a person, to a machine, to a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import IO, Any

import msgspec

from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.reports import FORMATS
from crackerjack.terminal.output import Output


def write_report(snapshot: JobSnapshot, name: str, stream: IO[bytes]) -> None:
    """Render the report `name` into a binary stream. Raises :exc:`OSError`."""
    write_through(stream, FORMATS[name](snapshot).encode("utf-8", "backslashreplace"))


def write_through(stream: IO[bytes], data: bytes) -> None:
    """Write all of it at once. Raises :exc:`OSError` with the name of the file."""
    try:
        stream.write(data)
        stream.flush()
    except OSError as error:
        error.filename = stream.name
        raise


def print_json(value: Mapping[str, Any] | list[Any]) -> None:
    """Print one JSON document."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def person() -> Output:
    """The person at stdout: how wide their terminal is, and what it can show."""
    return Output(sys.stdout, os.environ)


def say_waiting(holder: str) -> None:
    """Say whom a command waits for; empty where that is not known."""
    print(f"Waiting for {holder or 'another run'} on the same project.", file=sys.stderr)
