"""The hooks that run before one pushes: types, security, upkeep, and files in other languages."""

from __future__ import annotations

from typing import Final

from crackerjack.hooks.declared_tools import Evidence
from crackerjack.hooks.entry import FILES, TARGETS, Entry
from crackerjack.hooks.hook import Hook, Scope, Strategy, When

CERTAIN_SECURITY_RULES: Final = (
    "S103,S113,S201,S202,S304,S305,S306,S307,S312,S323,S501,S502,S503,S504,S505,S506,S507,S508,S509,"
    "S601,S602,S605,S609,S612,S701,S702"
)
"""Of bandit's rules those of medium and high severity that are seldom wrong. Left out, for what they
report in well-kept projects: assert, exec, pickle, random, marked-safe HTML, weak hashes that guard
nothing, SQL from constants, passwords that are none."""

_UNCERTAIN_TYPE_ERRORS: Final = (
    *("annotation-unchecked", "arg-type", "assignment", "attr-defined", "call-overload"),
    *("dict-item", "has-type", "import", "import-untyped", "index", "list-item", "misc"),
    *("no-redef", "operator", "override", "truthy-function", "union-attr", "valid-type"),
    "var-annotated",
)
"""What mypy mostly reports where code was never written for it."""

_SLOW: Final = 1200.0
"""Seconds; without its cache a type checker takes minutes over a large project."""


def _type_checker(
    tool: str,
    evidence: Evidence,
    check: tuple[str, ...],
    *,
    parser: str,
    config_files: tuple[str, ...],
    config_tables: tuple[str, ...],
) -> Entry:
    """One that looks at the whole project unless its configuration says otherwise."""
    return Entry(
        hook=Hook(
            name=tool,
            strategy=Strategy.COMPREHENSIVE,
            tool=tool,
            check=check,
            parser=parser,
            when=When.CONFIGURED,
            config_files=config_files,
            config_tables=config_tables,
            reads_environment=True,
            install=f"pip install {tool}",
            timeout=_SLOW,
        ),
        evidence=evidence,
        instead_of="mypy",
    )


def _ruff_rules(name: str, rules: str, *, when: When, targets_only: bool) -> Entry:
    """Rules of ruff beside those that the project has chosen, with its exclusions."""
    return Entry(
        hook=Hook(
            name=name,
            strategy=Strategy.COMPREHENSIVE,
            tool="ruff",
            check=(
                *("check", "--no-fix", f"--select={rules}"),
                *("--force-exclude", "--output-format=json", FILES),
            ),
            parser="ruff",
            scope=Scope.FILE,
            when=when,
            config_files=("ruff.toml", ".ruff.toml"),
            config_tables=("tool.ruff", "project"),
            install="pip install ruff",
        ),
        targets_only=targets_only,
    )


