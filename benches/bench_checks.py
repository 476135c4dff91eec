"""Real checks on real projects: all of them, after no change, after a change to one file."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benches.paired import (
    Contender,
    Series,
    command,
    measure,
    milliseconds,
    print_table,
    ratio,
    verdict,
)
from benches.projects import BIN, CRACKERJACK, PEERS, commit_all, environment, published
from benches.runners import Check, configure, others, shell

HOOKS: Final = ("ruff-check", "ruff-format", "codespell", "bandit", "mypy", "file-checks")
"""Ours; `file-checks` does the four file checks, and more, in one pass over the files."""


def nine_checks(package: str) -> tuple[Check, ...]:
    """The checks as one would type them; the tools are the same files that crackerjack runs."""

    def ours(tool: str) -> str:
        return str(BIN / tool)

    def peer(tool: str) -> str:
        return str(PEERS / tool)

    return (
        Check("ruff-check", (ours("ruff"), "check")),
        Check("ruff-format", (ours("ruff"), "format", "--check")),
        Check("codespell", (ours("codespell"),), "text"),
        Check("bandit", (ours("bandit"), "-q", "-r", package)),
        Check("mypy", (ours("mypy"), package)),
        Check(
            "trailing-whitespace",
            (peer("trailing-whitespace-fixer"),),
            "text",
            "trailing-whitespace",
        ),
        Check("end-of-file", (peer("end-of-file-fixer"),), "text", "end-of-file-fixer"),
        Check("check-yaml", (peer("check-yaml"),), "yaml", "check-yaml"),
        Check("merge-conflict", (peer("check-merge-conflict"),), "text", "check-merge-conflict"),
    )


def prepare(name: str, version: str) -> tuple[Path, tuple[Check, ...]]:
    """A project under git with every runner configured; its files clean, so that nobody writes."""
    project = published(name, version)
    checks = nine_checks(name)
    with (project / "pyproject.toml").open("a") as configuration:
        # So that our codespell looks at every file, as the others' does: by itself it looks at less.
        configuration.write('\n[tool.codespell]\nbuiltin = "clear"\n')
    configure(checks, project)
    commit_all(project)
    for check in checks:
        if check.files:
            subprocess.run(["sh", "-c", check.line], cwd=project, capture_output=True, check=False)
    commit_all(project)
    return project, checks


def crackerjack(project: Path, *arguments: str, hooks: Sequence[str] = HOOKS) -> Contender:
    """Our run of the same checks."""
    chosen = [word for hook in hooks for word in ("--hook", hook)]
    argv = [CRACKERJACK, "run", "--check", *arguments, *chosen]
    return command("crackerjack", argv, cwd=str(project), env=environment())


def compare(title: str, series: Sequence[Series], bars: dict[str, float]) -> None:
    """A row for each contender: its median, and the first one's time as a ratio of it."""
    ours, *theirs = series
    rows = [(ours.name, milliseconds(ours.median), "1", "")]
    for other in theirs:
        against = ratio(ours, other)
        bar = verdict(against.median, bars[other.name], "x") if other.name in bars else ""
        rows.append((other.name, milliseconds(other.median), str(against), bar))
    print_table(title, ("runner", "median", "crackerjack / this", "bar"), rows)


def all_checks() -> None:
    project, checks = prepare("httpx", "0.28.1")
    contenders = [crackerjack(project, "--no-cache"), shell(checks, project), *others(project)]
    series = measure(contenders, rounds=11)
    bars = dict.fromkeys((one.name for one in series[1:]), 1.0)
    compare(
        "Nine checks on httpx, warm tool caches, our cache off",
        series,
        bars | {series[1].name: 0.95},
    )


def nothing_changed() -> None:
    for name, version, rounds, bar in (("httpx", "0.28.1", 11, 0.25), ("django", "5.2.8", 3, 0.6)):
        project, _ = prepare(name, version)
        fastest, *_ = others(project)
        ours, theirs = measure([crackerjack(project), fastest], rounds=rounds)
        compare(f"Nothing changed since the last run: {name}", [ours, theirs], {theirs.name: 0.2})
        print(f"\n{name}: {verdict(ours.median, bar, ' s')}, median {ours.median:.3f} s")


def one_file_changed() -> None:
    """What must look again: mypy at the package, the others at the changed file."""
    project, _ = prepare("httpx", "0.28.1")
    changing = project / "httpx" / "_utils.py"
    original = changing.read_text()
    turn = 0

    def after_change(contender: Contender) -> Contender:
        def run() -> float:
            nonlocal turn
            turn += 1
            changing.write_text(f"{original}\n_TURN = {turn}\n")
            return contender.run()

        return Contender(contender.name, run)

    tools = {
        "mypy, the package": (str(BIN / "mypy"), "httpx"),
        "bandit, the file": (str(BIN / "bandit"), "-q", str(changing)),
        "codespell, the file": (str(BIN / "codespell"), str(changing)),
    }
    alone = [
        command(name, argv, cwd=str(project), env=environment(), accept=(0, 1, 65))
        for name, argv in tools.items()
    ]
    series = measure([after_change(one) for one in (crackerjack(project), *alone)], rounds=11)
    slowest = max(series[1:], key=lambda one: one.median)
    compare("One file of httpx changed", series, {slowest.name: 1.1})


def main() -> None:
    all_checks()
    nothing_changed()
    one_file_changed()
