"""Which files of a project travel, and which stay at home and why."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from crackerjack.config import BundleTable
from crackerjack.errors import BundleTooLarge, UsageError
from crackerjack.fleet.canonical import EXECUTABLE, LINK, TRACKED
from crackerjack.fleet.paths import why_no_link, why_not
from crackerjack.fleet.secret_files import secret_by_name
from crackerjack.hooks.diagnostic import printable_path
from crackerjack.hooks.files import FileSet, SourceFile, discover, is_within, look_at, walk

MIB: Final = 1024 * 1024
DEFAULT_LIMITS: Final = BundleTable()
"""Of who has not configured any."""
_INCLUDE: Final = "to send it, name it in include of [tool.crackerjack.bundle]"


class Traveller(msgspec.Struct, frozen=True, gc=False):
    """A file or a symbolic link of the project that may travel."""

    file: SourceFile
    """As it was seen; of a link, the link itself."""
    flags: int
    """See :mod:`crackerjack.fleet.canonical`."""
    target: bytes = b""
    """Of a link."""
    trusted: bool = False
    """The user named it: it travels whatever it holds."""

    @property
    def path(self) -> bytes:
        """As it is in the bundle."""
        return os.fsencode(self.file.path)


class LeftOut(msgspec.Struct, frozen=True, array_like=True):
    """A file that git lists and that does not travel."""

    path: str
    """Relative to the project, printable."""
    reason: str
    """Half a sentence: ``it is a private key; to send it, ...``."""


class Travellers(msgspec.Struct, frozen=True):
    """A project before it is packed."""

    found: tuple[Traveller, ...]
    left_out: tuple[LeftOut, ...]
    has_git: bool
    note: str
    """What the user should know of how the files were found; see :attr:`FileSet.note`."""


def find_travellers(root: str, limits: BundleTable) -> Travellers:
    """Return what of the project in `root` may travel: the files that hooks find there, and links.

    These are the files that git tracks or does not ignore, as :func:`discover` finds them without any
    exclusion, and those that ``include`` names. Raises :exc:`BundleTooLarge` for more than `limits`
    allows, and :exc:`UsageError` for a name in ``include`` that is none of the project.
    """
    travellers = _look(root, limits)
    _check(travellers.found, limits)
    return travellers


def travelling_paths(root: str, limits: BundleTable) -> frozenset[str]:
    """Return the regular files of a project that travel, however many there are."""
    found = _look(root, limits).found
    return frozenset(one.file.path for one in found if not one.flags & LINK)


def _look(root: str, limits: BundleTable) -> Travellers:
    files = discover(root)
    left_out: list[LeftOut] = []
    found = {
        file.path: Traveller(
            file, _flags(file, files), trusted=is_within(file.path, limits.include)
        )
        for file in files.files
    }
    for path in files.others:
        if traveller := _other(root, path.rstrip("/"), files, left_out):
            found[traveller.file.path] = traveller
    for file in _included(root, limits.include):
        found.setdefault(file.path, Traveller(file, _flags(file), trusted=True))
    kept = tuple(_admitted(found.values(), left_out))
    return Travellers(kept, tuple(left_out), files.has_git, files.note)


def secret(kind: str) -> str:
    """Return the reason for which a secret of this kind stays."""
    return f"it looks like {kind}; {_INCLUDE}"


def _flags(file: SourceFile, files: FileSet | None = None) -> int:
    executable = EXECUTABLE if file.mode & 0o111 else 0
    tracked = files is not None and files.has_git and file.path not in files.untracked
    return executable | (TRACKED if tracked else 0)


def _other(root: str, path: str, files: FileSet, left_out: list[LeftOut]) -> Traveller | None:
    """A link that may travel. What is gone is not missed, and what else is left out is said."""
    full = os.path.join(root, path)
    try:
        seen = os.lstat(full)
    except OSError:
        return None
    if not stat.S_ISLNK(seen.st_mode):
        if stat.S_ISDIR(seen.st_mode):
            reason = "it is a git repository of its own; files of submodules do not travel"
            left_out.append(LeftOut(printable_path(path), reason))
        return None
    target = os.fsencode(os.readlink(full))
    if why := why_no_link(os.fsencode(path), target):
        left_out.append(LeftOut(printable_path(path), why))
        return None
    tracked = files.has_git and path not in files.untracked
    times = (len(target), seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_mode)
    return Traveller(SourceFile(path, *times), LINK | (TRACKED if tracked else 0), target)


def _included(root: str, include: Iterable[str]) -> Iterator[SourceFile]:
    for name in include:
        path = os.path.normpath(name)
        full = os.path.join(root, path)
        if why_not(os.fsencode(path)) or os.path.realpath(full) != os.path.join(
            os.path.realpath(root), path
        ):
            raise UsageError(
                f"[tool.crackerjack.bundle] include: {name!r} names nothing inside of the project: "
                "give a path relative to it, without links"
            )
        if os.path.isdir(full):
            for file in walk(full):
                yield msgspec.structs.replace(file, path=f"{path}/{file.path}")
        elif file_there := look_at(root, path):
            yield file_there


def _admitted(found: Iterable[Traveller], left_out: list[LeftOut]) -> Iterator[Traveller]:
    for traveller in sorted(found, key=lambda traveller: traveller.path):
        path = traveller.file.path
        if why := why_not(traveller.path):
            left_out.append(LeftOut(printable_path(path), why))
        elif not traveller.trusted and (kind := secret_by_name(path)):
            left_out.append(LeftOut(printable_path(path), secret(kind)))
        else:
            yield traveller


def _check(travellers: tuple[Traveller, ...], limits: BundleTable) -> None:
    """Raise :exc:`BundleTooLarge` for what is beyond a limit, and say where most of it lies."""
    if not travellers:
        return
    largest = max(travellers, key=lambda traveller: traveller.file.size).file
    if largest.size > limits.max_file_mb * MIB:
        what = f"a file has {largest.size / MIB:,.1f} MiB, and {limits.max_file_mb} are allowed"
        raise BundleTooLarge(what, printable_path(largest.path), "max_file_mb")
    if len(travellers) > limits.max_files:
        most = _where_most(travellers, sizes=False)
        what = f"it has {len(travellers):,} files, and {limits.max_files:,} are allowed"
        raise BundleTooLarge(what, f"most of them in {most}", "max_files")
    total = sum(traveller.file.size for traveller in travellers)
    if total > limits.max_mb * MIB:
        most = _where_most(travellers, sizes=True)
        what = f"it has {total / MIB:,.1f} MiB, and {limits.max_mb} are allowed"
        raise BundleTooLarge(what, f"most of them in {most}", "max_mb")


def _where_most(travellers: Iterable[Traveller], *, sizes: bool) -> str:
    weights: dict[str, int] = {}
    for traveller in travellers:
        directory = traveller.file.path.rpartition("/")[0]
        weights[directory] = weights.get(directory, 0) + (traveller.file.size if sizes else 1)
    return printable_path(max(weights, key=weights.__getitem__)) or "the project's own directory"