_MYPY: Final = Entry(
    hook=Hook(
        name="mypy",
        strategy=Strategy.COMPREHENSIVE,
        tool="mypy",
        check=("--output=json", TARGETS),
        parser="mypy",
        config_files=("mypy.ini", ".mypy.ini", "setup.cfg"),
        config_tables=("tool.mypy",),
        reads_environment=True,
        install="pip install mypy",
        timeout=_SLOW,
    ),
    evidence=Evidence(
        tables=("tool.mypy",),
        files=("mypy.ini", ".mypy.ini"),
        sections=("mypy",),
        names=("mypy",),
    ),
    unprepared=(
        "--ignore-missing-imports",
        *(f"--disable-error-code={code}" for code in _UNCERTAIN_TYPE_ERRORS),
    ),
    target_keys=("files", "packages", "modules"),
)
_OTHER_TYPE_CHECKERS: Final = (
    _type_checker(
        "pyright",
        Evidence(tables=("tool.pyright",), files=("pyrightconfig.json",), names=("pyright",)),
        ("--outputjson",),
        parser="pyright",
        config_files=("pyrightconfig.json",),
        config_tables=("tool.pyright",),
    ),
    _type_checker(
        "basedpyright",
        Evidence(tables=("tool.basedpyright",), names=("basedpyright",)),
        ("--outputjson",),
        parser="pyright",
        config_files=("pyrightconfig.json",),
        config_tables=("tool.basedpyright", "tool.pyright"),
    ),
    _type_checker(
        "ty",
        Evidence(tables=("tool.ty",), files=("ty.toml",), names=("ty",)),
        ("check", "--output-format=gitlab"),
        parser="gitlab",
        config_files=("ty.toml",),
        config_tables=("tool.ty",),
    ),
    _type_checker(
        "pyrefly",
        Evidence(
            tables=("tool.pyrefly",), files=("pyrefly.toml",), names=("pyrefly", "pyrefly-check")
        ),
        ("check", "--output-format=json"),
        parser="pyrefly",
        config_files=("pyrefly.toml",),
        config_tables=("tool.pyrefly",),
    ),
    _type_checker(
        "zuban",
        Evidence(tables=("tool.zuban",), names=("zuban",)),
        ("check", "--show-error-end", "--no-pretty"),
        parser="mypy",
        config_files=("mypy.ini", ".mypy.ini", "setup.cfg"),
        config_tables=("tool.zuban", "tool.mypy"),
    ),
)

_BANDIT: Final = Entry(
    hook=Hook(
        name="bandit",
        strategy=Strategy.COMPREHENSIVE,
        tool="bandit",
        check=("-q", "-f", "json", FILES),
        parser="bandit",
        scope=Scope.FILE,
        any_finding_fails=True,
        when=When.CONFIGURED,
        patterns=("*.py",),
        config_files=(".bandit", "bandit.yaml", "bandit.yml"),
        config_tables=("tool.bandit",),
        install="pip install bandit",
    ),
    evidence=Evidence(
        tables=("tool.bandit",),
        files=(".bandit", "bandit.yaml", "bandit.yml"),
        names=("bandit",),
    ),
    instead_of="ruff-security",
    targets_only=True,
)
_GITLEAKS: Final = Entry(
    hook=Hook(
        name="gitleaks",
        strategy=Strategy.COMPREHENSIVE,
        tool="gitleaks",
        check=(
            *("dir", "--report-format=json", "--report-path=-"),
            *("--redact", "--no-banner", "--log-level=error", "."),
        ),
        parser="gitleaks",
        when=When.CONFIGURED,
        patterns=("*",),
        config_files=(".gitleaks.toml", ".gitleaksignore"),
        version_args=("version",),
        install="brew install gitleaks, or a release from github.com/gitleaks/gitleaks",
    ),
    evidence=Evidence(files=(".gitleaks.toml", ".gitleaksignore"), names=("gitleaks",)),
)
_PIP_AUDIT: Final = Entry(
    hook=Hook(
        name="pip-audit",
        strategy=Strategy.COMPREHENSIVE,
        tool="pip-audit",
        check=("--format=json", "--progress-spinner=off"),
        parser="pip-audit",
        asks_network=True,
        when=When.CONFIGURED,
        patterns=("*.py", "pyproject.toml", "requirements*.txt"),
        reads_environment=True,
        install="pip install pip-audit",
    ),
    evidence=Evidence(names=("pip-audit",)),
)

