"""The commands about a project."""

import json
import time

from crackerjack.events.log import JobHeader
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.jobs.process_identity import this_process
from crackerjack.types import ExitCode, JobId
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


class TestTheHooksAreThoseOfTheDefaultWorkflow:
    def will_run(self, crackerjack: CommandLine) -> set[str]:
        return {
            row["hook"] for row in json.loads(crackerjack("hooks", "--json").stdout) if row["runs"]
        }

    def test_without_those_that_it_has_no_step_for(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        assert {"file-checks", "mypy"} <= self.will_run(crackerjack)
        project.configure('[tool.crackerjack]\nworkflow = "fast"\n')
        assert self.will_run(crackerjack) == {"file-checks", "codespell", "ruff-check"}
        why = next(
            line for line in crackerjack("hooks").stdout.splitlines() if line.startswith("  mypy ")
        )
        assert "the workflow 'fast', which is the project's default, has no step for it" in why

    def test_with_those_that_it_names(self, crackerjack: CommandLine, project: Project) -> None:
        project.configure(
            '[tool.crackerjack]\nworkflow = "own"\n[tool.crackerjack.workflows.own]\n'
            'steps = [{ action = "run_comprehensive_hooks", hooks = ["ruff-complexity"] }]\n'
        )
        assert self.will_run(crackerjack) == {"ruff-complexity"}

    def test_with_all_that_look_where_it_runs_everything(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        assert "ruff-complexity" not in self.will_run(crackerjack)
        project.configure('[tool.crackerjack]\nworkflow = "comprehensive"\n')
        assert "ruff-complexity" in self.will_run(crackerjack)

    def test_and_doctor_misses_no_tool_that_it_does_not_need(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        project.configure('[tool.crackerjack.hooks.absent]\ncommand = ["no-such-tool"]\n')
        assert crackerjack("doctor").exit_code == 3
        project.configure('[tool.crackerjack]\nworkflow = "fast"\n')
        assert crackerjack("doctor").exit_code == 0


def test_no_job_is_left_out_where_there_are_many(
    crackerjack: CommandLine, project: Project
) -> None:
    many = 1001
    log = SqliteEventLog(crackerjack.state_dir / "store.db")
    for number in range(many):
        header = JobHeader(
            job_id=JobId(f"job{number}"),
            project=str(project.root),
            workflow="standard",
            created=time.time(),
            owner=this_process(),
        )
        log.create_job(header, time.time() + 600)
    log.close()
    listed = json.loads(crackerjack("jobs", "--limit", "2000", "--json").stdout)
    assert (len(listed), listed[0]["job_id"]) == (many, "job1000")
    assert len(json.loads(crackerjack("jobs", "--limit", "2", "--json").stdout)) == 2
    queued = json.loads(
        crackerjack("jobs", "--status", "queued", "--limit", "2000", "--json").stdout
    )
    assert len(queued) == many
    assert f"({many} jobs)" in crackerjack("doctor").stdout


def test_the_doctor_tells_a_missing_tool_from_what_is_in_the_way_of_every_run(
    crackerjack: CommandLine, project: Project
) -> None:
    assert crackerjack("doctor").exit_code == ExitCode.PASSED
    project.configure('[tool.crackerjack.hooks.lint]\ncommand = ["no-such-tool"]\n')
    doctor, ran = crackerjack("doctor"), crackerjack("--check", "--hook", "lint")
    assert doctor.exit_code == ran.exit_code == ExitCode.TOOL
    assert "FAIL  lint " in doctor.stdout
    assert "(1 job)" in crackerjack("doctor").stdout
    project.configure("[tool.crackerjack.hook]\n")
    assert crackerjack("doctor").exit_code == ExitCode.USAGE
