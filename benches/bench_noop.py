"""What a runner costs by itself: ten hooks that do nothing."""

from __future__ import annotations

from typing import Final

from benches.bench_checks import compare, crackerjack
from benches.paired import measure, verdict
from benches.projects import commit_all, fresh
from benches.runners import Check, configure, others, shell

NAMES: Final = tuple(f"nothing-{number}" for number in range(10))


def main() -> None:
    project = fresh("noop")
    tables = [f'[tool.crackerjack.hooks.{name}]\ncommand = ["true"]\n' for name in NAMES]
    (project / "pyproject.toml").write_text("\n".join(tables))
    checks = [Check(name, ("true",)) for name in NAMES]
    configure(checks, project)
    commit_all(project)
    ours = crackerjack(project, "--no-cache", hooks=NAMES)
    series = measure([ours, shell(checks, project), *others(project)], rounds=15, warmups=2)
    compare("Ten hooks that do nothing", series, {})
    print(f"\nwhole process: {verdict(series[0].median * 1000, 100, ' ms')}")
