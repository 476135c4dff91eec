"""Which hooks run where, with which arguments, and what is said of the others."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import pytest

from crackerjack.config import load_config
from crackerjack.errors import ConfigError, UsageError
from crackerjack.hooks.catalog import CATALOG, ENTRIES
from crackerjack.hooks.entry import FILES, TARGETS
from crackerjack.hooks.hook import Scope, Strategy, When
from crackerjack.hooks.layout import Layout
from crackerjack.hooks.parsers import PARSERS
from crackerjack.hooks.selection import PlannedHook, select_hooks
from crackerjack.hooks.tools import Toolbox
from tests.hooks.trees import make_tree

UNPREPARED = {"file-checks", "codespell", "ruff-check", "mypy", "ruff-security"}
"""What runs in a project that says nothing."""

EVERY_TOOL = {hook.tool for hook in CATALOG if hook.tool}


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A directory with every tool of the catalogue in it."""
    directory = tmp_path / "tools"
    install(directory, EVERY_TOOL)
    return directory


def install(directory: Path, names: Iterable[str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)


class OnlyIn(Toolbox):
    """A toolbox that looks in one directory."""

    def __init__(self, root: Path, directory: Path) -> None:
        super().__init__(str(root), str(directory / "python"), environment={"PATH": ""})
        self._places = ((str(directory), "path"),)


def select(
    root: Path,
    directory: Path,
    pyproject: str = "",
    *,
    layout: Layout | None = None,
    names: Collection[str] = (),
    everything: bool = False,
) -> Mapping[str, PlannedHook]:
    """The plan for a project with this pyproject.toml."""
    root.mkdir(exist_ok=True)
    (root / "pyproject.toml").write_text(pyproject)
    config = load_config(str(root), environment={}, overrides={})
    planned = select_hooks(
        config,
        layout or Layout(packages=("demo",), targets=("demo",)),
        OnlyIn(root, directory),
        names=names,
        everything=everything,
    )
    return {one.hook.name: one for one in planned}


def running(plan: Mapping[str, PlannedHook]) -> set[str]:
    return {name for name, one in plan.items() if one.runs}


class TestTheCatalogue:
    def test_names_and_parsers(self) -> None:
        names = [hook.name for hook in CATALOG]
        assert len(set(names)) == len(names)
        for hook in CATALOG:
            assert hook.tool is None or hook.parser in PARSERS
            assert hook.tool is None or hook.install

    def test_what_looks_file_by_file_is_given_files(self) -> None:
        for hook in CATALOG:
            if hook.tool is not None:
                assert (FILES in hook.check) == (hook.scope is Scope.FILE), hook.name

    def test_what_replaces_another_is_declared_by_something(self) -> None:
        names = {hook.name for hook in CATALOG}
        for entry in ENTRIES:
            if entry.instead_of:
                assert entry.instead_of in names
                assert entry.hook.when is When.CONFIGURED
                assert entry.evidence.tables or entry.evidence.names


class TestAnUnpreparedProject:
    def test_gets_few_hooks(self, tmp_path: Path, tools: Path) -> None:
        plan = select(tmp_path / "p", tools)

        assert running(plan) == UNPREPARED
        for name, one in plan.items():
            assert one.runs is not bool(one.reason), name
            assert one.asked is one.runs, name

    def test_is_one_that_only_has_its_tools_run_elsewhere(
        self, tmp_path: Path, tools: Path
    ) -> None:
        root = tmp_path / "p"
        root.mkdir()
        (root / ".pre-commit-config.yaml").write_text(
            "repos:\n- hooks:\n  - id: codespell\n    args: [--skip=*.yml]\n"
        )
        plan = select(root, tools, '[dependency-groups]\ndev = ["mypy"]\n')

        assert "--builtin=clear" in plan["codespell"].hook.check
        assert "*.yml" not in plan["codespell"].hook.patterns
        assert "--ignore-missing-imports" in plan["mypy"].hook.check

    def test_is_told_how_to_ask_for_the_others(self, tmp_path: Path, tools: Path) -> None:
        plan = select(tmp_path / "p", tools)

        assert plan["deptry"].reason == (
            "nothing in this project asks for it: configure it in [tool.deptry], "
            "set enabled = true in [tool.crackerjack.hooks.deptry], or run with --hook deptry"
        )

    def test_gets_arguments_that_leave_certain_findings(self, tmp_path: Path, tools: Path) -> None:
        plan = select(tmp_path / "p", tools)

        assert plan["ruff-check"].hook.check == (
            "check",
            "--no-fix",
            "--force-exclude",
            "--output-format=json",
            "--select=E9,F",
            "--ignore=F403,F405",
            "--per-file-ignores=__init__.py:F401",
            "--unfixable=F401,F811",
            "{files}",
        )
        fix = plan["ruff-check"].hook.fix
        assert fix is not None
        assert fix[-4:] == plan["ruff-check"].hook.check[-4:]
        assert plan["codespell"].hook.patterns == ("*.py", "*.pyi", "*.md", "*.rst", "*.txt")
        assert "--builtin=clear" in plan["codespell"].hook.check
        assert "--ignore-missing-imports" in plan["mypy"].hook.check
        assert plan["mypy"].hook.check[-1] == "demo"

    def test_without_shipped_code_is_looked_at_whole(self, tmp_path: Path, tools: Path) -> None:
        plan = select(tmp_path / "p", tools, layout=Layout())

        assert plan["mypy"].hook.check[-1] == "."
        assert plan["ruff-security"].hook.patterns == ("*.py", "*.pyi")

    def test_security_looks_at_shipped_code_without_tests(
        self, tmp_path: Path, tools: Path
    ) -> None:
        layout = Layout(targets=("src/a", "b.py"), test_dirs=("src/a/tests", "tests"))

        hook = select(tmp_path / "p", tools, layout=layout)["ruff-security"].hook

        assert set(hook.patterns) == {"src/a/*.py", "src/a/*.pyi", "b.py"}
        assert "--extend-exclude=src/a/tests" in hook.check

    def test_everything_brings_hooks_that_only_look(self, tmp_path: Path, tools: Path) -> None:
        plan = select(tmp_path / "p", tools, everything=True)

        assert running(plan) - UNPREPARED == {
            "deptry",
            "gitleaks",
            "github-workflows",
            "pip-audit",
            "ruff-complexity",
            "ruff-modernize",
            "rumdl",
            "vulture",
            "yamllint",
        }
        assert "--min-confidence=100" in plan["vulture"].hook.check

    def test_everything_does_without_a_tool_that_is_missing(self, tmp_path: Path) -> None:
        install(tmp_path / "tools", {"ruff", "mypy", "codespell"})

        plan = select(tmp_path / "p", tmp_path / "tools", everything=True)

        assert not plan["deptry"].runs
        assert not plan["deptry"].asked
        assert "pip install deptry" in plan["deptry"].reason


class TestAMissingTool:
    def test_that_always_runs_is_asked_for(self, tmp_path: Path) -> None:
        install(tmp_path / "tools", {"ruff"})

        one = select(tmp_path / "p", tmp_path / "tools")["mypy"]

        assert (one.runs, one.asked, one.tool) == (False, True, None)
        assert one.reason == (
            "mypy is not installed in the project's environment, beside crackerjack or on PATH: "
            "pip install mypy"
        )

    def test_that_the_project_configures_is_asked_for(self, tmp_path: Path) -> None:
        install(tmp_path / "tools", {"mypy"})

        plan = select(tmp_path / "p", tmp_path / "tools", "[tool.pyright]\n")

        assert (plan["pyright"].runs, plan["pyright"].asked) == (False, True)
        assert not plan["mypy"].runs
        assert plan["mypy"].reason == (
            "this project uses pyright instead ([tool.pyright] in pyproject.toml)"
        )

    def test_that_is_only_required_is_left_out(self, tmp_path: Path) -> None:
        """A project may require for one job of its CI what is in nobody's environment."""
        install(tmp_path / "tools", {"mypy"})

        plan = select(tmp_path / "p", tmp_path / "tools", '[dependency-groups]\nty = ["ty"]\n')

        assert not plan["ty"].asked
        assert plan["mypy"].runs


class TestWhatTheProjectUses:
    @pytest.mark.parametrize(
        ("pyproject", "runs", "not_runs"),
        [
            ("[tool.mypy]", {"mypy"}, {"pyright"}),
            ("[tool.pyright]", {"pyright"}, {"mypy"}),
            ("[tool.pyright]\n[tool.mypy]", {"pyright", "mypy"}, {"ty"}),
            ('[dependency-groups]\ndev = ["basedpyright"]', {"basedpyright"}, {"mypy"}),
            (
                '[tool.pyright]\n[dependency-groups]\ndev = ["basedpyright"]',
                {"basedpyright"},
                {"pyright", "mypy"},
            ),
            ("[tool.ty]", {"ty"}, {"mypy"}),
            ("[tool.pyrefly]", {"pyrefly"}, {"mypy"}),
            ("[tool.zuban]", {"zuban"}, {"mypy"}),
            ("[tool.typos]", {"typos"}, {"codespell"}),
            ("[tool.typos]\n[tool.codespell]", {"typos", "codespell"}, set()),
            ("[tool.bandit]", {"bandit"}, {"ruff-security"}),
            ("[tool.complexipy]", {"complexipy"}, {"ruff-complexity"}),
            ("[tool.deptry]\n[tool.vulture]\n[tool.rumdl]", {"deptry", "vulture", "rumdl"}, set()),
            ("[tool.ruff]", {"ruff-check", "ruff-format"}, set()),
            ("[tool.ruff]\n[tool.black]", {"ruff-check"}, {"ruff-format"}),
            ("[tool.ruff.format]\n[tool.black]", {"ruff-format"}, set()),
            ('[dependency-groups]\ndev = ["ruff"]', {"ruff-check"}, {"ruff-format"}),
        ],
    )
    def test_runs(
        self, tmp_path: Path, tools: Path, pyproject: str, runs: set[str], not_runs: set[str]
    ) -> None:
        plan = select(tmp_path / "p", tools, pyproject)

        assert runs <= running(plan)
        assert not not_runs & running(plan)

    def test_a_project_that_uses_black_is_told_so(self, tmp_path: Path, tools: Path) -> None:
        plan = select(tmp_path / "p", tools, "[tool.black]\n")

        assert "formats with black ([tool.black] in pyproject.toml)" in plan["ruff-format"].reason

    def test_lock_files_are_looked_at_where_there_are_some(
        self, tmp_path: Path, tools: Path
    ) -> None:
        assert not select(tmp_path / "p", tools, everything=True)["lock-file"].runs

        make_tree(tmp_path / "p", "poetry.lock")

        assert select(tmp_path / "p", tools)["lock-file"].runs

    @pytest.mark.parametrize(
        "pyproject",
        ['[tool.ruff.lint]\nextend-select = ["S", "UP", "FURB"]', '[tool.ruff]\nselect = ["ALL"]'],
    )
    def test_rules_that_ruff_check_looks_for_are_not_looked_for_twice(
        self, tmp_path: Path, tools: Path, pyproject: str
    ) -> None:
        plan = select(tmp_path / "p", tools, pyproject, everything=True)

        for name in ("ruff-security", "ruff-modernize"):
            assert not plan[name].runs
            assert "ruff-check does that" in plan[name].reason

    def test_rules_that_the_project_ignores_are_not_looked_for(
        self, tmp_path: Path, tools: Path
    ) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "ruff.toml").write_text('lint.ignore = ["UP", "S113"]\n')

        plan = select(tmp_path / "p", tools, everything=True)

        assert "--select=FURB" in plan["ruff-modernize"].hook.check
        assert not any("S113" in argument for argument in plan["ruff-security"].hook.check)

    def test_modernisation_is_left_to_a_project_that_names_its_rules(
        self, tmp_path: Path, tools: Path
    ) -> None:
        plan = select(
            tmp_path / "p",
            tools,
            '[tool.ruff.lint]\nselect = ["UP", "F"]',
            names=["ruff-modernize"],
        )

        assert running(plan) == {"ruff-modernize"}
        assert "--select=FURB" in plan["ruff-modernize"].hook.check


