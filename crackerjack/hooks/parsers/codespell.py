"""``codespell``: text, ``path:line: wrong ==> right``, without the line for the name of a file."""

from __future__ import annotations

import re
from typing import Final

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import ProjectPaths, broke, judge, missing_inputs

_FINDING: Final = re.compile(
    r"^(?P<path>.+?):(?:(?P<line>\d{1,9}):)? (?P<wrong>\S+) ==> (?P<right>.+)$", re.MULTILINE
)


def parse(hook: str, output: ToolOutput) -> Parsed:
    """A missing path is passed over in silence, with exit code 0."""
    paths = ProjectPaths(output.root)
    found = [
        Diagnostic(
            hook=hook,
            path=paths(match["path"]),
            line=int(match["line"]) if match["line"] else None,
            column=None,
            code="spelling",
            severity=Severity.WARNING,
            message=f"{match['wrong']} ==> {match['right'].strip()}",
        )
        for match in _FINDING.finditer(output.stdout)
    ]
    if missing := missing_inputs(output):
        return broke(hook, output, f"and did not find {missing[0]}", found)
    return judge(hook, output, found, findings_exit=(65,))
