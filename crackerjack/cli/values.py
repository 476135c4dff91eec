"""What the values of options may be; each raises :exc:`argparse.ArgumentTypeError` for what is not."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

from crackerjack.errors import UsageError
from crackerjack.types import parse_job_id


def job_id(text: str) -> str:
    try:
        return parse_job_id(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def said(text: str) -> str:
    """Refuse an empty value, which would be taken for none: `--project "$UNSET"` wrote to another one."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; leave the option out to have its default")
    return text


def _within(
    least: float, most: int, kind: Callable[[str], float], unit: str
) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a number of {unit} from {least} to {most}"
            )
        return value

    return number


seconds: Final = _within(0.001, 10**9, float, "seconds")
count: Final = _within(0, 10**9, int, "items")
port: Final = _within(0, 65535, int, "a port")
slots: Final = _within(1, 256, int, "jobs")
priority: Final = _within(0, 9, int, "the priority")
workers: Final = _within(1, 256, int, "hooks")
