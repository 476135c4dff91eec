"""The hooks there are, as data: how each tool is run, and what in a project says that it uses it.

Three rules keep a first run on an unprepared project short and right. A hook with opinions runs where
the project asks for it. Of hooks that do the same, the one that the project has chosen runs. And a
tool that the project does not configure gets `unprepared` arguments, which leave few and certain
findings; any other is run with the project's own configuration and nothing that overrides it.
"""

from __future__ import annotations

from typing import Final

from crackerjack.hooks.catalog_comprehensive import COMPREHENSIVE
from crackerjack.hooks.declared_tools import Evidence
from crackerjack.hooks.entry import FILES, Entry
from crackerjack.hooks.hook import Hook, Scope, Strategy, When

_PYTHON: Final = ("*.py", "*.pyi")
_PROSE: Final = ("*.md", "*.rst", "*.txt")
_LOCK_FILES: Final = ("uv.lock", "poetry.lock", "pdm.lock")
_RUFF_FILES: Final = ("ruff.toml", ".ruff.toml")
_RUFF_TABLES: Final = ("tool.ruff",)
_RUFF_REPORT: Final = ("--force-exclude", "--output-format=json", FILES)

_FILE_CHECKS: Final = Entry(
    hook=Hook(
        name="file-checks",
        strategy=Strategy.FAST,
        fix=(),
        scope=Scope.FILE,
        patterns=("*",),
        config_tables=("tool.crackerjack",),
    )
)
_LOCK_FILE: Final = Entry(
    hook=Hook(
        name="lock-file",
        strategy=Strategy.FAST,
        when=When.CONFIGURED,
        patterns=("pyproject.toml", *_LOCK_FILES),
    ),
    evidence=Evidence(files=_LOCK_FILES),
)
_NAMES: Final = "|".join(
    (
        r"(?<![\w'\u2019])\w{1,3}(?![\w'\u2019])",
        r"\w*_\w*",
        r"\w+(?=[(=])",
        r"(?<=[.@])\w+|\w+(?:\.\w+)+",
        r"\w*[a-z][A-Z]\w*|\w*[A-Z][A-Z][a-z]\w*",
    )
)
"""What is a name more often than a misspelt word: up to three letters, with an underscore, called or
assigned to, part of a dotted name, in camel case."""

_CODESPELL: Final = Entry(
    # No `fix`: a misspelt word in a string or a name may be meant, and code may depend on it.
    hook=Hook(
        name="codespell",
        strategy=Strategy.FAST,
        tool="codespell",
        check=(FILES,),
        parser="codespell",
        scope=Scope.FILE,
        patterns=("*",),
        config_files=(".codespellrc", "setup.cfg"),
        config_tables=("tool.codespell",),
        install="pip install codespell",
    ),
    evidence=Evidence(
        tables=("tool.codespell",),
        files=(".codespellrc",),
        sections=("codespell",),
        names=("codespell",),
    ),
    unprepared=(
        "--builtin=clear",
        f"--ignore-regex={_NAMES}",
    ),
    unprepared_patterns=(*_PYTHON, *_PROSE),
)
_TYPOS: Final = Entry(
    hook=Hook(
        name="typos",
        strategy=Strategy.FAST,
        tool="typos",
        check=("--format=json", "--force-exclude", FILES),
        parser="typos",
        scope=Scope.FILE,
        when=When.CONFIGURED,
        patterns=("*",),
        config_files=("typos.toml", "_typos.toml", ".typos.toml"),
        config_tables=("tool.typos",),
        install="pip install typos",
    ),
    evidence=Evidence(
        tables=("tool.typos",),
        files=("typos.toml", "_typos.toml", ".typos.toml"),
        names=("typos",),
    ),
    instead_of="codespell",
)
_RUFF_CHECK: Final = Entry(
    hook=Hook(
        name="ruff-check",
        strategy=Strategy.FAST,
        tool="ruff",
        check=("check", "--no-fix", *_RUFF_REPORT),
        fix=("check", "--fix", "--no-unsafe-fixes", *_RUFF_REPORT),
        parser="ruff",
        scope=Scope.FILE,
        patterns=(*_PYTHON, "*.ipynb", "pyproject.toml"),
        sees_other_files=True,  # which imports are first-party, which packages have an __init__.py
        config_files=_RUFF_FILES,
        config_tables=_RUFF_TABLES,
        install="pip install ruff",
    ),
    evidence=Evidence(tables=_RUFF_TABLES, files=_RUFF_FILES, names=("ruff", "ruff-check")),
    # pyflakes, without its opinion on star imports; what __init__.py imports is there to be found.
    # An import that nobody seems to use may be what a test is about: the cleaning, which knows where
    # that is certain, removes unused ones.
    unprepared=(
        "--select=E9,F",
        "--ignore=F403,F405",
        "--per-file-ignores=__init__.py:F401",
        "--unfixable=F401,F811",
    ),
    unprepared_patterns=_PYTHON,
)
_RUFF_FORMAT: Final = Entry(
    hook=Hook(
        name="ruff-format",
        strategy=Strategy.FAST,
        tool="ruff",
        check=("format", "--check", *_RUFF_REPORT),
        fix=("format", "--force-exclude", FILES),
        parser="ruff-format",
        scope=Scope.FILE,
        when=When.CONFIGURED,
        patterns=(*_PYTHON, "*.ipynb"),
        config_files=_RUFF_FILES,
        config_tables=_RUFF_TABLES,
        install="pip install ruff",
    ),
    evidence=Evidence(tables=_RUFF_TABLES, files=_RUFF_FILES, names=("ruff-format",)),
)

ENTRIES: Final[tuple[Entry, ...]] = (
    _FILE_CHECKS,
    _LOCK_FILE,
    _CODESPELL,
    _TYPOS,
    _RUFF_CHECK,
    _RUFF_FORMAT,
    *COMPREHENSIVE,
)
CATALOG: Final[tuple[Hook, ...]] = tuple(entry.hook for entry in ENTRIES)
"""Every hook, in the order in which they are listed."""
