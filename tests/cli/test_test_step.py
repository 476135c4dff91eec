"""``crackerjack -t``: every test an event while the run goes on, and each outcome told for what it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import CommandLine, Ended, Project

SKIPS = "import pytest\n\npytest.importorskip('nothing_there')\n"


def outcomes_of(ran: Ended) -> dict[str, str]:
    return {
        e["data"]["nodeid"]: e["data"]["outcome"]
        for e in ran.events
        if e["event_type"] == "test_completed"
    }


def phase_of(ran: Ended) -> dict[str, Any]:
    """The data of the event that ended the testing phase."""
    data: dict[str, Any] = next(
        e["data"]
        for e in ran.events
        if e["event_type"] in {"quality_phase_completed", "quality_phase_failed"}
        and e["data"]["phase"] == "testing"
    )
    return data


def test_outcomes_with_path_line_and_message(crackerjack: CommandLine, project: Project) -> None:
    project.write(
        "tests/test_it.py",
        "def test_good():\n    pass\n\n\ndef test_bad():\n    assert 1 == 2, 'no sums'\n",
    )
    ran = crackerjack("--workflow", "test", "--json")
    assert ran.exit_code == 1
    assert outcomes_of(ran) == {
        "tests/test_it.py::test_good": "passed",
        "tests/test_it.py::test_bad": "failed",
    }
    failed = next(e["data"] for e in ran.events if e["data"].get("outcome") == "failed")
    assert (failed["path"], failed["line"]) == ("tests/test_it.py", 6)
    assert "no sums" in failed["message"]
    collected = [e["data"]["count"] for e in ran.events if e["event_type"] == "tests_collected"]
    assert collected == [2]


@pytest.mark.parametrize(
    ("others", "options", "count"),
    [
        ({"test_off.py": SKIPS}, "", 2),
        ({"test_off.py": SKIPS, "test_bad.py": "import nothing_there\n"}, "", 3),
        ({"test_bad.py": "import nothing_there\n"}, "--continue-on-collection-errors", 2),
    ],
)
def test_as_many_results_are_announced_as_come(
    crackerjack: CommandLine, project: Project, others: dict[str, str], options: str, count: int
) -> None:
    """Progress is told from it: 1386 of 1385 tests were seen."""
    project.write("tests/test_good.py", "def test_it():\n    pass\n")
    project.configure(f'[tool.pytest.ini_options]\naddopts = "{options}"\n')
    for name, content in others.items():
        project.write(f"tests/{name}", content)
    events = crackerjack("--workflow", "test", "--json").events
    told = [e["data"]["count"] for e in events if e["event_type"] == "tests_collected"]
    assert told == [count]
    came = sum(e["event_type"] == "test_completed" for e in events)
    # An error of collection stops pytest before the first test, unless it is told to go on.
    assert came == count - ("test_bad.py" in others and not options)


def test_tests_are_events_while_the_run_goes_on(crackerjack: CommandLine, project: Project) -> None:
    """The second test waits for what this test does when it has seen the first."""
    gate = project.root / "gate"
    project.write(
        "tests/test_it.py",
        "import pathlib, time\n\n\ndef test_first():\n    pass\n\n\ndef test_second():\n"
        f"    while not pathlib.Path({str(gate)!r}).exists():\n        time.sleep(0.01)\n",
    )
    process = crackerjack.start("--workflow", "test", "--json")
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event_type"] == "test_completed":
            assert event["data"]["nodeid"] == "tests/test_it.py::test_first"
            break
    gate.touch()
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "test_second" in rest


def by_chance(state: Path, then: str = "pass") -> str:
    """A module with a test that does something, and fails every other time."""
    return (
        f"import pathlib\n\n\ndef test_it():\n    state = pathlib.Path({str(state)!r})\n"
        "    well = state.exists()\n    state.unlink() if well else state.touch()\n"
        f"    {then}\n    assert well\n"
    )


class TestFlaky:
    def test_both_outcomes_at_the_same_content(
        self, crackerjack: CommandLine, project: Project, tmp_path: Path
    ) -> None:
        def told(*arguments: str) -> tuple[str, bool]:
            """How the test ended and whether it is flaky; the content is added to the others."""
            ran = crackerjack("--workflow", "test", "--json", *arguments)
            data = {e["event_type"]: e["data"] for e in ran.events}
            content = data["tests_collected"]["content"]
            assert content
            assert phase_of(ran)["content"] == content
            contents.append(content)
            return data["test_completed"]["outcome"], data["test_completed"]["flaky"]

        contents: list[str] = []
        project.write("tests/test_it.py", by_chance(tmp_path / "turn"))
        project.configure('[tool.crackerjack]\nexclude = ["data.txt"]\n')
        assert [told(), told(), told("--no-cache")] == [
            ("failed", False),
            ("passed", True),
            ("failed", True),
        ]
        project.write("data.txt", "1")  # no hook looks at it, but a test may
        assert [told(), told()] == [("passed", False), ("failed", True)]
        assert contents == [contents[0]] * 3 + [contents[3]] * 2
        assert contents[3] != contents[0]
        assert "(flaky: it has also passed at the same content)" in crackerjack("show").stdout

    def test_what_is_edited_while_the_tests_run_is_no_chance(
        self, crackerjack: CommandLine, project: Project, tmp_path: Path
    ) -> None:
        edit = "pathlib.Path('data.txt').write_text('edited' * well)"
        project.write("tests/test_it.py", by_chance(tmp_path / "turn", edit))
        for well in (False, True):
            project.write("data.txt", "as it was")
            ran = crackerjack("--workflow", "test", "--json")
            data = {e["event_type"]: e["data"] for e in ran.events}
            assert data["tests_collected"]["content"]
            assert (phase_of(ran)["content"], data["test_completed"]["flaky"]) == ("", False)
            assert data["test_completed"]["outcome"] == ("passed" if well else "failed")


@pytest.mark.parametrize(
    ("files", "exit_code", "status", "reason"),
    [
        ({}, 2, "skipped", "no tests were found"),
        ({"tests/test_it.py": "import nothing_there\n"}, 1, "failed", ""),
        ({"tests/test_it.py": "def test_it():\n    import os; os._exit(3)\n"}, 3, "tool_error", ""),
        (
            {"tests/conftest.py": "import os; os._exit(0)\n", "tests/test_it.py": ""},
            3,
            "tool_error",
            "",
        ),
    ],
    ids=["none", "collection error", "interpreter gone", "exit 0 before any test"],
)
def test_each_end_is_told_for_what_it_is(
    crackerjack: CommandLine,
    project: Project,
    files: dict[str, str],
    exit_code: int,
    status: str,
    reason: str,
) -> None:
    for path, text in files.items():
        project.write(path, text)
    ran = crackerjack("--workflow", "test", "--json")
    assert ran.exit_code == exit_code
    assert phase_of(ran)["status"] == status
    assert reason in phase_of(ran)["reason"]


def test_what_cannot_be_collected_is_in_every_report(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write("tests/test_bad.py", "import nothing_there\n")
    project.write("tests/test_good.py", "def test_it():\n    pass\n")
    ran = crackerjack("--workflow", "test")
    assert "tests/test_bad.py:1: " in ran.stdout
    for report in ("text", "github", "junit"):
        assert "No module named 'nothing_there'" in crackerjack("show", "--format", report).stdout
    assert "Workflow failed: 1 failing test" in ran.stdout
    assert "1 failing test" in crackerjack("jobs").stdout


def test_a_file_that_kills_the_collection_hides_none_before_it(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write("tests/test_a.py", "import nothing_there\n")
    project.write("tests/test_b.py", "import os\n\nos._exit(3)\n")
    ran = crackerjack("--workflow", "test", "--json")
    assert outcomes_of(ran) == {"tests/test_a.py": "error"}
    assert "No module named 'nothing_there'" in " ".join(crackerjack("show").stdout.split())


def test_a_test_that_hangs_is_timed_out_and_named(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write("tests/test_it.py", "import time\n\n\ndef test_it():\n    time.sleep(600)\n")
    ran = crackerjack("--workflow", "test", "--json", "--timeout", "3")
    if "before the tests" in phase_of(ran)["reason"]:  # pytest takes longer than that to start
        ran = crackerjack("--workflow", "test", "--json", "--timeout", "20")
    assert ran.exit_code == 3
    assert phase_of(ran)["status"] == "timed_out"
    assert "test_it" in phase_of(ran)["reason"]


def test_hooks_and_tests_together(crackerjack: CommandLine, project: Project) -> None:
    project.write("tests/test_it.py", "def test_good():\n    pass\n")
    ran = crackerjack("--fast", "-t", "--json")
    assert ran.exit_code == 0
    actions = {
        e["data"]["step_id"].rpartition("_")[0] for e in ran.events if "step_id" in e["data"]
    }
    assert actions == {"run_configuration", "run_fast_hooks", "run_test_workflow"}


def test_the_coverage_ratchet_never_lets_it_fall(
    crackerjack: CommandLine, project: Project
) -> None:
    project.configure(
        "[tool.crackerjack]\ncoverage_ratchet = true\n[tool.coverage.run]\nsource = ['sample']\n"
    )
    whole = "from sample.maths import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    project.write("conftest.py", "")
    tests = project.write("tests/test_it.py", whole)
    assert crackerjack("--workflow", "test", "--json").exit_code == 0
    tests.write_text("import sample.maths\n\n\ndef test_nothing():\n    pass\n")
    ran = crackerjack("--workflow", "test", "--json")
    measured = [e["data"] for e in ran.events if e["event_type"] == "coverage_measured"]
    assert [(m["previous"], m["success"]) for m in measured] == [(100.0, False)]
    assert ran.exit_code == 1
    assert "coverage fell from 100.00 %" in phase_of(ran)["reason"]
    tests.write_text(whole)
    assert crackerjack("--workflow", "test", "--json").exit_code == 0
