"""The documents for other tools: each checked by a reader that is not ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crackerjack.events.payload import EventType
from crackerjack.jobs.snapshot import JobSnapshot, fold
from crackerjack.reports import FORMATS
from crackerjack.types import HookStatus
from tests.sample_run import (
    COMPREHENSIVE,
    FAST,
    JOB,
    TESTS,
    SampleRun,
    failing_run,
    finding,
    passing_run,
    skip_hooks_run,
)

# As the SARIF technical committee of OASIS publishes it; taken from the npm package
# @microsoft/jest-sarif 1.0.0-beta.0 (MIT).
SCHEMA = json.loads((Path(__file__).parent / "sarif-2.1.0-rtm.5.json").read_text())
HOSTILE = "\x1b[31m\x00\x07\u202e a<b>&\"'\ufffe ]]> % \r\n::error::boo\n##[error]boo"
RUNS: dict[str, Callable[[], SampleRun]] = {
    "passing": passing_run,
    "failing": failing_run,
    "skipped": skip_hooks_run,
    "running": lambda: SampleRun().begin().strategy(FAST, ["a", "b"]).hook(FAST, "a"),
    "nothing": SampleRun,
}


def of(run: SampleRun) -> JobSnapshot:
    return fold(run.events, job_id=JOB)


def ruff_found(*findings: dict[str, Any]) -> SampleRun:
    """A run in which ruff-check failed with these findings, not yet ended."""
    run = SampleRun().begin().strategy(FAST, ["ruff-check"]).hook(FAST, "ruff-check")
    run.found(*(finding("ruff-check", **one) for one in findings))
    run.hook_ended(FAST, "ruff-check", HookStatus.FAILED, tool_version="ruff 0.17")
    return run.strategy_ended(FAST, success=False)


def one_hook(*findings: dict[str, Any]) -> SampleRun:
    return ruff_found(*findings).end(EventType.WORKFLOW_FAILED)


def hostile_run() -> SampleRun:
    run = ruff_found({"path": "a b%#?:\\xff/ü.py", "message": HOSTILE, "code": HOSTILE})
    run.phase(TESTS).hook(TESTS, "pytest").collected(1)
    run.test(f"t.py::{HOSTILE}", "failed", path="t.py", line=1, message=HOSTILE)
    run.hook_ended(TESTS, "pytest", HookStatus.TOOL_ERROR, reason=HOSTILE)
    return run.end(EventType.WORKFLOW_FAILED, reason=HOSTILE)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("report", FORMATS)
def test_every_report_of_every_run_is_a_document(report: str, name: str) -> None:
    text = FORMATS[report](of(RUNS[name]()))
    assert text.endswith("\n")
    assert not text.startswith("\n")
    text.encode("utf-8")


@pytest.mark.parametrize("name", [*RUNS, "hostile"])
def test_sarif_is_valid(name: str) -> None:
    run = {**RUNS, "hostile": hostile_run}[name]()
    jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(
        json.loads(FORMATS["sarif"](of(run)))
    )


def test_the_validator_would_say_so() -> None:
    log = json.loads(FORMATS["sarif"](of(failing_run())))
    log["runs"][0]["tool"]["driver"].pop("name")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(SCHEMA).validate(log)


def test_sarif_says_which_tool_found_what_where() -> None:
    log = json.loads(FORMATS["sarif"](of(failing_run())))
    runs = {run["tool"]["driver"]["name"]: run for run in log["runs"]}
    assert list(runs) == ["file-checks", "ruff-check", "cleaning", "mypy", "bandit", "vulture"]
    ruff = runs["ruff-check"]
    assert [rule["id"] for rule in ruff["tool"]["driver"]["rules"]] == ["F401", "E711"]
    second = ruff["results"][1]
    assert second == {
        "ruleId": "E711",
        "ruleIndex": 1,
        "level": "error",
        "message": {"text": "comparison to None"},
        "partialFingerprints": {"crackerjack/v1": "ruff-check-src/cli.py-40"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "src/cli.py", "uriBaseId": "PROJECTROOT"},
                    "region": {"startLine": 40, "startColumn": 7},
                }
            }
        ],
    }
    assert ruff["originalUriBaseIds"]["PROJECTROOT"]["uri"] == "file:///home/ada/httpx/"
    assert ruff["invocations"][0]["executionSuccessful"] is True
    missing = runs["bandit"]["invocations"][0]
    assert missing["executionSuccessful"] is False
    assert "not installed" in missing["toolExecutionNotifications"][0]["message"]["text"]
    ids = [run["automationDetails"]["id"] for run in log["runs"]]
    assert len(set(ids)) == len(ids)


def test_sarif_tells_of_a_hook_that_was_stopped_and_what_it_had_found() -> None:
    run = SampleRun().begin().strategy(COMPREHENSIVE, ["mypy"]).hook(COMPREHENSIVE, "mypy")
    run.found(finding("mypy")).end(EventType.WORKFLOW_INTERRUPTED, exit_code=130)
    (stopped,) = json.loads(FORMATS["sarif"](of(run)))["runs"]
    assert len(stopped["results"]) == 1
    (invocation,) = stopped["invocations"]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["message"]["text"] == "stopped: the job ended"


@pytest.mark.parametrize(
    "path", ["a b.py", "ü/x.py", "50%.py", "a#b?c.py", "c:d.py", "a\\xff.py", "x\ny.py", "[a].py"]
)
def test_sarif_uris_are_relative_and_lead_back_to_the_file(path: str) -> None:
    log = json.loads(FORMATS["sarif"](of(one_hook({"path": path}))))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    uri = place["artifactLocation"]["uri"]
    assert re.fullmatch(r"[A-Za-z0-9._~/%:-]+", uri)
    split = urlsplit(uri)
    assert (split.scheme, split.netloc, split.query, split.fragment) == ("", "", "", "")
    assert unquote(split.path).removeprefix("./") == path


def test_sarif_takes_findings_without_a_place_or_a_name() -> None:
    run = one_hook({"path": "", "line": None, "column": None, "code": "", "message": ""})
    result = json.loads(FORMATS["sarif"](of(run)))["runs"][0]["results"][0]
    assert "locations" not in result
    assert (result["ruleId"], result["message"]["text"]) == ("ruff-check", "ruff-check")


def junit(run: SampleRun) -> dict[str, ET.Element]:
    """The suites of the document by name."""
    root = ET.fromstring(FORMATS["junit"](of(run)))
    for sums in ("tests", "failures", "errors", "skipped"):
        assert int(root.get(sums, "")) == sum(int(suite.get(sums, "")) for suite in root)
    return {suite.get("name", ""): suite for suite in root}


def test_junit_has_the_tests_and_the_hooks() -> None:
    suites = junit(failing_run())
    pytest_suite = suites["pytest"]
    numbers = [pytest_suite.get(key) for key in ("tests", "failures", "errors", "skipped")]
    assert numbers == ["3", "1", "0", "1"]
    failed = pytest_suite[1]
    assert (failed.get("classname"), failed.get("name")) == ("tests.test_app", "test_two")
    assert failed[0].get("message") == "assert 1 == 2"
    assert failed[0].text == "assert 1 == 2\n +  where 1 = f()"
    assert [case.get("name") for case in suites["ruff-check"]] == [
        "src/app.py:3:7 F401",
        "src/cli.py:40:7 E711",
    ]
    assert suites["file-checks"].get("failures") == "0"
    assert [len(suites[name]) for name in ("file-checks", "bandit", "deptry")] == [1, 1, 1]
    assert suites["bandit"].get("errors") == "1"
    assert suites["deptry"].get("skipped") == "1"


def test_junit_tells_a_failure_that_no_finding_tells() -> None:
    run = one_hook()
    assert junit(run)["ruff-check"].get("failures") == "1"
    run = SampleRun().begin(tests=True).phase(TESTS).hook(TESTS, "pytest").collected(2)
    run.test("t.py::a").hook_ended(TESTS, "pytest", HookStatus.TOOL_ERROR, reason="crashed").end()
    suite = junit(run)["pytest"]
    assert (suite.get("tests"), suite.get("errors")) == ("2", "1")


def test_junit_fails_nothing_for_a_note() -> None:
    run = SampleRun().begin().strategy(COMPREHENSIVE, ["mypy", "pyright"])
    for hook, status in (("mypy", HookStatus.PASSED), ("pyright", HookStatus.FAILED)):
        run.hook(COMPREHENSIVE, hook).found(finding(hook, severity="note"))
        run.hook_ended(COMPREHENSIVE, hook, status)
    suites = junit(run.end(EventType.WORKFLOW_FAILED))
    assert (suites["mypy"].get("tests"), suites["mypy"].get("failures")) == ("1", "0")
    assert suites["mypy"][0][0].tag == "system-out"
    # It failed for another reason than its note, and that is told.
    assert (suites["pyright"].get("tests"), suites["pyright"].get("failures")) == ("2", "1")


def test_junit_holds_hostile_text() -> None:
    text = FORMATS["junit"](of(hostile_run()))
    assert "\x1b" not in text
    root = ET.fromstring(text)
    messages = [element.get("message", "") for element in root.iter("failure")]
    assert any("a<b>&\"'" in message for message in messages)


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=60, deadline=None)
def test_any_text_goes_into_any_report(text: str) -> None:
    job = of(one_hook({"path": text, "message": text, "code": text}))
    ET.fromstring(FORMATS["junit"](job))
    log = json.loads(FORMATS["sarif"](job))
    assert log["runs"][0]["results"][0]["message"]["text"]
    assert json.loads(FORMATS["json"](job))["findings"][0]["message"] == text
    for report in ("text", "github"):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", FORMATS[report](job))


def commands(text: str) -> list[str]:
    """The lines that GitHub would take for annotations."""
    return [line for line in text.splitlines() if re.match(r"\s*::(error|warning|notice)", line)]


def test_github_annotates_the_line() -> None:
    text = FORMATS["github"](of(failing_run()))
    assert (
        "::error file=src/app.py,line=3,col=7,title=ruff-check F401::`os` imported but unused\n"
        in text
    )
    assert (
        "::error file=tests/test_app.py,line=12,title=tests/test_app.py%3A%3Atest_two::"
        "assert 1 == 2%0A +  where 1 = f()\n" in text
    )
    assert text.endswith(
        "\nWorkflow failed: 3 findings, 1 failing test; bandit, vulture could not be run\n"
    )


def test_github_puts_broken_tools_first_then_failing_tests() -> None:
    lines = commands(FORMATS["github"](of(failing_run())))
    assert [line.partition("title=")[2].partition("::")[0] for line in lines[:4]] == [
        "bandit",
        "vulture",
        "tests/test_app.py%3A%3Atest_two",
        "ruff-check F401",
    ]


def test_github_shows_ten_of_a_level_and_lists_the_rest() -> None:
    run = SampleRun().begin().strategy(COMPREHENSIVE, ["ruff-check", "mypy"])
    for hook in ("ruff-check", "mypy"):
        run.hook(COMPREHENSIVE, hook)
        run.found(
            *(finding(hook, line=line, step_id=COMPREHENSIVE) for line in range(1, 16)),
            *(finding(hook, severity="warning", step_id=COMPREHENSIVE) for _ in range(6)),
            finding(hook, severity="note", step_id=COMPREHENSIVE),
        )
        run.hook_ended(COMPREHENSIVE, hook, HookStatus.FAILED)
    text = FORMATS["github"](of(run.end(EventType.WORKFLOW_FAILED)))
    levels = [line.partition(" ")[0] for line in commands(text)]
    assert levels == ["::error"] * 10 + ["::warning"] * 10 + ["::notice"] * 2
    assert sum("title=mypy" in line for line in commands(text)[:10]) == 5  # none hides the other
    assert "::group::22 more, not annotated: GitHub shows 10 of each level\n" in text
    assert sum(line.startswith("- ") for line in text.splitlines()) == 22


def test_github_takes_no_command_from_a_finding() -> None:
    many = [{"path": f"::error::{n}", "message": HOSTILE, "line": n} for n in range(1, 12)]
    text = FORMATS["github"](of(one_hook(*many)))
    assert len(commands(text)) == 10
    assert all(line.startswith("::error file=%3A%3Aerror") for line in commands(text))
    rest = [line for line in text.splitlines() if line not in commands(text)]
    assert not any("##[" in line for line in rest)
    assert [line for line in rest if line.startswith("::")] == [
        "::group::1 more, not annotated: GitHub shows 10 of each level",
        "::endgroup::",
    ]


def test_json_has_it_all() -> None:
    document = json.loads(FORMATS["json"](of(failing_run())))
    assert document["job"]["status"] == "failed"
    assert document["job"]["exit_code"] == 1
    assert document["counts"]["findings"] == len(document["findings"]) == 3
    assert [test["outcome"] for test in document["tests"]] == ["passed", "failed", "skipped"]
    assert document["fixes"][1]["reason"] == "the result does not parse"
    assert document["coverage"] == 87.5


def test_text_is_for_grep() -> None:
    lines = FORMATS["text"](of(failing_run())).splitlines()
    assert lines[0] == "src/app.py:3:7: F401 `os` imported but unused [ruff-check]"
    assert "tests/test_app.py:12: test_two failed: assert 1 == 2 [pytest]" in lines
    assert lines[-1].startswith("Workflow failed: 3 findings, 1 failing test")
