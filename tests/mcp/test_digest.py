"""What a digest leaves out, and in which order it tells the rest."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from crackerjack.errors import UnknownJob, UsageError
from crackerjack.events.payload import EventType
from crackerjack.jobs.snapshot import JobSnapshot
from crackerjack.mcp.digest import digest, group, grouped, shortened, shortened_lines
from crackerjack.mcp.roots import Roots
from crackerjack.mcp.story import Stories, Story, Until
from crackerjack.mcp.texts import text_of
from crackerjack.types import HookStatus, JobId
from crackerjack.web.feed import Feeds
from tests.mcp.store import Store
from tests.sample_run import FAST, TESTS, SampleRun, finding


def story_of(run: SampleRun) -> Story:
    story = Story(snapshot=JobSnapshot(job_id=run.job_id))
    for event in run.events:
        story.apply(event)
    return story


def begun() -> SampleRun:
    return SampleRun().begin(tests=True).strategy(FAST, []).hook(FAST, "ruff-check")


def test_errors_come_first_then_the_rule_with_the_most() -> None:
    groups = grouped(
        [
            finding("b", code="W1", severity="warning"),
            finding("b", code="W1", severity="warning", line=4),
            finding("b", code="W1", severity="warning", line=5),
            finding("a", code="N1", severity="note"),
            finding("a", code="E1"),
            finding("a", code="E2"),
            finding("a", code="E2", line=4),
            finding("b", code="E2"),
        ]
    )
    assert [(one[0].hook, one[0].code, len(one)) for one in groups] == [
        ("a", "E2", 2),
        ("a", "E1", 1),
        ("b", "E2", 1),
        ("b", "W1", 3),
        ("a", "N1", 1),
    ]


def test_what_places_share_is_told_once() -> None:
    told = group(
        [
            finding("a", line=1, message="one", fixable=True),
            finding("a", line=2, message="one"),
            finding("a", line=None, message="two"),
            finding("a", line=4, message="three"),
        ],
        lambda path, line: f"   {path}, line {line}  ",
    )
    assert (told.count, told.fixable, told.message) == (4, 1, "one")
    assert [(one.line, one.message, one.source) for one in told.examples] == [
        (1, "", "src/app.py, line 1"),
        (2, "", "src/app.py, line 2"),
        (None, "two", ""),
    ]


def test_a_digest_has_room_for_some_and_counts_the_rest() -> None:
    run = begun()
    for rule in range(30):
        run.found(
            *(
                finding("ruff-check", line=n, code=f"E{rule}", fingerprint=f"{rule}-{n}")
                for n in range(3)
            )
        )
    run.hook(TESTS, "pytest")
    for number in range(9):
        run.test(f"tests/a.py::{number}", "failed")
    told = digest(story_of(run), 0)
    assert (len(told.findings), told.more_findings) == (2, 28 * 3)  # a failing test comes first
    assert all(len(one.examples) == 1 for one in told.findings)
    assert (len(told.failing_tests), told.more_failing_tests) == (5, 4)
    assert (told.counts.findings, told.counts.tests_failed) == (90, 9)
    told = digest(story_of(run.end(EventType.WORKFLOW_FAILED)), 0)
    assert (len(told.findings), told.more_findings) == (24, 6 * 3)


def test_only_what_is_new_since_the_cursor() -> None:
    run = begun().hook(TESTS, "pytest")
    run.found(finding("ruff-check", line=1)).test("tests/a.py::one", "failed")
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED, findings=1)
    since = len(run.events)
    run.found(finding("mypy", line=9)).test("tests/a.py::two", "error")
    run.hook_ended(TESTS, "pytest", HookStatus.PASSED)
    told = digest(story_of(run), since)
    assert [one.hook for one in told.findings] == ["mypy"]
    assert [one.nodeid for one in told.failing_tests] == ["tests/a.py::two"]
    assert told.hooks == []
    assert told.next == len(run.events)
    nothing = digest(story_of(run), len(run.events))
    assert (nothing.findings, nothing.failing_tests, nothing.woken_by) == ([], [], "")


def test_nothing_is_left_to_do_when_all_is_well() -> None:
    told = digest(story_of(begun().hook_ended(FAST, "ruff-check").end()), 0)
    assert (told.do_next, told.hooks, told.status) == ("", [], "completed")
    failed = begun().hook_ended(FAST, "ruff-check", HookStatus.TOOL_ERROR, reason="boom")
    told = digest(story_of(failed.end(EventType.WORKFLOW_FAILED)), 0)
    assert [(one.status, one.reason) for one in told.hooks] == [("tool_error", "boom")]
    assert told.do_next == "after the fix, run_checks again and compare"


def test_files_that_the_run_changed_are_named_and_are_nothing_to_fix() -> None:
    run = (
        begun()
        .fixed(FAST, "ruff-check", "a.py", "b.py")
        .fixed(FAST, "ruff-check", "c", reason="no")
    )
    run.hook_ended(FAST, "ruff-check", HookStatus.FIXED, fixed=2)
    since = len(run.events)
    told = digest(story_of(run), 0)
    assert told.changed_files == ["a.py", "b.py"]
    assert told.do_next == f"wait(job_id='job123', since={since})"
    assert "Changed by this run, read again: a.py, b.py\n" in text_of(told)
    run.fixed(FAST, "ruff-check", "b.py", *(f"{number}.py" for number in range(11)))
    told = digest(story_of(run.end()), since)
    assert (told.changed_files[0], told.more_changed_files) == ("b.py", 2)
    assert text_of(told).endswith("8.py and 2 more; undo(job_id='job123') puts back")


@pytest.mark.parametrize("most", [10, 300])
def test_shortened(most: int) -> None:
    for text in ("", "plain", "\x1b[31m" * 400 + "red", "\x1b]" * 400, "\u202e" * 400, "é" * 400):
        for short in (shortened(text, most), shortened_lines(text, most)):
            assert len(short) <= most
            assert short.isprintable()
    assert shortened_lines("a\n\tb\r\nc", most).split("\n")[0] == "a"


class TestRoots:
    """Which directories are allowed, where the wire is too coarse."""

    def test_the_only_root_that_is_a_project_is_meant(self, tmp_path: Path) -> None:
        one, other, home = (str(tmp_path / name) for name in ("one", "other", "home"))
        for directory, marker in ((one, ".git"), (other, "pyproject.toml"), (home, "Documents")):
            os.makedirs(f"{directory}/{marker}")
        for directories in ([one], [home, one]):
            assert Roots(directories).project(None) == os.path.realpath(one)
        for directories in ([], [home], [one, other], ["/"]):
            with pytest.raises(UsageError, match="name the project"):
                Roots(directories).project(None)
        assert Roots([home]).project(home) == os.path.realpath(home)

    def test_urls(self, tmp_path: Path) -> None:
        (tmp_path / "a b").mkdir()
        (tmp_path / "file").write_text("")
        wrong = (
            "https://example.org/tmp",
            f"file://elsewhere{tmp_path}",
            f"file://{tmp_path}/file",
            f"file://{tmp_path}/gone",
            "file:///%00",
            "file:relative",
            "http://[",
            "",
        )
        roots = Roots([]).with_urls(
            [*wrong, f"file://{tmp_path}/a%20b", f"file://localhost{tmp_path}/a%20b"]
        )
        assert roots.directories == (os.path.realpath(tmp_path / "a b"),)
        assert not roots.allows(f"{roots.directories[0]}c")
        assert not roots.allows(str(tmp_path))
        assert Roots(["/"]).allows("/etc")


@pytest.mark.anyio
async def test_an_id_that_is_free_again_names_another_job(store: Store) -> None:
    stories = Stories(Feeds(store.log))
    first = begun().test("tests/a.py::old", "failed").end(EventType.WORKFLOW_FAILED)
    job_id = JobId(store.write(first))
    assert (await stories.of(job_id)).snapshot.finished
    store.forget(job_id)
    with pytest.raises(UnknownJob):
        await stories.of(job_id)
    store.write(SampleRun().begin())
    story = await stories.of(job_id)
    assert not story.snapshot.finished
    assert list(story.snapshot.failing_tests) == []


@pytest.mark.anyio
async def test_who_waits_no_more_leaves_nothing_behind(store: Store) -> None:
    stories = Stories(Feeds(store.log))
    job_id = JobId(store.write(begun()))
    before = asyncio.all_tasks()
    waiting = [asyncio.create_task(stories.wait(job_id, 0, Until.FINISHED, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    assert not waiting[1].done()
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
