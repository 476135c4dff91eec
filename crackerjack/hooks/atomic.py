"""Replacing a file's content: whole or not at all, and only if it is still the file that was read."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

import msgspec

from crackerjack.hooks.files import READ_REGULAR, TEMPORARY_PREFIX, content_digest


class Refusal(msgspec.Struct, frozen=True):
    """A file that was left as it was."""

    path: str
    """As the caller named it."""
    reason: str
    """Half a sentence for the user: ``has changed since it was read``."""
    failed: bool = False
    """It is not that the file is one to leave alone: the system could not do it, say on a full disk."""


class _Refused(Exception):
    """The reason, on its way to the caller's :class:`Refusal`."""


def replace_file(path: str, content: bytes, *, expect: bytes | str) -> Refusal | None:
    """Give the file new content; None when it has it, else why it is as it was.

    `expect` is the content that was read, or its :func:`content_digest`: a file that holds anything
    else by now is not touched. Permissions, and the owner where that is allowed, stay. Refused are
    what is no regular file, is reached by a symbolic link in the last component, has other hard links
    (they would keep the old content) or may not be written. No temporary file stays behind, and that
    of a killed process is no part of a project (:data:`TEMPORARY_PREFIX`).

    A reader sees the old or the new content, also when we are killed. There is no `fsync`: it takes
    milliseconds a file, and what a power cut could take is in the undo record or under version
    control.
    """
    digest = expect if isinstance(expect, str) else content_digest(expect)
    temporary = _temporary_in(os.path.dirname(path) or ".")
    try:
        before = _replaceable(path)
        try:
            _write(temporary, content, stat.S_IMODE(before.st_mode), owner=before)
            _still_holds(path, digest, before)
            os.rename(temporary, path)
        finally:
            _remove(temporary)
    except _Refused as refused:
        return Refusal(path, str(refused))
    except OSError as error:
        return Refusal(path, f"cannot be replaced: {error.strerror}", failed=True)
    return None


def create_file(path: str, content: bytes, mode: int) -> Refusal | None:
    """Make a file that is not there, with its directory; None when it is made, else why not."""
    directory = os.path.dirname(path) or "."
    temporary = _temporary_in(directory)
    try:
        os.makedirs(directory, exist_ok=True)
        try:
            _write(temporary, content, mode)
            os.link(temporary, path)
        finally:
            _remove(temporary)
    except OSError as error:
        exists = os.path.lexists(path)
        return Refusal(path, "exists already" if exists else f"cannot be made: {error.strerror}")
    return None


def read_regular(path: str, most: int | None = None) -> bytes:
    """Return the content of a file, never of what a symbolic link, a pipe or a device leads to.

    Raises :exc:`OSError`, also for a file of more than `most` bytes.
    """
    descriptor = os.open(path, READ_REGULAR)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        if most is not None and found.st_size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return file.read(-1 if most is None else most)


def _temporary_in(directory: str) -> str:
    return os.path.join(directory, f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}.tmp")


def _replaceable(path: str) -> os.stat_result:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        raise _Refused("is gone") from None
    if stat.S_ISLNK(found.st_mode):
        raise _Refused("is a symbolic link")
    if not stat.S_ISREG(found.st_mode):
        raise _Refused("is not a regular file")
    if found.st_nlink > 1:
        raise _Refused(f"has {found.st_nlink} hard links, which would no longer be one file")
    if not os.access(path, os.W_OK):
        raise _Refused("is read-only")
    return found


def _write(path: str, content: bytes, mode: int, *, owner: os.stat_result | None = None) -> None:
    """Write a new file with these permissions, and the owner of another file where one is given."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]
        if owner is not None:
            _keep_owner(descriptor, owner)
        os.fchmod(descriptor, mode)


def _keep_owner(descriptor: int, owner: os.stat_result) -> None:
    """Only root may give files away: for others the file becomes theirs, as with any editor."""
    ours = os.fstat(descriptor)
    if (ours.st_uid, ours.st_gid) == (owner.st_uid, owner.st_gid):
        return
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _still_holds(path: str, digest: str, before: os.stat_result) -> None:
    """Check last thing: from here to the rename is all the time that an edit could get lost in."""
    if os.lstat(path).st_ino != before.st_ino or content_digest(read_regular(path)) != digest:
        raise _Refused("has changed since it was read")


def _remove(temporary: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
