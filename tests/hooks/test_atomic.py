from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from crackerjack.hooks import atomic
from crackerjack.hooks.atomic import Refusal, create_file, read_regular, replace_file
from crackerjack.hooks.files import content_digest, discover


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_bytes(b"before\n")
    return path


def replaced(path: Path, content: bytes, *, expect: bytes | str = b"before\n") -> str:
    """Replace, check that nothing is left over, and return the reason for a refusal."""
    refusal = replace_file(str(path), content, expect=expect)
    assert not [name for name in os.listdir(path.parent) if name.startswith(".crackerjack-")]
    assert refusal is None or refusal.path == str(path)
    return refusal.reason if refusal else ""


def test_replaces_what_was_read(file: Path) -> None:
    assert replaced(file, b"after\r\n") == ""
    assert file.read_bytes() == b"after\r\n"


def test_a_digest_says_what_was_read(file: Path) -> None:
    assert replaced(file, b"after", expect=content_digest(b"before\n")) == ""
    assert file.read_bytes() == b"after"


def test_large_and_empty_content(file: Path) -> None:
    large = os.urandom(3_000_000)
    assert replaced(file, large) == ""
    assert file.read_bytes() == large
    assert replaced(file, b"", expect=large) == ""
    assert file.read_bytes() == b""


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o664])
def test_the_mode_survives(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert replaced(file, b"after") == ""
    assert stat.S_IMODE(file.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_survives(file: Path) -> None:
    os.chown(file, 1234, 2345)
    file.chmod(0o4755)
    assert replaced(file, b"after") == ""
    found = file.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o4755)


def test_a_file_that_has_changed_is_left_alone(file: Path) -> None:
    assert replaced(file, b"after", expect=b"something else") == "has changed since it was read"
    assert file.read_bytes() == b"before\n"


def test_an_edit_while_the_new_content_is_written_is_not_lost(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = atomic._write

    def write_while_somebody_edits(*arguments: object, **options: object) -> None:
        write(*arguments, **options)  # type: ignore[arg-type]
        file.write_bytes(b"edited\n")

    monkeypatch.setattr(atomic, "_write", write_while_somebody_edits)
    assert replaced(file, b"after") == "has changed since it was read"
    assert file.read_bytes() == b"edited\n"


def test_another_file_of_the_same_content_is_not_the_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = atomic._write

    def write_while_somebody_links(*arguments: object, **options: object) -> None:
        write(*arguments, **options)  # type: ignore[arg-type]
        file.rename(file.with_name("real.py"))
        file.symlink_to("real.py")

    monkeypatch.setattr(atomic, "_write", write_while_somebody_links)
    assert replaced(file, b"after") == "has changed since it was read"
    assert file.is_symlink()


def test_what_is_no_plain_file_is_refused(file: Path) -> None:
    link, pipe, twin = (file.with_name(name) for name in ("link", "pipe", "twin"))
    link.symlink_to(file)
    os.mkfifo(pipe)
    os.link(file, twin)
    assert replaced(link, b"after") == "is a symbolic link"
    assert replaced(pipe, b"after") == "is not a regular file"
    assert replaced(file.parent, b"after") == "is not a regular file"
    assert replaced(file, b"after").startswith("has 2 hard links")
    assert replaced(file.with_name("gone"), b"after") == "is gone"
    assert file.read_bytes() == b"before\n"


REPLACE_AS_NOBODY = """
import os, sys
from crackerjack.hooks.atomic import replace_file
if os.geteuid() == 0:
    os.setuid(65534)  # root may write what is read-only
print(replace_file(sys.argv[1], b"after", expect=b"before"))
"""


def test_read_only() -> None:
    # pytest's directories are closed to others
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o777)
        file = directory / "a.py"
        file.write_bytes(b"before")
        command = [sys.executable, "-c", REPLACE_AS_NOBODY, str(file)]
        file.chmod(0o444)
        assert "is read-only" in subprocess.check_output(command, text=True)
        file.chmod(0o666)
        directory.chmod(0o555)
        said = subprocess.check_output(command, text=True)
        directory.chmod(0o777)
        assert "cannot be replaced: Permission denied" in said
        assert file.read_bytes() == b"before"
        assert os.listdir(directory) == ["a.py"]
        assert "None" in subprocess.check_output(command, text=True)


def test_disk_full(file: Path) -> None:
    """The limit on file sizes stands for the disk: the write fails half-way."""
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from crackerjack.hooks.atomic import replace_file\n"
        "print(replace_file(sys.argv[1], b'x' * 5000, expect=b'before\\n'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(file)], capture_output=True, text=True, check=True
    )
    assert "cannot be replaced: File too large" in done.stdout
    assert file.read_bytes() == b"before\n"
    assert os.listdir(file.parent) == ["a.py"]


def test_killed_half_way_the_file_is_whole_and_the_rest_is_not_the_projects(file: Path) -> None:
    code = (
        "import itertools, sys\n"
        "from crackerjack.hooks.atomic import replace_file\n"
        "content = b'before\\n'\n"
        "print('ready', flush=True)\n"
        "for n in itertools.count():\n"
        "    after = bytes([65 + n % 26]) * 1_000_000\n"
        "    assert replace_file(sys.argv[1], after, expect=content) is None\n"
        "    content = after\n"
    )
    for _ in range(5):
        file.write_bytes(b"before\n")
        with subprocess.Popen(
            [sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.01)  # any moment will do
            process.kill()
        content = file.read_bytes()
        assert content == b"before\n" or (len(content) == 1_000_000 and len(set(content)) == 1)
        assert discover(str(file.parent)).paths == ("a.py",)


def test_create_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "a.sh"
    assert create_file(str(path), b"content", 0o750) is None
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert create_file(str(path), b"other", 0o644) == Refusal(str(path), "exists already")
    assert path.read_bytes() == b"content"
    assert os.listdir(path.parent) == ["a.sh"]
    below = create_file(str(path / "x"), b"", 0o644)
    assert below is not None
    assert below.reason.startswith("cannot be made: ")


def test_read_regular(file: Path) -> None:
    assert read_regular(str(file)) == b"before\n"
    os.mkfifo(file.with_name("pipe"))
    file.with_name("link").symlink_to(file)
    for path in ("pipe", "link", ".", "gone"):
        with pytest.raises(OSError):
            read_regular(str(file.parent / path))
