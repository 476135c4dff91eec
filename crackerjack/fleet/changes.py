"""What a run on a worker changed comes back as a patch, and is made here as if it had been run here.

Each end may be hostile to the other. The worker says what it changed; that a file may be written, and
that it still is what the worker was sent, is found out here.
"""

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from crackerjack.config import BundleTable
from crackerjack.decoding import msgpack_decoder
from crackerjack.errors import PatchBroken
from crackerjack.fleet.canonical import shown
from crackerjack.fleet.objects import inflated, stored_form
from crackerjack.fleet.paths import why_not
from crackerjack.fleet.travelling import DEFAULT_LIMITS, MIB, travelling_paths
from crackerjack.hooks.atomic import read_regular
from crackerjack.hooks.diagnostic import printable_path
from crackerjack.hooks.files import content_digest
from crackerjack.hooks.undo import GONE, FileChange, UndoStore
from crackerjack.jobs.project_lock import ProjectLock

LARGEST_PATCH: Final = 64 * MIB
"""Bytes of a patch before it is compressed."""

_FORMAT: Final = 1
_AROUND: Final = 256
"""Bytes that a file takes in a patch beside its path and content, generously."""


class Changed(msgspec.Struct, frozen=True, array_like=True):
    """A file that a run rewrote or removed; its mode stays what it is here."""

    path: bytes
    before: str
    """The :func:`content_digest` of what the run found."""
    after: bytes | None
    """What the run left; None for a file that it removed."""


class Patch(msgspec.Struct, frozen=True, array_like=True):
    """All that a run changed."""

    format: int
    files: tuple[Changed, ...]
    unsent: tuple[bytes, ...] = ()
    """Files that the run changed and whose content does not come along."""


class Fate(enum.StrEnum):
    """What became of one file of a patch."""

    APPLIED = "applied"
    ALREADY = "already"
    """It is what the run left."""
    CHANGED_MEANWHILE = "changed_meanwhile"
    """It is not what the worker was sent, and was kept as it is."""
    REFUSED = "refused"
    """It may not be written, or cannot."""


class Applied(msgspec.Struct, frozen=True):
    """One file of a patch."""

    path: str
    """Relative to the project, printable."""
    fate: Fate
    reason: str = ""
    """Half a sentence, where the fate does not say it all."""


def collect_changes(
    root: str, changes: Iterable[FileChange], limits: BundleTable = DEFAULT_LIMITS
) -> bytes:
    """Return as a patch what a job changed in `root`, by what :meth:`UndoStore.changes` says of it.

    A file that is no longer what the job left, or that would make the patch larger than it may be, is
    only named in it. Nothing is raised for a file that cannot be read.
    """
    files: list[Changed] = []
    unsent: list[bytes] = []
    left = LARGEST_PATCH
    for change in changes:
        path = os.fsencode(change.path)
        changed = _changed(root, path, change)
        size = _AROUND + len(path) + len(changed.after or b"" if changed else b"")
        if changed is None or size > min(left, limits.max_file_mb * MIB):
            unsent.append(path)
        else:
            left -= size
            files.append(changed)
    return stored_form(msgspec.msgpack.encode(Patch(_FORMAT, tuple(files), tuple(unsent))))


