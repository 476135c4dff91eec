"""The other runners: one list of checks, in the words of each of them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benches.paired import Contender, command
from benches.projects import PEERS, environment


class Check(msgspec.Struct, frozen=True):
    """One check, as somebody would type it."""

    name: str
    argv: tuple[str, ...]
    files: str = ""
    """Which files it gets as arguments: ``text``, ``yaml``, or none where it finds them itself."""
    prek_builtin: str = ""
    """What prek calls its own implementation of the same check."""

    @property
    def line(self) -> str:
        """The check as a shell command."""
        if not self.files:
            return shlex.join(self.argv)
        pattern = " '*.yaml' '*.yml'" if self.files == "yaml" else ""
        return f"git ls-files -z{pattern} | xargs -0 {shlex.join(self.argv)}"


def shell(checks: Sequence[Check], project: Path) -> Contender:
    """All the tools started at once by a shell: no runner at all."""
    script = "".join(f"{check.line} & " for check in checks) + "wait"
    return command("shell, in parallel", ["sh", "-c", script], cwd=str(project), env=environment())


def configure(checks: Sequence[Check], project: Path) -> None:
    """Write the configuration of every runner into `project`; to be committed, as people do."""
    configurations = {
        "prek-builtin.yaml": _pre_commit(checks, parallel=True, builtin=True),
        "prek-parallel.yaml": _pre_commit(checks, parallel=True),
        ".pre-commit-config.yaml": _pre_commit(checks),
        "lefthook.yml": _lefthook(checks),
        "poe_tasks.toml": _poe(checks),
    }
    for name, text in configurations.items():
        (project / name).write_text(text)


def others(project: Path) -> list[Contender]:
    """Every other runner on a configured project, the fastest first."""
    prek = [str(PEERS / "prek"), "run", "--all-files", "--no-progress", "--config"]
    lefthook = [str(PEERS / "lefthook"), "run", "checks", "--force", "--no-auto-install"]
    commands = {
        "prek, parallel, its own file checks": [*prek, "prek-builtin.yaml"],
        "prek, parallel": [*prek, "prek-parallel.yaml"],
        "lefthook": lefthook,
        "prek": [*prek, ".pre-commit-config.yaml"],
        "poe, parallel": [str(PEERS / "poe"), "--executor", "simple", "checks"],
        "pre-commit": [str(PEERS / "pre-commit"), "run", "--all-files"],
    }
    return [
        command(name, argv, cwd=str(project), env=environment()) for name, argv in commands.items()
    ]


def _pre_commit(checks: Sequence[Check], *, parallel: bool = False, builtin: bool = False) -> str:
    """A configuration for pre-commit; `parallel` and `builtin` are words that prek alone knows."""
    own = [check for check in checks if builtin and check.prek_builtin]
    lines = ["repos:"]
    if own:
        lines += ["- repo: builtin", "  hooks:"]
    for check in own:
        lines += [f"  - id: {check.prek_builtin}", *_priority(parallel)]
    lines += ["- repo: local", "  hooks:"]
    for check in (check for check in checks if check not in own):
        lines += [
            f"  - id: {check.name}",
            f"    name: {check.name}",
            "    language: system",
            f"    entry: {_quoted(shlex.join(check.argv))}",
            *_priority(parallel),
            f"    types: [{check.files}]" if check.files else "    pass_filenames: false",
            *([] if check.files else ["    always_run: true"]),
        ]
    return "\n".join(lines) + "\n"


def _priority(parallel: bool) -> list[str]:
    return ["    priority: 0"] if parallel else []


def _lefthook(checks: Sequence[Check]) -> str:
    lines = ["checks:", "  parallel: true", "  commands:"]
    for check in checks:
        run = shlex.join(check.argv) + (" {all_files}" if check.files else "")
        lines += [f"    {check.name}:", f"      run: {_quoted(run)}"]
        if check.files == "yaml":
            lines.append("      glob: '*.{yaml,yml}'")
    return "\n".join(lines) + "\n"


def _poe(checks: Sequence[Check]) -> str:
    tasks = [f"{check.name} = {{ shell = {_quoted(check.line)} }}" for check in checks]
    together = ", ".join(f'"{check.name}"' for check in checks)
    all_of_them = f"checks = {{ parallel = [{together}], ignore_fail = true }}"
    return "\n".join(["[tasks]", *tasks, all_of_them, ""])


def _quoted(text: str) -> str:
    """A string for YAML and TOML, both of which read JSON's."""
    return msgspec.json.encode(text).decode()
