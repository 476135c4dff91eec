"""Configuration: where it comes from, and errors that say what, where and what to do."""

from pathlib import Path

import pytest

from crackerjack.config import find_project, load_config, state_dir
from crackerjack.errors import ConfigError, UsageError


def test_a_project_without_pyproject_has_the_defaults(tmp_path: Path) -> None:
    config = load_config(str(tmp_path), environment={}, overrides={})
    assert config.workflow == "standard"
    assert config.check is False
    assert config.pyproject == {}
    assert set(config.origins.values()) == {"default"}


def test_every_value_knows_its_origin(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.crackerjack]\njobs = 3\ntimeout = 60\n")
    config = load_config(str(tmp_path), environment={"CI": "true"}, overrides={"timeout": 9.0})
    assert (config.jobs, config.origins["jobs"]) == (3, "pyproject.toml")
    assert (config.timeout, config.origins["timeout"]) == (9.0, "command line")
    assert (config.check, config.origins["check"]) == (True, "environment (CI)")


@pytest.mark.parametrize("ci", ["", "0", "false"])
def test_ci_switched_off_is_off(tmp_path: Path, ci: str) -> None:
    assert load_config(str(tmp_path), environment={"CI": ci}, overrides={}).check is False


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = = 3", "pyproject.toml:1:5: not valid TOML"),
        (
            "[tool.crackerjack]\nworkflw = 'x'",
            (
                "pyproject.toml:2: tool.crackerjack.workflw: unknown key 'workflw' "
                "(did you mean 'workflow'?)"
            ),
        ),
        (
            "[tool.crackerjack]\n\njobs = 'two'",
            "pyproject.toml:3: tool.crackerjack.jobs: expected a whole number, got a string",
        ),
        ("[tool.crackerjack]\njobs = -1", "pyproject.toml:2: tool.crackerjack.jobs"),
        (
            "[tool.crackerjack.hooks.mine]\ntimout = 3",
            (
                "pyproject.toml:2: tool.crackerjack.hooks.mine.timout: unknown key 'timout' "
                "(did you mean 'timeout'?)"
            ),
        ),
        (
            "[tool.crackerjack.bundle]\nmax_mbs = 3",
            (
                "pyproject.toml:2: tool.crackerjack.bundle.max_mbs: unknown key 'max_mbs' "
                "(did you mean 'max_mb'?)"
            ),
        ),
        (
            "[tool.crackerjack.bundle]\nmax_mb = 0",
            "pyproject.toml:2: tool.crackerjack.bundle.max_mb",
        ),
        ("[tool]\ncrackerjack = 3", "pyproject.toml: tool.crackerjack: expected a table"),
        (
            '[tool.crackerjack.hooks.mine]\ncommand = ["x", "a\\u0000"]',
            "pyproject.toml:2: tool.crackerjack.hooks.mine.command.2: holds a NUL",
        ),
        ("tool = 3", "pyproject.toml: tool: expected a table"),
        ("x = [\ny", "pyproject.toml:2:1: not valid TOML: "),
        ("x = [\n1,", "pyproject.toml:2:3: not valid TOML: "),
        ("\ufeffx = 1", "pyproject.toml:1:1: begins with a byte order mark"),
        ("x = " + "[" * 9999, "pyproject.toml: not valid TOML: nested too deeply"),
        (
            "[tool.crackerjack.workflows.mine]\ntitle = 'x'",
            "pyproject.toml:1: tool.crackerjack.workflows.mine: the key 'steps' is missing",
        ),
        (
            (
                "[tool.crackerjack.hooks.a]\ncommand = ['x']\n"
                "[tool.crackerjack.hooks.b]\ncommand = ['x', 1]"
            ),
            (
                "pyproject.toml:4: tool.crackerjack.hooks.b.command: "
                "expected a string, got a whole number"
            ),
        ),
        (
            "[tool.crackerjack]\nhooks.'a b'.scope = 'world'",
            "pyproject.toml:2: tool.crackerjack.hooks.a b.scope: expected file or project",
        ),
    ],
)
def test_bad_configuration_is_one_clear_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(str(tmp_path), environment={}, overrides={})
    assert str(caught.value).startswith(sentence)


def test_bytes_that_are_not_utf8_are_explained(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(ConfigError, match="byte 8 is not UTF-8"):
        load_config(str(tmp_path), environment={}, overrides={})


def test_the_project_is_the_nearest_one_upwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    inner = tmp_path / "inner"
    below = inner / "src" / "package"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_project(None) == str(tmp_path)
    (inner / ".git").mkdir()
    assert find_project(None) == str(inner), "a repository of its own is no part of the outer one"


def test_a_directory_that_is_named_is_the_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    below = tmp_path / "below"
    below.mkdir()
    assert find_project(str(below)) == str(below)


def test_a_directory_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such directory"):
        find_project(str(tmp_path / "nowhere"))


def test_the_state_directory_follows_the_environment(tmp_path: Path) -> None:
    assert state_dir({"CRACKERJACK_STATE_DIR": str(tmp_path)}) == str(tmp_path)
    assert state_dir({"XDG_STATE_HOME": "/x"}) == "/x/crackerjack"
    assert state_dir({"HOME": "/home/me"}) == "/home/me/.local/state/crackerjack"


@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "here", "XDG_STATE_HOME": "there"}])
def test_no_state_directory_is_made_in_the_working_directory(home: dict[str, str]) -> None:
    assert state_dir(home).startswith("/")
