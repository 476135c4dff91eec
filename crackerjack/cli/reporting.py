"""Where the output of a command goes: to a person, to a machine, to a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from crackerjack.errors import UsageError
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.reports import FORMATS
from crackerjack.terminal.output import Output


def write_report(snapshot: JobSnapshot, name: str, path: str | None) -> None:
    """Render the report `name`, to stdout without a `path`. Raises :exc:`UsageError`."""
    text = FORMATS[name](snapshot)
    if path is None:
        sys.stdout.write(text)
        return
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise UsageError(f"--output {path}: {error.strerror}") from None


def print_json(value: Mapping[str, Any] | list[Any]) -> None:
    """Print one JSON document."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def person() -> Output:
    """The person at stdout: how wide their terminal is, and what it can show."""
    return Output(sys.stdout, os.environ)
