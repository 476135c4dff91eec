"""Workflows as data: which steps, in which order, with what limits."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from crackerjack.config import PYPROJECT, Config, WorkflowTable
from crackerjack.errors import ConfigError, UsageError
from crackerjack.workflow.options import RunOptions


class Action(enum.StrEnum):
    """What a step does."""

    RUN_CONFIGURATION = "run_configuration"
    RUN_FAST_HOOKS = "run_fast_hooks"
    RUN_CODE_CLEANING = "run_code_cleaning"
    RUN_TEST_WORKFLOW = "run_test_workflow"
    RUN_COMPREHENSIVE_HOOKS = "run_comprehensive_hooks"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a workflow.

    It starts when the steps that it needs will write to the project no more: checks that only look
    need not wait for each other.
    """

    name: str
    action: Action
    needs: tuple[str, ...] = ()
    timeout: float | None = None
    """Seconds."""
    retries: int = 0
    """How often a hook is run again whose tool crashed, timed out or could not look."""
    hooks: tuple[str, ...] = ()
    """Only these; all of the step's strategy when empty."""
    step_id: str = ""
    """``<action>_<nnn>``, given when the workflow is selected."""


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """Steps that are run as one job."""

    key: str
    title: str
    steps: tuple[Step, ...]
    timeout: float | None = None
    """Seconds."""
    everything: bool = False
    """Whether hooks run that the project does not configure."""

    @property
    def wanted(self) -> tuple[str, ...]:
        """The hooks that its steps name."""
        return tuple(name for step in self.steps for name in step.hooks)

    @property
    def has_tests(self) -> bool:
        """Whether one of its steps runs the project's tests."""
        return any(step.action is Action.RUN_TEST_WORKFLOW for step in self.steps)


_CONFIG: Final = Step(name="config", action=Action.RUN_CONFIGURATION)
_FAST: Final = Step(name="fast", action=Action.RUN_FAST_HOOKS, needs=("config",))
_CLEANING: Final = Step(name="cleaning", action=Action.RUN_CODE_CLEANING, needs=("config",))
_COMPREHENSIVE: Final = Step(
    name="comprehensive",
    action=Action.RUN_COMPREHENSIVE_HOOKS,
    needs=("config", "fast", "cleaning"),
)
_TESTS: Final = Step(
    name="tests", action=Action.RUN_TEST_WORKFLOW, needs=("config", "fast", "cleaning")
)

WORKFLOWS: Final[Mapping[str, Workflow]] = {
    workflow.key: workflow
    for workflow in (
        Workflow(key="fast", title="Fast Workflow", steps=(_CONFIG, _FAST)),
        Workflow(
            key="standard",
            title="Standard Quality Workflow",
            steps=(_CONFIG, _FAST, _CLEANING, _COMPREHENSIVE),
        ),
        Workflow(key="test", title="Test Workflow", steps=(_CONFIG, _TESTS)),
        Workflow(
            key="comprehensive",
            title="Comprehensive Quality Workflow",
            steps=(_CONFIG, _FAST, _CLEANING, _COMPREHENSIVE, _TESTS),
            everything=True,
        ),
    )
}


def select_workflow(config: Config, options: RunOptions) -> Workflow:
    """The workflow that this run asks for, its steps numbered.

    Raises :exc:`UsageError` for a name that is not there and :exc:`ConfigError` for a workflow of the
    user's own that cannot run.
    """
    known = {**WORKFLOWS, **{key: _own(key, table) for key, table in config.workflows.items()}}
    key = options.workflow or config.workflow
    if key not in known:
        raise UsageError(f"no workflow {key!r}; there are: {', '.join(known)}")
    workflow = known[key]
    steps = [step for step in workflow.steps if _wanted(step, options)]
    if options.tests and not any(step.action is Action.RUN_TEST_WORKFLOW for step in steps):
        others = tuple(step.name for step in steps)
        steps.append(msgspec.structs.replace(_TESTS, name=_unused("tests", others), needs=others))
    return msgspec.structs.replace(workflow, steps=_numbered(steps, workflow.steps))


def _unused(name: str, names: Collection[str]) -> str:
    return name if name not in names else _unused(f"{name}-", names)


def _wanted(step: Step, options: RunOptions) -> bool:
    """Whether the options, which narrow a workflow down, leave this step in it."""
    narrowed = options.fast or options.comprehensive
    match step.action:
        case Action.RUN_CONFIGURATION:
            return True
        case Action.RUN_FAST_HOOKS:
            return options.fast or not narrowed
        case Action.RUN_COMPREHENSIVE_HOOKS:
            return options.comprehensive or not narrowed
        case Action.RUN_CODE_CLEANING:
            return not narrowed and not options.hooks
        case Action.RUN_TEST_WORKFLOW:
            return options.tests or not (narrowed or options.hooks)


def _numbered(steps: list[Step], planned: Collection[Step]) -> tuple[Step, ...]:
    """Give the steps their ids, and let them need only what is there.

    For a step of `planned` that was left out stands what that one needs: the order stays.
    """
    names = {step.name for step in steps}
    left_out = {step.name: step.needs for step in planned if step.name not in names}
    count: Counter[Action] = Counter()
    numbered: list[Step] = []
    for step in steps:
        count[step.action] += 1
        numbered.append(
            msgspec.structs.replace(
                step,
                step_id=f"{step.action}_{count[step.action]:03}",
                needs=tuple(
                    name
                    for name in dict.fromkeys(_still_needed(step.needs, left_out))
                    if name in names
                ),
            )
        )
    return tuple(numbered)


def _still_needed(needs: Iterable[str], left_out: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for name in needs:
        if name in left_out:
            yield from _still_needed(left_out[name], left_out)
        else:
            yield name


def _own(key: str, table: WorkflowTable) -> Workflow:
    where = f"{PYPROJECT}: tool.crackerjack.workflows.{key}"
    steps: list[Step] = []
    for number, row in enumerate(table.steps, start=1):
        if row.action not in list(Action):
            raise ConfigError(
                f"{where}.steps[{number}]",
                f"no action {row.action!r}",
                f"there are: {', '.join(Action)}",
            )
        steps.append(
            Step(
                name=row.name or row.action.removeprefix("run_"),
                action=Action(row.action),
                needs=row.needs,
                timeout=row.timeout,
                retries=row.retries,
                hooks=row.hooks,
            )
        )
    _check_names(where, steps)
    if not any(step.action is Action.RUN_CONFIGURATION for step in steps):
        first = _unused(_CONFIG.name, tuple(step.name for step in steps))
        config = msgspec.structs.replace(_CONFIG, name=first)
        steps = [config, *(_after(first, step) for step in steps)]
    return Workflow(key=key, title=table.title or key, steps=tuple(steps), timeout=table.timeout)


def _after(first: str, step: Step) -> Step:
    return msgspec.structs.replace(step, needs=(first, *step.needs))


def _check_names(where: str, steps: list[Step]) -> None:
    """Raise :exc:`ConfigError` unless the steps have different names and need earlier ones."""
    if not steps:
        raise ConfigError(where, "has no steps", 'add steps = [{action = "run_fast_hooks"}]')
    earlier: set[str] = set()
    for step in steps:
        if step.name in earlier:
            raise ConfigError(where, f"two steps are named {step.name!r}", "give one a name")
        for name in step.needs:
            if name not in earlier:
                raise ConfigError(
                    where,
                    f"step {step.name!r} needs {name!r}, which is not an earlier step",
                    f"earlier steps: {', '.join(sorted(earlier)) or 'none'}",
                )
        earlier.add(step.name)
