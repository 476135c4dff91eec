"""``vulture``: text, ``path:line: unused import 'os' (90% confidence)``."""

from __future__ import annotations

import re
from typing import Final

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import SYNTAX_ERROR, ProjectPaths, broke, failed, judge

_FINDING: Final = re.compile(
    r"^(?P<path>.+?):(?P<line>\d{1,9}): (?P<message>(?P<kind>\S+ \S+).*) \(\d+% confidence.*\)$",
    re.MULTILINE,
)
_UNPARSABLE: Final = re.compile(r"^(?P<path>.+?):(?P<line>\d{1,9}): (?P<message>.+)$", re.MULTILINE)


def parse(hook: str, output: ToolOutput) -> Parsed:
    """Exit codes: 0, 3 for dead code, and 1 for input that is missing or cannot be parsed."""
    paths = ProjectPaths(output.root)
    found = [
        Diagnostic(
            hook=hook,
            path=paths(match["path"]),
            line=int(match["line"]),
            column=None,
            code=match["kind"].replace(" ", "-"),
            severity=Severity.WARNING,
            message=match["message"],
        )
        for match in _FINDING.finditer(output.stdout)
    ]
    unparsable = [
        Diagnostic(
            hook=hook,
            path=paths(match["path"]),
            line=int(match["line"]),
            column=None,
            code=SYNTAX_ERROR,
            severity=Severity.ERROR,
            message=match["message"],
        )
        for match in _UNPARSABLE.finditer(output.stderr)
    ]
    found += unparsable
    if "could not be found" in output.stderr:
        return broke(hook, output, diagnostics=found)
    if unparsable and output.exit_code in {1, 3}:
        return failed(found)
    return judge(hook, output, found, findings_exit=(3,))
