"""The command line: the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn, cast

from crackerjack.cli.parser import Command, parse
from crackerjack.errors import CrackerjackError
from crackerjack.types import ExitCode


def entry() -> NoReturn:
    """The program: run one command and leave at once.

    What is open has been closed by now. Taking the interpreter apart object by object would cost a
    tenth of the time that a short run takes.
    """
    _open_missing_streams()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are about our code, or a pattern of the user's
    exit_code = main()
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(exit_code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code, and raises :exc:`SystemExit` for usage and help."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    _import_msgspec()
    module, _, function = arguments.entry.partition(":")
    try:
        command = cast("Command", getattr(import_module(module), function))
        gc.freeze()
        gc.enable()
        exit_code = command(arguments)
        sys.stdout.flush()
    except CrackerjackError as error:
        _complain(str(error))
        return ExitCode.USAGE
    except BrokenPipeError:
        _forget_stdout()
        return ExitCode.INTERRUPTED
    except OSError as error:
        _forget_stdout()
        _complain(f"the output cannot be written: {error}")
        return ExitCode.USAGE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return exit_code


def _complain(sentence: str) -> None:
    from crackerjack.reports.safe_text import inert

    with suppress(OSError):  # then the exit code alone says it
        print(f"crackerjack: error: {inert(sentence)}", file=sys.stderr)


def _import_msgspec() -> None:
    """Import msgspec without typing_extensions, which it prefers to typing where it finds it.

    That imports inspect, ast, dis and tokenize: a tenth of the time that a short run takes.
    """
    if "typing_extensions" not in sys.modules:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]
        try:
            import_module("msgspec")
        finally:
            del sys.modules["typing_extensions"]


def _open_missing_streams() -> None:
    """Give a process that was started with closed streams, as by ``>&-``, some that lead nowhere."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115


def _forget_stdout() -> None:
    """Point stdout nowhere: its reader is gone, and the flush at exit must not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