def apply_changes(
    root: str,
    patch: bytes,
    *,
    job_id: str,
    state_dir: str,
    limits: BundleTable = DEFAULT_LIMITS,
    on_wait: Callable[[str], object] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[Applied, ...]:
    """Make the changes of a patch in `root`, and say of each file what became of it.

    Written is only what was sent: a regular file of the project that :func:`pack` takes, not reached
    by a link, and only while it holds what the worker was sent. The rest stays as it is; none is made
    anew. Each write is atomic, under the lock of the project, and recorded before: ``crackerjack undo``
    takes the job back. `on_wait` and `cancelled` are those of :meth:`ProjectLock.acquire`.

    Raises :exc:`PatchBroken` for what no :func:`collect_changes` makes, before anything is written, and
    :exc:`StoreError` when a change cannot be recorded: that file and those after it stay as they are.
    """
    read = _read(patch, limits)
    undo = UndoStore(state_dir)
    with ProjectLock(state_dir, root) as lock:
        holder = f"the fixes of job {job_id}"
        if not lock.acquire(exclusive=True, holder=holder, on_wait=on_wait, cancelled=cancelled):
            return tuple(_refused(one.path, "the wait for the project ended") for one in read.files)
        try:
            writing = _Writing(os.path.realpath(root), job_id, undo, travelling_paths(root, limits))
            applied = [writing.apply(one) for one in read.files]
        finally:
            undo.close()
    why = "the worker did not send what became of it"
    return (*applied, *(_refused(path, why) for path in read.unsent))


def _changed(root: str, path: bytes, change: FileChange) -> Changed | None:
    """The change as it is sent; None where the file is not what the job left."""
    before = content_digest(change.before)
    full = os.path.join(root, change.path)
    try:
        after = read_regular(full)
    except FileNotFoundError:
        return Changed(path, before, None) if change.after_digest == GONE else None
    except OSError:
        return None
    return Changed(path, before, after) if content_digest(after) == change.after_digest else None


def _read(patch: bytes, limits: BundleTable) -> Patch:
    try:
        read = msgpack_decoder(Patch).decode(inflated(patch, LARGEST_PATCH))
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise PatchBroken(f"they cannot be read ({error})") from None
    if read.format != _FORMAT:
        raise PatchBroken(f"their format is {read.format}, and {_FORMAT} is understood here")
    paths = [*(one.path for one in read.files), *read.unsent]
    if len(paths) > limits.max_files:
        raise PatchBroken(f"there are {len(paths)}, and {limits.max_files} are allowed")
    if len(set(paths)) != len(paths):
        raise PatchBroken("a file is there twice")
    for path in paths:
        if why := why_not(path):
            raise PatchBroken(f"{shown(path)}: {why}")
    largest = max((len(one.after or b"") for one in read.files), default=0)
    if largest > limits.max_file_mb * MIB:
        raise PatchBroken(f"a file has {largest} bytes, and {limits.max_file_mb} MiB are allowed")
    return read


class _Writing:
    """Writes to one project, of which it holds the lock."""

    def __init__(self, root: str, job_id: str, undo: UndoStore, sent: frozenset[str]) -> None:
        self._root = root
        self._job_id = job_id
        self._undo = undo
        self._sent = sent

    def apply(self, change: Changed) -> Applied:
        """Write or remove the file, if it may be."""
        path = os.fsdecode(change.path)
        try:
            current = self._current(path, change)
            if current is not None and current != change.after:
                self._write(path, current, change.after)
        except _Kept as why:
            return Applied(printable_path(path), why.fate, why.reason)
        fate = Fate.ALREADY if current == change.after else Fate.APPLIED
        return Applied(printable_path(path), fate)

    def _current(self, path: str, change: Changed) -> bytes | None:
        """What the file holds: what the run found or what it left; None when it is gone, as it left it."""
        full = os.path.join(self._root, path)
        if os.path.realpath(os.path.dirname(full)) != os.path.dirname(full):
            raise _Kept(Fate.REFUSED, "it is reached by a link")
        if path not in self._sent:
            if change.after is None and not os.path.lexists(full):
                return None
            raise _Kept(Fate.REFUSED, "it is none of the files that were sent")
        try:
            current = read_regular(full)
        except OSError as error:
            raise _Kept(Fate.REFUSED, f"it cannot be read: {error.strerror}") from None
        if current != change.after and content_digest(current) != change.before:
            raise _Kept(Fate.CHANGED_MEANWHILE)
        return current

    def _write(self, path: str, current: bytes, after: bytes | None) -> None:
        if after is None:
            self._remove(path, current)
        elif refusal := self._undo.replace(self._job_id, self._root, path, current, after):
            raise _Kept(Fate.REFUSED, f"it {refusal.reason}")

    def _remove(self, path: str, current: bytes) -> None:
        full = os.path.join(self._root, path)
        left = content_digest(current)  # then the record is forgotten
        try:
            self._undo.record(self._job_id, path, current, stat.S_IMODE(os.lstat(full).st_mode))
            # Looked at last thing: from here on is all the time that an edit could get lost in.
            if read_regular(full) != current:
                raise _Kept(Fate.CHANGED_MEANWHILE)
            os.unlink(full)
            left = GONE
        except OSError as error:
            raise _Kept(Fate.REFUSED, f"it cannot be removed: {error.strerror}") from None
        finally:
            self._undo.settle(self._job_id, path, left)


class _Kept(Exception):
    """A file stays as it is."""

    def __init__(self, fate: Fate, reason: str = "") -> None:
        super().__init__(fate, reason)
        self.fate = fate
        self.reason = reason


def _refused(path: bytes, reason: str) -> Applied:
    return Applied(printable_path(os.fsdecode(path)), Fate.REFUSED, reason)