_VULTURE: Final = Entry(
    # Only where it is asked for: even with a confidence of 100 it reports the arguments of callbacks,
    # and the `yield` that makes a function a generator.
    hook=Hook(
        name="vulture",
        strategy=Strategy.COMPREHENSIVE,
        tool="vulture",
        check=(TARGETS,),
        parser="vulture",
        when=When.CONFIGURED,
        patterns=("*.py",),
        config_tables=("tool.vulture",),
        install="pip install vulture",
    ),
    evidence=Evidence(tables=("tool.vulture",), names=("vulture",)),
    unprepared=("--min-confidence=100",),
    target_keys=("paths",),
)
_DEPTRY: Final = Entry(
    hook=Hook(
        name="deptry",
        strategy=Strategy.COMPREHENSIVE,
        tool="deptry",
        check=(".", "--json-output={report}"),
        parser="deptry",
        when=When.CONFIGURED,
        patterns=("*.py", "*.ipynb", "pyproject.toml", "requirements*.txt"),
        config_tables=("tool.deptry",),
        reads_environment=True,
        install="pip install deptry",
    ),
    evidence=Evidence(tables=("tool.deptry",), names=("deptry",)),
)
_COMPLEXIPY: Final = Entry(
    hook=Hook(
        name="complexipy",
        strategy=Strategy.COMPREHENSIVE,
        tool="complexipy",
        check=("--quiet", "--output-format=sarif", "--output={report}", TARGETS),
        parser="complexipy",
        when=When.CONFIGURED,
        patterns=("*.py",),
        config_files=("complexipy.toml", ".complexipy.toml"),
        config_tables=("tool.complexipy",),
        install="pip install complexipy",
    ),
    evidence=Evidence(
        tables=("tool.complexipy",),
        files=("complexipy.toml", ".complexipy.toml"),
        names=("complexipy",),
    ),
    instead_of="ruff-complexity",
    target_keys=("paths",),
)

_RUMDL: Final = Entry(
    hook=Hook(
        name="rumdl",
        strategy=Strategy.COMPREHENSIVE,
        tool="rumdl",
        check=("check", "--output-format=json", "."),
        parser="rumdl",
        when=When.CONFIGURED,
        patterns=("*.md", "*.markdown"),
        config_files=("rumdl.toml", ".rumdl.toml"),
        config_tables=("tool.rumdl",),
        install="pip install rumdl",
    ),
    evidence=Evidence(
        tables=("tool.rumdl",), files=("rumdl.toml", ".rumdl.toml"), names=("rumdl",)
    ),
)
_YAMLLINT: Final = Entry(
    hook=Hook(
        name="yamllint",
        strategy=Strategy.COMPREHENSIVE,
        tool="yamllint",
        check=("--format=parsable", FILES),
        parser="yamllint",
        scope=Scope.FILE,
        when=When.CONFIGURED,
        patterns=("*.yaml", "*.yml"),
        config_files=(".yamllint", ".yamllint.yaml", ".yamllint.yml"),
        install="pip install yamllint",
    ),
    evidence=Evidence(files=(".yamllint", ".yamllint.yaml", ".yamllint.yml"), names=("yamllint",)),
)
_GITHUB_WORKFLOWS: Final = Entry(
    hook=Hook(
        name="github-workflows",
        strategy=Strategy.COMPREHENSIVE,
        tool="check-jsonschema",
        check=("--output-format=json", "--builtin-schema=vendor.github-workflows", FILES),
        parser="check-jsonschema",
        scope=Scope.FILE,
        when=When.CONFIGURED,
        patterns=(".github/workflows/*.yml", ".github/workflows/*.yaml"),
        install="pip install check-jsonschema",
    ),
    evidence=Evidence(names=("check-jsonschema", "check-github-workflows")),
)

COMPREHENSIVE: Final[tuple[Entry, ...]] = (
    _MYPY,
    *_OTHER_TYPE_CHECKERS,
    _ruff_rules("ruff-security", CERTAIN_SECURITY_RULES, when=When.ALWAYS, targets_only=True),
    _BANDIT,
    _GITLEAKS,
    _PIP_AUDIT,
    _VULTURE,
    _DEPTRY,
    _ruff_rules("ruff-modernize", "UP,FURB", when=When.CONFIGURED, targets_only=False),
    _ruff_rules("ruff-complexity", "C901", when=When.CONFIGURED, targets_only=True),
    _COMPLEXIPY,
    _RUMDL,
    _YAMLLINT,
    _GITHUB_WORKFLOWS,
)
