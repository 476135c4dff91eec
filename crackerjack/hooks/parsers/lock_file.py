"""``uv lock --check``, ``poetry check --lock`` and ``pdm lock --check``: a sentence.

Exit code 1 stands for a lock file that is out of date and, for the latter two, for every error.
"""

from __future__ import annotations

import re
from typing import Final

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import broke, failed, passed, words
from crackerjack.types import HookStatus

_OUTDATED: Final = re.compile(
    r"^.*(?:needs to be updated|No solution found|changed significantly since|doesn't satisfy).*$",
    re.MULTILINE,
)
_NO_NETWORK: Final = ("Failed to fetch", "Request failed", "ConnectionError", "Connection refused")


def parse(hook: str, output: ToolOutput) -> Parsed:
    """What needs the network and does not reach it is inconclusive."""
    if output.exit_code == 0:
        return passed()
    said = words(output)
    if any(word in said for word in _NO_NETWORK):
        return Parsed((), HookStatus.INCONCLUSIVE, said)
    outdated = _OUTDATED.search(said)
    if output.exit_code != 1 or outdated is None:
        return broke(hook, output)
    found = Diagnostic(
        hook=hook,
        path="pyproject.toml",
        line=None,
        column=None,
        code="outdated-lock",
        severity=Severity.ERROR,
        message=re.sub(r"^(?:error|Error|WARNING): ", "", outdated.group()),
    )
    return failed([found])