class TestTheProjectsConfiguration:
    def test_is_not_overridden(self, tmp_path: Path, tools: Path) -> None:
        pyproject = "[tool.ruff]\n[tool.mypy]\nfiles = ['x']\n[tool.codespell]\n[tool.vulture]\npaths = ['x']\n"

        plan = select(tmp_path / "p", tools, pyproject)

        for name in ("ruff-check", "mypy", "codespell", "vulture"):
            entry = next(one for one in ENTRIES if one.hook.name == name)
            expected = tuple(one for one in entry.hook.check if one != TARGETS)
            assert plan[name].hook.check == expected, name
            assert plan[name].hook.patterns == entry.hook.patterns

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("mypy.ini", "[mypy]\nfiles = x\n"),
            ("setup.cfg", "[mypy]\nstrict = true\npackages = x\n"),
        ],
    )
    def test_beside_pyproject_says_what_to_look_at(
        self, tmp_path: Path, tools: Path, name: str, content: str
    ) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / name).write_text(content)

        assert select(tmp_path / "p", tools)["mypy"].hook.check == ("--output=json",)

    def test_of_another_tool_says_nothing(self, tmp_path: Path, tools: Path) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "setup.cfg").write_text("[mypy]\nstrict = true\n[other]\nfiles = x\n")

        assert select(tmp_path / "p", tools)["mypy"].hook.check == ("--output=json", "demo")

    def test_of_ruff_with_its_own_choice_of_files_lets_it_choose(
        self, tmp_path: Path, tools: Path
    ) -> None:
        hook = select(tmp_path / "p", tools, '[tool.ruff]\ninclude = ["src/*.py"]')[
            "ruff-check"
        ].hook

        assert hook.check[-1] == "."
        assert hook.scope is Scope.PROJECT

    @pytest.mark.parametrize(
        ("name", "content", "target"),
        [
            ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.9"', "py39"),
            ("setup.cfg", "[options]\npython_requires = >=3.6\n", "py37"),
            ("setup.py", 'setup(python_requires=">=3.8, <4")', "py38"),
            ("pyproject.toml", '[project]\nname = "x"\nrequires-python = ">=3.9"', ""),
            ("pyproject.toml", "[tool.ruff]\ntarget-version = 'py39'", ""),
            ("setup.py", "setup()", ""),
        ],
    )
    def test_of_its_oldest_python_is_told_to_ruff_where_ruff_does_not_look(
        self, tmp_path: Path, tools: Path, name: str, content: str, target: str
    ) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / name).write_text(content)
        pyproject = content if name == "pyproject.toml" else ""

        check = select(tmp_path / "p", tools, pyproject, names=["ruff-modernize"])[
            "ruff-modernize"
        ].hook.check

        told = [one.partition("=")[2] for one in check if one.startswith("--target-version")]
        assert told == ([target] if target else [])

    @pytest.mark.parametrize(
        ("name", "content", "arguments"),
        [
            ("pyproject.toml", "[tool.bandit]\n", ("-c", "pyproject.toml")),
            ("bandit.yaml", "skips: []\n", ("-c", "bandit.yaml")),
            (".bandit", "[bandit]\nskips: B101\n", ("--ini", ".bandit")),
            (".bandit", "skips: [B101]\n", ("-c", ".bandit")),
        ],
    )
    def test_of_bandit_is_named_to_it(
        self, tmp_path: Path, tools: Path, name: str, content: str, arguments: tuple[str, ...]
    ) -> None:
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / name).write_text(content)

        pyproject = content if name == "pyproject.toml" else ""
        hook = select(tmp_path / "p", tools, pyproject)["bandit"].hook

        assert hook.check == ("-q", "-f", "json", *arguments, "{files}")
        assert hook.patterns == ("demo/*.py",)


