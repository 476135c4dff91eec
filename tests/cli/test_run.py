"""``crackerjack run`` from outside: what it says, what it writes, and its exit code."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import CommandLine, Project


def types_of(events: list[dict[str, Any]]) -> list[str]:
    return [event["event_type"] for event in events]


def last_of(events: list[dict[str, Any]], hook: str) -> dict[str, Any]:
    """The data of the event that ended the hook, the last where there are several."""
    ended = [e["data"] for e in events if e["event_type"].startswith("hook_execution_")]
    data: dict[str, Any] = [d for d in ended if d["hook"] == hook and "status" in d][-1]
    return data


@pytest.mark.parametrize("ci", ["", "true"])
def test_the_first_session_of_the_protocol(crackerjack: CommandLine, ci: str) -> None:
    ran = crackerjack("--skip-hooks", CI=ci)
    said = [
        "Selected workflow: Standard Quality Workflow",
        "Skipping fast hooks (--skip-hooks).",
        "Code cleaning completed successfully",
        "Skipping comprehensive hooks (--skip-hooks).",
        "Workflow completed successfully",
    ]
    lines = ran.stdout.splitlines()
    assert [line for line in lines if line in said] == said
    assert ran.exit_code == 0
    assert ran.stderr == ""


def test_a_clean_project_passes_with_evidence(crackerjack: CommandLine) -> None:
    ran = crackerjack("--json")
    assert ran.exit_code == 0
    statuses = {
        e["data"]["hook"]: e["data"]["status"]
        for e in ran.events
        if e["event_type"] == "hook_execution_completed"
    }
    assert statuses["ruff-check"] == statuses["mypy"] == statuses["file-checks"] == "passed"


def test_the_events_are_contiguous_and_end_once(crackerjack: CommandLine) -> None:
    events = crackerjack("--json", "--job-id", "job123").events
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {event["job_id"] for event in events} == {"job123"}
    assert all(event["timestamp"] == event["data"]["timestamp"] for event in events)
    terminal = {"workflow_completed", "workflow_failed", "workflow_interrupted"}
    assert [t for t in types_of(events) if t in terminal] == types_of(events)[-1:]
    assert crackerjack("events", "job123").events == events
    assert crackerjack("events", "job123", "--since", "5").events == events[5:]


def test_findings_are_exit_code_1_and_come_with_place_and_rule(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write("sample/bad.py", 'def size() -> int:\n    return "text"\n\n\nprint(missing)\n')
    ran = crackerjack("--check", "--json")
    assert ran.exit_code == 1
    found = [e["data"] for e in ran.events if e["event_type"] == "diagnostic_found"]
    assert ("mypy", "sample/bad.py", 2, "return-value") in {
        (d["hook"], d["path"], d["line"], d["code"]) for d in found
    }
    assert ("ruff-check", "sample/bad.py", 5, "F821") in {
        (d["hook"], d["path"], d["line"], d["code"]) for d in found
    }


def test_fixes_are_written_confirmed_and_undone(crackerjack: CommandLine, project: Project) -> None:
    before = "import os\nimport sys   \n\nprint(sys.path)\n\n\n"
    file = project.write("sample/messy.py", before)
    ran = crackerjack("--json", "--job-id", "fixing")
    assert ran.exit_code == 0, ran.stdout
    assert file.read_text() == "import sys\n\nprint(sys.path)\n"
    fixed = [e["data"]["path"] for e in ran.events if e["event_type"] == "file_fixed"]
    assert set(fixed) == {"sample/messy.py"}
    assert crackerjack("undo", "fixing").exit_code == 0
    assert file.read_text() == before


def test_undo_leaves_alone_what_someone_changed_since(
    crackerjack: CommandLine, project: Project
) -> None:
    file = project.write("sample/messy.py", "import os\n")
    assert crackerjack("--job-id", "fixing").exit_code == 0
    file.write_text("mine = 1\n")
    ran = crackerjack("undo", "fixing")
    assert ran.exit_code == 1
    assert "changed since" in ran.stdout
    assert file.read_text() == "mine = 1\n"


def test_check_never_writes(crackerjack: CommandLine, project: Project) -> None:
    file = project.write("sample/messy.py", "import os\nx = 1   \n\n\n")
    before = {path: path.read_bytes() for path in project.root.rglob("*.py")}
    assert crackerjack("--check").exit_code == 1
    assert {path: path.read_bytes() for path in project.root.rglob("*.py")} == before
    assert file.exists()


def test_the_second_run_is_cached_and_says_so(crackerjack: CommandLine, project: Project) -> None:
    crackerjack("--check")
    events = crackerjack("--check", "--json").events
    assert last_of(events, "mypy")["cached"] is True
    assert last_of(events, "ruff-check")["cached"] is True
    assert last_of(crackerjack("--check", "--no-cache", "--json").events, "mypy")["cached"] is False


def test_a_changed_file_is_looked_at_again(crackerjack: CommandLine, project: Project) -> None:
    assert crackerjack("--check").exit_code == 0
    project.write("sample/maths.py", "def add() -> int:\n    return None\n")
    ran = crackerjack("--check", "--json")
    assert ran.exit_code == 1
    assert last_of(ran.events, "mypy")["cached"] is False


def test_a_missing_tool_is_exit_code_3_with_the_command_that_installs_it(
    crackerjack: CommandLine, project: Project
) -> None:
    project.configure(
        '[tool.crackerjack.hooks.absent]\ncommand = ["no-such-tool"]\ninstall = "pip install it"\n'
    )
    ran = crackerjack("--check", "--json")
    assert ran.exit_code == 3
    data = last_of(ran.events, "absent")
    assert data["status"] == "tool_missing"
    assert "pip install it" in data["reason"]


def test_an_own_hook_with_a_pattern(crackerjack: CommandLine, project: Project) -> None:
    project.configure(
        "[tool.crackerjack.hooks.words]\n"
        'command = ["sh", "-c", "echo sample/maths.py:4: W1 no sums please; exit 1"]\n'
        'parser = "regex"\n'
        "pattern = '(?P<path>[^:]+):(?P<line>\\d+): (?P<code>\\w+) (?P<message>.*)'\n"
    )
    ran = crackerjack("--check", "--json", "--hook", "words")
    assert ran.exit_code == 1
    found = [e["data"] for e in ran.events if e["event_type"] == "diagnostic_found"]
    assert [(d["path"], d["line"], d["code"], d["message"]) for d in found] == [
        ("sample/maths.py", 4, "W1", "no sums please")
    ]


def test_a_hook_that_takes_too_long_is_timed_out_not_failed(
    crackerjack: CommandLine, project: Project
) -> None:
    project.configure('[tool.crackerjack.hooks.slow]\ncommand = ["sleep", "60"]\ntimeout = 0.5\n')
    ran = crackerjack("--check", "--json", "--hook", "slow")
    assert ran.exit_code == 3
    assert last_of(ran.events, "slow")["status"] == "timed_out"
    assert "hook slow" in last_of(ran.events, "slow")["reason"]


def test_the_whole_runs_time_limit(crackerjack: CommandLine, project: Project) -> None:
    project.configure('[tool.crackerjack.hooks.slow]\ncommand = ["sleep", "60"]\n')
    ran = crackerjack("--check", "--json", "--hook", "slow", "--timeout", "0.5")
    assert ran.exit_code == 3
    assert "the run" in last_of(ran.events, "slow")["reason"]


def test_fail_fast_begins_nothing_after_a_failure(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write("sample/bad.py", "print(missing)\n")
    ran = crackerjack("--check", "--json", "--fail-fast", "-j", "1", "--no-cache")
    assert ran.exit_code == 1
    skipped = [
        e["data"]
        for e in ran.events
        if e["event_type"] == "hook_execution_completed" and e["data"]["status"] == "skipped"
    ]
    assert skipped
    assert all("--fail-fast" in data["reason"] for data in skipped)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--hook", "ruf-check"], "did you mean 'ruff-check'"),
        (["--workflow", "nightly"], "no workflow 'nightly'"),
        (["--since", "HEAD"], "not in a git repository"),
        (["--job-id", "../../x"], "invalid job id"),
        (["--project", "/no/such/place"], "no such directory"),
        (["--chek"], "did you mean --check?"),
        (["--output", "x"], "--output needs --format"),
        (["rnu"], "did you mean run?"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_code_2(
    crackerjack: CommandLine, arguments: list[str], sentence: str
) -> None:
    ran = crackerjack(*arguments)
    assert ran.exit_code == 2
    assert sentence in ran.stderr


def test_a_job_id_names_one_run_for_ever(crackerjack: CommandLine) -> None:
    assert crackerjack("--fast", "--job-id", "once").exit_code == 0
    ran = crackerjack("--fast", "--job-id", "once")
    assert ran.exit_code == 2
    assert "job once exists already" in ran.stderr


def test_how_long_a_run_takes_is_told_by_runs_that_had_as_much_to_do(
    crackerjack: CommandLine,
) -> None:
    def expected(*arguments: str) -> Any:
        events = crackerjack("--json", *arguments).events
        return next(e["data"] for e in events if e["event_type"] == "workflow_started")["expected"]

    assert expected("--skip-hooks") is None
    assert expected("--skip-hooks") is not None
    assert expected("--skip-hooks", "--check") is None
    assert expected() is None


def test_the_next_commands_work_where_they_are_typed(
    crackerjack: CommandLine, project: Project, tmp_path: Path
) -> None:
    project.write("sample/maths.py", "import os\n\nx = undefined\n")
    crackerjack.project = tmp_path / "another one"
    crackerjack.project.mkdir()
    first = crackerjack("--check", "--hook", "ruff-check", "--project", str(project.root))
    begin = f"  crackerjack run --project {project.root} --check --hook ruff-check"
    offered = [line for line in first.stdout.splitlines() if line.startswith(begin)]
    assert len(offered) == 1, first.stdout

    again = crackerjack(*offered[0].split("  run only")[0].split()[1:])

    assert "sample/maths.py:3:5: F821" in again.stdout
