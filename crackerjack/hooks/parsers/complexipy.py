"""``complexipy --output-format sarif --output {report}``.

Not its JSON: that lists every function, without a line and without the limit.
"""

from __future__ import annotations

import os
import re
from typing import Final

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput, sarif
from crackerjack.hooks.parsers.reading import SYNTAX_ERROR, ProjectPaths, broke, failed, plain

_UNREAD: Final = re.compile(
    r"^error: Failed to process (?P<path>.+?) - (?P<message>.+)$", re.MULTILINE
)


def parse(hook: str, output: ToolOutput) -> Parsed:
    """A file that is missing or cannot be parsed exits with 1, as findings do; stdout tells."""
    unread = list(_UNREAD.finditer(plain(output.stdout + "\n" + output.stderr)))
    if missing := [
        match["path"] for match in unread if not os.path.isfile(_absolute(output, match))
    ]:
        return broke(hook, output, f"and did not find {missing[0]}")
    if not unread:
        return sarif.parse(hook, output)
    paths = ProjectPaths(output.root)
    unparsable = [
        Diagnostic(
            hook=hook,
            path=paths(match["path"]),
            line=None,
            column=None,
            code=SYNTAX_ERROR,
            severity=Severity.ERROR,
            message=match["message"],
        )
        for match in unread
    ]
    complex_functions = sarif.parse(hook, output)
    if output.exit_code != 1 or "readable" in complex_functions.reason:
        return complex_functions
    return failed([*complex_functions.diagnostics, *unparsable])


def _absolute(output: ToolOutput, match: re.Match[str]) -> str:
    return os.path.join(output.root, match["path"])
