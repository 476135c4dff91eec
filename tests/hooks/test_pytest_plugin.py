"""What our plugin reports of each test, and that it is no part of the project's tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crackerjack.hooks.pytest_session import TestOutcome
from crackerjack.types import HookStatus
from tests.hooks.pytest_runs import Project, names

EVERY_OUTCOME = """
import pytest

def helper():
    raise ValueError("boom\\nand why")

def test_passes(): pass

def test_fails_in_a_helper():
    helper()

def test_fails_elsewhere():
    import json
    json.loads("{")

def test_skips(): pytest.skip("not today")

@pytest.mark.xfail(reason="known")
def test_xfails(): assert False

@pytest.mark.xfail(run=False, reason="crashes")
def test_is_not_run(): pass

@pytest.mark.xfail(reason="known")
def test_xpasses(): pass

@pytest.mark.xfail(strict=True, reason="surely")
def test_xpasses_strictly(): pass

@pytest.fixture
def broken():
    raise RuntimeError("setup")

def test_setup_fails(broken): pass

@pytest.fixture
def breaks():
    yield
    raise RuntimeError("teardown")

def test_teardown_fails(breaks): pass

def test_fails_twice(breaks):
    assert 1 == 2

def test_has_no_fixture(absent): pass

@pytest.mark.parametrize("value", ["a\\nb", "\\0", "\\u20ac", "z" * 5000])
def test_ids(value): pass

def test_says_much():
    pytest.fail("\\u20ac" * 5000)

