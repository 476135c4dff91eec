"""The words for what a job did, the same in the terminal, in ``crackerjack show`` and in reports."""

from __future__ import annotations

import re
from typing import Final

from crackerjack.events.payload import CoverageMeasured, DiagnosticFound, FileFixed, TestCompleted
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.jobs.states import HookState
from crackerjack.reports.safe_text import inert, inert_lines, one_line
from crackerjack.reports.style import Line
from crackerjack.types import ExitCode, HookStatus, JobStatus

STEP_NAMES: Final = {
    "run_configuration": "configuration",
    "run_fast_hooks": "fast hooks",
    "run_code_cleaning": "code cleaning",
    "run_test_workflow": "tests",
    "run_comprehensive_hooks": "comprehensive hooks",
}
BROKEN: Final = frozenset(
    {
        HookStatus.TIMED_OUT,
        HookStatus.TOOL_MISSING,
        HookStatus.TOOL_ERROR,
        HookStatus.INCONCLUSIVE,
    }
)
"""The tool did not look, or not to the end."""

_MESSAGE_LINES: Final = 8  # of a failing test's message; `crackerjack show` has them all
_SEVERITY_STYLES: Final = {"error": "bad", "warning": "warn", "note": "faint"}
_INSTALL: Final = r"`([^`]+)`|: ([^:]+)$"  # where a reason names the command
_PHASES: Final = frozenset({"run_code_cleaning", "run_test_workflow"})
"""What ``--hook`` does not name."""
_RERUN_LIMIT: Final = 4  # hooks named in one command; more is not a command one would type


def seconds(duration: float) -> str:
    """A duration for people: ``0.04s``, ``4.2s``, ``14s``, ``2m05s``, ``1h02m``."""
    if duration < 0.995:
        return f"{max(duration, 0.0):.2f}s"
    return f"{duration:.1f}s" if duration < 9.95 else whole_seconds(duration)


