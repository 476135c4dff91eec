"""The projects that are measured on: copies of published ones, under git, in ``build/bench``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
WORK: Final = ROOT / "build" / "bench"
BIN: Final = Path(sys.executable).parent
"""Our command and the tools that every runner runs."""
PEERS: Final = ROOT / ".venv-bench" / "bin"
"""The other runners."""
CRACKERJACK: Final = str(BIN / "crackerjack")


def environment() -> dict[str, str]:
    """The environment of every measured process: each runner keeps its files under ``build/bench``."""
    # Without bytecode files, which pip writes for what it installs, we alone would be compiled anew.
    unset = {"CI", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"}
    inherited = {key: value for key, value in os.environ.items() if key not in unset}
    return {
        **inherited,
        "PATH": os.pathsep.join([str(PEERS), str(BIN), os.environ["PATH"]]),
        "CRACKERJACK_STATE_DIR": str(WORK / "state"),
        "PREK_HOME": str(WORK / "prek"),
        "PRE_COMMIT_HOME": str(WORK / "pre-commit"),
    }


def published(name: str, version: str) -> Path:
    """A new working copy of a release's source, not yet under git."""
    sources = WORK / "sources"
    unpacked = sources / f"{name}-{version}"
    if not unpacked.is_dir():
        sources.mkdir(parents=True, exist_ok=True)
        download = ["-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        only_source = ["--no-binary", ":all:", "--dest", str(sources), f"{name}=={version}"]
        subprocess.run([sys.executable, *download, *only_source], check=True)
        shutil.unpack_archive(sources / f"{name}-{version}.tar.gz", sources, filter="data")
    copy = fresh(name)
    shutil.copytree(unpacked, copy, dirs_exist_ok=True)
    return copy


def fresh(name: str) -> Path:
    """A new empty directory for a project."""
    directory = WORK / "projects" / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def commit_all(project: Path) -> None:
    """Put everything in `project` under git, which all the runners but one need."""
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]
    for arguments in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "-m", "as it is"],
    ):
        subprocess.run(["git", *identity, *arguments], cwd=project, check=True)
