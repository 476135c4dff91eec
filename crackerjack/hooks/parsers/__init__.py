"""What each tool prints, read into :class:`Diagnostic` and a verdict.

A parser gets all that a tool left behind and decides from exit code and output *together*: several
tools exit with 0 although they could not look, others exit with 1 for findings and for a crash alike.
It never raises, and it says ``PASSED`` only with evidence.

A tool that found something is ``FAILED`` with its findings. One that exited as clean but found things
that it calls warnings or notes is ``PASSED`` with these, as it is when run by hand. One that crashed,
was misconfigured or cannot be read is ``TOOL_ERROR``, its words in `reason`; what it found before that
is kept. A source file that a tool cannot parse is a finding in that file, not an error of the tool.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Final, cast

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic
from crackerjack.types import HookStatus


class ToolOutput(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool left behind, its bytes decoded with ``backslashreplace``."""

    stdout: str
    stderr: str
    exit_code: int
    """Negative for the number of the signal that ended it."""
    root: str
    """Absolute path of the project, which was the working directory."""
    report: str = ""
    """What it wrote to the ``{report}`` file."""
    files: tuple[str, ...] = ()
    """What ``{files}`` was: paths relative to `root`."""
    options: Mapping[str, str] = {}
    """The hook's `parser_options`."""
    matches: tuple[Mapping[str, str], ...] = ()
    """Parser ``regex``: what its pattern found; see :mod:`.pattern_search`."""


class Parsed(msgspec.Struct, frozen=True):
    """What a tool said."""

    diagnostics: tuple[Diagnostic, ...]
    status: HookStatus
    """``PASSED``, ``FAILED``, ``TOOL_ERROR`` or ``INCONCLUSIVE``."""
    reason: str = ""


Parser = Callable[[str, ToolOutput], Parsed]
"""Reads the output of the hook of that name."""


def _module(name: str) -> Parser:
    """The function `parse` of a module here, imported when it is first called."""

    def parse(hook: str, output: ToolOutput) -> Parsed:
        module = importlib.import_module(f"{__name__}.{name}")
        return cast("Parser", module.parse)(hook, output)

    return parse


PARSERS: Final[Mapping[str, Parser]] = {
    "bandit": _module("bandit"),
    "check-jsonschema": _module("check_jsonschema"),
    "codespell": _module("codespell"),
    "complexipy": _module("complexipy"),
    "deptry": _module("deptry"),
    "exit-code": _module("exit_code"),
    "gitlab": _module("gitlab"),
    "gitleaks": _module("gitleaks"),
    "json": _module("json_paths"),
    "mypy": _module("mypy"),
    "pip-audit": _module("pip_audit"),
    "pyrefly": _module("pyrefly"),
    "pyright": _module("pyright"),
    "regex": _module("regex"),
    "ruff": _module("ruff"),
    "ruff-format": _module("ruff_format"),
    "rumdl": _module("rumdl"),
    "sarif": _module("sarif"),
    "typos": _module("typos"),
    "vulture": _module("vulture"),
    "yamllint": _module("yamllint"),
}
"""Every parser by name; see the module of each for the format that it reads."""