class TestClass:
    def test_method(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert False, "elsewhere"
"""

EXPECTED = {
    "test_passes": ("passed", 7, ""),
    "test_fails_in_a_helper": ("failed", 5, "ValueError: boom\nand why"),
    "test_fails_elsewhere": ("failed", 14, "json.decoder.JSONDecodeError: Expecting property name"),
    "test_skips": ("skipped", 16, "Skipped: not today"),
    "test_xfails": ("xfailed", 19, "known"),
    "test_is_not_run": ("xfailed", 21, "[NOTRUN] crashes"),
    "test_xpasses": ("xpassed", 24, "known"),
    "test_xpasses_strictly": ("failed", 27, "[XPASS(strict)] surely"),
    "test_setup_fails": ("error", 32, "RuntimeError: setup"),
    "test_teardown_fails": ("error", 39, "RuntimeError: teardown"),
    "test_fails_twice": ("failed", 44, "assert 1 == 2"),
    "test_has_no_fixture": ("error", 46, "fixture 'absent' not found"),
    "test_ids[a\\nb]": ("passed", 48, ""),
    "test_ids[\\x00]": ("passed", 48, ""),
    "test_ids[\\u20ac]": ("passed", 48, ""),
    "test_says_much": ("failed", 52, "Failed: " + "€" * 1992),
    "test_method": ("failed", 57, "AssertionError: elsewhere"),
}


XDIST = ("-p", "xdist", "-n2")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project; plugins are not looked for, which takes longer than these tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Project(tmp_path)


def check_every_outcome(project: Project) -> None:
    shown = {name: project.result(name) for name in EXPECTED}
    assert {name: (r.outcome, r.line) for name, r in shown.items()} == {
        name: (outcome, line) for name, (outcome, line, _) in EXPECTED.items()
    }
    for name, (_, _, message) in EXPECTED.items():
        assert shown[name].message.startswith(message)
        assert len(shown[name].message) <= 2000
        assert shown[name].path == "tests/sub/test_every.py"
    assert len(project.results) == len(EXPECTED) + 1


@pytest.mark.parametrize("args", [(), ("--tb=native",), XDIST], ids=["plain", "native", "xdist"])
def test_every_outcome(project: Project, args: tuple[str, ...]) -> None:
    project.write("tests/sub/test_every.py", EVERY_OUTCOME)
    run = project.run("-p", "no:cacheprovider", *args)
    assert run.status is HookStatus.FAILED
    assert run.collected == 18
    assert project.collected == [(18, 0)]
    check_every_outcome(project)
    assert {result.outcome for result in run.failures} == {TestOutcome.FAILED, TestOutcome.ERROR}


def interpreters() -> list[str]:
    """Other interpreters that can run the pytest which is installed here."""
    found = [shutil.which(f"python3.{minor}") for minor in range(11, 20)]
    ours = f"python3.{sys.version_info.minor}"
    return [path for path in found if path and os.path.basename(path) != ours]


@pytest.mark.parametrize("interpreter", interpreters(), ids=os.path.basename)
def test_other_versions_of_python(project: Project, interpreter: str) -> None:
    """With the pytest of this environment: it and what it needs is pure Python."""
    packages = project.root / "packages"
    packages.mkdir()
    needed = {"pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments"}
    for entry in Path(pytest.__file__).parents[1].iterdir():
        if entry.name.split("-")[0] in needed:  # the package, and its metadata
            (packages / entry.name).symlink_to(entry)
    environment = project.root / "env"
    command = [interpreter, "-m", "venv", "--without-pip", str(environment)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"{interpreter} does not work")
    [site_packages] = environment.glob("lib/python3.*/site-packages")
    (site_packages / "pytest.pth").write_text(str(packages))
    python = str(environment / "bin" / "python")
    project.write("tests/sub/test_every.py", EVERY_OUTCOME)
    run = project.run("tests", python=python)
    assert run.status is HookStatus.FAILED
    assert run.collected == 18
    check_every_outcome(project)


@pytest.mark.parametrize("args", [(), XDIST], ids=["plain", "xdist"])
def test_the_tests_see_nothing_of_us(
    project: Project, args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/users/own")
    project.write(
        "test_it.py",
        """
        import os, subprocess, sys

        def test_here(pytestconfig):
            assert not [name for name in os.environ if name.startswith("CRACKERJACK_")]
            assert not [path for path in sys.path if "pytest_plugin" in path]
            assert "PYTEST_PLUGINS" not in os.environ
            assert os.environ["PYTHONPATH"] == "/users/own"
            assert tuple(pytestconfig.invocation_params.args) in ((), ("-p", "xdist", "-n2"))

        def test_in_a_child():
            code = "import sys; sys.exit(any('pytest_plugin' in path for path in sys.path))"
            subprocess.run([sys.executable, "-c", code], check=True)

        def test_no_descriptor_is_passed_on():
            before = "import os; print(sorted(os.listdir('/dev/fd')))"
            kept = subprocess.check_output([sys.executable, "-c", before], close_fds=False)
            closed = subprocess.check_output([sys.executable, "-c", before], close_fds=True)
            assert kept == closed
        """,
    )
    for name in [name for name in os.environ if name.startswith("CRACKERJACK_")]:
        monkeypatch.delenv(name)
    run = project.run(*args)
    assert run.status is HookStatus.PASSED, project.output


def test_the_users_own_plugins_stay(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_PLUGINS", "own_plugin")
    project.write("own_plugin.py", "import pytest\n@pytest.fixture\ndef own(): return 1\n")
    project.write(
        "test_it.py",
        "import os\ndef test(own): assert os.environ['PYTEST_PLUGINS'] == 'own_plugin'\n",
    )
    assert project.run().status is HookStatus.PASSED, project.output


def test_the_output_is_what_pytest_prints_without_us(project: Project) -> None:
    project.write("test_it.py", "def test_good(): pass\ndef test_bad(): assert 0\n")
    project.run("-v", "-rA")
    alone = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-rA"],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
    )
    times = re.compile(r"=* .* in [\d.]+s =*")
    assert times.sub("", project.output) == times.sub("", alone.stdout)
    assert "test_it.py::test_bad FAILED" in project.output


def test_tests_that_fork_or_replace_what_we_use(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import json, os, subprocess, sys, time

        def test_fork_that_goes_on():
            if os.fork() == 0:
                return  # the child runs the rest of the tests, and ends like its parent
            os.wait()

        def test_replaces_for_good():
            os.getpid = lambda: -1
            os.write = json.dumps = lambda *_, **__: ""

        def test_pytest_in_pytest(tmp_path):
            (tmp_path / "test_inner.py").write_text("def test_inner(): assert 0")
            done = subprocess.run([sys.executable, "-m", "pytest", "-q", str(tmp_path)])
            assert done.returncode == 1
        """,
    )
    run = project.run()
    assert run.status is HookStatus.PASSED, project.output
    assert [result.nodeid for result in project.results] == [
        "test_it.py::test_fork_that_goes_on",
        "test_it.py::test_replaces_for_good",
        "test_it.py::test_pytest_in_pytest",
    ]


