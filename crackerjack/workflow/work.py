"""Who does the work of a run: the process that runs it, or others with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from crackerjack.hooks.execution import OnOutput
from crackerjack.hooks.hook import HookResult
from crackerjack.hooks.project import Project
from crackerjack.hooks.selection import PlannedHook

if TYPE_CHECKING:
    from crackerjack.hooks.pytest_session import TestResult
    from crackerjack.hooks.testing import TestRun

OnAgain = Callable[[str], None]
"""Told why what was begun elsewhere begins again: its output so far counts no more."""


class HookOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A hook that is to run."""

    entry: PlannedHook
    fix: bool
    """Whether it may write what it can put right."""
    limit: float
    """Seconds."""
    limited_by: str
    expected: float | None
    """Seconds, from the project's history."""


class Work(Protocol):
    """Runs hooks and tests; every method may be called from any thread."""

    @property
    def hands(self) -> int:
        """How many things can be done at the same time."""
        ...

    def run_hook(self, order: HookOrder, on_output: OnOutput, on_again: OnAgain) -> HookResult:
        """Run a hook; one that may write has the project for itself meanwhile."""
        ...

    def run_tests(
        self,
        *,
        limit: float,
        on_collected: Callable[[int, int], None],
        on_test: Callable[[TestResult], None],
        on_output: OnOutput,
        on_again: OnAgain,
    ) -> TestRun:
        """Run the project's tests for at most `limit` seconds."""
        ...


class OwnWork:
    """The :class:`Work` of a process that does everything itself."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @property
    def hands(self) -> int:
        return self._project.config.jobs or self._project.cores

    def run_hook(self, order: HookOrder, on_output: OnOutput, on_again: OnAgain) -> HookResult:  # noqa: ARG002
        return self._project.run_hook(
            order.entry,
            fix=order.fix,
            limit=order.limit,
            limited_by=order.limited_by,
            on_output=on_output,
        )

    def run_tests(
        self,
        *,
        limit: float,
        on_collected: Callable[[int, int], None],
        on_test: Callable[[TestResult], None],
        on_output: OnOutput,
        on_again: OnAgain,  # noqa: ARG002
    ) -> TestRun:
        return self._project.run_tests(
            limit=limit, on_collected=on_collected, on_test=on_test, on_output=on_output
        )