class TestTheEnvironment:
    def test_a_mypy_of_ours_is_told_of_the_projects_interpreter(
        self, tmp_path: Path, tools: Path
    ) -> None:
        layout = Layout(targets=("demo",), python="/env/bin/python")

        check = select(tmp_path / "p", tools, layout=layout)["mypy"].hook.check
        assert "--python-executable=/env/bin/python" in check

        configured = "[tool.mypy]\npython_executable = '/other'\n"
        check = select(tmp_path / "p", tools, configured, layout=layout)["mypy"].hook.check
        assert check == ("--output=json", "demo")

    def test_pyright_is_told_of_it_unless_it_is_configured(
        self, tmp_path: Path, tools: Path
    ) -> None:
        layout = Layout(targets=("demo",), python="/env/bin/python")

        check = select(tmp_path / "p", tools, "[tool.pyright]", layout=layout)["pyright"].hook.check
        assert check == ("--outputjson", "--pythonpath=/env/bin/python")

        configured = "[tool.pyright]\nvenv = 'x'\n"
        check = select(tmp_path / "p", tools, configured, layout=layout)["pyright"].hook.check
        assert check == ("--outputjson",)

    def test_pip_audit_audits_the_projects_packages(self, tmp_path: Path, tools: Path) -> None:
        packages = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
        packages.mkdir(parents=True)
        layout = Layout(targets=("demo",), python=str(tmp_path / "env" / "bin" / "python"))

        plan = select(tmp_path / "p", tools, layout=layout, names=["pip-audit"])

        assert f"--path={packages}" in plan["pip-audit"].hook.check

    @pytest.mark.parametrize(
        ("version", "flag", "markdown"),
        [("0.12.9", False, False), ("0.15.6", True, False), ("0.16.0", True, True)],
    )
    def test_a_ruff_is_asked_for_what_it_can(
        self, tmp_path: Path, version: str, flag: bool, markdown: bool
    ) -> None:
        install(tmp_path / "env" / "bin", {"ruff", "mypy", "codespell"})
        packages = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
        (packages / f"ruff-{version}.dist-info").mkdir(parents=True)

        hook = select(tmp_path / "p", tmp_path / "env" / "bin", "[tool.ruff]")["ruff-format"].hook

        assert ("--output-format=json" in hook.check) is flag
        assert ("*.md" in hook.patterns) is markdown

    def test_an_old_mypy_reports_in_text(self, tmp_path: Path) -> None:
        install(tmp_path / "env" / "bin", {"ruff", "mypy"})
        packages = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
        (packages / "mypy-1.10.1.dist-info").mkdir(parents=True)

        check = select(tmp_path / "p", tmp_path / "env" / "bin", "[tool.mypy]")["mypy"].hook.check

        assert check == ("--no-pretty", "--show-error-codes", "--show-column-numbers", "demo")

    def test_a_namespace_package_keeps_its_name(self, tmp_path: Path, tools: Path) -> None:
        layout = Layout(targets=("ns/functools",), namespace=True)

        assert (
            "--explicit-package-bases"
            in select(tmp_path / "p", tools, layout=layout)["mypy"].hook.check
        )
        prepared = select(tmp_path / "p", tools, "[tool.mypy]", layout=layout)["mypy"].hook.check
        assert "--explicit-package-bases" not in prepared


