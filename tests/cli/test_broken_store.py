"""A store that cannot be used, a disk that is full, an output that nobody takes: told, never hidden."""

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import CommandLine, Project

ABOUT_JOBS = (
    ["jobs"],
    ["show", "before"],
    ["events", "before"],
    ["events", "before", "--follow"],
    ["cancel", "before"],
    ["undo", "before"],
    ["prune"],
    ["watch", "before"],
    ["serve", "--port", "0"],
)
"""Every command that opens the store."""


@pytest.fixture
def store(crackerjack: CommandLine) -> Path:
    """The store, with a job `before` in it."""
    assert crackerjack("--hook", "file-checks", "--job-id", "before").exit_code == 0
    return crackerjack.state_dir / "store.db"


def overwrite(store: Path, content: bytes) -> None:
    for file in store.parent.glob("store.db*"):
        file.unlink()
    store.write_bytes(content)


def checkpoint(store: Path) -> None:
    """Bring what was written ahead into the file."""
    connection = sqlite3.connect(store)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def damage_pages(store: Path) -> None:
    checkpoint(store)
    content = store.read_bytes()
    overwrite(store, content[:4096] + b"\xff" * (len(content) - 4096))


def set_pragma(store: Path, pragma: str) -> None:
    connection = sqlite3.connect(store)
    connection.execute(f"PRAGMA {pragma}")
    connection.close()


