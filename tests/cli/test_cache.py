"""The cache: a result is reused when nothing it depends on has changed, and only then."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine, Project


def cached(crackerjack: CommandLine, *arguments: str) -> dict[str, bool]:
    """For each hook of a run, of which there must be one, whether its result was reused."""
    events = crackerjack("--check", "--json", *arguments).events
    hooks = {
        e["data"]["hook"]: e["data"]["cached"]
        for e in events
        if e["event_type"].startswith("hook_execution_") and "status" in e["data"]
    }
    assert hooks
    return hooks


def test_nothing_changed_and_everything_is_reused(crackerjack: CommandLine) -> None:
    assert not any(cached(crackerjack).values())
    assert all(cached(crackerjack).values())


def test_findings_are_reused_word_by_word(crackerjack: CommandLine, project: Project) -> None:
    project.write("sample/bad.py", "def size() -> int:\n    return missing\n\n\n\n")

    def findings() -> list[dict[str, object]]:
        events = crackerjack("--check", "--json").events
        found = [e["data"] for e in events if e["event_type"] == "diagnostic_found"]
        return [{k: v for k, v in data.items() if k != "timestamp"} for data in found]

    first = sorted(findings(), key=str)
    assert first
    assert sorted(findings(), key=str) == first


def test_findings_of_several_severities_are_reused(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write("sample/spaces.txt", "a   \n")  # a warning
    project.write("sample/broken.json", "{\n")  # an error
    assert cached(crackerjack)["file-checks"] is False
    again = crackerjack("--check", "--json", "--hook", "file-checks")
    found = [e["data"] for e in again.events if e["event_type"] == "diagnostic_found"]
    assert {data["severity"] for data in found} == {"error", "warning"}
    assert again.exit_code == 1
    assert cached(crackerjack)["file-checks"] is True


@pytest.mark.parametrize(
    ("change", "looked_again", "reused"),
    [
        (lambda p: p.write("sample/maths.py", "X = 1\n"), {"mypy", "ruff-check"}, set()),
        (lambda p: p.write("sample/new.py", "X = 1\n"), {"mypy", "ruff-check"}, {"lock-file"}),
        (lambda p: p.write("ruff.toml", "line-length = 50\n"), {"ruff-check"}, {"mypy"}),
        (lambda p: p.write("mypy.ini", "[mypy]\nstrict = true\n"), {"mypy"}, {"ruff-check"}),
        (lambda p: p.write("conftest.py", "X = 1\n"), {"mypy", "file-checks"}, set()),
        (lambda p: p.configure("[tool.ruff]\nline-length = 50\n"), {"ruff-check"}, set()),
    ],
    ids=["file", "new file", "ruff.toml", "mypy.ini", "conftest", "pyproject"],
)
def test_a_change_invalidates_what_it_touches(
    crackerjack: CommandLine,
    project: Project,
    change: Callable[[Project], object],
    looked_again: set[str],
    reused: set[str],
) -> None:
    cached(crackerjack)
    change(project)
    now = cached(crackerjack)
    assert not any(now[hook] for hook in looked_again)
    assert all(now[hook] for hook in reused & set(now))


def test_a_change_of_the_same_size_and_time_is_seen(
    crackerjack: CommandLine, project: Project
) -> None:
    file = project.write("sample/maths.py", "X = 1\n")
    cached(crackerjack)
    before = file.stat()
    file.write_text("Y = 1\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cached(crackerjack)["mypy"] is False


def test_a_new_version_of_a_tool_is_another_tool(
    crackerjack: CommandLine, project: Project, tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    project.configure(f'[tool.crackerjack.hooks.mine]\ncommand = ["{tool}"]\n')
    cached(crackerjack)
    assert cached(crackerjack)["mine"] is True
    tool.write_text("#!/bin/sh\nexit 0 # changed\n")
    assert cached(crackerjack)["mine"] is False


def test_other_arguments_are_another_run(crackerjack: CommandLine, project: Project) -> None:
    cached(crackerjack)
    project.configure('[tool.crackerjack.hooks.ruff-check]\nargs = ["--preview"]\n')
    assert cached(crackerjack)["ruff-check"] is False


def test_a_package_in_the_environment_is_seen_by_what_reads_it(
    crackerjack: CommandLine, project: Project
) -> None:
    environment = project.root / ".venv"
    subprocess.run(["python3", "-m", "venv", "--without-pip", str(environment)], check=True)
    cached(crackerjack)
    assert cached(crackerjack)["mypy"] is True
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "thing-1.dist-info").mkdir()
    (site / "thing-1.dist-info" / "METADATA").write_text("Name: thing\nVersion: 1\n")
    now = cached(crackerjack)
    assert (now["mypy"], now["file-checks"]) == (False, True)


def test_a_fix_is_looked_at_and_then_reused(crackerjack: CommandLine, project: Project) -> None:
    """What a fixer wrote was seen by its re-run: the next run has nothing left to find out."""
    project.write("sample/messy.py", "import os\n\nX = 1   \n")
    assert crackerjack().exit_code == 0
    now = cached(crackerjack)
    assert (now["file-checks"], now["ruff-check"], now["mypy"]) == (True, True, True)


def test_failures_of_tools_are_never_reused(crackerjack: CommandLine, project: Project) -> None:
    project.configure('[tool.crackerjack.hooks.broken]\ncommand = ["sh", "-c", "exit 7"]\n')
    cached(crackerjack)
    assert cached(crackerjack)["broken"] is False


def test_a_file_that_git_ignores_is_seen_by_a_tool_that_chooses_its_files(
    crackerjack: CommandLine, project: Project
) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=project.root, check=True)
    project.write(".gitignore", "made.py\n")
    project.write("sample/made.py", "X = 1\n")
    cached(crackerjack)
    assert cached(crackerjack)["mypy"] is True
    project.write("sample/made.py", "X = 2\n")
    now = cached(crackerjack)
    assert (now["mypy"], now["ruff-check"]) == (False, True)


def test_what_was_found_while_a_file_changed_is_not_reused(
    crackerjack: CommandLine, project: Project
) -> None:
    """A file of the same size at the end is not the one that the tool may have seen."""
    project.write_tool("sed -i 's/7/8/; t; s/8/7/' sample/number.py")
    file = project.write("sample/number.py", "X = 7\n")
    only_tool = ("--hook", "tool")
    assert cached(crackerjack, *only_tool) == {"tool": False}
    assert file.read_text() == "X = 8\n"
    file.write_text("X = 7\n")
    assert cached(crackerjack, *only_tool) == {"tool": False}
