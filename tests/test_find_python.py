"""``scripts/find-python``, which ``make`` asks for an interpreter, with what a machine may lack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

SCRIPT: Final = Path(__file__).resolve().parent.parent / "scripts" / "find-python"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A directory that is all there is on the ``PATH``, beside what a shell needs."""
    commands = tmp_path / "bin"
    commands.mkdir()
    return commands


def install(machine: Path, name: str, script: str) -> Path:
    """Put a command on the machine's ``PATH``."""
    command = machine / name
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return command


def find(machine: Path, *names: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(machine), "HOME": str(machine.parent)}
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), *names],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def real(name: str = "python") -> str:
    return f'exec "{sys.executable}" "$@"  # {name}'


def test_the_first_that_will_do_is_taken(machine: Path) -> None:
    install(machine, "python3.12", "exit 1  # too old, or a shim for what is not installed")
    install(machine, "python3", real())
    found = find(machine, "python3.13", "python3.12", "python3")
    assert os.path.samefile(found.stdout.strip(), sys.executable)
    assert found.stderr == ""


def test_one_that_pyenv_keeps_is_found(machine: Path) -> None:
    kept = machine.parent / ".pyenv" / "versions" / "3.12.1" / "bin"
    kept.mkdir(parents=True)
    install(kept, "python3.12", real())
    found = find(machine, "python3.12")
    assert os.path.samefile(found.stdout.strip(), sys.executable)


def test_none_is_a_sentence_with_what_to_do(machine: Path) -> None:
    install(machine, "python3", "exit 1")
    found = find(machine, "python3.13", "python3")
    assert found.returncode == 1
    assert found.stderr.startswith(
        "Python 3.11 or newer is needed, and none of these is one: python3"
    )
    assert "make PYTHON=" in found.stderr


def test_one_without_venv_is_a_sentence_with_what_to_install(machine: Path) -> None:
    install(machine, "python3", f'case "$2" in *venv*) exit 1;; esac; {real()}')
    found = find(machine, "python3")
    assert found.returncode == 1
    assert found.stderr.startswith("python3 cannot make virtual environments")
    assert "python3-venv" in found.stderr
