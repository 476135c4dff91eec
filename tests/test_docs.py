"""The documents are run: their commands, their configuration, their links, their tables."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from crackerjack.cli.parser import whole_parser
from crackerjack.config import (
    BundleTable,
    FleetTable,
    HookTable,
    Settings,
    StepTable,
    WorkflowTable,
    load_config,
)
from crackerjack.events.payload import PAYLOADS
from crackerjack.hooks.builtin import CHECKS, FIXABLE
from crackerjack.hooks.catalog import CATALOG
from crackerjack.types import HookStatus

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

PATIENCE: Final = 120  # seconds for all commands of one document


class Command(msgspec.Struct, frozen=True):
    """A command of a document, after ``$``, and the output that the document shows below it."""

    line: str
    shown: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """What the command must end with: 0, or as a comment ``# exit 1`` says."""
        told = re.search(r"# exit (\d+)", self.line)
        return int(told.group(1)) if told else 0


def blocks(document: Path, language: str) -> Iterator[str]:
    """The contents of the document's fenced blocks of one language."""
    pattern = rf"^```{language}\n(.*?)^```$"
    yield from re.findall(pattern, document.read_text(), re.MULTILINE | re.DOTALL)


def commands(document: Path) -> list[Command]:
    found: list[Command] = []
    for block in blocks(document, "console"):
        for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *shown = entry.rstrip("\n").split("\n")
            while line.endswith("\\"):
                line += "\n" + shown.pop(0)
            found.append(Command(line, tuple(shown)))
    return found


def test_json_is_json() -> None:
    for document in DOCUMENTS:
        for block in blocks(document, "json"):
            msgspec.json.decode(block)


def with_commands() -> list[Path]:
    return [document for document in DOCUMENTS if commands(document)]


@pytest.mark.parametrize("document", with_commands(), ids=lambda path: path.name)
def test_commands_do_what_the_document_shows(document: Path, tmp_path: Path) -> None:
    """All commands of a document are one session in one shell, which begins in an empty directory."""
    session = commands(document)
    mark = "--- the command ended with"
    script = "".join(f"{command.line}\nprintf '\\n{mark} %d\\n' $?\n" for command in session)
    environment = {**os.environ, "HOME": str(tmp_path), "COLUMNS": "80"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    directory = tmp_path / "session"
    directory.mkdir()
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    outputs = re.split(rf"\n{mark} (\d+)\n", done.stdout)
    for command, output, exit_code in zip(session, outputs[::2], outputs[1::2], strict=False):
        said = f"$ {command.line}\n{output}"
        assert int(exit_code) == command.exit_code, said
        assert_shown(command.shown, output, said)
    assert len(outputs) == 2 * len(session) + 1, done.stdout


def assert_shown(shown: tuple[str, ...], output: str, said: str) -> None:
    """Every line that the document shows is printed, in that order; numbers, names made up for one
    run and white space may differ, and ``...`` stands for anything.
    """
    lines = iter([_folded(line) for line in output.splitlines()])
    for line in shown:
        wanted = re.escape(_folded(line)).replace(r"\.\.\.", ".*")
        assert any(re.fullmatch(wanted, printed) for printed in lines), (
            f"{line!r} is not in\n{said}"
        )


def _folded(line: str) -> str:
    line = re.sub(r"\b[0-9a-f]{10}\b", "JOB", line)
    return " ".join(re.sub(r"\d+(\.\d+)?", "0", line).split())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_configuration_in_documents_is_accepted(document: Path, tmp_path: Path) -> None:
    for block in blocks(document, "toml"):
        tomllib.loads(block)
        (tmp_path / "pyproject.toml").write_text(block)
        load_config(str(tmp_path), environment={}, overrides={})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        assert "://" in target or (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)", document.read_text()):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_command_and_option_is_documented() -> None:
    text = (ROOT / "README.md").read_text()
    help_text = whole_parser().format_help()
    documented = set(re.findall(r"(?<![\w-])--?\w[\w-]*", text))
    assert set(re.findall(r"(?<![\w-])--\w[\w-]*", help_text)) <= documented | {
        "--help",
        "--version",
    }
    for command in re.findall(r"^    (\w+) ", help_text, re.MULTILINE):
        assert command == "run" or f"`crackerjack {command}" in text, command


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    for table in (Settings, BundleTable, FleetTable, HookTable, StepTable, WorkflowTable):
        assert (
            set(table.__struct_fields__) - {"bundle", "fleet", "hooks", "workflows"} <= documented
        )


def test_every_event_is_documented_with_its_data() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    documented: dict[str, Any] = {}
    for left, right in re.findall(r"^\| ((?:`\w+_\w+` ?)+) \| (.*) \|$", text, re.MULTILINE):
        data = re.sub(r" \(.*?\)", "", right)
        documented.update(dict.fromkeys(re.findall(r"`(\w+)`", left), re.findall(r"`(\w+)`", data)))
    for event_type, payload in PAYLOADS.items():
        fields = [name for name in payload.__struct_fields__ if name != "timestamp"]
        assert documented[event_type] == fields, event_type
    assert set(HookStatus) <= set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def test_every_hook_and_file_check_is_documented() -> None:
    text = (ROOT / "docs" / "hooks.md").read_text()
    _, fast, comprehensive, checks = re.split(r"^## .*$", text, flags=re.MULTILINE)
    rows = {"fast": _rows(fast), "comprehensive": _rows(comprehensive)}
    for hook in CATALOG:
        writes = rows[hook.strategy].pop(hook.name)[1]
        assert (writes == "no") == (hook.fix is None), hook.name
    assert not any(rows.values())
    assert {name: row[1] for name, row in _rows(checks).items()} == {
        name: "yes" if name in FIXABLE else "" for name in CHECKS
    }


def _rows(section: str) -> dict[str, list[str]]:
    """The rows of a section's table, by the names in their first cell."""
    rows: dict[str, list[str]] = {}
    for line in re.findall(r"^\|.*", section, re.MULTILINE):
        first, *others = (cell.strip() for cell in line.strip("|").split("|"))
        rows.update(dict.fromkeys(re.findall(r"`([\w-]+)`", first), others))
    return rows


def test_the_tests_that_show_a_promise_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs" / "guarantees.md").read_text())
    assert len(set(named)) > 10
    assert [name for name in named if not (ROOT / name).is_file()] == []
