"""The tests in shards: together they are all tests, each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from crackerjack.hooks.pytest_session import TestOutcome
from crackerjack.hooks.testing import Shard, TestRun, merged
from crackerjack.types import HookStatus
from tests.hooks.pytest_runs import Project

FILE = "import pytest\n@pytest.mark.parametrize('n', range({}))\ndef test(n): assert n != 2\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Five files of one to five tests; plugins are not looked for, which takes longer than these tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    project = Project(tmp_path)
    for number in range(1, 6):
        project.write(f"tests/test_{number}.py", FILE.format(number))
    return project


def in_shards(project: Project, count: int, seconds: dict[str, float]) -> list[TestRun]:
    return [
        project.run(shard=Shard(number=number, of=count, seconds=seconds))
        for number in range(count)
    ]


def files_of(project: Project) -> list[str]:
    return sorted({result.path for result in project.results})


def test_the_shards_together_are_all_tests_each_once(project: Project) -> None:
    whole = project.run()
    expected = {(result.nodeid, result.outcome) for result in project.results}
    project.results.clear()
    project.collected.clear()
    together = merged(in_shards(project, 3, {}))
    assert {(result.nodeid, result.outcome) for result in project.results} == expected
    assert len(project.results) == len(expected) == 15
    assert project.collected == [(15, 0)] * 3, "each knows of all"
    assert (together.status, together.counts) == (HookStatus.FAILED, whole.counts)
    assert together.collected == 15
    assert {one.nodeid for one in together.failures} == {one.nodeid for one in whole.failures}


def test_shards_are_balanced_by_what_the_files_took(project: Project) -> None:
    long = {f"tests/test_{number}.py": 1.0 for number in range(1, 6)} | {"tests/test_4.py": 4.0}
    project.run(shard=Shard(number=0, of=2, seconds=long))
    assert files_of(project) == ["tests/test_4.py"], "as long as the four others together"


def test_more_shards_than_files_leave_some_without_tests(project: Project) -> None:
    runs = in_shards(project, 7, {})
    assert [run.status for run in runs[5:]] == [HookStatus.SKIPPED] * 2
    together = merged(runs)
    assert (together.status, together.counts[TestOutcome.PASSED]) == (HookStatus.FAILED, 12)


def test_a_file_that_cannot_be_collected_fails_every_shard(project: Project) -> None:
    project.write("tests/test_broken.py", "import no_such_module\n")
    together = merged(in_shards(project, 2, {}))
    assert together.status is HookStatus.FAILED
    assert [one.nodeid for one in together.failures] == ["tests/test_broken.py"]


def test_what_broke_in_one_shard_is_not_hidden_by_the_others() -> None:
    passed = TestRun(status=HookStatus.PASSED, counts={TestOutcome.PASSED: 3}, collected=3)
    broken = TestRun(status=HookStatus.TOOL_ERROR, reason="the worker is gone")
    together = merged([passed, broken, passed])
    assert (together.status, together.reason) == (HookStatus.TOOL_ERROR, "the worker is gone")
    assert together.counts == {TestOutcome.PASSED: 6}
