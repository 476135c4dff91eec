"""Projects and files that nobody hopes for: what is true is told, and no harm is done."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine, Project

CHECK = ("--check", "--hook", "file-checks", "--json")
FIX = ("--hook", "file-checks", "--json")
ODD_NAMES = [
    b"a b.py",
    b"new\nline.py",
    b"tab\tand\x1b[31mescape.py",
    b"caf\xe9.py",
    "ünïcode.py".encode(),
    b"-dash.py",
    b"--fix.py",
    b"@arguments.py",
    b"back\\slash.py",
    b"'quote\".py",
    b"{files}.py",
    b"$(date).py",
    b"[star*?].py",
    b".py",
]


def bytes_below(root: Path) -> dict[bytes, bytes]:
    """Every regular file below the directory, and what it holds."""
    found = {}
    for directory, _, names in os.walk(os.fsencode(root)):
        for path in (os.path.join(directory, name) for name in names):
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as stream:
                    found[path] = stream.read()
    return found


def git(project: Project, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=project.root, check=True, capture_output=True)


def config_message(crackerjack: CommandLine) -> str:
    """What a run says of how it found the files."""
    ran = crackerjack(*CHECK)
    (data,) = [e["data"] for e in ran.events if e["event_type"] == "config_phase_completed"]
    return str(data["message"])


class TestDirectories:
    def test_an_empty_one_is_not_passed(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        ran = CommandLine(tmp_path / "empty", tmp_path / "state")()
        assert ran.exit_code == 2
        assert "nothing was checked (there is no file for it to look at)" in ran.stdout
        assert list((tmp_path / "empty").iterdir()) == []

    def test_one_without_git_is_walked_and_says_so(self, crackerjack: CommandLine) -> None:
        assert config_message(crackerjack).startswith("it is not in a git repository: looked at")

    def test_a_repository_without_commits(self, crackerjack: CommandLine, project: Project) -> None:
        git(project, "init", "-q")
        assert config_message(crackerjack) == ""
        ran = crackerjack(*CHECK, "--changed-only")
        assert (ran.exit_code, ran.result_of("file-checks")["files"]) == (0, 3)
        since = crackerjack(*CHECK, "--since", "HEAD")
        assert (since.exit_code, since.stdout) == (2, "")
        assert "--since HEAD: no such commit in the repository" in since.stderr

    def test_a_damaged_repository_is_walked_and_says_so(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        git(project, "init", "-q")
        project.write(".git/index", "damaged")
        assert "git failed: .git/index: index file smaller" in config_message(crackerjack)
        ran = crackerjack(*CHECK, "--changed-only")
        assert ran.exit_code == 2
        assert "cannot tell which files changed" in ran.stderr

    def test_one_without_pyproject(self, crackerjack: CommandLine, project: Project) -> None:
        (project.root / "pyproject.toml").unlink()
        assert crackerjack(*CHECK).exit_code == 0
        assert crackerjack("config").exit_code == crackerjack("hooks").exit_code == 0

    def test_one_that_is_gone_before_the_start(
        self, crackerjack: CommandLine, tmp_path: Path
    ) -> None:
        (tmp_path / "gone").mkdir()
        crackerjack.prefix = ("sh", "-c", f'cd "{tmp_path}/gone" && rmdir "$PWD" && "$@"', "sh")
        ran = crackerjack()
        assert ran.exit_code == 2
        assert "the working directory is gone: go to one that exists" in ran.stderr

    def test_one_that_vanishes_during_the_run(
        self, crackerjack: CommandLine, project: Project, tmp_path: Path
    ) -> None:
        project.write_tool(f'rm -r "{project.root}"', 'strategy = "fast"')
        project.configure('[tool.crackerjack.hooks.next]\ncommand = ["true"]')
        hooks = ("--hook", "tool", "--hook", "next")
        ran = crackerjack("--check", "-j", "1", "--skip-cleaning", "--json", *hooks)
        assert ran.exit_code == 3
        assert ran.result_of("next")["status"] == "tool_error"
        assert "No such file or directory" in ran.result_of("next")["reason"]

    def test_one_whose_path_is_not_utf_8(self, tmp_path: Path) -> None:
        root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
        root.mkdir()
        ran = CommandLine(root, tmp_path / "state")()
        assert ran.exit_code == 2
        assert f"the path {tmp_path}/caf\\xe9 is not UTF-8" in ran.stderr
        assert "rename the directory" in ran.stderr

    def test_one_that_is_read_only_is_checked_and_not_harmed(
        self, as_anybody: CommandLine, project: Project
    ) -> None:
        project.write("sample/bad.py", "import os\n\nx = 1   \n")
        before = bytes_below(project.root)
        paths = [project.root, *project.root.rglob("*")]
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            ran = as_anybody("--json", "--hook", "file-checks", "--hook", "ruff-check")
            init = as_anybody("init")
        finally:
            for path in paths:
                path.chmod(0o755)
        assert ran.exit_code == 1
        assert set(ran.findings) == {
            ("file-checks", "sample/bad.py", "trailing-whitespace"),
            ("ruff-check", "sample/bad.py", "F401"),
        }
        withheld = [e["data"] for e in ran.events if e["event_type"] == "file_fixed"]
        assert {(data["fixed"], data["reason"]) for data in withheld} == {(False, "is read-only")}
        assert init.exit_code == 2
        assert "pyproject.toml is read-only" in init.stderr
        assert bytes_below(project.root) == before

    def test_one_where_nothing_can_be_made_is_not_cleaned_and_says_so(
        self, as_anybody: CommandLine, project: Project
    ) -> None:
        """A full disk is the same to it: each file may be written, its new content has no place."""
        bad = project.write("sample/bad.py", "import os\n\nx = 1   \n")
        bad.parent.chmod(0o555)
        try:
            ran = as_anybody("--skip-hooks")
        finally:
            bad.parent.chmod(0o755)
        assert ran.exit_code == 3
        assert bad.read_text() == "import os\n\nx = 1   \n"
        assert "1 file cannot be replaced: Permission denied" in ran.stdout
        assert "successfully" not in ran.stdout

    def test_one_that_cannot_be_read_is_told(
        self, as_anybody: CommandLine, project: Project
    ) -> None:
        sealed = project.write("sealed/secret.py", "x = 1   \n").parent
        sealed.chmod(0)
        try:
            assert config_message(as_anybody).endswith("; could not look into sealed")
        finally:
            sealed.chmod(0o755)

    def test_a_file_that_cannot_be_read_has_passed_no_check(
        self, as_anybody: CommandLine, project: Project
    ) -> None:
        sealed = project.write("sample/sealed.py", "eval('1')\n")
        sealed.chmod(0)
        hooks = ("file-checks", "codespell", "ruff-check", "ruff-format", "ruff-security")
        ran = as_anybody("--check", "--json", *(f"--hook={hook}" for hook in hooks))
        assert ran.exit_code == 1
        assert {(hook, path) for hook, path, _ in ran.findings} == {
            (hook, "sample/sealed.py") for hook in hooks
        }

    def test_one_deeper_than_paths_are_long(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        here = os.open(project.root, os.O_RDONLY)
        for _ in range(45):
            os.mkdir("d" * 100, dir_fd=here)
            deeper = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = deeper
        os.close(here)
        assert "could not look into ddd" in config_message(crackerjack)


class TestFiles:
    def test_odd_names_are_fixed_told_and_undone(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        for name in ODD_NAMES:
            path = os.path.join(os.fsencode(project.root), b"sample", name)
            with open(path, "wb") as stream:
                stream.write(b"x = 1   \n")
        before = bytes_below(project.root)
        ran = crackerjack(*FIX)
        assert ran.exit_code == 0
        after = {path: content.replace(b"   \n", b"\n") for path, content in before.items()}
        assert bytes_below(project.root) == after
        fixed = [e["data"]["path"] for e in ran.events if e["event_type"] == "file_fixed"]
        assert "sample/caf\\xe9.py" in fixed
        assert len(set(fixed)) == len(ODD_NAMES)
        undo = crackerjack("undo")
        assert undo.exit_code == 0
        assert len(undo.stdout.splitlines()) == len(ODD_NAMES)
        assert "\x1b" not in undo.stdout
        assert bytes_below(project.root) == before

    def test_odd_names_reach_a_tool_as_they_are(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        for name in ODD_NAMES:
            Path(os.fsdecode(os.path.join(os.fsencode(project.root), name))).touch()
        (project.root / "count.py").write_text(
            "import os, sys\n"
            "names = [name for name in sys.argv[1:] if name[0] not in '-@']  # nor options\n"
            "print(sum(map(os.path.isfile, names)))\n"
        )
        command = f'command = ["{sys.executable}", "-S", "count.py", "{{files}}"]'
        project.configure(f'[tool.crackerjack.hooks.tool]\n{command}\nfiles = ["*.py"]')
        ran = crackerjack("--check", "--hook", "tool", "--json")
        (said,) = [e["data"]["text"] for e in ran.events if e["event_type"] == "hook_output"]
        assert int(said) == len(ODD_NAMES) + len(["count", "__init__", "maths"])

    def test_a_tool_that_breaks_down_at_a_name_is_explained(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        (project.root / os.fsdecode(b"caf\xe9.py")).touch()
        project.write_tool("exit 70")
        ran = crackerjack("--check", "--hook", "tool", "--json")
        assert ran.exit_code == 3
        reason = ran.result_of("tool")["reason"]
        assert reason.startswith("perhaps for the name of caf\\xe9.py, which is not UTF-8: rename")

    @pytest.mark.parametrize("with_git", [False, True])
    def test_links_in_a_circle_and_pipes_are_passed_over(
        self, crackerjack: CommandLine, project: Project, *, with_git: bool
    ) -> None:
        if with_git:
            git(project, "init", "-q")
        for target, link in [("loop", "loop"), ("..", "sample/up"), ("/no/such", "sample/no.py")]:
            (project.root / link).symlink_to(target)
        os.mkfifo(project.root / "sample/pipe.py")
        ran = crackerjack(*CHECK)
        assert (ran.exit_code, ran.result_of("file-checks")["files"]) == (0, 3)
        assert "no such directory: loop" in crackerjack("--project", "loop").stderr

    def test_200_mb_are_neither_read_nor_handed_out(
        self, crackerjack: CommandLine, project: Project, tmp_path: Path
    ) -> None:
        for name in ("data.bin", "book.md"):
            with (project.root / name).open("wb") as stream:
                stream.truncate(200 * 1024 * 1024)
        hooks = ("--check", "--hook", "file-checks", "--hook", "codespell")
        ran, peak = crackerjack.measured(*hooks, "--json", output=tmp_path / "output")
        assert ran.exit_code == 1
        assert peak < 100  # MiB
        assert set(ran.findings) == {
            ("file-checks", "data.bin", "large-file"),
            ("file-checks", "data.bin", "unread"),
            ("file-checks", "book.md", "large-file"),
            ("file-checks", "book.md", "unread"),
            ("codespell", "book.md", "unread"),
        }
        assert ran.result_of("codespell")["status"] == "passed"

    def test_encodings_survive(self, crackerjack: CommandLine, project: Project) -> None:
        sources = {
            "latin.py": '# -*- coding: latin-1 -*-\nimport os\n\nx = "é"   \n'.encode("latin-1"),
            "marked.py": 'import os\n\nx = "é"   \r\n'.encode("utf-8-sig"),
            "wide.py": 'x = "é"   \n'.encode("utf-16"),
            "unmarked.py": 'x = "é"\n'.encode("latin-1"),
            "unknown.py": b"# coding: nonsense\nx = 1\n",
        }
        for name, content in sources.items():
            (project.root / name).write_bytes(content)
        ran = crackerjack("--json", "--hook", "file-checks")
        cleaned = crackerjack("--json", "--skip-hooks")
        assert (ran.exit_code, cleaned.exit_code) == (1, 0)
        assert {path for _, path, code in ran.findings if code == "ast"} == {
            "wide.py",
            "unmarked.py",
            "unknown.py",
        }
        now = {name: (project.root / name).read_bytes() for name in sources}
        # ruff reads UTF-8 alone, and says so; the whitespace was put right.
        assert now.pop("latin.py") == sources["latin.py"].replace(b"   \n", b"\n")
        assert "latin.py" in {
            e["data"]["path"]
            for e in cleaned.events
            if e["event_type"] == "file_fixed" and not e["data"]["fixed"]
        }
        assert now.pop("marked.py").decode("utf-8-sig").strip() == 'x = "é"'
        assert now == {name: sources[name] for name in now}

    def test_syntax_errors_are_findings_and_leave_the_file_alone(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        broken = project.write("sample/broken.py", "import os\ndef f(:\n    return\n")
        ran = crackerjack("--json", "--hook", "file-checks", "--hook", "ruff-check")
        assert ran.exit_code == 1
        found = [(hook, path) for hook, path, _ in ran.findings]
        assert set(found) == {
            ("file-checks", "sample/broken.py"),
            ("ruff-check", "sample/broken.py"),
        }
        assert crackerjack("--skip-hooks").exit_code == 0
        assert broken.read_text() == "import os\ndef f(:\n    return\n"

    def test_data_that_is_nested_without_end_is_not_looked_into(
        self, crackerjack: CommandLine, project: Project
    ) -> None:
        for name in ("deep.json", "deep.yaml"):
            project.write(name, "[" * 100_000 + "\n")
        project.write("deep.toml", "x = " + "[" * 100_000 + "\n")
        project.write("long.toml", "x = " + "1" * 10_000 + "\n")
        project.write("deep.py", "x = " + "(" * 10_000 + ")" * 10_000 + "\n")
        ran = crackerjack(*CHECK)
        assert ran.exit_code == 1
        assert {(path, code) for _, path, code in ran.findings} == {
            ("deep.json", "json"),
            ("deep.yaml", "yaml"),
            ("deep.toml", "toml"),
            ("long.toml", "toml"),
            ("deep.py", "ast"),
        }