def whole_seconds(duration: float) -> str:
    """A duration that goes on, for people: ``4s``, ``2m05s``, ``1h02m``."""
    whole = max(0, round(duration))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def count(number: int, thing: str) -> str:
    """``1 finding``, ``2 findings``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def location(path: str, line: int | None, column: int | None = None) -> str:
    """``path:line:column``, as far as it is known."""
    known = [str(part) for part in (line, column) if part is not None]
    return ":".join([inert(path), *known]) if path else ""


def finding(found: DiagnosticFound) -> Line:
    """``path:line:column: code message [hook]``."""
    place = location(found.path, found.line, found.column)
    style = _SEVERITY_STYLES.get(found.severity, "")
    return [
        ("path", f"{place}:" if place else ""),
        ("", " " if place else ""),
        (style, inert(found.code)),
        ("", f" {one_line(found.message)} " if found.code else f"{one_line(found.message)} "),
        ("faint", f"[{inert(found.hook)}]"),
    ]


def failing_test(test: TestCompleted, *, limit: int = _MESSAGE_LINES) -> list[Line]:
    """``path:line: test_name failed: message [hook]``, further lines of the message below it."""
    place = location(test.path, test.line)
    name = test.nodeid.removeprefix(f"{test.path}::")
    verb = "failed" if test.outcome == "failed" else "could not run"
    message = [line for line in inert_lines(test.message) if line.strip()]
    head: Line = [
        ("path", f"{place}: " if place else ""),
        ("bad", f"{inert(name)} {verb}"),
        ("", f": {message[0].strip()}" if message else ""),
        ("warn", " (flaky: it has also passed at the same content)" if test.flaky else ""),
        ("faint", f" [{inert(test.hook)}]"),
    ]
    more = [[("", f"    {line}")] for line in message[1:limit]]
    if len(message) > limit:
        more.append([("faint", f"    ({count(len(message) - limit, 'further line')})")])
    return [head, *more]


def fix(fixed: FileFixed) -> Line:
    """``fixed path: rules [hook]``, or what would be, or why a file was left as it was."""
    hook = ("faint", f" [{inert(fixed.hook)}]")
    if not fixed.fixed and not fixed.rules:
        return [
            ("warn", "left as it was "),
            ("path", inert(fixed.path)),
            ("", f": {one_line(fixed.reason)}"),
            hook,
        ]
    rules = f": {', '.join(map(inert, fixed.rules))}" if fixed.rules else ""
    done = ("good", "fixed ") if fixed.fixed else ("warn", "would fix ")
    return [done, ("path", inert(fixed.path)), ("", rules), hook]


def coverage(measured: CoverageMeasured) -> str:
    """``coverage 87.5%``, and what it must not fall below where it did."""
    text = f"coverage {measured.percent:.4g}%"
    if measured.success or measured.previous is None:
        return text
    return f"{text}, must not fall below {measured.previous:.4g}%"


def outcomes(hook: HookState) -> str:
    """``2 failed, 410 passed, 3 skipped``; empty where no tests ran."""
    words = {"error": "could not run"}
    order = ("failed", "error", "passed", "skipped", "xfailed", "xpassed")
    return ", ".join(
        f"{number} {words.get(outcome, outcome)}"
        for outcome in order
        if (number := hook.outcomes.get(outcome, 0))
    )


def result(hook: HookState) -> str:
    """What a hook came to: ``passed, cached``, ``2 findings``, ``tool error: KeyError``."""
    if hook.status == HookStatus.TOOL_MISSING and hook.reason:
        return one_line(hook.reason)
    status = str(hook.status)
    words = [status.replace("_", " ")]
    if hook.status == HookStatus.FIXED:
        words = [f"fixed {count(hook.fixed, 'file')}"]
    elif hook.status == HookStatus.FAILED and (hook.findings or hook.outcomes):
        words = [count(hook.findings, "finding")] if hook.findings else []
        fixable = sum(found.fixable for found in hook.diagnostics)
        words += [f"{fixable} fixable"] if fixable else []
        notes = hook.severities.get("note", 0)
        words += [count(notes, "note")] if notes else []
    if hook.fixed and hook.status != HookStatus.FIXED:
        words.append(f"fixed {count(hook.fixed, 'file')}")
    if hook.outcomes:
        words = [word for word in words if word != "passed"]
        words.append(outcomes(hook))
    if hook.cached:
        words.append("cached")
    reason = f": {one_line(hook.reason)}" if hook.reason else ""
    return ", ".join(words) + reason


def totals(job: JobSnapshot) -> str:
    """``3 findings, 1 failing test``; empty when there is nothing of it."""
    failing = sum(1 for _ in job.failing_tests)
    findings = job.counts()["findings"]
    parts = [
        count(findings, "finding") if findings else "",
        count(failing, "failing test") if failing else "",
    ]
    return ", ".join(part for part in parts if part)


def remark(job: JobSnapshot) -> Line:
    """Why a job that is well did less than one would think, such as that no file has changed."""
    reason = one_line(job.reason) if job.status is JobStatus.COMPLETED else ""
    return [("", reason[:1].upper() + reason[1:])] if reason else []


def verdict(job: JobSnapshot) -> Line:
    """How the job ended, in a sentence."""
    if job.status is JobStatus.COMPLETED:
        return [("good", "Workflow completed successfully")]
    if job.status is JobStatus.INTERRUPTED:
        reason = f": {one_line(job.reason).replace('_', ' ')}" if job.reason else ""
        return [("warn", f"Workflow interrupted{reason}")]
    if job.status is not JobStatus.FAILED:
        return [("", one_line(job.message))]
    if job.exit_code == ExitCode.FINDINGS:
        broken = [inert(hook.name) for hook in job.hooks.values() if hook.status in BROKEN]
        failed = one_line(job.reason).partition("; ")[0].removeprefix("failed: ")
        found = [
            totals(job) or failed,
            f"{', '.join(broken)} could not be run" if broken else "",
        ]
        return [("bad", f"Workflow failed: {'; '.join(part for part in found if part)}")]
    return [("bad", f"Workflow failed: {one_line(job.reason) or totals(job)}")]


def next_commands(job: JobSnapshot, here: str = "") -> list[tuple[str, str]]:
    """What to type next, and what it does; nothing when all is well.

    Where the reader is in another project, in `here`, the commands that run name that of the job.
    """
    run = "crackerjack run" + _project_option(job.project, here)
    counts = job.counts()
    hooks = list(job.hooks.values())
    commands: list[tuple[str, str]] = []
    if counts["findings"] or any(True for _ in job.failing_tests):
        commands.append((f"crackerjack show {job.job_id}", "all findings, by file"))
    fixable = any(found.fixable for found in job.diagnostics) or any(
        fix.rules and not fix.fixed for fix in job.fixes
    )
    if job.check and fixable:
        commands.append((f"{run} --fix", "fix what can be fixed"))
    commands.extend(
        (command[1] or command[2], f"install what {inert(hook.name)} needs")
        for hook in hooks
        if hook.status == HookStatus.TOOL_MISSING
        and (command := re.search(_INSTALL, one_line(hook.reason)))
    )
    if counts["fixed"]:
        commands.append(
            (f"crackerjack undo {job.job_id}", f"put back {count(counts['fixed'], 'file')}")
        )
    again = list(
        dict.fromkeys(
            hook.name
            for hook in hooks
            if hook.status in {*BROKEN, HookStatus.FAILED}
            and hook.status != HookStatus.TOOL_MISSING
            and not _is_phase(job, hook)
        )
    )
    if 0 < len(again) <= _RERUN_LIMIT:
        options = "".join((*[" --check"] * job.check, *(f" --hook {name}" for name in again)))
        commands.append((run + options, "run only these again"))
    return commands


def _project_option(project: str, here: str) -> str:
    if not here or project in {"", here}:
        return ""
    import shlex

    return f" --project {shlex.quote(inert(project))}"


def _is_phase(job: JobSnapshot, hook: HookState) -> bool:
    step = job.steps.get(hook.step_id)
    return step is not None and step.action in _PHASES
