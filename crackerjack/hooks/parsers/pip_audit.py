"""``pip-audit -f json``: the installed packages, each with its vulnerabilities or why it was skipped."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from crackerjack.hooks.diagnostic import Diagnostic, Severity
from crackerjack.hooks.parsers import Parsed, ToolOutput
from crackerjack.hooks.parsers.reading import broke, decode, judge, words
from crackerjack.types import HookStatus

_NO_NETWORK = ("ConnectionError", "ProxyError", "Timeout", "SSLError", "Max retries exceeded")


class _Vulnerability(msgspec.Struct, frozen=True):
    id: str
    fix_versions: tuple[str, ...] = ()


class _Dependency(msgspec.Struct, frozen=True):
    name: str
    version: str = ""
    vulns: tuple[_Vulnerability, ...] = ()
    skip_reason: str = ""


class _Report(msgspec.Struct, frozen=True):
    dependencies: tuple[_Dependency, ...]


def parse(hook: str, output: ToolOutput) -> Parsed:
    """Without a network it crashes, or skips every package and exits with 0: inconclusive."""
    report = decode(output.stdout, _Report)
    if report is None:
        if any(word in output.stderr for word in _NO_NETWORK):
            reason = f"{hook} did not reach its service: {words(output)}"
            return Parsed((), HookStatus.INCONCLUSIVE, reason)
        return broke(hook, output, "without a readable report")
    found = tuple(_diagnostics(hook, report))
    audited = [one for one in report.dependencies if not one.skip_reason]
    if not audited and output.exit_code == 0:
        return Parsed(found, HookStatus.INCONCLUSIVE, f"{hook} audited no package: {_why(report)}")
    return judge(hook, output, found, warnings_pass=True)


def _why(report: _Report) -> str:
    reasons = [one.skip_reason for one in report.dependencies]
    return f"{reasons[0]} (and {len(reasons) - 1} more)" if reasons else "there was none"


def _diagnostics(hook: str, report: _Report) -> Iterator[Diagnostic]:
    for package in report.dependencies:
        if package.skip_reason:
            yield _diagnostic(hook, "skipped", Severity.NOTE, package.skip_reason)
        for hole in package.vulns:
            fixed = ", ".join(hole.fix_versions) or "no version yet"
            message = f"{package.name} {package.version} is vulnerable; fixed in {fixed}"
            yield _diagnostic(hook, hole.id, Severity.ERROR, message)


def _diagnostic(hook: str, code: str, severity: Severity, message: str) -> Diagnostic:
    return Diagnostic(
        hook=hook,
        path="",
        line=None,
        column=None,
        code=code,
        severity=severity,
        message=message,
    )
