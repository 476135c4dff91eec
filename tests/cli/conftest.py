"""A project, and the command line in it."""

from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def crackerjack(project: Project, tmp_path: Path) -> CommandLine:
    return CommandLine(project.root, tmp_path / "state")