class TestTheUsersTables:
    def test_adjust_a_hook(self, tmp_path: Path, tools: Path) -> None:
        table = """
            [tool.crackerjack.hooks.codespell]
            args = ["--ignore-words-list=te"]
            files = ["*.md"]
            timeout = 5
            config_files = ["words.txt"]
        """

        hook = select(tmp_path / "p", tools, table)["codespell"].hook

        assert hook.check == ("--ignore-words-list=te", "{files}")
        assert (hook.patterns, hook.timeout) == (("*.md",), 5)
        assert "words.txt" in hook.config_files
        assert "tool.crackerjack.hooks.codespell" in hook.config_tables

    def test_enable_and_disable(self, tmp_path: Path, tools: Path) -> None:
        table = "[tool.crackerjack.hooks]\nmypy.enabled = false\nruff-format.enabled = true\n"

        plan = select(tmp_path / "p", tools, table)

        assert running(plan) == UNPREPARED - {"mypy"} | {"ruff-format"}
        assert plan["mypy"].reason == (
            "disabled: [tool.crackerjack.hooks.mypy] says enabled = false"
        )

    def test_define_a_hook(self, tmp_path: Path, tools: Path) -> None:
        install(tools, {"semgrep"})
        table = """
            [tool.crackerjack.hooks.semgrep]
            command = ["semgrep", "--sarif"]
            parser = "sarif"
            [tool.crackerjack.hooks.absent]
            command = ["absent-tool"]
            install = "make absent-tool"
            [tool.crackerjack.hooks.off]
            command = ["semgrep"]
            enabled = false
        """

        plan = select(tmp_path / "p", tools, table)

        assert plan["semgrep"].runs
        assert plan["semgrep"].hook.strategy is Strategy.COMPREHENSIVE
        assert (plan["absent"].runs, plan["absent"].asked) == (False, True)
        assert "make absent-tool" in plan["absent"].reason
        assert not plan["off"].runs

    def test_run_the_projects_interpreter(self, tmp_path: Path, tools: Path) -> None:
        table = '[tool.crackerjack.hooks.own]\ncommand = ["{python}", "check.py"]\n'
        layout = Layout(python="/env/bin/python")

        tool = select(tmp_path / "p", tools, table, layout=layout)["own"].tool
        assert tool is not None
        assert (tool.path, tool.origin) == ("/env/bin/python", "project")

        tool = select(tmp_path / "p", tools, table)["own"].tool
        assert tool is not None
        assert os.path.exists(tool.path)

    @pytest.mark.parametrize(
        ("table", "says"),
        [
            ("[tool.crackerjack.hooks.mypi]\nenabled = false", "did you mean 'mypy'?"),
            ('[tool.crackerjack.hooks.mypy]\ncommand = ["x"]', "would replace a hook"),
            ('[tool.crackerjack.hooks.own]\ncommand = ["x"]\nparser = "ruf"', "'ruff'"),
        ],
    )
    def test_that_cannot_work_are_refused(
        self, tmp_path: Path, tools: Path, table: str, says: str
    ) -> None:
        with pytest.raises(ConfigError, match=r"tool\.crackerjack\.hooks") as raised:
            select(tmp_path / "p", tools, table)

        assert says in str(raised.value)


