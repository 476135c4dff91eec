from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crackerjack.errors import EnvironmentFailed
from crackerjack.fleet.overlay import attach
from crackerjack.fleet.project_environment import ProjectEnvironment, ProjectEnvironments
from crackerjack.fleet.recipe import environment_recipe, read_pyproject
from crackerjack.hooks.environment import environment_digest, environment_python
from crackerjack.hooks.process import Cancellation
from tests.hooks.trees import make_tree

PYPROJECT = """\
[project]
name = "My.Project"
version = "1.2"
dependencies = ["one"]
scripts = {mine = "mine:main"}
[project.entry-points.pytest11]
mine = "mine.plugin"
[project.optional-dependencies]
test = ["two", "my-project[more,docs]"]
more = ["three", "my_project[test]"]
docs = []
web = ["nine"]
[dependency-groups]
dev = [{include-group = "lint"}, "five"]
lint = ["four", {include-group = "dev"}]
"""


def wheel(directory: Path, name: str, source: str) -> str:
    """Build a package; the hash of its wheel."""
    directory.mkdir(exist_ok=True)
    path = directory / f"{name}-1.0-py3-none-any.whl"
    files = {
        f"{name}.py": source,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: hashlib.sha256(text.encode()).digest() for name, text in files.items()}
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')},{len(files[name])}\n"
        for name, digest in digests.items()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{name}-1.0.dist-info/RECORD": record}.items():
            archive.writestr(file, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def environments(tmp_path: Path, **options: Any) -> ProjectEnvironments:
    """Environments whose pip asks no index; there is no uv."""
    surroundings = {
        "PATH": "/usr/bin:/bin",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_" + "LINKS": str(tmp_path / "wheels"),
        "SOME_TOKEN": "correct-horse",
    }
    return ProjectEnvironments(str(tmp_path / "cache"), environment=surroundings, **options)


def recipe(root: Path, *, has_uv: bool = False) -> Any:
    return environment_recipe(str(root), read_pyproject(str(root)), has_uv=has_uv)


# What an environment is made from


def test_the_dependencies_with_those_of_the_tests(tmp_path: Path) -> None:
    assert recipe(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    found = recipe(tmp_path)
    assert (found.source, found.tool) == ("pyproject.toml", "pip")
    assert sorted(found.requirements) == ["five", "four", "one", "three", "two"]
    (tmp_path / "pyproject.toml").write_text(PYPROJECT + "\n[tool.ruff]\nline-length = 9\n")
    assert recipe(tmp_path).key == found.key
    (tmp_path / "pyproject.toml").write_text(
        PYPROJECT.replace('"five"', '"five>1", "--pre", "-r x"')
    )
    assert "five>1" in recipe(tmp_path).requirements
    assert not [line for line in recipe(tmp_path).requirements if line.startswith("-")]
    assert recipe(tmp_path).key != found.key


def test_the_surest_file_counts(tmp_path: Path) -> None:
    make_tree(tmp_path, "requirements.txt", "requirements-docs.txt", "requirements/base.in")
    assert recipe(tmp_path).source == "requirements.txt"
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    assert recipe(tmp_path).source == "pyproject.toml"
    (tmp_path / "requirements-dev.txt").write_text(
        "one==1 --hash=sha256:00\n-r requirements/base.in\n"
    )
    hashed = recipe(tmp_path)
    assert hashed.arguments == ("-r", "requirements-dev.txt")
    (tmp_path / "requirements/base.in").write_text("another\n")
    assert recipe(tmp_path).key != hashed.key
    make_tree(tmp_path, "pylock.toml", "uv.lock")
    assert recipe(tmp_path) == recipe(tmp_path)
    assert recipe(tmp_path).tool == "pip"
    assert recipe(tmp_path, has_uv=True).tool == "uv-sync"
    assert recipe(tmp_path, has_uv=True).arguments == ("--group", "dev", "--extra", "test")
    assert (recipe(tmp_path).passed_over, recipe(tmp_path, has_uv=True).passed_over) == (
        "uv.lock",
        "",
    )
    (tmp_path / "uv.lock").unlink()
    assert recipe(tmp_path, has_uv=True).source == "pylock.toml"


def test_requirements_of_the_tests_go_with_what_the_project_needs(tmp_path: Path) -> None:
    make_tree(tmp_path, "requirements/tests.txt", "requirements/docs.txt", "requirements/build.txt")
    assert recipe(tmp_path).source == "requirements/tests.txt"
    needs = '[project]\nname = "mine"\ndependencies = ["one"]\n'
    (tmp_path / "pyproject.toml").write_text(needs)
    found = recipe(tmp_path)
    assert found.source == "pyproject.toml, requirements/tests.txt"
    assert (found.requirements, found.arguments) == (("one",), ("-r", "requirements/tests.txt"))
    (tmp_path / "pyproject.toml").write_text(needs + '[dependency-groups]\ntesting = ["two"]\n')
    assert recipe(tmp_path).source == "pyproject.toml"
    assert recipe(tmp_path).requirements == ("one", "two")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(EnvironmentFailed, match=r"from pyproject\.toml: it is not valid TOML"):
        read_pyproject(str(tmp_path))
    (tmp_path / "pyproject.toml").unlink()
    os.mkfifo(tmp_path / "requirements.txt")
    with pytest.raises(EnvironmentFailed, match=r"from requirements\.txt: it cannot be read"):
        recipe(tmp_path)


# What is made


@pytest.mark.slow
def test_made_once_for_all_and_seen_by_each_project(tmp_path: Path) -> None:
    digest = wheel(tmp_path / "wheels", "one", "VALUE = 1\n")
    roots = [tmp_path / name for name in ("a b", "c")]
    for root in roots:
        make_tree(root, "src/mine/__init__.py", "src/mine/plugin.py")
        (root / "src/mine/__init__.py").write_text(f"WHERE = {str(root)!r}\n")
        (root / "pyproject.toml").write_text(PYPROJECT)
        (root / "requirements.txt").write_text(f"one==1.0 --hash=sha256:{digest}\n")
    found: list[ProjectEnvironment | None] = []
    together = threading.Barrier(2)

    def use(root: Path) -> None:
        together.wait(60)
        with environments(tmp_path).use(str(root)) as environment:
            found.append(environment)
            together.wait(60)

    threads = [threading.Thread(target=use, args=(root,)) for root in roots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    first, second = found
    assert first is not None
    assert second is not None
    assert first.prefix == second.prefix
    assert sorted([first.made, second.made]) == [False, True]
    say = (
        "import importlib.metadata as m, one, mine, mine.plugin;"
        "print(one.VALUE, mine.WHERE, m.version('my-project'), m.version('one'),"
        "[e.value for e in m.entry_points(group='pytest11')])"
    )
    for root in roots:
        assert attach(first, str(root))
        assert not attach(first, str(root))
        python = environment_python(str(root))
        assert python == str(root / ".venv/bin/python")
        done = subprocess.run(
            [python, "-c", say], capture_output=True, text=True, check=True, cwd="/"
        )
        assert done.stdout.strip() == f"1 {root} 1.2 1.0 ['mine.plugin']"
        assert environment_digest(python, root=str(root)) is not None


def fake_python(tmp_path: Path, script: str) -> str:
    """An interpreter that makes environments in no time, or fails in its own way."""
    path = tmp_path / "python"
    path.write_text(
        f'#!/bin/sh\nif [ "$2" = "venv" ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n{script}\n'
    )
    path.chmod(0o755)
    return str(path)


def test_a_failure_is_told_in_the_last_words_of_the_tool(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "project", "requirements.txt")
    script = "seq 100; echo ERROR: no such package; echo token correct-horse >&2; exit 1"
    python = fake_python(tmp_path, f'if [ "$2" = pip ]; then {script}; fi')
    cached = environments(tmp_path, python=python)
    with pytest.raises(EnvironmentFailed) as failed, cached.use(str(root)):
        pytest.fail("there is no environment")
    told = str(failed.value)
    assert "from requirements.txt: python -m pip install: it failed:\n" in told
    assert told.endswith("99\n100\nERROR: no such package\ntoken ***")
    assert len(told.splitlines()) <= 21
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


@contextlib.contextmanager
def using(cached: ProjectEnvironments, tmp_path: Path, number: int) -> Iterator[ProjectEnvironment]:
    """The environment of a project of its own."""
    root = tmp_path / f"project{number}"
    root.mkdir(exist_ok=True)
    (root / "requirements.txt").write_text(f"package{number}\n")
    with cached.use(str(root)) as environment:
        assert environment is not None
        yield environment


def mark_of(environment: ProjectEnvironment) -> Path:
    return Path(environment.prefix, "crackerjack-complete")


def test_the_oldest_go_unless_they_are_in_use(tmp_path: Path) -> None:
    cached = environments(tmp_path, python=fake_python(tmp_path, "exit 0"), most=2)
    prefixes = []
    with using(cached, tmp_path, 0) as oldest:
        for number in range(1, 4):
            with using(cached, tmp_path, number) as environment:
                prefixes.append(environment.prefix)
            os.utime(mark_of(environment), (number, number))
        os.utime(mark_of(oldest), (0.5, 0.5))
        with using(cached, tmp_path, 4):
            assert os.path.isdir(oldest.prefix)
            assert [os.path.isdir(prefix) for prefix in prefixes] == [False, False, True]
    os.mkdir(prefixes[0])  # half made
    with using(cached, tmp_path, 4) as newest:
        assert not newest.made
        assert not os.path.exists(prefixes[0])
        assert not os.path.exists(oldest.prefix)


def test_what_was_half_made_is_made_again(tmp_path: Path) -> None:
    cached = environments(tmp_path, python=fake_python(tmp_path, "exit 0"))
    with using(cached, tmp_path, 0) as first:
        assert first.made
    mark_of(first).unlink()  # as if its maker had been killed
    Path(first.prefix, "rest").touch()
    with using(cached, tmp_path, 0) as second:
        assert second == first
        assert os.listdir(second.prefix) != []
        assert not Path(second.prefix, "rest").exists()


def test_who_looked_at_the_same_time_as_its_maker_does_not_wait_for_the_makers_job(
    tmp_path: Path,
) -> None:
    cached = environments(tmp_path, python=fake_python(tmp_path, "exit 0"))
    with using(cached, tmp_path, 0) as made:
        pass
    mark_of(made).unlink()
    found: list[bool] = []

    def use() -> None:
        with using(cached, tmp_path, 0) as environment:
            found.append(environment.made)

    with open(f"{made.prefix}.lock", "rb") as maker:
        fcntl.flock(maker, fcntl.LOCK_SH)
        thread = threading.Thread(target=use)
        thread.start()
        thread.join(0.5)  # it looks, and cannot make what the other is about to make
        mark_of(made).touch()
        thread.join(30)
        assert found == [False]


def test_a_job_does_not_wait_for_ever(tmp_path: Path) -> None:
    cached = environments(tmp_path, python=fake_python(tmp_path, "exit 0"))
    with using(cached, tmp_path, 0) as environment:
        pass
    cancel = Cancellation()
    with open(f"{environment.prefix}.lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another makes it
        timer = threading.Timer(0.3, cancel.cancel)
        timer.start()
        with (
            pytest.raises(EnvironmentFailed, match="the job was cancelled"),
            cached.use(str(tmp_path / "project0"), cancel=cancel),
        ):
            pytest.fail("it is locked")
        timer.join()
    hangs = fake_python(tmp_path, 'if [ "$2" = pip ]; then sleep 100; fi')
    slow = environments(tmp_path, python=hangs, limit=2)
    with pytest.raises(EnvironmentFailed, match="longer than 2 s"), using(slow, tmp_path, 1):
        pytest.fail("it cannot be made")
