"""What a run found and changed, through a real client: lines, changes, undoing, comparison, statistics."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from msgspec.structs import replace

from crackerjack.events.payload import EventType
from crackerjack.jobs.project_lock import ProjectLock
from crackerjack.types import JobId
from tests.web.runs import TIDY, UNTIDY, run, run_of_two_tests
from tests.web.serving import SECONDS, Writer, finding, serving

SECRET: Final = "ghp_" + "a1" * 18


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    (project / "module.py").write_text(UNTIDY)
    return project


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """Of a server that may read and change what is below this test's directory."""
    with serving("--project-root", str(tmp_path)) as server, server.client() as client:
        yield client


def changes(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """The changed files by path."""
    answer = client.get("/jobs/job123/changes").raise_for_status().json()
    return {file["path"]: file for file in answer["files"]}


class TestChanges:
    def test_the_diff_of_what_was_cleaned(self, client: httpx.Client, project: Path) -> None:
        run(project)
        file = changes(client)["module.py"]
        assert (project / "module.py").read_text() == TIDY
        assert file["diff"].splitlines() == [
            "--- a/module.py",
            "+++ b/module.py",
            "@@ -1,2 +1 @@",
            "-import os",
            "-VALUE = 1   ",
            "+VALUE = 1",
        ]
        assert (file["state"], file["added_lines"], file["removed_lines"]) == ("as_left", 1, 2)

    def test_a_file_that_somebody_changed_since_has_no_diff(
        self, client: httpx.Client, project: Path
    ) -> None:
        run(project)
        (project / "module.py").write_text("VALUE = 2\n")
        file = changes(client)["module.py"]
        assert (file["state"], file["diff"]) == ("changed_since", None)
        (project / "module.py").unlink()
        assert changes(client)["module.py"]["state"] == "gone"
        (project / "module.py").symlink_to("/etc/passwd")
        assert changes(client)["module.py"]["state"] == "unreadable"

    def test_secrets_are_masked(self, client: httpx.Client, project: Path) -> None:
        (project / "module.py").write_text(f'{UNTIDY}KEY = "{SECRET}"   \n')
        run(project)
        (file,) = changes(client).values()
        assert "KEY = " in file["diff"]
        assert SECRET not in file["diff"]

    def test_a_job_that_changed_nothing(self, client: httpx.Client, project: Path) -> None:
        (project / "module.py").write_text(TIDY)
        run(project)
        assert changes(client) == {}

    def test_a_diff_has_an_end(self, client: httpx.Client, project: Path) -> None:
        lines = "".join(f"VALUE_{number} = {number}   \n" for number in range(5000))
        (project / "module.py").write_text(lines)
        (project / "much.py").write_text(lines * 2)
        run(project)
        files = changes(client)
        assert len(files["module.py"]["diff"]) <= 64 * 1024
        assert files["module.py"]["why"] == "the diff is longer"
        assert (files["much.py"]["diff"], files["much.py"]["state"]) == (None, "as_left")

    def test_only_below_the_roots(self, project: Path, tmp_path: Path) -> None:
        run(project)
        (elsewhere := tmp_path / "elsewhere").mkdir()
        with serving("--project-root", str(elsewhere)) as server, server.client() as client:
            for answer in (
                client.get("/jobs/job123/changes"),
                client.post("/jobs/job123/undo"),
            ):
                assert answer.status_code == 403
                assert "--project-root" in answer.json()["detail"]
        assert (project / "module.py").read_text() == TIDY


class TestUndo:
    def test_puts_back_what_the_job_changed(self, client: httpx.Client, project: Path) -> None:
        (project / "mine.py").write_text(UNTIDY)
        run(project)
        (project / "mine.py").write_text("VALUE = 2\n")
        outcomes = client.post("/jobs/job123/undo").raise_for_status().json()["files"]
        assert {one["path"]: one["outcome"] for one in outcomes} == {
            "module.py": "restored",
            "mine.py": "changed_since",
        }
        assert (project / "module.py").read_text() == UNTIDY
        assert (project / "mine.py").read_text() == "VALUE = 2\n"
        assert changes(client)["module.py"]["state"] == "as_before"
        again = client.post("/jobs/job123/undo").json()["files"]
        assert [one["outcome"] for one in again if one["path"] == "module.py"] == ["already"]

    def test_what_stands_there_by_now_does_not_fill_the_memory(
        self, client: httpx.Client, project: Path
    ) -> None:
        run(project)
        os.truncate(project / "module.py", 1 << 40)  # a terabyte, of which nothing is on the disk
        assert changes(client)["module.py"]["state"] == "unreadable"
        [outcome] = client.post("/jobs/job123/undo").raise_for_status().json()["files"]
        assert (outcome["outcome"], outcome["reason"]) == (
            "refused",
            "cannot be read: File too large",
        )

    def test_a_job_that_goes_on_is_not_undone(
        self, client: httpx.Client, writer: Writer, project: Path
    ) -> None:
        writer.publish(writer.job(project=str(project)))
        answer = client.post("/jobs/job123/undo")
        assert (answer.status_code, "still running" in answer.json()["detail"]) == (409, True)

    def test_while_another_run_has_the_project_it_does_not_wait(
        self, client: httpx.Client, project: Path
    ) -> None:
        run(project)
        with ProjectLock(os.environ["CRACKERJACK_STATE_DIR"], str(project)) as lock:
            lock.acquire(exclusive=True, holder="job another")
            answer = client.post("/jobs/job123/undo")
        assert (answer.status_code, "job another" in answer.json()["detail"]) == (409, True)
        assert (project / "module.py").read_text() == TIDY

    def test_needs_the_token(self, project: Path, tmp_path: Path) -> None:
        run(project)
        roots = ("--project-root", str(tmp_path))
        with serving(*roots, CRACKERJACK_TOKEN="sesame") as server, server.client() as client:
            assert client.post("/jobs/job123/undo").status_code == 401
            assert (project / "module.py").read_text() == TIDY
            headers = {"Authorization": "Bearer sesame"}
            assert client.post("/jobs/job123/undo", headers=headers).status_code == 200
        assert (project / "module.py").read_text() == UNTIDY

    def test_a_page_of_another_site_may_not(self, client: httpx.Client, project: Path) -> None:
        run(project)
        answer = client.post("/jobs/job123/undo", headers={"Origin": "http://example.org"})
        assert answer.status_code == 403
        assert (project / "module.py").read_text() == TIDY


class TestSourceLines:
    def sources(self, client: httpx.Client) -> list[str | None]:
        """The lines of the findings, in their order."""
        answer = client.get("/jobs/job123/diagnostics", params={"source": "1"})
        return [one["source"] for one in answer.raise_for_status().json()["diagnostics"]]

    def test_each_finding_has_its_line(
        self, client: httpx.Client, writer: Writer, project: Path
    ) -> None:
        package = project / "src" / "package"
        package.mkdir(parents=True)
        lines = ["first = 1", f'key = "{SECRET}"', "x" * 1000]
        (package / "module.py").write_text("\n".join(lines))
        writer.publish(writer.job(project=str(project)), 4)
        first, masked, long, none = self.sources(client)
        assert (first, long, none) == ("first = 1", "x" * 400, "")
        assert masked is not None
        assert SECRET not in masked
        plain = client.get("/jobs/job123/diagnostics").json()["diagnostics"]
        assert all("source" not in one for one in plain)

    def test_no_file_outside_the_project_is_read(
        self, client: httpx.Client, writer: Writer, project: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "secret.py").write_text("the first line\n")
        (project / "link.py").symlink_to(tmp_path / "secret.py")
        job_id = writer.job(project=str(project))
        for path in ("link.py", "../secret.py", str(tmp_path / "secret.py"), "nothing.py", "a\0b"):
            found = replace(finding("a finding", 0), path=path, fingerprint=path)
            writer.bus.publish(job_id, EventType.DIAGNOSTIC_FOUND, found)
        writer.bus.flush(SECONDS)
        assert self.sources(client) == [""] * 5

    def test_none_of_a_project_outside_the_roots(
        self, client: httpx.Client, writer: Writer
    ) -> None:
        writer.publish(writer.job(project="/usr"), 1)
        assert self.sources(client) == [None]

    def test_it_is_asked_for_with_1(self, client: httpx.Client, writer: Writer) -> None:
        writer.publish(writer.job(), 1)
        assert client.get("/jobs/job123/diagnostics?source=yes").status_code == 400


class TestComparison:
    @pytest.fixture(autouse=True)
    def two_runs(self, project: Path) -> None:
        """The second has fixed one finding, has another that is new, and keeps a third."""
        (project / "module.py").write_text("print(one)\nprint(kept)\n")
        run(project, "before", "--hook", "ruff-check")
        (project / "module.py").write_text("\nprint(kept)\nprint(two)\n")
        run(project, "now", "--hook", "ruff-check")

    @pytest.mark.parametrize("query", ["", "?base=before", "?base="])
    def test_new_fixed_and_remaining(self, client: httpx.Client, query: str) -> None:
        found = client.get(f"/jobs/now/compare{query}").raise_for_status().json()
        assert (found["base"], found["job"]) == ("before", "now")
        named = {
            kind: [one["message"] for one in found[kind]] for kind in ("new", "fixed", "remaining")
        }
        assert named == {
            "new": ["Undefined name `two`"],
            "fixed": ["Undefined name `one`"],
            "remaining": ["Undefined name `kept`"],
        }

    def test_there_may_be_none_to_compare_with(self, client: httpx.Client) -> None:
        answer = client.get("/jobs/before/compare")
        assert (answer.status_code, "first finished run" in answer.json()["detail"]) == (409, True)
        assert client.get("/jobs/now/compare?base=nothing").status_code == 404

    def test_a_run_of_another_project_is_no_base(
        self, client: httpx.Client, writer: Writer
    ) -> None:
        writer.end(writer.job("other"))
        assert client.get("/jobs/now/compare?base=other").status_code == 409

    def test_a_run_that_goes_on_is_compared_as_far_as_it_is(
        self, client: httpx.Client, writer: Writer, project: Path
    ) -> None:
        writer.publish(writer.job("live", project=str(project)), 2)
        found = client.get("/jobs/live/compare").raise_for_status().json()
        assert (found["base"], found["not_compared"]) == (
            "now",
            {"ruff-check": "waiting now"},
        )


class TestStatistics:
    def test_slow_and_flaky_tests_and_coverage(self, client: httpx.Client, writer: Writer) -> None:
        for number, (outcome, content) in enumerate(
            [("passed", "a"), ("failed", "a"), ("skipped", "a"), ("passed", "a"), ("passed", "b")]
        ):
            run_of_two_tests(writer, f"job{number}", outcome, 80.0 + number, content=content)
        answer = client.get("/stats", params={"project": "/project"}).raise_for_status().json()
        (project,) = answer["projects"]
        assert [one["percent"] for one in project["coverage"]] == [84.0, 83.0, 82.0, 81.0, 80.0]
        assert project["coverage"][0]["job_id"] == "job4"
        tests = project["tests"]
        assert [(one["nodeid"], one["median"], one["runs"]) for one in tests["slowest"]] == [
            ("slow", 2.5, 5),
            ("chance", 0.1, 4),
        ]
        (flaky,) = tests["flaky"]
        assert (flaky["nodeid"], flaky["passed"], flaky["failed"]) == ("chance", 2, 1)
        assert [(one["job_id"], one["outcome"], one["content"]) for one in flaky["recent"]] == [
            ("job4", "passed", "b"),
            ("job3", "passed", "a"),
            ("job1", "failed", "a"),
            ("job0", "passed", "a"),
        ]
        assert (tests["runs"], tests["complete"]) == (5, True)

    @pytest.mark.parametrize(
        ("contents", "flaky"),
        [
            (("a", "b"), []),  # broken or mended
            (("", ""), []),  # of an earlier version, or not to be told
            ((("a", "b"), "a"), []),  # edited while the tests ran
            (("a", "a"), [(1, 1)]),
        ],
        ids=["other content", "unknown content", "edited meanwhile", "same content"],
    )
    def test_only_what_did_both_at_one_content_is_flaky(
        self,
        client: httpx.Client,
        writer: Writer,
        contents: tuple[str | tuple[str, str], ...],
        flaky: list[tuple[int, int]],
    ) -> None:
        for outcome, content in zip(("failed", "passed"), contents, strict=True):
            began, ended = content if isinstance(content, tuple) else (content, content)
            run_of_two_tests(writer, outcome, outcome, 80.0, content=began, at_end=ended)
        (project,) = client.get("/stats", params={"project": "/project"}).json()["projects"]
        found = [(one["passed"], one["failed"]) for one in project["tests"]["flaky"]]
        assert found == flaky

    def test_a_test_that_passes_when_it_is_tried_again_is_flaky(
        self, client: httpx.Client, writer: Writer
    ) -> None:
        run_of_two_tests(writer, "job123", "passed", 80.0, content="a", reruns=2)
        (project,) = client.get("/stats", params={"project": "/project"}).json()["projects"]
        (flaky,) = project["tests"]["flaky"]
        assert (flaky["passed"], flaky["failed"], flaky["recent"][0]["reruns"]) == (1, 2, 2)

    def test_without_a_project_no_tests_are_read(
        self, client: httpx.Client, writer: Writer
    ) -> None:
        run_of_two_tests(writer, "job123", "passed", 80.0)
        (project,) = client.get("/stats").json()["projects"]
        assert project["tests"] is None
        assert len(project["coverage"]) == 1


def test_what_is_asked_of_a_job_that_there_is_not(client: httpx.Client) -> None:
    for path in ("compare", "changes", "diagnostics"):
        assert client.get(f"/jobs/{JobId('nothing')}/{path}").status_code == 404
    assert client.post("/jobs/nothing/undo").status_code == 404