def make_directory(store: Path) -> None:
    overwrite(store, b"")
    store.unlink()
    store.mkdir()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda store: overwrite(store, b"no database " * 999), "is not a database: nothing was"),
        (damage_pages, "is corrupt (database disk image is malformed): nothing was deleted"),
        (make_directory, "cannot be opened: check the permissions"),
        (lambda store: set_pragma(store, "user_version=99"), "has version 99, this crackerjack"),
        (lambda store: set_pragma(store, "application_id=9"), "belongs to another program: set"),
    ],
    ids=["overwritten", "damaged", "directory", "newer", "foreign"],
)
def test_why_the_store_cannot_be_used(
    crackerjack: CommandLine, store: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    spoil(store)
    ran, doctor = crackerjack("--hook", "file-checks"), crackerjack("doctor")
    assert (ran.exit_code, ran.stdout, doctor.exit_code) == (2, "", 2)
    assert ran.stderr.startswith(f"crackerjack: error: the store {store} "), ran.stderr
    assert sentence in ran.stderr
    assert sentence in doctor.stdout


def test_every_command_that_opens_the_store_says_it(crackerjack: CommandLine, store: Path) -> None:
    overwrite(store, b"no database " * 999)
    for arguments in ABOUT_JOBS:
        ran = crackerjack(*arguments)
        assert (ran.exit_code, ran.stdout) == (2, ""), arguments
        assert "is not a database" in ran.stderr
    assert crackerjack("hooks").exit_code == crackerjack("config").exit_code == 0


def test_a_server_that_cannot_be_told_of_events_says_so(
    crackerjack: CommandLine, store: Path
) -> None:
    (store.parent / "pokes").touch()
    ran = crackerjack("serve", "--port", "0")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert f"pokes: File exists: look at {store.parent / 'pokes'}" in ran.stderr
    assert crackerjack("watch", "before").exit_code == 0


def test_the_advice_for_a_damaged_store_helps(crackerjack: CommandLine, store: Path) -> None:
    overwrite(store, b"no database " * 999)
    store.with_name("store.db-wal").write_bytes(b"\xff" * 9999)
    advice = crackerjack("jobs").stderr.split("`")[1]
    subprocess.run(["sh", "-c", advice], check=True)
    assert crackerjack("--hook", "file-checks", "--job-id", "after").exit_code == 0
    assert [row["job_id"] for row in json.loads(crackerjack("jobs", "--json").stdout)] == ["after"]


def test_a_locked_store_can_be_read_and_is_told(crackerjack: CommandLine, store: Path) -> None:
    other = sqlite3.connect(store, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert crackerjack("show", "before").exit_code == 0
        ran = crackerjack("--hook", "file-checks")
    finally:
        other.close()
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert f"the store {store} is locked by another program: close it" in ran.stderr
    assert crackerjack("--hook", "file-checks").exit_code == 0


def test_a_read_only_store_can_be_read_and_is_told(as_anybody: CommandLine, store: Path) -> None:
    paths = [store.parent, *store.parent.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert as_anybody("show", "before").exit_code == 0
        ran, doctor = as_anybody("--hook", "file-checks"), as_anybody("doctor")
    finally:
        for path in paths:
            path.chmod(0o755)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert f"the store {store} is read-only: make it and its directory writable" in ran.stderr
    assert doctor.exit_code == 2
    assert "is read-only" in doctor.stdout


def test_a_store_that_cannot_be_made(as_anybody: CommandLine, tmp_path: Path) -> None:
    sealed = tmp_path / "sealed"
    sealed.mkdir(mode=0o555)
    for state_dir in (sealed / "state", Path("/dev/null"), Path("/dev/null/state")):
        ran = as_anybody("--hook", "file-checks", CRACKERJACK_STATE_DIR=str(state_dir))
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert f"the store {state_dir}/store.db cannot be made" in ran.stderr
        assert "set CRACKERJACK_STATE_DIR to a directory that you may write" in ran.stderr


def test_a_damaged_cache_is_told_and_made_anew(crackerjack: CommandLine, store: Path) -> None:
    for file in store.parent.glob("cache.db*"):
        file.unlink()
    (store.parent / "cache.db").write_bytes(b"no database " * 999)
    ran = crackerjack("--hook", "file-checks")
    assert ran.exit_code == 0
    assert "was damaged (file is not a database) and is made anew" in ran.stdout
    again = crackerjack("--hook", "file-checks", "--json")
    assert again.result_of("file-checks")["cached"] is True


def test_without_undo_records_nothing_is_changed(
    crackerjack: CommandLine, project: Project, store: Path
) -> None:
    (store.parent / "undo.db").write_bytes(b"no database " * 999)
    file = project.write("sample/bad.py", "x = 1   \n")
    ran = crackerjack("--hook", "file-checks")
    assert ran.exit_code == 2
    assert "undo.db cannot be used (file is not a database)" in " ".join(ran.stdout.split())
    assert file.read_text() == "x = 1   \n"
    assert crackerjack("undo").exit_code == crackerjack("doctor").exit_code == 2


def is_contiguous(events: list[dict[str, Any]]) -> bool:
    return [event["seq"] for event in events] == list(range(1, len(events) + 1))


def is_kept_as_far_as_it_could(crackerjack: CommandLine) -> None:
    """What was committed is there, without a hole, and the job is ended by whoever looks."""
    kept = crackerjack("events", "full").events
    assert kept
    assert is_contiguous(kept)
    last = json.loads(crackerjack("jobs", "--json").stdout)[0]
    assert (last["job_id"], last["status"]) == ("full", "interrupted")
    after = crackerjack("events", "full").events
    assert is_contiguous(after)
    assert after[: len(kept)] == kept


def test_a_run_goes_on_when_the_log_cannot_grow(
    crackerjack: CommandLine, project: Project, store: Path
) -> None:
    project.write_tool(
        "for i in 1 2 3 4; do head -c 200000 /dev/zero | tr '\\0' x; done; touch end"
    )
    limit = store.with_name("store.db-wal").stat().st_size + 100_000

    process = subprocess.Popen(
        crackerjack.argv("--check", "--hook", "tool", "--job-id", "full"),
        cwd=crackerjack.project,
        env=crackerjack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),  # noqa: PLW1509
    )
    out, err = process.communicate(timeout=60)

    assert (process.returncode, err) == (2, "")
    assert "The run goes on; its events wait in memory." in out
    assert "Not all of this run could be kept: the store" in out
    assert (project.root / "end").exists()
    is_kept_as_far_as_it_could(crackerjack)


@pytest.mark.parametrize("anew", ["true", "crackerjack jobs"])
def test_a_store_that_is_removed_during_a_run_is_missed(
    crackerjack: CommandLine, project: Project, anew: str
) -> None:
    anew = anew.replace("crackerjack", f"{sys.executable} -m crackerjack")
    project.write_tool(f'rm -r "{crackerjack.state_dir}"; {anew}; touch end')
    ran = crackerjack("--check", "--hook", "tool")
    assert ran.exit_code == 2
    assert "store.db was removed or replaced while it was in use" in " ".join(ran.stdout.split())
    assert (project.root / "end").exists()
    said = crackerjack("--check", "--hook", "tool", "--json").stderr.splitlines()
    assert len(said) == 2  # while it ran, and at the end; no event has a word of it
    assert all("was removed or replaced" in line for line in said)


SMALL_DISK = """
set -e
mount -t tmpfs -o size=2m none "$1"
shift
head -c 1400000 /dev/zero > "$CRACKERJACK_STATE_DIR/filler"
set +e
"$@" --check --hook tool --job-id full > out 2> err
echo $? > exit
rm "$CRACKERJACK_STATE_DIR/filler"
"$@" events full > kept
"$@" jobs --json > jobs
"$@" events full > after
"""


def test_a_run_goes_on_when_the_disk_is_full(crackerjack: CommandLine, project: Project) -> None:
    """On a disk of its own, which is seen by this shell alone and goes with it."""
    unshare = ["unshare", "--mount", "--map-root-user"]
    crackerjack.state_dir.mkdir()
    probe = [*unshare, "mount", "-t", "tmpfs", "none", str(crackerjack.state_dir)]
    if (
        not shutil.which("unshare")
        or subprocess.run(probe, capture_output=True, check=False).returncode
    ):
        pytest.skip("a file system of one's own cannot be mounted here")
    project.write_tool(
        "for i in 1 2 3 4; do head -c 200000 /dev/zero | tr '\\0' x; done; touch end"
    )

    subprocess.run(
        [*unshare, "sh", "-c", SMALL_DISK, "sh", str(crackerjack.state_dir), *crackerjack.argv()],
        cwd=project.root,
        env=crackerjack.environment,
        check=True,
        timeout=60,
    )

    out, kept, jobs, after = [
        (project.root / name).read_text() for name in ("out", "kept", "jobs", "after")
    ]
    assert (project.root / "exit").read_text() == "2\n"
    assert (project.root / "err").read_text() == ""
    assert "cannot grow, the disk is full: free some space" in out
    assert "The run goes on" in out
    assert (project.root / "end").exists()
    events = [json.loads(line) for line in after.splitlines()]
    assert is_contiguous(events)
    assert kept
    assert after.startswith(kept)
    assert events[-1]["data"]["reason"] == "runner_lost"
    assert json.loads(jobs)[0]["status"] == "interrupted"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--events-file", "/dev/full"], "No space left on device: '/dev/full'"),
        (["--format", "sarif", "--output", "/dev/full"], "No space left on device: '/dev/full'"),
        (["--events-file", "/no/such/file"], "--events-file /no/such/file: No such file or"),
        (["--events-file", "."], "--events-file .: Is a directory"),
        (
            ["--format", "json", "--output", "/no/file"],
            "--output /no/file: No such file or directory",
        ),
    ],
)
def test_a_file_that_cannot_be_written_is_named(
    crackerjack: CommandLine, arguments: list[str], sentence: str
) -> None:
    ran = crackerjack("--hook", "file-checks", *arguments)
    assert ran.exit_code == 2
    assert ran.stderr.startswith("crackerjack: error: ")
    assert sentence in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--hook", "file-checks"],
        ["--hook", "file-checks", "--json"],
        ["jobs"],
        ["hooks"],
        ["doctor"],
    ],
    ids=" ".join,
)
def test_an_output_that_cannot_be_written_is_no_success(
    crackerjack: CommandLine, store: Path, arguments: list[str]
) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    command = ["sh", "-c", '"$@" > /dev/full', "sh", *crackerjack.argv(*arguments)]
    ran = subprocess.run(
        command,
        cwd=crackerjack.project,
        env=crackerjack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("crackerjack: error: the output cannot be written: ")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("closed", [">&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    "arguments", [["--hook", "file-checks"], ["events", "before"]], ids=" ".join
)
def test_streams_that_are_closed_from_the_start(
    crackerjack: CommandLine, store: Path, closed: str, arguments: list[str]
) -> None:
    command = ["sh", "-c", f'"$@" {closed}', "sh", *crackerjack.argv(*arguments)]
    ran = subprocess.run(
        command,
        cwd=crackerjack.project,
        env=crackerjack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_nobody_is_told_when_stderr_is_full_too(crackerjack: CommandLine) -> None:
    command = ["sh", "-c", '"$@" > /dev/full 2>&1', "sh", *crackerjack.argv("--hook", "nonsense")]
    ran = subprocess.run(command, cwd=crackerjack.project, env=crackerjack.environment, check=False)
    assert ran.returncode == 2
