"""Workflows as data: what the options leave of them, and what the user's own must be like."""

from pathlib import Path

import pytest

from crackerjack.config import Config, load_config
from crackerjack.errors import ConfigError, UsageError
from crackerjack.workflow.options import RunOptions
from crackerjack.workflow.workflow import select_workflow


def config_of(tmp_path: Path, text: str = "") -> Config:
    (tmp_path / "pyproject.toml").write_text(text)
    return load_config(str(tmp_path), environment={}, overrides={})


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (RunOptions(), ["config", "fast", "cleaning", "comprehensive"]),
        (RunOptions(tests=True), ["config", "fast", "cleaning", "comprehensive", "tests"]),
        (RunOptions(fast=True), ["config", "fast"]),
        (RunOptions(fast=True, tests=True), ["config", "fast", "tests"]),
        (RunOptions(comprehensive=True), ["config", "comprehensive"]),
        (RunOptions(fast=True, comprehensive=True), ["config", "fast", "comprehensive"]),
        (RunOptions(workflow="test"), ["config", "tests"]),
        (
            RunOptions(workflow="comprehensive"),
            ["config", "fast", "cleaning", "comprehensive", "tests"],
        ),
        (RunOptions(hooks=("mypy",)), ["config", "fast", "comprehensive"]),
    ],
)
def test_options_compose(tmp_path: Path, options: RunOptions, names: list[str]) -> None:
    workflow = select_workflow(config_of(tmp_path), options)
    assert [step.name for step in workflow.steps] == names
    assert all(set(step.needs) <= set(names) for step in workflow.steps)


def test_step_ids_are_the_action_and_a_number(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        """
        [tool.crackerjack.workflows.twice]
        title = "Twice"
        steps = [
            {action = "run_fast_hooks", name = "first", hooks = ["ruff-check"]},
            {action = "run_fast_hooks", name = "second", needs = ["first"], retries = 2},
        ]
        """,
    )
    workflow = select_workflow(config, RunOptions(workflow="twice"))
    assert [step.step_id for step in workflow.steps] == [
        "run_configuration_001",
        "run_fast_hooks_001",
        "run_fast_hooks_002",
    ]
    assert workflow.steps[2].needs == ("config", "first")
    assert workflow.steps[2].retries == 2


def test_unknown_workflow_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no workflow 'nightly'; there are: fast, standard"):
        select_workflow(config_of(tmp_path), RunOptions(workflow="nightly"))


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ('[{action = "run_everything"}]', "no action 'run_everything'"),
        ("[]", "has no steps"),
        ('[{action = "run_fast_hooks", needs = ["later"]}]', "needs 'later'"),
        (
            '[{action = "run_fast_hooks"}, {action = "run_fast_hooks"}]',
            "two steps are named 'fast_hooks'",
        ),
    ],
)
def test_a_workflow_that_cannot_run_is_explained(tmp_path: Path, steps: str, problem: str) -> None:
    config = config_of(tmp_path, f"[tool.crackerjack.workflows.mine]\nsteps = {steps}\n")
    with pytest.raises(ConfigError, match=problem):
        select_workflow(config, RunOptions(workflow="mine"))


CHAIN = """
[tool.crackerjack.workflows.chain]
steps = [
    { action = "run_fast_hooks", name = "config" },
    { action = "run_comprehensive_hooks", name = "middle", needs = ["config"] },
    { action = "run_test_workflow", name = "last", needs = ["middle"] },
]
"""


def test_a_step_waits_for_what_a_step_that_was_left_out_needs(tmp_path: Path) -> None:
    options = RunOptions(workflow="chain", fast=True, tests=True)
    fast, last = select_workflow(config_of(tmp_path, CHAIN), options).steps[1:]
    assert (last.name, set(last.needs) - set(fast.needs)) == ("last", {fast.name})


def test_a_step_of_any_name_is_another_than_the_configuration(tmp_path: Path) -> None:
    steps = select_workflow(config_of(tmp_path, CHAIN), RunOptions(workflow="chain")).steps
    assert len({step.name for step in steps}) == len(steps) == 4
    assert steps[1].needs == (steps[0].name,)
