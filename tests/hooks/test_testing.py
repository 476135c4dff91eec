"""What a run of tests comes to: each ending of pytest is its own truthful outcome."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from crackerjack.hooks.pytest_session import TestOutcome, TestResult
from crackerjack.types import HookStatus
from tests.hooks.pytest_runs import Project, lines

GOOD = "def test_good(): pass\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project; plugins are not looked for, which takes longer than these tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Project(tmp_path)


def test_all_is_well(project: Project) -> None:
    project.write("tests/test_it.py", GOOD + "def test_two(): pass\ndef test_3(): pass\n")
    run = project.run("-k", "not 3")
    assert (run.status, run.reason, run.exit_code) == (HookStatus.PASSED, "", 0)
    assert run.counts == {TestOutcome.PASSED: 2}
    assert project.collected == [(2, 1)]
    assert (run.collected, run.deselected, run.failures) == (2, 1, ())
    assert run.pytest_version == pytest.__version__
    assert run.duration > 0
    assert "2 passed, 1 deselected" in project.output
    assert project.results[0] == TestResult(
        nodeid="tests/test_it.py::test_good",
        outcome=TestOutcome.PASSED,
        duration=project.results[0].duration,
        path="tests/test_it.py",
        line=1,
    )


@pytest.mark.parametrize("python", [None, sys.executable])
def test_the_code_beside_the_tests_is_tested(project: Project, python: str | None) -> None:
    """Not what is installed beside us by the same name; an environment of the project knows better."""
    project.write("src/msgspec/__init__.py", "")
    project.write(
        "tests/test_it.py",
        """
        import os
        import subprocess
        import sys

        CODE = "import os, msgspec; print(os.path.relpath(msgspec.__file__))"

        def test_mine():
            argv = [sys.executable, "-c", CODE]
            found = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
            import msgspec
            assert os.path.relpath(msgspec.__file__) == found.strip() == "src/msgspec/__init__.py"
        """,
    )
    run = project.run(python=python, source_roots=["src", "."])
    assert run.status == (HookStatus.FAILED if python else HookStatus.PASSED), run.failures


def test_a_failure_is_a_finding(project: Project) -> None:
    project.write("test_it.py", GOOD + "def test_bad():\n    assert 1 == 2, 'arithmetic'\n")
    run = project.run()
    assert (run.status, run.exit_code) == (HookStatus.FAILED, 1)
    [failure] = run.failures
    assert failure == project.result("test_bad")
    assert (failure.path, failure.line) == ("test_it.py", 3)
    assert failure.message == "AssertionError: arithmetic\nassert 1 == 2"


def test_a_file_that_cannot_be_collected_is_an_error(project: Project) -> None:
    project.write("tests/test_it.py", GOOD)
    project.write("tests/test_import.py", "import os\n\nimport no_such_module\n")
    project.write("tests/test_syntax.py", "def test(:\n")
    run = project.run()
    assert (run.status, run.exit_code) == (HookStatus.FAILED, 2)
    first, second = run.failures
    assert first == TestResult(
        nodeid="tests/test_import.py",
        outcome=TestOutcome.ERROR,
        path="tests/test_import.py",
        line=3,
        message="ModuleNotFoundError: No module named 'no_such_module'",
    )
    assert second.nodeid == "tests/test_syntax.py"
    assert "SyntaxError" in second.message
    assert run.reason == ("2 errors during collection; the project has no environment of its own")
    assert not run.counts


@pytest.mark.parametrize(
    ("files", "args", "reason"),
    [
        ({"test_it.py": "x = 1\n"}, (), "no tests were found"),
        ({"test_it.py": GOOD}, ("-k", "absent"), "all 1 tests were deselected"),
        (
            {"test_it.py": "import pytest\npytest.importorskip('absent')\n"},
            (),
            "no tests were found: the files that hold them skipped themselves",
        ),
        (
            {"test_it.py": "import pytest\n@pytest.mark.skip\ndef test(): pass\n"},
            (),
            "all 1 tests were skipped",
        ),
    ],
    ids=["nothing", "deselected", "module skips", "all skip"],
)
def test_without_evidence_nothing_has_passed(
    project: Project, files: dict[str, str], args: tuple[str, ...], reason: str
) -> None:
    for path, text in files.items():
        project.write(path, text)
    run = project.run(*args)
    assert (run.status, run.reason) == (HookStatus.SKIPPED, reason)


def test_a_hanging_test_is_named(project: Project) -> None:
    project.write("test_it.py", GOOD + "def test_hang():\n    import time; time.sleep(1000)\n")
    run = project.run(timeout=3.0)
    assert run.status is HookStatus.TIMED_OUT
    assert run.reason == "timed out after 3 s, while running test_it.py::test_hang"
    assert run.counts == {TestOutcome.PASSED: 1}


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("os._exit(0)", "exit 0"),
    ],
)
def test_a_test_that_ends_the_interpreter_is_named(project: Project, code: str, how: str) -> None:
    project.write("test_it.py", f"import os\n{GOOD}def test_end():\n    {code}\n")
    run = project.run()
    assert run.status is HookStatus.TOOL_ERROR
    assert run.reason == f"the interpreter ended ({how}), while running test_it.py::test_end"
    assert project.outcomes() == {"test_good": "passed"}


def test_a_crash_after_the_tests_is_a_crash(project: Project) -> None:
    project.write(
        "test_it.py",
        lines("import atexit, os", "atexit.register(os.kill, os.getpid(), 11)", GOOD),
    )
    run = project.run()
    assert run.status is HookStatus.TOOL_ERROR
    assert run.reason == (
        "the interpreter ended (SIGSEGV), after the tests, while it was shutting down"
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os._exit(0)", "pytest did not start (exit 0)"),
        ("import sys; sys.exit('no database')", "pytest did not start (exit 1): no database"),
        ("raise RuntimeError('no database')", "E   RuntimeError: no database"),
        ("def pytest_configure(): raise RuntimeError('broken')", "RuntimeError: broken"),
    ],
)
def test_what_happens_before_a_session_is_never_a_pass(
    project: Project, code: str, reason: str
) -> None:
    project.write("conftest.py", code)
    project.write("test_it.py", GOOD)
    run = project.run()
    assert run.status is HookStatus.TOOL_ERROR
    assert run.reason.startswith("pytest did not start (exit ")
    assert run.reason.endswith(reason)
    assert run.pytest_version == ""


@pytest.mark.parametrize(
    ("ini", "reason"),
    [
        ("[pytest]\naddopts = --no-such-option\n", "unrecognized arguments: --no-such-option"),
        ("[pytest\n", "pytest.ini:1: unexpected"),
        ("[pytest]\naddopts = --strict-config\nno_such_key = 1\n", "Unknown config option"),
        ("[pytest]\nrequired_plugins = absent\n", "Missing required plugins: absent"),
    ],
    ids=["option", "syntax", "key", "plugin"],
)
def test_a_broken_configuration_is_explained(project: Project, ini: str, reason: str) -> None:
    project.write("pytest.ini", ini)
    project.write("test_it.py", GOOD)
    run = project.run()
    assert (run.status, run.exit_code) == (HookStatus.TOOL_ERROR, 4)
    assert reason in run.reason


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("pytest.exit('enough', returncode=0)", "only 1 of 2 tests ran: enough"),
        ("pytest.exit('enough')", "pytest was interrupted: enough"),
        ("pytest.exit('enough', returncode=9)", "pytest ended with exit 9: enough"),
        ("raise KeyboardInterrupt", "pytest was interrupted: KeyboardInterrupt"),
    ],
)
def test_a_test_that_stops_pytest(project: Project, code: str, reason: str) -> None:
    project.write("test_it.py", f"import pytest\n{GOOD}def test_stop():\n    {code}\n")
    run = project.run()
    assert (run.status, run.reason) == (HookStatus.TOOL_ERROR, reason)


def test_an_internal_error_of_pytest(project: Project) -> None:
    project.write("conftest.py", "def pytest_runtest_protocol(): raise LookupError('a bug')\n")
    project.write("test_it.py", GOOD)
    run = project.run()
    assert (run.status, run.exit_code) == (HookStatus.TOOL_ERROR, 3)
    assert run.reason == "internal error in pytest: LookupError: a bug"


def test_failures_count_even_if_the_exit_code_hides_them(project: Project) -> None:
    project.write(
        "conftest.py",
        """
        import pytest
        @pytest.hookimpl(trylast=True)
        def pytest_sessionfinish(session): session.exitstatus = 0
        """,
    )
    project.write("test_it.py", "def test_bad(): assert False\n")
    run = project.run()
    assert (run.status, run.exit_code) == (HookStatus.FAILED, 0)


def test_a_test_that_is_never_reported_is_missed(project: Project) -> None:
    project.write("conftest.py", "def pytest_runtest_protocol(item): return 'lost' in item.name\n")
    project.write("test_it.py", GOOD + "def test_lost(): pass\n")
    run = project.run()
    assert run.status is HookStatus.TOOL_ERROR
    assert run.reason.startswith("only 0 of 2 tests ran")


def test_the_projects_own_options_stay(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\naddopts = -q -x --tb=no -p no:cacheprovider\n")
    project.write("test_it.py", "def test_bad():\n    assert 0\ndef test_next(): pass\n")
    run = project.run()
    assert (run.status, run.reason) == (HookStatus.FAILED, "stopping after 1 failures")
    assert (run.collected, project.outcomes()) == (2, {"test_bad": "failed"})
    assert (run.failures[0].line, run.failures[0].message) == (2, "assert 0")
    assert "assert 0" not in project.output.replace("test_bad - assert 0", "")
    assert {*os.listdir(project.root)} - {"__pycache__"} == {"pytest.ini", "test_it.py"}


def test_each_test_is_reported_while_the_run_goes_on(project: Project) -> None:
    """The last test waits for what the report of the first one sets off."""
    project.write(
        "test_it.py",
        """
        import pathlib, pytest, time

        @pytest.mark.parametrize("number", range(1000))
        def test_fast(number): pass

        def test_last():
            deadline = time.monotonic() + 30
            while not pathlib.Path("reported").exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
        """,
    )
    run = project.run(on_test=lambda _: (project.root / "reported").touch())
    assert run.status is HookStatus.PASSED
    assert run.counts == {TestOutcome.PASSED: 1001}
    assert project.collected == [(1001, 0)]


def test_output_that_is_not_utf8(project: Project) -> None:
    project.write(
        "test_it.py",
        r"""
        import os
        def test_bytes():
            os.write(1, b"\xff\xfe and \0\n")
            assert False
        """,
    )
    run = project.run("-s")
    assert run.status is HookStatus.FAILED
    assert "\\xff\\xfe and \0\n" in project.output


def test_cancelling(project: Project) -> None:
    project.write("test_it.py", GOOD + "def test_hang():\n    import time; time.sleep(1000)\n")
    run = project.run(on_test=lambda _: threading.Thread(target=project.cancel.cancel).start())
    assert (run.status, run.reason, run.cancelled) == (
        HookStatus.INCONCLUSIVE,
        "cancelled",
        True,
    )
    assert run.duration < 30


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment without pytest, with a space in its path."""
    directory = tmp_path_factory.mktemp("bare") / "an env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    return str(directory / "bin" / "python")


def test_an_environment_without_pytest(project: Project, bare_python: str) -> None:
    project.write("test_it.py", GOOD)
    run = project.run(python=bare_python)
    assert run.status is HookStatus.TOOL_MISSING
    assert run.reason == f"pytest is not installed: '{bare_python}' -m pip install pytest"


def test_neither_an_environment_nor_pytest(
    project: Project, bare_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", bare_python)
    project.write("test_it.py", GOOD)
    project.write("setup.py", "")
    run = project.run()
    assert run.status is HookStatus.TOOL_MISSING
    assert run.reason == (
        "pytest is not installed, and the project has no environment of its own: "
        "python3 -m venv .venv && .venv/bin/python -m pip install pytest -e ."
    )


def test_neither_pytest_nor_tests(project: Project, bare_python: str) -> None:
    run = project.run(python=bare_python, has_tests=False)
    assert (run.status, run.reason) == (HookStatus.SKIPPED, "no tests were found")


def test_an_environment_without_an_interpreter(project: Project) -> None:
    run = project.run(python=str(project.root / "gone" / "python"))
    assert run.status is HookStatus.TOOL_MISSING
    assert "gone/python: No such file" in run.reason