def test_a_test_that_closes_every_descriptor(project: Project) -> None:
    """What it opens in their place is its own; that reports are missing is said."""
    project.write(
        "test_it.py",
        """
        import os

        def test_before(): pass

        def test_closes():
            os.closerange(3, 50)
            while os.open("mine", os.O_WRONLY | os.O_CREAT) < 40: pass

        def test_after(): pass
        """,
    )
    run = project.run("-s", "-p", "no:cacheprovider", "-p", "no:faulthandler")
    assert run.status is HookStatus.TOOL_ERROR
    assert "test_closes" in run.reason
    assert (project.root / "mine").read_bytes() == b""


def test_the_last_attempt_is_the_result(project: Project) -> None:
    """As pytest-rerunfailures does it."""
    project.write(
        "conftest.py",
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            for attempt in range(3):
                item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
                reports = runtestprotocol(item, nextitem=nextitem, log=False)
                again = attempt < 2 and any(report.failed for report in reports)
                for report in reports:
                    report.rerun = attempt
                    if again and report.failed:
                        report.outcome = "rerun"
                    item.ihook.pytest_runtest_logreport(report=report)
                item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
                if not again:
                    return True
        """,
    )
    project.write(
        "test_it.py",
        """
        import pytest, time

        tries = []

        @pytest.fixture
        def slow_at_first():
            if len(tries) < 2:
                time.sleep(0.2)

        def test_flaky(slow_at_first):
            tries.append(1)
            assert len(tries) == 3

        def test_bad(): assert False
        """,
    )
    run = project.run()
    assert project.outcomes() == {"test_flaky": "passed", "test_bad": "failed"}
    assert run.counts == {TestOutcome.PASSED: 1, TestOutcome.FAILED: 1}
    assert project.result("test_flaky").duration < 0.2
    assert [project.result(name).reruns for name in ("test_flaky", "test_bad")] == [2, 2]


def test_a_plugin_that_does_not_say_when_a_test_has_ended(project: Project) -> None:
    project.write(
        "conftest.py",
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            runtestprotocol(item, nextitem=nextitem)
            return True
        """,
    )
    project.write("test_it.py", "def test_a(): pass\ndef test_b(): assert False\n")
    run = project.run()
    assert run.status is HookStatus.FAILED
    assert project.outcomes() == {"test_a": "passed", "test_b": "failed"}


def test_a_worker_that_crashes(project: Project) -> None:
    project.write("test_it.py", "import os\ndef test_crash(): os.abort()\ndef test_b(): pass\n")
    run = project.run("-p", "xdist", "-n1")
    assert run.status is HookStatus.FAILED
    assert list(project.outcomes().items()) == [("test_crash", "failed"), ("test_b", "passed")]
    assert "crashed while running" in run.failures[0].message


def test_workers_that_cannot_collect(project: Project) -> None:
    project.write("test_it.py", "import absent\n")
    run = project.run(*XDIST)
    assert run.status is HookStatus.FAILED
    assert names(run.failures) == ["test_it.py"]
    assert run.failures[0].message == "ModuleNotFoundError: No module named 'absent'"


def test_paths_are_relative_to_the_project_wherever_pytest_has_its_root(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\n")
    inner = Project(project.root / "inner")
    inner.write("tests/test_it.py", "def test_bad(): assert 0\n")
    project.write("test_outside.py", "def test_bad(): assert 0\n")
    run = inner.run("tests", "../test_outside.py")
    assert names(run.failures) == ["inner/tests/test_it.py::test_bad", "test_outside.py::test_bad"]
    assert [failure.path for failure in run.failures] == [
        "tests/test_it.py",
        str(project.root / "test_outside.py"),
    ]
