from __future__ import annotations

import os
from pathlib import Path

import pytest

from crackerjack.hooks.coverage import coverage_holds, measures_coverage
from crackerjack.types import HookStatus
from tests.hooks.pytest_runs import Project

COV = ("-p", "pytest_cov")
XDIST = ("-p", "xdist", "-n1")
CONFIGURED = '[tool.coverage.run]\nsource = ["package"]\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project three quarters of whose lines its test runs."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    project = Project(tmp_path)
    project.write("package.py", "def f(x):\n    if x:\n        return 1\n    return 2\n")
    project.write("conftest.py", "import package\n")
    project.write("test_it.py", "import package\ndef test(): assert package.f(1) == 1\n")
    return project


@pytest.mark.parametrize(
    ("configuration", "args", "percent"),
    [
        ("", (), None),
        (CONFIGURED, (), 75.0),
        ("", (*COV, "--cov=package"), 75.0),
        (CONFIGURED, (*COV, "--cov", "--cov-report="), 75.0),
        (CONFIGURED, (*COV, "--cov", *XDIST), 75.0),
        (CONFIGURED, XDIST, None),
        (CONFIGURED, ("-p", "no:cov"), None),
        (CONFIGURED, (*COV, "--cov", "--no-cov"), None),
        (CONFIGURED + 'concurrency = ["multiprocessing"]\n', (), None),
    ],
    ids=[
        "not configured",
        "configured",
        "pytest-cov",
        "no report",
        "xdist, pytest-cov",
        "xdist",
        "plugin off",
        "off",
        "processes",
    ],
)
def test_measuring(
    project: Project, configuration: str, args: tuple[str, ...], percent: float | None
) -> None:
    project.write("pyproject.toml", configuration)
    run = project.run("-p", "no:cacheprovider", *args)
    assert (run.status, run.coverage) == (HookStatus.PASSED, percent), project.output
    written = {".coverage"} if percent and "--cov" in str(args) else set()
    assert {name for name in os.listdir(project.root) if "coverage" in name} == written
    if not written:
        assert "coverage" not in project.output.replace("plugins: ", "").replace("cov-", "")


def test_measuring_can_be_left_out(project: Project) -> None:
    project.write("pyproject.toml", CONFIGURED)
    assert project.run(coverage=False).coverage is None


def test_a_limit_of_the_projects_own(project: Project) -> None:
    project.write(
        "pytest.ini", "[pytest]\naddopts = -p pytest_cov --cov=package --cov-fail-under=90\n"
    )
    run = project.run()
    assert (run.status, run.coverage, run.failures) == (HookStatus.FAILED, 75.0, ())
    assert "no test did: ERROR: Coverage failure: total of 75 is less than" in run.reason


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (".coveragerc", "", True),
        ("pyproject.toml", "[tool.coverage.report]\n", True),
        ("pyproject.toml", "[tool.other]\n", False),
        ("setup.cfg", "[coverage:run]\n", True),
        ("tox.ini", "[testenv]\ncommands = coverage run\n", False),
        ("README", "[tool.coverage.run]", False),
    ],
)
def test_who_measures(project: Project, name: str, text: str, expected: bool) -> None:
    project.write(name, text)
    assert measures_coverage(str(project.root)) is expected


@pytest.mark.parametrize(
    ("percent", "best", "expected"),
    [
        (80.0, None, True),
        (0.0, None, True),
        (81.0, 80.0, True),
        (80.0, 80.0, True),
        (79.99, 80.0, False),
        (79.9, 80.0, False),
        (87.301587, 87.3015873015873, True),
    ],
)
def test_the_ratchet(percent: float, best: float | None, expected: bool) -> None:
    assert coverage_holds(percent, best) is expected
