"""What a stranger found untrue once: a verdict, a place, a promise, each with its own test."""

import os
import signal
import subprocess
from pathlib import Path

from tests.cli.command_line import CommandLine, Project
from tests.cli.test_run import last_of


def git(project: Project, *arguments: str) -> None:
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    subprocess.run(
        ["git", *identity, *arguments], cwd=project.root, check=True, capture_output=True
    )


def test_a_step_that_failed_is_not_made_good_by_a_later_one(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write(
        "tests/test_it.py",
        "import pathlib\n\n\ndef test_it():\n"
        "    seen = pathlib.Path('seen')\n    before = seen.exists()\n"
        "    seen.touch()\n    assert before\n",
    )
    project.configure(
        "[tool.crackerjack.workflows.twice]\nsteps = [\n"
        '  {action = "run_test_workflow", name = "one"},\n'
        '  {action = "run_test_workflow", name = "two", needs = ["one"]},\n]\n'
        "[tool.crackerjack]\njobs = 1\n"
    )
    ran = crackerjack("--workflow", "twice", "--json")
    assert ran.exit_code == 1


def test_a_repository_in_a_project_is_a_project_of_its_own(
    crackerjack: CommandLine, project: Project
) -> None:
    inner = project.root / "inner"
    (inner / ".git").mkdir(parents=True)
    outer = project.write("sample/unused.py", "import os\n")
    crackerjack.project = inner
    ran = crackerjack("--skip-hooks", "--json")
    assert ran.events[0]["data"]["project"] == str(inner)
    assert outer.read_text() == "import os\n"


def test_a_hook_that_a_workflow_names_runs_or_is_an_error(
    crackerjack: CommandLine, project: Project
) -> None:
    project.configure(
        "[tool.crackerjack.workflows.mine]\n"
        'steps = [{action = "run_fast_hooks", hooks = ["file-checks", "mypi"]}]\n'
        "[tool.crackerjack.workflows.strict]\n"
        'steps = [{action = "run_comprehensive_hooks", hooks = ["ruff-complexity"]}]\n'
    )
    ran = crackerjack("--workflow", "mine")
    assert ran.exit_code == 2
    assert "did you mean 'mypy'" in ran.stderr
    ran = crackerjack("--workflow", "strict", "--json")
    assert last_of(ran.events, "ruff-complexity")["status"] == "passed"


def test_what_a_configuration_mentions_is_configuration(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write("base.toml", "[lint]\nselect = ['E9']\n")
    project.write("ruff.toml", 'extend = "base.toml"\n')
    project.write("sample/unused.py", "import os\n")
    assert crackerjack("--check", "--hook", "ruff-check").exit_code == 0
    project.write("base.toml", "[lint]\nselect = ['F401']\n")
    assert crackerjack("--check", "--hook", "ruff-check").exit_code == 1


def test_a_script_that_a_hook_runs_belongs_to_the_hook(
    crackerjack: CommandLine, project: Project
) -> None:
    script = project.write("look.sh", "exit 0\n")
    project.configure(
        '[tool.crackerjack.hooks.mine]\ncommand = ["sh", "look.sh"]\nfiles = ["*.py"]\n'
    )
    assert crackerjack("--check", "--hook", "mine").exit_code == 0
    script.write_text("exit 1\n")
    assert crackerjack("--check", "--hook", "mine").exit_code == 1


def test_a_module_that_git_ignores_is_seen_by_what_imports_it(
    crackerjack: CommandLine, project: Project
) -> None:
    git(project, "init", "--quiet")
    project.write(".gitignore", "generated.py\n")
    project.write("sample/generated.py", "def size() -> int:\n    return 1\n")
    project.write(
        "sample/user.py",
        "from sample.generated import size\n\n\ndef double() -> int:\n    return size()\n",
    )
    assert crackerjack("--check", "--hook", "mypy").exit_code == 0
    project.write("sample/generated.py", "def size() -> str:\n    return ''\n")
    assert crackerjack("--check", "--hook", "mypy").exit_code == 1


def test_a_deleted_module_is_a_change(crackerjack: CommandLine, project: Project) -> None:
    project.write("sample/user.py", "import sample.maths\n\nX = sample.maths.add(1, 2)\n")
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "all")
    (project.root / "sample" / "maths.py").unlink()
    ran = crackerjack("--check", "--changed-only", "--json")
    assert last_of(ran.events, "mypy")["status"] != "skipped"


def test_a_type_checker_sees_what_a_change_breaks_elsewhere(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write("sample/user.py", "import sample.maths\n\nX = sample.maths.add(1, 2)\n")
    project.write("sample/lone.py", "import os\n")
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "all")
    project.write("sample/maths.py", "def add(a: int) -> int:\n    return a\n")
    ran = crackerjack("--check", "--changed-only", "--json")
    assert ran.findings == [("mypy", "sample/user.py", "call-arg")]


def test_what_is_excluded_is_not_found_by_tools_that_choose_their_files(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write("sample/generated/__init__.py", "def size() -> int:\n    return ''\n")
    project.configure('[tool.crackerjack]\nexclude = ["sample/generated"]\n')
    ran = crackerjack("--check", "--hook", "mypy", "--json")
    assert last_of(ran.events, "mypy")["status"] == "passed"


def test_a_fix_that_breaks_says_so_and_one_that_writes_elsewhere_is_undone(
    crackerjack: CommandLine, project: Project
) -> None:
    project.configure(
        '[tool.crackerjack.hooks.mine]\ncommand = ["sh", "-c", "exit 1"]\nfiles = ["*.md"]\n'
        'fix = ["sh", "-c", "echo x >> sample/maths.py; echo broken >&2; exit 77"]\n'
    )
    project.write("notes.md", "notes\n")
    before = (project.root / "sample" / "maths.py").read_bytes()
    ran = crackerjack("--hook", "mine", "--job-id", "fixing", "--json")
    data = last_of(ran.events, "mine")
    assert data["status"] == "tool_error"
    assert "its fix failed" in data["reason"]
    assert crackerjack("undo", "fixing").exit_code == 0
    assert (project.root / "sample" / "maths.py").read_bytes() == before


def test_an_ignored_hangup_stays_ignored(crackerjack: CommandLine, project: Project) -> None:
    """``nohup crackerjack`` goes on when the terminal closes."""
    started = project.root.parent / "started"
    project.configure(
        f'[tool.crackerjack.hooks.slow]\ncommand = ["sh", "-c", "touch {started}; sleep 1"]\n'
    )
    command = " ".join(crackerjack.argv("--check", "--hook", "slow", "--no-cache"))
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' HUP; exec {command}"],
        cwd=project.root,
        env=crackerjack.environment,
        stdout=subprocess.DEVNULL,
    )
    while not started.exists():
        assert process.poll() is None
    os.kill(process.pid, signal.SIGHUP)
    assert process.wait(60) == 0


def test_output_that_cannot_be_written_is_said_before_anything_runs(
    crackerjack: CommandLine,
) -> None:
    ran = crackerjack("--format", "json", "--output", "/no/such/place", "--job-id", "never")
    assert ran.exit_code == 2
    assert "/no/such/place" in ran.stderr
    assert crackerjack("show", "never").exit_code == 2


def test_a_full_disk_behind_stdout_is_a_sentence(
    crackerjack: CommandLine, project: Project
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        return
    with full.open("w") as stream:
        ran = subprocess.run(
            crackerjack.argv("--check", "--json"),
            cwd=project.root,
            env=crackerjack.environment,
            stdout=stream,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert ran.returncode == 2
    assert "cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_fixable_is_what_a_run_would_fix(crackerjack: CommandLine, project: Project) -> None:
    project.write("sample/old.py", "class Old(object):\n    pass\n\n\nprint(f'old')\n")
    ran = crackerjack(
        "--check", "--json", "--hook", "ruff-modernize", "--hook", "ruff-check", "--skip-cleaning"
    )
    found = [event["data"] for event in ran.events if event["event_type"] == "diagnostic_found"]
    assert {one["code"]: one["fixable"] for one in found} == {"UP004": False, "F541": True}


def test_why_imports_are_not_found(crackerjack: CommandLine, project: Project) -> None:
    project.configure("[tool.mypy]\nstrict = true\n")
    project.write("sample/web.py", '"""A client."""\n\nimport no_such_package\n')
    ran = crackerjack("--check", "--json", "--hook", "mypy")
    ended = last_of(ran.events, "mypy")
    assert (ended["findings"], ended["reason"]) == (
        1,
        "1 import was not found, for the project has no environment of its own (.venv)",
    )


def test_a_fix_that_a_later_step_takes_back_is_no_success(
    crackerjack: CommandLine, project: Project
) -> None:
    """The hook that made it has been run again by then, and well: it is once more."""
    project.write("word.txt", "none\n")
    project.write(
        "want",
        '#!/bin/sh\ngrep -q "$1" word.txt && exit 0\n[ -n "$2" ] || exit 1\necho "$1" > word.txt\n',
    ).chmod(0o755)
    for word, strategy in (("yes", "fast"), ("no", "comprehensive")):
        project.configure(
            f"[tool.crackerjack.hooks.{word}]\n"
            f'command = ["./want", "{word}"]\nfix = ["./want", "{word}", "fix"]\n'
            f'strategy = "{strategy}"\nfiles = ["word.txt"]\n'
        )
    # While one thread opens the step in between, the other runs the first hook again.
    project.configure(
        "[tool.crackerjack.workflows.own]\nsteps = [\n"
        '  {action = "run_configuration"},\n'
        '  {action = "run_fast_hooks", needs = ["configuration"]},\n'
        '  {action = "run_configuration", name = "between", needs = ["fast_hooks"]},\n'
        '  {action = "run_comprehensive_hooks", needs = ["between"]},\n]\n'
    )
    ran = crackerjack(
        *("--workflow", "own", "--hook", "yes", "--hook", "no"), *("-j", "2", "--json")
    )
    assert (project.root / "word.txt").read_text() == "no\n"
    assert ran.result_of("yes")["status"] == "failed"
    assert ran.exit_code == 1


def test_what_a_step_needs_are_steps_of_the_same_plan(
    crackerjack: CommandLine, project: Project
) -> None:
    """By their ids: the names that the configuration has for them are in no event."""
    project.configure(
        "[tool.crackerjack.workflows.own]\nsteps = [\n"
        '  {action = "run_fast_hooks", name = "early"},\n'
        '  {action = "run_fast_hooks", name = "late", needs = ["early"]},\n]\n'
    )
    plans = [
        event["data"]["steps"]
        for workflow in ((), ("--workflow", "own"))
        for event in crackerjack(*workflow, "--json").events
        if event["event_type"] == "workflow_started"
    ]
    for plan in plans:
        earlier: set[str] = set()
        for step in plan:
            assert set(step["needs"]) <= earlier
            earlier.add(step["step_id"])
    assert plans[1][2]["needs"] == ["run_configuration_001", "run_fast_hooks_001"]


def test_types_are_judged_in_what_is_shipped_or_where_the_project_says(
    crackerjack: CommandLine, project: Project
) -> None:
    """As docs/hooks.md has it: the same error in the tests is none of mypy's, until it is told."""
    project.write("app/__init__.py", "")
    project.write("tests/test_app.py", "def test_it() -> int:\n    return 'text'\n")
    assert crackerjack("--hook", "mypy", "--json").result_of("mypy")["status"] == "passed"
    project.configure('[tool.mypy]\nfiles = ["app", "tests"]\n')
    assert crackerjack("--hook", "mypy", "--json").result_of("mypy")["findings"] == 1


def test_a_path_is_all_that_is_looked_at(crackerjack: CommandLine, project: Project) -> None:
    for path in ("sample/odd.py", "tools/odd.py", "tools/deep/odd.py"):
        project.write(path, "import os\n")
    check = ("--check", "--json", "--hook", "ruff-check")
    ran = crackerjack(*check, "--path", "tools")
    assert {path for _, path, _ in ran.findings} == {"tools/odd.py", "tools/deep/odd.py"}
    ran = crackerjack(*check, "--path", "sample/odd.py", "--path", "./tools/deep/")
    assert {path for _, path, _ in ran.findings} == {"sample/odd.py", "tools/deep/odd.py"}
    assert len(crackerjack(*check, "--path", ".").findings) == 3
    for path, words in (("nowhere.py", "no such file"), ("..", "not in the project")):
        ran = crackerjack(*check, "--path", path)
        assert (ran.exit_code, words in ran.stderr) == (2, True), ran.stderr
