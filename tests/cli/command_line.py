"""The command line as its users have it: a real process, a store of its own, a small project."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

_PEAK_OF = """
import os, sys
sink = (os.POSIX_SPAWN_OPEN, 1, sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=[sink])
_, status, used = os.wait4(pid, 0)
print(used.ru_maxrss >> (10 if sys.platform == "darwin" else 0))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Runs a command with its output in a file, and prints its peak in KiB. A process begins with the
peak of the one that started it, so that must be a small one."""


class Ended(NamedTuple):
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of stdout, each a JSON object."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def result_of(self, hook: str) -> dict[str, Any]:
        """The data of the event that ended the hook, the last where there are several."""
        ended = [e["data"] for e in self.events if e["event_type"].startswith("hook_execution_")]
        data: dict[str, Any] = [d for d in ended if d["hook"] == hook and "status" in d][-1]
        return data

    @property
    def findings(self) -> list[tuple[str, str, str]]:
        """Hook, path and code of every finding."""
        found = [e["data"] for e in self.events if e["event_type"] == "diagnostic_found"]
        return [(data["hook"], data["path"], data["code"]) for data in found]


class CommandLine:
    """Runs crackerjack in a directory, with a store of its own and CI switched off."""

    def __init__(self, project: Path, state_dir: Path) -> None:
        self.project = project
        self.state_dir = state_dir
        dropped = {"CI", "FORCE_COLOR", "VIRTUAL_ENV", "GITHUB_ACTIONS"}
        self.environment = {k: v for k, v in os.environ.items() if k not in dropped}
        self.environment |= {"CRACKERJACK_STATE_DIR": str(state_dir), "COLUMNS": "100"}
        self.prefix: tuple[str, ...] = ()
        """The command that runs the command, with its arguments."""

    def __call__(self, *arguments: str, **environment: str) -> Ended:
        ran = subprocess.run(
            self.argv(*arguments),
            cwd=self.project,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback (most recent call last)" not in ran.stderr, ran.stderr
        assert "crackerjack itself failed" not in ran.stdout + ran.stderr, ran.stdout
        return Ended(ran.returncode, ran.stdout, ran.stderr)

    def measured(self, *arguments: str, output: Path) -> tuple[Ended, float]:
        """The command, run with its stdout in a file, and the peak of its memory in MiB."""
        self.prefix = (sys.executable, "-S", "-c", _PEAK_OF, str(output))
        try:
            ran = self(*arguments)
        finally:
            self.prefix = ()
        return Ended(ran.exit_code, output.read_text(), ran.stderr), int(ran.stdout) / 1024

    def argv(self, *arguments: str) -> list[str]:
        return [*self.prefix, sys.executable, "-m", "crackerjack", *arguments]

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a command whose stdout is read while it runs."""
        return subprocess.Popen(
            self.argv(*arguments),
            cwd=self.project,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


class Project:
    """A small project that passes, to be spoilt by the test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("pyproject.toml", '[project]\nname = "sample"\nversion = "1"\n')
        self.write("sample/__init__.py", '"""A sample."""\n')
        self.write(
            "sample/maths.py",
            '"""Sums."""\n\n\ndef add(a: int, b: int) -> int:\n    return a + b\n',
        )

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def write_tool(self, script: str, options: str = "") -> None:
        """Add a hook `tool` that runs this shell script."""
        self.write("tool", f"#!/bin/sh\n{script}\n").chmod(0o755)
        self.configure(f'[tool.crackerjack.hooks.tool]\ncommand = ["./tool"]\n{options}'.strip())

    def configure(self, text: str) -> None:
        """Add to pyproject.toml."""
        with (self.root / "pyproject.toml").open("a") as stream:
            stream.write(f"\n{text.rstrip()}\n")
