"""No report at all: for a hook of the user's own without a parser, the exit code decides.

Option `findings_exit` of this parser and of ``regex``, ``json`` and ``sarif``: the exit codes that
mean "found something", separated with commas; ``1`` without it.
"""

from __future__ import annotations

from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import broke, passed, words
from crackerjack.types import HookStatus


def parse(hook: str, output: ToolOutput) -> Parsed:
    """The reason of a failure is what the tool said last."""
    if output.exit_code == 0:
        return passed()
    if output.exit_code in findings_exit(output):
        return Parsed((), HookStatus.FAILED, words(output))
    return broke(hook, output)


def findings_exit(output: ToolOutput) -> frozenset[int]:
    """The exit codes that mean "found something"."""
    return frozenset(int(code) for code in output.options.get("findings_exit", "1").split(","))