class TestHooksByName:
    def test_just_these_run(self, tmp_path: Path, tools: Path) -> None:
        pyproject = "[tool.crackerjack.hooks]\ntypos.enabled = false\n"

        plan = select(tmp_path / "p", tools, pyproject, names=["typos", "bandit"])

        assert running(plan) == {"typos", "bandit"}
        assert plan["mypy"].reason == "not asked for: --hook names others"

    def test_a_missing_tool_is_asked_for(self, tmp_path: Path) -> None:
        install(tmp_path / "tools", {"ruff"})

        one = select(tmp_path / "p", tmp_path / "tools", names=["deptry"])["deptry"]

        assert (one.runs, one.asked) == (False, True)

    def test_an_unknown_name(self, tmp_path: Path, tools: Path) -> None:
        with pytest.raises(UsageError, match="did you mean 'bandit'"):
            select(tmp_path / "p", tools, names=["bandid"])


def test_no_placeholder_of_the_selection_is_left(tmp_path: Path, tools: Path) -> None:
    for everything in (False, True):
        for one in select(tmp_path / "p", tools, everything=everything).values():
            if one.runs:
                assert TARGETS not in (*one.hook.check, *(one.hook.fix or ()))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[tool.codespell]\nwrite-changes = true\n"),
        ("setup.cfg", "[codespell]\nskip = x\nwrite-changes =\n"),
        (".codespellrc", "[codespell]\nwrite-changes =\n"),
    ],
)
def test_a_codespell_that_would_write_does_not_run(
    tmp_path: Path, tools: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    pyproject = text if name == "pyproject.toml" else ""
    planned = select(tmp_path, tools, pyproject, names=["codespell"])["codespell"]
    assert not planned.runs
    assert "write-changes" in planned.reason
