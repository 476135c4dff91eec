"""Where tools are found, and how their versions are told."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from crackerjack.hooks.tools import MemoryVersionCache, Toolbox


def executable(path: Path, script: str = "#!/bin/sh\necho $0 1.2\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)
    return path


def environment(prefix: Path, *tools: str) -> Path:
    """A virtual environment as far as a toolbox looks at it."""
    executable(prefix / "bin" / "python")
    (prefix / "lib" / "python3.12" / "site-packages").mkdir(parents=True)
    for tool in tools:
        executable(prefix / "bin" / tool)
    return prefix


def toolbox(root: Path, python: str | None = None, **variables: str) -> Toolbox:
    return Toolbox(str(root), python, environment=variables)


class TestOrder:
    def test_the_environment_in_the_project_goes_before_all_others(self, tmp_path: Path) -> None:
        local = environment(tmp_path / "p" / ".venv", "tool")
        active = environment(tmp_path / "active", "tool", "other")
        on_path = executable(tmp_path / "bin" / "tool").parent
        box = toolbox(tmp_path / "p", VIRTUAL_ENV=str(active), PATH=str(on_path))

        found, other = box.find("tool"), box.find("other")

        assert found is not None
        assert (found.path, found.origin) == (str(local / "bin" / "tool"), "project")
        assert other is not None
        assert (other.path, other.origin) == (str(active / "bin" / "other"), "project")

    def test_that_of_the_known_interpreter_goes_first(self, tmp_path: Path) -> None:
        environment(tmp_path / ".venv", "tool")
        known = environment(tmp_path / "elsewhere", "tool")

        found = toolbox(tmp_path, str(known / "bin" / "python")).find("tool")

        assert found is not None
        assert found.path == str(known / "bin" / "tool")

    def test_ours_goes_before_path(self, tmp_path: Path) -> None:
        name = os.path.basename(sys.executable)
        executable(tmp_path / "bin" / name)

        found = toolbox(tmp_path, PATH=str(tmp_path / "bin")).find(name)

        assert found is not None
        assert (os.path.dirname(found.path), found.origin) == (
            os.path.dirname(sys.executable),
            "crackerjack",
        )

    def test_path_is_the_last(self, tmp_path: Path) -> None:
        expected = executable(tmp_path / "bin" / "rare-tool")

        found = toolbox(tmp_path, PATH=f":{tmp_path / 'none'}:{tmp_path / 'bin'}").find("rare-tool")

        assert found is not None
        assert (found.path, found.origin) == (str(expected), "path")

    def test_a_path_is_one_in_the_project(self, tmp_path: Path) -> None:
        executable(tmp_path / "scripts" / "check.sh")

        found = toolbox(tmp_path).find("scripts/check.sh")

        assert found is not None
        assert found.path == str(tmp_path / "scripts" / "check.sh")
        assert toolbox(tmp_path).find("scripts/gone.sh") is None


class TestWhatCannotBeStarted:
    def test_a_script_of_an_environment_that_was_moved(self, tmp_path: Path) -> None:
        environment(tmp_path / ".venv")
        executable(tmp_path / ".venv" / "bin" / "tool", "#!/gone/bin/python\nprint()\n")
        expected = executable(tmp_path / "bin" / "tool")

        found = toolbox(tmp_path, PATH=str(tmp_path / "bin")).find("tool")

        assert found is not None
        assert found.path == str(expected)

    def test_a_directory_and_a_file_that_is_not_executable(self, tmp_path: Path) -> None:
        (tmp_path / "bin" / "directory").mkdir(parents=True)
        (tmp_path / "bin" / "plain").write_text("")
        box = toolbox(tmp_path, PATH=str(tmp_path / "bin"))

        assert box.find("directory") is None
        assert box.find("plain") is None
        assert box.find(None) is None

    def test_an_environment_without_an_interpreter(self, tmp_path: Path) -> None:
        executable(tmp_path / ".venv" / "bin" / "tool")

        assert toolbox(tmp_path).find("tool") is None


class TestVersion:
    def test_of_the_distribution_without_starting_the_tool(self, tmp_path: Path) -> None:
        prefix = environment(tmp_path / ".venv")
        witness = tmp_path / "started"
        executable(prefix / "bin" / "my-tool", f"#!/bin/sh\ntouch {witness}\necho 9\n")
        packages = prefix / "lib" / "python3.12" / "site-packages"
        (packages / "My_Tool-1.2.3.dist-info").mkdir()
        (packages / "my_tool_extras-7.dist-info").mkdir()
        box = toolbox(tmp_path)
        tool = box.find("my-tool")
        assert tool is not None

        assert box.version(tool) == "1.2.3"
        assert not witness.exists()

    def test_is_asked_once_for_each_content(self, tmp_path: Path) -> None:
        count = tmp_path / "count"
        script = f"#!/bin/sh\necho x >> {count}\necho tool 1.0\necho more\n"
        path = executable(tmp_path / "bin" / "tool", script)
        versions = MemoryVersionCache()

        def version() -> str:
            box = Toolbox(str(tmp_path), None, versions, {"PATH": str(tmp_path / "bin")})
            tool = box.find("tool")
            assert tool is not None
            return box.version(tool)

        assert [version(), version()] == ["tool 1.0", "tool 1.0"]
        assert count.read_text() == "x\n"

        path.write_text(script.replace("tool 1.0", "tool 2.0"))  # as long as before
        assert version() == "tool 2.0"

    @pytest.mark.parametrize("script", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\nexit 0\n"])
    def test_is_the_content_where_the_tool_does_not_say(self, tmp_path: Path, script: str) -> None:
        path = executable(tmp_path / "bin" / "tool", script)
        box = toolbox(tmp_path, PATH=str(path.parent))
        tool = box.find("tool")
        assert tool is not None

        first = box.version(tool)
        assert first == box.version(tool, ())
        assert re.fullmatch("file [0-9a-f]{8}", first)

        path.write_text(script + "# changed\n")
        assert box.version(tool) != first

    def test_is_empty_for_a_tool_that_is_gone(self, tmp_path: Path) -> None:
        path = executable(tmp_path / "bin" / "tool")
        box = toolbox(tmp_path, PATH=str(path.parent))
        tool = box.find("tool")
        assert tool is not None
        path.unlink()

        assert box.version(tool) == ""

    def test_two_interpreters_in_one_place_leave_it_to_the_tool(self, tmp_path: Path) -> None:
        prefix = environment(tmp_path / ".venv")
        executable(prefix / "bin" / "tool", "#!/bin/sh\necho tool 5\n")
        for python in ("python3.11", "python3.12"):
            packages = prefix / "lib" / python / "site-packages"
            (packages / "tool-4.dist-info").mkdir(parents=True)
        box = toolbox(tmp_path)
        tool = box.find("tool")
        assert tool is not None

        assert box.version(tool) == "tool 5"


def test_the_tools_of_this_installation_are_found() -> None:
    variables: Mapping[str, str] = {}
    box = Toolbox("/nowhere", None, environment=variables)
    for name in ("ruff", "mypy", "codespell"):
        tool = box.find(name)
        assert tool is not None
        assert box.version(tool)[0].isdigit()
