"""``yamllint -f parsable``: text, ``path:line:column: [level] message (rule)``."""

from __future__ import annotations

import re
from typing import Final

from crackerjack.hooks.diagnostic import Diagnostic
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import ProjectPaths, judge, severity

_FINDING: Final = re.compile(
    r"^(?P<path>.+?):(?P<line>\d{1,9}):(?P<column>\d{1,9}): \[(?P<level>error|warning)\] "
    r"(?P<message>.+?)(?: \((?P<rule>[a-z-]+)\))?$",
    re.MULTILINE,
)


def parse(hook: str, output: ToolOutput) -> Parsed:
    """Exit codes: 0 also with warnings, 1, and with ``--strict`` 2 for warnings, which is also the
    code of a wrong option.
    """
    paths = ProjectPaths(output.root)
    found = [
        Diagnostic(
            hook=hook,
            path=paths(match["path"]),
            line=int(match["line"]),
            column=int(match["column"]),
            code=match["rule"] or "syntax",
            severity=severity(match["level"]),
            message=match["message"],
        )
        for match in _FINDING.finditer(output.stdout)
    ]
    return judge(hook, output, found, findings_exit=(1, 2), warnings_pass=True)
