"""What git knows of a directory: which files are there, and which have changed.

All names are relative to the directory asked about, which may lie anywhere in the repository, and
are decoded with :func:`os.fsdecode`.
"""

from __future__ import annotations

import os
import subprocess
from typing import Final

from crackerjack.errors import UsageError

NO_REPOSITORY: Final = "it is not in a git repository"
"""Why git knows of no files where nothing is wrong."""
_PATIENCE: Final = 60.0
"""Seconds for one git command. A listing takes milliseconds; a dead network disk takes for ever."""

_COMMAND: Final = ("git", "-c", "core.fsmonitor=false")
"""Without the monitor: a daemon that it starts would hold our pipe open."""

_REDIRECTIONS: Final = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE"}
)
"""Set when a git hook started us. We ask about a directory, not about what they point to."""


class GitUnavailable(Exception):
    """Git cannot list this directory; the message says why, in half a sentence."""


def listed_files(root: str) -> tuple[list[str], list[str]]:
    """Return the tracked files, and the untracked ones that are not ignored.

    Deleted files, submodules and nested repositories are among the names. Raises
    :exc:`GitUnavailable`.
    """
    # One process for both: of a small project the start of a second one is half of the time.
    tagged = _names(
        _ask(root, "ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard")
    )
    if not tagged and _is_ignored(root):
        raise GitUnavailable("git ignores this directory")
    tracked = [name[2:] for name in tagged if not name.startswith("? ")]
    return tracked, [name[2:] for name in tagged if name.startswith("? ")]


def changed_files(root: str, since: str | None) -> tuple[list[str], list[str]]:
    """Return what differs from HEAD: staged and unstaged files, and untracked ones.

    With `since`, what differs from the commit where HEAD left that revision. Raises
    :exc:`UsageError` when git cannot tell.
    """
    try:
        base = _head(root) if since is None else _fork_point(root, since)
        untracked = _names(_ask(root, "ls-files", "-z", "--others", "--exclude-standard"))
        if base is None:
            return _names(_ask(root, "ls-files", "-z", "--cached")), untracked
        options = ("--name-only", "-z", "--no-renames", "--no-ext-diff", "--relative")
        changed = _ask(root, "diff", *options, "--diff-filter=d", "--ignore-submodules", base, "--")
    except GitUnavailable as error:
        raise UsageError(
            f"cannot tell which files changed in {root}: {error}. Run without --changed-only and --since"
        ) from error
    return _names(changed), untracked


def deleted_files(root: str, since: str | None) -> list[str]:
    """Return what HEAD, or the commit where HEAD left `since`, has and the project has not.

    Raises :exc:`UsageError` and :exc:`GitUnavailable` like :func:`changed_files`, which comes first.
    """
    base = _head(root) if since is None else _fork_point(root, since)
    if base is None:
        return []
    options = ("--name-only", "-z", "--no-renames", "--no-ext-diff", "--relative")
    return _names(_ask(root, "diff", *options, "--diff-filter=D", base, "--"))


def _head(root: str) -> str | None:
    """The commit of HEAD; None in a repository without commits."""
    _ask(root, "rev-parse", "--git-dir")
    return _commit(root, "HEAD")


def _fork_point(root: str, revision: str) -> str:
    _ask(root, "rev-parse", "--git-dir")
    commit = _commit(root, revision)
    if commit is None:
        raise UsageError(
            f"--since {revision}: no such commit in the repository of {root}; "
            "name a branch, a tag or a commit, or fetch it first"
        )
    try:
        return _ask(root, "merge-base", commit, "HEAD").decode().strip()
    except GitUnavailable as error:
        raise UsageError(
            f"--since {revision}: it has no commit in common with HEAD; "
            "in a shallow clone, fetch more of the history"
        ) from error


def _commit(root: str, revision: str) -> str | None:
    try:
        return (
            _ask(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
            .decode()
            .strip()
        )
    except GitUnavailable:
        return None


def _is_ignored(root: str) -> bool:
    try:
        _ask(root, "check-ignore", "--quiet", ".")
    except GitUnavailable:
        return False
    return True


def _ask(root: str, *arguments: str) -> bytes:
    process = _start(root, *arguments)
    try:
        return _output(process)
    finally:
        _end(process)


def _start(root: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if key not in _REDIRECTIONS}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        return subprocess.Popen(
            (*_COMMAND, *arguments),
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise GitUnavailable("git is not installed") from error
    except OSError as error:
        raise GitUnavailable(f"git does not start: {error.strerror}") from error


def _output(process: subprocess.Popen[bytes]) -> bytes:
    try:
        out, err = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise GitUnavailable(f"git did not answer within {_PATIENCE:.0f} s") from error
    if process.returncode:
        raise GitUnavailable(_reason(err.decode("utf-8", "backslashreplace")))
    return out


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing running, whether or not its answer was read."""
    if process.returncode is None:
        process.kill()
        process.communicate()


def _reason(complaint: str) -> str:
    if "not a git repository" in complaint:
        return NO_REPOSITORY
    if "dubious ownership" in complaint:
        return "git refuses a repository that belongs to another user (see git's safe.directory)"
    first = complaint.strip().partition("\n")[0].removeprefix("fatal: ")
    return f"git failed: {first}" if first else "git failed"


def _names(listing: bytes) -> list[str]:
    return os.fsdecode(listing).split("\0")[:-1]
