"""Real projects with real tests, run by the code under test."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from crackerjack.hooks.process import Cancellation
from crackerjack.hooks.process_groups import NoGroups
from crackerjack.hooks.pytest_session import TestResult
from crackerjack.hooks.testing import Shard, TestRun, run_tests


class Project:
    """A project in a directory, and what a run of its tests reported."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cancel = Cancellation()
        self.collected: list[tuple[int, int]] = []
        self.results: list[TestResult] = []
        self.output = ""

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))

    def run(
        self,
        *args: str,
        python: str | None = None,
        timeout: float = 60.0,
        has_tests: bool = True,
        source_roots: Sequence[str] = (),
        coverage: bool = True,
        on_test: Callable[[TestResult], None] | None = None,
        shard: Shard | None = None,
    ) -> TestRun:
        def take(result: TestResult) -> None:
            self.results.append(result)
            if on_test is not None:
                on_test(result)

        def print_it(_stream: str, text: str) -> None:
            self.output += text

        return run_tests(
            str(self.root),
            python,
            timeout=timeout,
            cancel=self.cancel,
            groups=NoGroups(),
            on_collected=lambda count, deselected: self.collected.append((count, deselected)),
            on_test=take,
            on_output=print_it,
            args=args,
            source_roots=source_roots,
            coverage=coverage,
            has_tests=has_tests,
            shard=shard,
        )

    def outcomes(self) -> dict[str, str]:
        """What became of each test, by its name."""
        return {result.nodeid.split("::")[-1]: result.outcome for result in self.results}

    def result(self, name: str) -> TestResult:
        [found] = [result for result in self.results if result.nodeid.endswith("::" + name)]
        return found


def lines(*text: str) -> str:
    return "\n".join(text) + "\n"


def names(results: Sequence[TestResult]) -> list[str]:
    return [result.nodeid for result in results]
