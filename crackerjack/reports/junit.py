"""JUnit XML, in the shape that CI systems share: tests and hooks as test cases.

A suite per hook. For pytest its cases are the tests; for any other hook each finding is a failed
case, and a hook that found nothing is one case that passed. A note is no finding: it is the output of
a case that passed.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET

from crackerjack.events.payload import DiagnosticFound, TestCompleted
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.jobs.states import FAILING, STOPPED, HookState
from crackerjack.reports.wording import BROKEN, location, result
from crackerjack.types import HookStatus

_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""All but the characters of XML 1.0, section 2.2."""
_SKIPPED: Final = frozenset({"skipped", "xfailed"})


def render(job: JobSnapshot) -> str:
    """The document, with sums on every level."""
    root = ET.Element("testsuites", name="crackerjack")
    sums: Counter[str] = Counter()
    for hook in job.hooks.values():
        suite = ET.SubElement(root, "testsuite", name=_legal(hook.name))
        suite.extend(_cases(hook))
        sums += _sum(suite)
        suite.set("time", f"{hook.duration or 0.0:.3f}")
        if hook.started is not None:
            started = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(hook.started))
            suite.set("timestamp", started)
    _set(root, sums)
    root.set("time", f"{(job.ended or job.updated or 0.0) - (job.started or 0.0):.3f}")
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _cases(hook: HookState) -> Iterator[ET.Element]:
    for test in hook.tests:
        yield _test(test)
    for found in hook.diagnostics:
        yield _finding(found)
    if not _speaks_for_itself(hook):
        yield _hook(hook)


def _speaks_for_itself(hook: HookState) -> bool:
    """Whether the cases of its tests and findings say how it ended."""
    if hook.status == HookStatus.FAILED:
        return bool(hook.findings) or any(hook.outcomes.get(outcome) for outcome in FAILING)
    if hook.status in BROKEN or hook.status == STOPPED:
        return False
    return bool(hook.tests or hook.diagnostics)


def _hook(hook: HookState) -> ET.Element:
    """The hook itself as a case."""
    case = ET.Element("testcase", classname="crackerjack", name=_legal(hook.name))
    case.set("time", f"{hook.duration or 0.0:.3f}")
    message = _legal(result(hook))
    if hook.status in BROKEN or hook.status == STOPPED:
        ET.SubElement(case, "error", message=message, type=_legal(hook.status))
    elif hook.status == HookStatus.FAILED:
        ET.SubElement(case, "failure", message=message, type=_legal(hook.status))
    elif hook.status not in {HookStatus.PASSED, HookStatus.FIXED}:
        ET.SubElement(case, "skipped", message=message)
    return case


def _finding(found: DiagnosticFound) -> ET.Element:
    place = location(found.path, found.line, found.column)
    name = _legal(" ".join(part for part in (place, found.code) if part) or found.hook)
    case = ET.Element("testcase", classname=_legal(found.hook), name=name, time="0.000")
    if found.path:
        case.set("file", _legal(found.path))
    if found.line is not None:
        case.set("line", str(found.line))
    text = _legal(f"{place}: {found.code} {found.message}" if place else found.message)
    if found.severity == "note":
        ET.SubElement(case, "system-out").text = text
    else:
        message, kind = _legal(found.message), _legal(found.severity)
        ET.SubElement(case, "failure", message=message, type=kind).text = text
    return case


def _test(test: TestCompleted) -> ET.Element:
    module, _, name = test.nodeid.partition("::")
    classname = module.removesuffix(".py").replace("/", ".")
    case = ET.Element("testcase", classname=_legal(classname), name=_legal(name or module))
    case.set("time", f"{test.duration:.3f}")
    message = _legal(test.message)
    if test.outcome in FAILING:
        kind = "failure" if test.outcome == "failed" else "error"
        ET.SubElement(case, kind, message=message.partition("\n")[0]).text = message
    elif test.outcome in _SKIPPED:
        ET.SubElement(case, "skipped", message=message or test.outcome)
    return case


def _sum(suite: ET.Element) -> Counter[str]:
    sums = Counter(tests=len(suite))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        sums[key] = sum(case.find(tag) is not None for case in suite)
    _set(suite, sums)
    return sums


def _set(element: ET.Element, sums: Counter[str]) -> None:
    for key in ("tests", "failures", "errors", "skipped"):
        element.set(key, str(sums[key]))


def _legal(text: str) -> str:
    """The text without characters that XML cannot hold, not even escaped."""
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
