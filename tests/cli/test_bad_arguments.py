"""Configurations, arguments and environments that cannot be right: one clear sentence each."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine, Ended, Project
from tests.cli.test_bad_input import CHECK, FIX, bytes_below, git


class TestConfiguration:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"[project\n", "pyproject.toml:1:9: not valid TOML: Expected ']'"),
            (b'x = 1\ny = "open', "pyproject.toml:2:10: not valid TOML: "),
            (b"\xef\xbb\xbfx = 1", "pyproject.toml:1:1: begins with a byte order mark"),
            ("x = 1".encode("utf-16"), "pyproject.toml:1:1: byte 0 is not UTF-8"),
            (b"# fine\nx = '\xe9'", "pyproject.toml:2:6: byte 12 is not UTF-8"),
            (b"tool = 1", "pyproject.toml: tool: expected a table"),
            (
                b"[tool.crackerjack]\nexlude = []",
                "pyproject.toml:2: tool.crackerjack.exlude: unknown key 'exlude' (did you mean 'exclude'?)",
            ),
            (
                b"[tool.crackerjack]\nexclude = 'x'",
                "pyproject.toml:2: tool.crackerjack.exclude: expected a list, got a string",
            ),
            (
                b"[tool.crackerjack]\nhooks.mine = 1",
                "pyproject.toml:2: tool.crackerjack.hooks.mine: expected a table, got a whole number",
            ),
            (
                b"[[tool.crackerjack.workflows.mine.steps]]\naction = ['x']",
                "pyproject.toml:2: tool.crackerjack.workflows.mine.steps.action: expected a string",
            ),
            (
                b"[tool.crackerjack]\ntimeout = nan",
                "pyproject.toml:2: tool.crackerjack.timeout: expected a number > 0",
            ),
            (
                b"[tool.crackerjack.hooks.mypy]\ntimeout = 0",
                "pyproject.toml:2: tool.crackerjack.hooks.mypy.timeout: expected a number > 0",
            ),
            (
                b"[tool.crackerjack.workflows.mine]\nsteps = [{action = 'x', timeout = -1}]",
                "pyproject.toml:2: tool.crackerjack.workflows.mine.steps.timeout: expected a number > 0",
            ),
            (
                b"[tool.crackerjack]\njobs = 100000000000000000000",
                "pyproject.toml:2: tool.crackerjack.jobs: expected a whole number <= 256",
            ),
            (
                b"[tool.crackerjack.hooks.mine]\ncommand = ['x']\nparser = 'regex'\npattern = '('",
                "tool.crackerjack.hooks.mine.pattern: is no regular expression: missing )",
            ),
        ],
    )
    def test_a_wrong_one_is_one_sentence_with_its_place(
        self, crackerjack: CommandLine, project: Project, content: bytes, sentence: str
    ) -> None:
        (project.root / "pyproject.toml").write_bytes(content)
        ran = crackerjack()
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert ran.stderr.startswith("crackerjack: error: pyproject.toml")
        assert sentence in ran.stderr
        assert len(ran.stderr.splitlines()) == 1

    @pytest.mark.parametrize(
        ("make", "sentence"),
        [
            (os.mkdir, "it is no regular file"),
            (os.mkfifo, "it is no regular file"),
            (lambda path: os.symlink("pyproject.toml", path), "Too many levels of symbolic links"),
        ],
        ids=["directory", "pipe", "loop"],
    )
    def test_a_pyproject_that_is_no_file(
        self,
        crackerjack: CommandLine,
        project: Project,
        make: Callable[[Path], None],
        sentence: str,
    ) -> None:
        path = project.root / "pyproject.toml"
        path.unlink()
        make(path)
        ran, doctor = crackerjack(), crackerjack("doctor")
        assert (ran.exit_code, ran.stdout, doctor.exit_code) == (2, "", 2)
        assert f"{path}: cannot be read: {sentence}" in ran.stderr
        assert f"{path}: cannot be read: {sentence}" in doctor.stdout

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--timeout", "0"], "'0' is not a number of seconds from 0.001 to 1000000000"),
            (["--timeout", "nan"], "'nan' is not a number of seconds"),
            (["--timeout", "-1"], "'-1' is not a number of seconds"),
            (["--timeout", "inf"], "'inf' is not a number of seconds"),
            (["-j", "0"], "'0' is not a number of hooks from 1 to 256"),
            (["-j", "1000000"], "'1000000' is not a number of hooks"),
        ],
    )
    def test_a_number_out_of_range(
        self, crackerjack: CommandLine, arguments: list[str], sentence: str
    ) -> None:
        ran = crackerjack(*arguments)
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert sentence in ran.stderr


@pytest.mark.parametrize(
    "option",
    [
        *("run --project", "run --workflow", "run --since", "run --hook", "run --output"),
        *("jobs --project", "watch --url", "serve --token", "serve --project-root"),
    ],
)
def test_an_empty_value_is_not_taken_for_none(
    crackerjack: CommandLine, project: Project, option: str
) -> None:
    """As in `--project "$UNSET"`, which ran on whatever project was around, and `--token "$UNSET"`."""
    project.write("sample/bad.py", "x = 1   \n")
    before = bytes_below(project.root)
    ran = crackerjack(*option.split(), "", *(["--format=text"] if "output" in option else []))
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert option.split()[1] in ran.stderr or "no hook ''" in ran.stderr
    assert bytes_below(project.root) == before


def test_two_outputs_do_not_go_into_one_file(crackerjack: CommandLine, project: Project) -> None:
    (project.root / "link").symlink_to("out")
    ran = crackerjack("--format", "json", "--output", "out", "--events-file", "link")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "--output and --events-file name one file: give each its own" in ran.stderr
    assert not (project.root / "out").exists()
    ran = crackerjack(
        *FIX[:2], *("--format", "json", "--output", os.devnull), "--events-file", os.devnull
    )
    assert ran.exit_code == 0


class TestWordsOfStrangers:
    """What a configuration, a directory or an argument is called is no command to the terminal."""

    NAME = "a\x1b]0;owned\x07\x1b[2Jb\nc\x9b2J"

    def test_a_name_in_a_configuration_is_shown_not_obeyed(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        key = self.NAME.encode("unicode_escape").decode().replace("\\x", "\\u00")
        project.configure(
            f'[tool.crackerjack.workflows."{key}"]\nsteps = [{{action = "run_fast_hooks"}}]'
        )
        self.is_harmless(crackerjack("--workflow", "other"))
        project.configure(f'[tool.crackerjack.hooks."{key}"]\ncommand = ["true"]')
        self.is_harmless(crackerjack())

    @pytest.mark.parametrize(
        "option", ["--project", "--events-file", "--since", "--hook", "--workflow", "--nonsense"]
    )
    def test_nor_is_an_argument(
        self, crackerjack: CommandLine, project: Project, option: str
    ) -> None:
        git(project, "init", "-q")
        ran = crackerjack(f"{option}=no/such/{self.NAME}")
        self.is_harmless(ran._replace(stderr=ran.stderr.partition("\nTry 'crackerjack")[0]))

    @staticmethod
    def is_harmless(ran: Ended) -> None:
        assert (ran.exit_code, ran.stdout) == (2, "")
        (line,) = ran.stderr.removesuffix("\n").split("\n")
        assert line.isprintable()
        assert "owned" in line


class TestSurroundings:
    @pytest.mark.parametrize("path", [None, "", "/no/such/directory"])
    def test_without_home_and_path(
        self, crackerjack: CommandLine, project: Project, path: str | None
    ) -> None:
        project.write_tool("exit 0")
        for name in ("HOME", "PATH"):
            crackerjack.environment.pop(name, None)
        if path is not None:
            crackerjack.environment["PATH"] = path
        hooks = ("--check", "--hook", "file-checks", "--hook", "tool", "--hook", "ruff-check")
        assert crackerjack(*hooks).exit_code == 0

    def test_a_relative_home_is_no_place_for_the_store(
        self, crackerjack: CommandLine, project: Project, tmp_path: Path
    ) -> None:
        del crackerjack.environment["CRACKERJACK_STATE_DIR"]
        state = str(tmp_path / "elsewhere")
        before = set(bytes_below(project.root))
        assert crackerjack(*CHECK, HOME="here", XDG_STATE_HOME=state).exit_code == 0
        assert (tmp_path / "elsewhere/crackerjack/store.db").exists()
        assert set(bytes_below(project.root)) == before

    def test_a_store_in_the_project_is_no_part_of_it(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        git(project, "init", "-q")
        first = crackerjack(*FIX, CRACKERJACK_STATE_DIR="state")
        again = crackerjack(*FIX, CRACKERJACK_STATE_DIR="state")
        assert first.result_of("file-checks")["files"] == 3
        assert again.result_of("file-checks")["files"] == 3
        assert again.result_of("file-checks")["cached"] is True

    @pytest.mark.parametrize("with_git", [False, True])
    def test_what_a_run_writes_is_no_part_of_the_project(
        self, crackerjack: CommandLine, project: Project, *, with_git: bool
    ) -> None:
        """A report that is not written yet is not JSON, and nor are lines of JSON."""
        if with_git:
            git(project, "init", "-q")
        (project.root / "out").mkdir()
        (project.root / "link").symlink_to("out")
        outputs = ("--events-file", "out/events[1].json", "--output", "link/report.json")
        for _ in range(2):
            ran = crackerjack("--hook", "file-checks", "--format", "json", *outputs)
            assert ran.exit_code == 0, ran.stdout
        report = json.loads((project.root / "out/report.json").read_text())
        assert report["job"]["exit_code"] == 0
        assert (project.root / "out/events[1].json").read_text().count("\n") > 5
        (project.root / "report.json").touch()
        assert crackerjack("--hook", "file-checks", "--format", "json", *outputs).exit_code == 1

    @pytest.mark.skipif(sys.platform == "darwin", reason="nothing tells there which file stdout is")
    def test_nor_is_the_file_that_its_output_is_sent_to(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        crackerjack.prefix = ("sh", "-c", 'exec "$@" > events.json', "sh")
        assert crackerjack(*CHECK).exit_code == 0
        assert (project.root / "events.json").stat().st_size > 0
        project.write("sample/events.json", "")
        assert crackerjack(*CHECK).exit_code == 1

    def test_an_encoding_that_cannot_say_it(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        project.write("sample/ünïcode.py", "x = 1   \n")
        plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        ran = crackerjack("--check", "--hook", "file-checks", **plain)
        assert ran.exit_code == 1
        assert ran.stdout.isascii()

    def test_no_descriptors_are_left(self, crackerjack: CommandLine) -> None:
        crackerjack.prefix = ("sh", "-c", 'ulimit -n 12 && exec "$@"', "sh")
        ran = crackerjack("--check", "--hook", "file-checks")
        assert ran.exit_code == 2
        assert ran.stdout + ran.stderr


class TestJobIds:
    @pytest.mark.parametrize("job_id", ["../../x", "é", "x'; DROP TABLE jobs"])
    @pytest.mark.parametrize("command", ["run --job-id", "show", "events", "cancel", "undo"])
    def test_a_bad_one_is_refused_by_every_command(
        self, crackerjack: CommandLine, command: str, job_id: str
    ) -> None:
        ran = crackerjack(*command.split(), job_id)
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert "invalid job id" in ran.stderr
        assert "use a UUID or 1-64 characters of A-Z a-z 0-9 _ -" in ran.stderr
        assert not crackerjack.state_dir.exists()

    def test_of_several_runs_with_one_id_one_begins(self, crackerjack: CommandLine) -> None:
        started = [crackerjack.start(*CHECK, "--job-id", "the-one") for _ in range(3)]
        ended = [(process.communicate(timeout=60), process.returncode) for process in started]
        refused = [err for (out, err), code in ended if code == 2 and not out]
        assert sorted(code for _, code in ended) == [0, 2, 2]
        assert len(refused) == 2
        assert all("job the-one exists already" in err for err in refused)


@pytest.mark.parametrize("option", ["--events-file", "--format=json --output"])
def test_no_output_goes_over_the_store(crackerjack: CommandLine, option: str) -> None:
    crackerjack("--hook", "ruff-check")
    store = crackerjack.state_dir / "store.db"
    ran = crackerjack("--hook", "ruff-check", *option.split(), str(store))
    assert ran.exit_code == 2
    assert "the store is there" in ran.stderr
    assert len(crackerjack("jobs").stdout.splitlines()) >= 1
