"""Text, read with a regular expression of the user's own: option `pattern`.

Its named groups are fields of a diagnostic: `path` and `message`, and any of `line`, `column`, `code`
and `severity`. Whoever runs the tool has it searched for, in every line by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from crackerjack.hooks.diagnostic import Diagnostic
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.exit_code import findings_exit
from crackerjack.hooks.parsers.reading import ProjectPaths, judge, position, severity


def parse(hook: str, output: ToolOutput) -> Parsed:
    """The matches are of both stdout and stderr."""
    paths = ProjectPaths(output.root)
    found = [_diagnostic(hook, fields, paths) for fields in output.matches]
    return judge(hook, output, found, findings_exit=findings_exit(output))


def _diagnostic(hook: str, fields: Mapping[str, str], paths: ProjectPaths) -> Diagnostic:
    return Diagnostic(
        hook=hook,
        path=paths(fields["path"]),
        line=_number(fields.get("line", "")),
        column=_number(fields.get("column", "")),
        code=fields.get("code", ""),
        severity=severity(fields.get("severity", "")),
        message=fields["message"].strip(),
    )


def _number(text: str) -> int | None:
    return position(int(text)) if text.isdecimal() and len(text) < 10 else None
