"""``codespell``: text, ``path:line: wrong ==> right``, without the line for the name of a file."""

from __future__ import annotations

import errno
import os
import re
from typing import Final

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import ProjectPaths, broke, judge, missing_inputs

_FINDING: Final = re.compile(
    r"^(?P<path>.+?):(?:(?P<line>\d{1,9}):)? (?P<wrong>\S+) ==> (?P<right>.+)$", re.MULTILINE
)
_FORBIDDEN: Final = re.compile(
    rf"^WARNING: (?P<message>{os.strerror(errno.EACCES)}|{os.strerror(errno.EPERM)}): (?P<path>.+)$",
    re.MULTILINE,
)


def parse(hook: str, output: ToolOutput) -> Parsed:
    """A missing path is passed over in silence, one that may not be read with a warning: exit code 0."""
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
    found += [
        Diagnostic(
            hook=hook,
            path=paths(match["path"]),
            line=None,
            column=None,
            code="unreadable",
            severity=Severity.ERROR,
            message=f"cannot be read: {match['message']}",
        )
        for match in _FORBIDDEN.finditer(output.stderr)
    ]
    if missing := missing_inputs(output):
        return broke(hook, output, f"and did not find {missing[0]}", found)
    return judge(hook, output, found, findings_exit=(65,))
