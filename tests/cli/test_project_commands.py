"""The commands about a project."""

from tests.cli.command_line import CommandLine, Project


def test_hooks_fit_a_screen(crackerjack: CommandLine, project: Project) -> None:
    project.configure("[tool.crackerjack.hooks.codespell]\nenabled = false\n")
    ran = crackerjack("hooks", COLUMNS="80")
    lines = ran.stdout.splitlines()
    assert lines[0] == "Will run:"
    assert lines[1] == "  file-checks      fast           built in"
    not_run = lines[
        lines.index("Will not run:") + 1 : lines.index("Not asked for in this project:")
    ]
    assert [line.split()[0] for line in not_run] == ["codespell"]
    assert not_run[0].endswith("disabled: [tool.crackerjack.hooks.codespell] says enabled = false")
    waiting = lines[lines.index("Not asked for in this project:") + 1 :]
    assert any("ruff-complexity, " in line for line in waiting)
    assert waiting[-2:] == [
        "  Run one with --hook NAME. To have it in every run, configure its tool, or set",
        "  enabled = true in [tool.crackerjack.hooks.NAME].",
    ]
    assert max(map(len, waiting)) < 80
    assert len(lines) < 24
