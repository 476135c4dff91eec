"""Runs the tool of one hook over some files and reads what it says."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from crackerjack.decoding import json_decoder
from crackerjack.hooks.files import as_argument
from crackerjack.hooks.hook import Hook
from crackerjack.hooks.look import Found, together
from crackerjack.hooks.parsers import PARSERS, Parsed, ToolOutput
from crackerjack.hooks.process import (
    KEEP,
    MIB,
    Cancellation,
    ProcessResult,
    run_process,
)
from crackerjack.hooks.process_groups import ProcessGroups
from crackerjack.types import HookStatus

OnOutput = Callable[[str, str], None]

_ARGUMENT_BYTES: Final = 96 * 1024  # of file names in one command: the least that systems allow
_WORDS: Final = 2000  # characters of a tool's own words in a reason
_WITHOUT_CACHES: Final = {"RUFF_NO_CACHE": "true", "MYPY_CACHE_DIR": os.devnull}
"""For tools that break down where they cannot write their cache into the project."""
_EXIT_CODE: Final = "exit-code"
_REGEX: Final = "regex"
_FILES: Final = "{files}"
_REPORT: Final = "{report}"
_TEXT_PARSERS: Final = frozenset({_REGEX, _EXIT_CODE})  # their output is for people too


def tool_environment() -> dict[str, str]:
    """The environment for tools: the user's own, but plain and unbuffered output.

    Not for running tests, whose outcome may depend on these variables.
    """
    forced = {"FORCE_COLOR", "CLICOLOR_FORCE", "MYPY_FORCE_COLOR", "PY_COLORS"}
    env = {name: value for name, value in os.environ.items() if name not in forced}
    return env | {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What every process of a run is given."""

    root: str
    python: str
    """The interpreter of the project's environment, or ours."""
    scratch: str
    """A directory for the reports of tools."""
    cancel: Cancellation
    groups: ProcessGroups

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        on_output: OnOutput | None = None,
        keep: int = KEEP,
    ) -> ProcessResult:
        """Run a tool in the project. Raises what :func:`run_process` does."""
        return run_process(
            argv,
            cwd=self.root,
            env=tool_environment() | ({} if os.access(self.root, os.W_OK) else _WITHOUT_CACHES),
            timeout=timeout,
            cancel=self.cancel,
            groups=self.groups,
            on_output=on_output,
            keep=keep,
        )


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One hook's tool, ready to run."""

    hook: Hook
    executable: str
    arguments: tuple[str, ...]
    """With their placeholders."""
    around: Surroundings
    on_output: OnOutput
    deadline: float
    """On the monotonic clock."""
    limited_by: str
    """Who set the deadline, for the reason of a timeout."""

    def over(self, paths: Sequence[str]) -> Found:
        """Run the tool over these files, in several processes where they are too many for one."""
        return together(self._once(chunk) for chunk in self._chunks(paths))

    def _chunks(self, paths: Sequence[str]) -> Iterator[Sequence[str]]:
        if _FILES not in self.arguments:
            yield ()
            return
        chunk: list[str] = []
        size = 0
        for path in paths:
            length = len(os.fsencode(path)) + 1
            if chunk and size + length > _ARGUMENT_BYTES:
                yield chunk
                chunk, size = [], 0
            chunk.append(path)
            size += length
        yield chunk

    def _once(self, paths: Sequence[str]) -> Found:
        parser = self.hook.parser
        streams = {"stdout", "stderr"} if parser in _TEXT_PARSERS else {"stderr"}
        last = {"stdout": "", "stderr": ""}

        def pass_on(stream: str, text: str) -> None:
            if stream in streams:
                last[stream] = (last[stream] + text)[-_WORDS:]
                self.on_output(stream, text)

        try:
            report = self._scratch_file("report") if self._wants_report() else ""
            result = self.around.run(
                [self.executable, *self._filled_in(paths, report)],
                timeout=self.deadline - time.monotonic(),
                on_output=pass_on,
                keep=MIB if parser == _EXIT_CODE else KEEP,
            )
        except (OSError, ValueError) as error:
            reason = f"{self.executable} cannot be started: {error}"
            if isinstance(error, OSError) and error.errno == errno.ENOEXEC:
                reason += "; a script begins with a line such as #!/bin/sh"
            return Found(status=HookStatus.TOOL_ERROR, reason=reason)
        if parser == _EXIT_CODE and result.truncated:  # its first and its last words are enough
            words = result.stdout + last["stdout"].encode()
            result = msgspec.structs.replace(result, stdout=words, truncated=False)
        return self._read(result, _take(report) if report else "", paths)

    def _wants_report(self) -> bool:
        return any(_REPORT in argument for argument in self.arguments)

    def _scratch_file(self, kind: str) -> str:
        os.makedirs(self.around.scratch, mode=0o700, exist_ok=True)
        return os.path.join(self.around.scratch, f"{self.hook.name}-{kind}-{time.monotonic_ns()}")

    def _filled_in(self, paths: Sequence[str], report: str) -> Iterator[str]:
        for argument in self.arguments:
            if argument == _FILES:
                yield from map(as_argument, paths)
            else:
                yield (
                    argument.replace("{root}", self.around.root)
                    .replace(_REPORT, report)
                    .replace("{python}", self.around.python)
                )

    def _read(self, result: ProcessResult, report: str, paths: Sequence[str]) -> Found:
        unfinished = self._unfinished(result)
        if unfinished is not None:
            return unfinished
        output = ToolOutput(
            stdout=_text(result.stdout),
            stderr=_text(result.stderr),
            exit_code=result.returncode or 0,
            root=self.around.root,
            report=report,
            files=tuple(paths),
            options=self.hook.parser_options,
        )
        if self.hook.parser == _REGEX and (output.stdout or output.stderr):
            searched = self._searched(output)
            if isinstance(searched, Found):
                return searched
            output = searched
        parsed: Parsed = PARSERS[self.hook.parser](self.hook.name, output)
        if parsed.status is HookStatus.TOOL_ERROR and self.hook.parser not in _TEXT_PARSERS:
            self.on_output("stdout", output.stdout[-_WORDS:])
        return Found(
            status=parsed.status,
            diagnostics=parsed.diagnostics,
            reason=parsed.reason,
            exit_code=result.returncode,
        )

    def _searched(self, output: ToolOutput) -> ToolOutput | Found:
        """The output with what the user's pattern finds in it, or why that cannot be told."""
        from crackerjack.hooks.parsers import pattern_search
        from crackerjack.hooks.parsers.reading import plain

        pattern = output.options["pattern"]
        try:
            path = self._scratch_file("output")
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(f"{plain(output.stdout)}\n{plain(output.stderr)}")
            result = self.around.run(
                [sys.executable, "-I", "-S", pattern_search.__file__, pattern, path],
                timeout=self.deadline - time.monotonic(),
            )
            os.unlink(path)
        except (OSError, ValueError) as error:
            reason = f"its output cannot be searched for the pattern: {error}"
            return Found(status=HookStatus.TOOL_ERROR, reason=reason)
        if unfinished := self._unfinished(result):
            reason = f"{unfinished.reason}, while its output was searched for the pattern"
            return msgspec.structs.replace(unfinished, reason=reason)
        if result.returncode:
            reason = (
                f"its output cannot be searched for the pattern: {_text(result.stderr)[-_WORDS:]}"
            )
            return Found(status=HookStatus.TOOL_ERROR, reason=reason)
        found = json_decoder(dict[str, str]).decode_lines(result.stdout)
        return msgspec.structs.replace(output, matches=tuple(found))

    def _unfinished(self, result: ProcessResult) -> Found | None:
        """What there is to say of a process that did not come to its own end."""
        code = result.returncode
        if result.timed_out:
            reason = f"stopped after {result.duration:.1f} s: the time limit of {self.limited_by}"
            return Found(status=HookStatus.TIMED_OUT, reason=reason)
        if result.cancelled:
            return Found(status=HookStatus.INCONCLUSIVE, reason="interrupted")
        if code is None or code < 0:
            name = "an unknown signal" if code is None else _signal_name(-code)
            words = _text(result.stderr)[-_WORDS:].strip()
            reason = f"{self.hook.tool} was ended by {name}" + (f": {words}" if words else "")
            return Found(status=HookStatus.TOOL_ERROR, reason=reason, exit_code=code)
        if result.truncated:
            reason = f"{self.hook.tool} printed more than can be read ({len(result.stdout)} bytes)"
            return Found(status=HookStatus.TOOL_ERROR, reason=reason, exit_code=code)
        return None


def _signal_name(number: int) -> str:
    known = {one.value: one.name for one in signal.Signals}
    return known.get(number, f"signal {number}")


def _text(output: bytes) -> str:
    return output.decode("utf-8", "backslashreplace")


def _take(path: str) -> str:
    """The content of a report, which is removed; empty when the tool wrote none."""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
        os.unlink(path)
    except OSError:
        return ""
    return _text(content)
