"""The lines that tell a run as it happens: for each event what a person wants to read, if anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from crackerjack.events.event import WorkflowEvent
from crackerjack.events.payload import (
    ConfigCompleted,
    CoverageMeasured,
    DiagnosticFound,
    EventType,
    FileFixed,
    HookEnded,
    HookOutput,
    HookStarted,
    JobRequeued,
    PhaseEnded,
    SessionInitializing,
    StrategyEnded,
    TestCompleted,
)
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.jobs.states import FAILING, HookState
from crackerjack.reports import wording
from crackerjack.reports.safe_text import inert, inert_lines, one_line
from crackerjack.reports.style import Line, Look
from crackerjack.reports.summary import row
from crackerjack.types import HookStatus, JobId

QUIET: Final = -1
VERBOSE: Final = 1

_FINDINGS_LIMIT: Final = 50  # lines per hook; the rest is in the log
_FIXES_LIMIT: Final = 20  # lines per hook
_NAMES: Final = 20  # cells for a hook's name in a line of its own
_UNWRAPPED: Final = 10_000  # cells: lines are broken where they are written, if at all
_PHASES: Final = {"cleaning": "Code cleaning", "testing": "Tests"}


class Narration:
    """Tells the events of one job, in order, in lines.

    `verbosity` is -1 for findings and failures alone, 0, or 1 for what hooks print and every test
    too. `hook_lines` says whether a hook that ends well is worth a line. A finding is told once, also
    when a hook that runs again finds it again.
    """

    def __init__(self, look: Look, *, verbosity: int, hook_lines: bool) -> None:
        self.job = JobSnapshot(job_id=JobId(""))
        """What the job is after the events told so far; its id comes with the first."""
        self._look: Final = look
        self._hook_lines: Final = hook_lines and verbosity > QUIET
        self._told: Final[Counter[tuple[str, str, str]]] = Counter()
        self._withheld: Final[Counter[tuple[str, str]]] = Counter()
        """How many lines of a step's hook were not told."""
        self._seen: Final[set[tuple[str, ...]]] = set()
        self._well: Final[dict[tuple[str, str], bool]] = {}
        """Whether a step's hook ended well the last time; that it did so again is not told."""
        self._tellers: Final = self._choose(verbosity)

    def tell(self, event: WorkflowEvent) -> list[Line]:
        """Take in the next event of the job, and return what there is to print for it.

        The ending is not told here. Raises :exc:`OutOfOrder`.
        """
        if not self.job.seq:
            self.job = JobSnapshot(job_id=event.job_id)
        self.job.apply(event)
        if event.terminal:
            return self._rest()
        tell = self._tellers.get(event.event_type)
        if tell is None:
            return []
        try:
            payload = event.payload
        except ValueError:  # of a newer version; the job counts it as unread
            return []
        return tell(payload)

    def _choose(self, verbosity: int) -> Mapping[str, Callable[[Any], list[Line]]]:
        tellers: dict[str, Callable[[Any], list[Line]]] = {
            EventType.DIAGNOSTIC_FOUND: self._finding,
            EventType.TEST_COMPLETED: self._test,
            EventType.HOOK_EXECUTION_COMPLETED: self._hook_ended,
            EventType.HOOK_EXECUTION_FAILED: self._hook_ended,
            EventType.QUALITY_PHASE_FAILED: self._phase_ended,
            EventType.COVERAGE_MEASURED: self._coverage,
        }
        if verbosity > QUIET:
            tellers |= {
                EventType.WORKFLOW_SESSION_INITIALIZING: self._session,
                EventType.JOB_QUEUED: self._waiting,
                EventType.JOB_REQUEUED: self._requeued,
                EventType.CONFIG_PHASE_COMPLETED: self._config,
                EventType.FILE_FIXED: self._fix,
                EventType.QUALITY_PHASE_COMPLETED: self._phase_ended,
                EventType.HOOK_STRATEGY_COMPLETED: self._strategy_ended,
                EventType.HOOK_STRATEGY_FAILED: self._strategy_ended,
            }
        if verbosity >= VERBOSE:
            tellers |= {
                EventType.HOOK_EXECUTION_STARTED: self._hook_started,
                EventType.HOOK_OUTPUT: self._output,
                EventType.TEST_COMPLETED: self._every_test,
            }
        return tellers

    def _session(self, payload: SessionInitializing) -> list[Line]:
        return [[("", "Selected workflow: "), ("strong", one_line(payload.title))]]

    def _waiting(self, _: object) -> list[Line]:
        return [[("warn", one_line(self.job.message))]]

    def _requeued(self, payload: JobRequeued) -> list[Line]:
        if payload.part:
            return [[("warn", one_line(f"{payload.part} is done again: {payload.reason}"))]]
        return self._waiting(payload)

    def _config(self, payload: ConfigCompleted) -> list[Line]:
        style = "" if payload.success else "bad"
        return [[(style, one_line(payload.message))]] if payload.message else []

    def _finding(self, payload: DiagnosticFound) -> list[Line]:
        key = (payload.hook, payload.fingerprint, payload.path, str(payload.line))
        if key in self._seen or not self._may("finding", payload, _FINDINGS_LIMIT):
            return []
        self._seen.add(key)
        return [wording.finding(payload)]

    def _fix(self, payload: FileFixed) -> list[Line]:
        if not self._may("fix", payload, _FIXES_LIMIT):
            return []
        return [wording.fix(payload)]

    def _test(self, payload: TestCompleted) -> list[Line]:
        if payload.outcome not in FAILING or not self._may("test", payload, _FINDINGS_LIMIT):
            return []
        return wording.failing_test(payload)

    def _every_test(self, payload: TestCompleted) -> list[Line]:
        if payload.outcome in FAILING:
            return self._test(payload)
        outcome = ("good" if payload.outcome == "passed" else "faint", payload.outcome)
        took = ("faint", f" {wording.seconds(payload.duration)}")
        return [[outcome, ("", f" {inert(payload.nodeid)}"), took]]

    def _coverage(self, payload: CoverageMeasured) -> list[Line]:
        return [] if payload.success else [[("bad", wording.coverage(payload).capitalize())]]

    def _hook_started(self, payload: HookStarted) -> list[Line]:
        again = ", again" if payload.rerun else ""
        attempt = f", attempt {payload.attempt}" if payload.attempt > 1 else ""
        return [[("faint", f"{inert(payload.hook)} starts{again}{attempt}")]]

    def _output(self, payload: HookOutput) -> list[Line]:
        name = f"{inert(payload.hook)} | "
        return [[("faint", name), ("", line)] for line in inert_lines(payload.text)]

    def _hook_ended(self, payload: HookEnded) -> list[Line]:
        hook = self.job.hook(payload.step_id, payload.hook)
        key = (hook.step_id, payload.hook)
        still_well = payload.rerun and payload.success and self._well.get(key, False)
        self._well[key] = payload.success
        told = [] if still_well else self._row(hook)
        return [*self._rest(payload.step_id, payload.hook), *told]

    def _phase_ended(self, payload: PhaseEnded) -> list[Line]:
        name = _PHASES.get(payload.phase, payload.phase)
        reason = one_line(payload.reason)
        if payload.status == HookStatus.SKIPPED:
            told = [[("", f"Skipping {name.lower()}{f' ({reason})' if reason else ''}.")]]
        elif payload.phase == "cleaning" and payload.success:
            told = [[("", "Code cleaning completed successfully")]]
        elif phase := self.job.hooks.get((payload.step_id, "")):
            told = self._row(phase)
        else:
            told = []  # the hook that ran in the phase has been told
        return [*self._rest(payload.step_id), *told]

    def _strategy_ended(self, payload: StrategyEnded) -> list[Line]:
        if not payload.skipped:
            return []
        reason = f" ({one_line(payload.reason)})" if payload.reason else ""
        return [[("", f"Skipping {payload.strategy} hooks{reason}.")]]

    def _row(self, hook: HookState) -> list[Line]:
        """How a hook ended; where not every hook has a line, only what no finding tells."""
        if self._hook_lines:
            return [line[1:] for line in row(hook, self._look, _NAMES, _UNWRAPPED)]
        bare = hook.status == HookStatus.FAILED and not hook.findings and not hook.outcomes
        if bare or hook.status in wording.BROKEN:
            what = f" {inert(hook.name)}: {wording.result(hook)}"
            return [[self._look.symbol(hook.status), ("", what)]]
        return []

    def _may(
        self, kind: str, payload: DiagnosticFound | FileFixed | TestCompleted, limit: int
    ) -> bool:
        """Whether there is room for one more line of this kind; if not, it is counted."""
        if self._told[kind, payload.step_id, payload.hook] >= limit:
            self._withheld[payload.step_id, payload.hook] += 1
            return False
        self._told[kind, payload.step_id, payload.hook] += 1
        return True

    def _rest(self, step_id: str = "", hook: str = "") -> list[Line]:
        """How much was withheld: of a hook, of a step, or at all."""
        lines: list[Line] = []
        for key in list(self._withheld):
            if step_id in {key[0], ""} and hook in {key[1], ""}:
                more = f"... and {self._withheld.pop(key)} more [{inert(key[1])}]; "
                show = f"crackerjack show {self.job.job_id}"
                lines.append([("faint", more), ("strong", show)])
        return lines
