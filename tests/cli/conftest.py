"""A project, and the command line in it."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def crackerjack(project: Project, tmp_path: Path) -> CommandLine:
    return CommandLine(project.root, tmp_path / "state")


@pytest.fixture
def as_anybody(crackerjack: CommandLine) -> CommandLine:
    """The command line of somebody who needs permissions: root's are taken away."""
    if os.geteuid() == 0:
        prefix = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
        try:
            subprocess.run([*prefix, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("root may do anything here, and no setpriv takes that away")
        crackerjack.prefix = prefix
    return crackerjack
