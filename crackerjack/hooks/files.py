"""The project's files: which there are, and what is known of each without opening it."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from crackerjack.errors import UsageError
from crackerjack.hashing import blake2b
from crackerjack.hooks import git
from crackerjack.hooks.diagnostic import printable_path
from crackerjack.hooks.patterns import PathPatterns, path_patterns

TEMPORARY_PREFIX: Final = ".crackerjack-"
"""Begins the name of every file that we write beside the user's; never part of a project."""

READ_REGULAR: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How we open what should be a regular file: by now it may be a link, or a pipe without a writer."""

LARGEST: Final = 8 * 1024 * 1024
"""Bytes. A larger file is data or generated: it is not read, and no tool is pointed at it."""

_TICK: Final = 2_000_000_000
"""Nanoseconds; FAT has the coarsest clock in use."""

_NOT_SOURCE: Final = frozenset(
    {
        "__pycache__",
        "node_modules",
        "site-packages",
        "htmlcov",
        ".eggs",
        ".hypothesis",
        ".nox",
        ".tox",
    }
)
_BUILT: Final = frozenset({"build", "dist"})
_ENVIRONMENT_MARKS: Final = frozenset({"pyvenv.cfg", "conda-meta"})


class SourceFile(msgspec.Struct, frozen=True, gc=False):
    """A regular file of the project, as :func:`os.lstat` saw it."""

    path: str
    """Relative to the project, ``/``-separated; bytes that are not UTF-8 as surrogates."""
    size: int
    """Bytes."""
    mtime_ns: int
    ctime_ns: int
    inode: int
    mode: int
    """Permissions and type, as in `st_mode`."""

    def shows_changes_after(self, moment: int) -> bool:
        """Whether a write after `moment` must show in the times of this file.

        `moment` is when the file was looked at, in nanoseconds since the epoch. A file that was
        written just before may be written again within the same tick of the file system's clock, and
        look the same: git calls that racy. The change time counts too, because nobody can set it back.
        """
        return max(self.mtime_ns, self.ctime_ns) + _TICK < moment


class FileSet(msgspec.Struct, frozen=True):
    """Files of one project, sorted by path."""

    root: str
    """Absolute path of the project directory."""
    files: tuple[SourceFile, ...]
    has_git: bool = False
    """Whether git listed them."""
    note: str = ""
    """What the user should know of how they were found; empty when git listed them."""
    untracked: frozenset[str] = frozenset()
    """The paths that git lists without tracking them."""
    others: tuple[str, ...] = ()
    """What stands where a file of the project might and is none: links, submodules, what is gone."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The path of each file."""
        return tuple(file.path for file in self.files)

    def select(self, patterns: Sequence[str]) -> FileSet:
        """Return the files that one of the patterns names; see :class:`PathPatterns`."""
        matches = path_patterns(tuple(patterns)).matches
        kept = tuple([file for file in self.files if matches(file.path)])
        return msgspec.structs.replace(self, files=kept)

    def without(self, paths: Collection[str]) -> FileSet:
        """Return the set without these."""
        kept = tuple(file for file in self.files if file.path not in paths)
        return self if len(kept) == len(self.files) else msgspec.structs.replace(self, files=kept)

    def within(self, paths: Collection[str]) -> FileSet:
        """Return the set of these files and of those in these directories."""
        kept = tuple(file for file in self.files if is_within(file.path, paths))
        return msgspec.structs.replace(self, files=kept)

    def refreshed(self, paths: Iterable[str]) -> FileSet:
        """Return the set with these of its files looked at again, after something wrote to them."""
        stale = set(paths)
        files = [
            file if file.path not in stale else look_at(self.root, file.path) for file in self.files
        ]
        return msgspec.structs.replace(self, files=tuple(file for file in files if file))


def discover(
    root: str,
    *,
    exclude: Sequence[str] = (),
    changed_since: str | None = None,
    changed_only: bool = False,
) -> FileSet:
    """Return the files of the project in `root`: those that git tracks or does not ignore.

    An environment, a cache and what a build leaves are no part of the project unless git tracks them:
    not everybody ignores them, and what others have written is not ours to judge, let alone to fix.
    Symbolic links are left out: what they point to is either in the project anyway, or not part of
    it. A pattern of `exclude` that names a directory leaves out all below it. Where git cannot tell,
    the directories are walked instead and `note` says so, and also which could not be read. With `changed_only`, files that differ from
    HEAD, and with `changed_since` those that differ from where HEAD left that revision; these two
    raise :exc:`UsageError` where git cannot tell.
    """
    root = os.path.abspath(root)
    if not os.path.isdir(root):
        raise UsageError(f"{root} is not a directory: name the project's directory with --project")
    excluded = PathPatterns(exclude)
    unread: list[str] = []
    others: list[str] = []
    if changed_only or changed_since is not None:
        names = git.changed_files(root, changed_since)
        return _file_set(root, _seen(root, names, excluded, unread, others), unread)
    try:
        names = git.listed_files(root)
    except git.GitUnavailable as why:
        note = f"{why}: looked at all files but those in hidden, build and environment directories"
        walked = walk(root, exclude, unread, others=others)
        found = _file_set(root, walked, unread, without_git=note)
    else:
        found = _file_set(root, _seen(root, names, excluded, unread, others), unread)
        found = msgspec.structs.replace(found, untracked=frozenset(names[1]))
    return msgspec.structs.replace(found, others=tuple(sorted(set(others))))


def is_within(path: str, paths: Collection[str]) -> bool:
    """Whether a file is one of these, or in one of these directories; ``.`` is the project."""
    return any(one in {path, "."} or path.startswith(f"{one}/") for one in paths)


def look_at(root: str, path: str) -> SourceFile | None:
    """Return the file as it is now; None when it is gone, no regular file, or one of ours."""
    try:
        seen = os.lstat(f"{root}/{path}")
    except OSError:
        return None
    if not stat.S_ISREG(seen.st_mode) or TEMPORARY_PREFIX in path:
        return None
    return SourceFile(
        path, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_mode
    )


def walk(
    root: str,
    exclude: Sequence[str] = (),
    unread: list[str] | None = None,
    known: Mapping[str, SourceFile] = {},
    others: list[str] | None = None,
) -> Iterator[SourceFile]:
    """Yield the regular files below `root`, not following symbolic links.

    Left out are hidden directories, virtual environments, caches and what a build leaves. A directory
    that cannot be read is taken as empty, and added to `unread`; a link is added to `others`. A file of `known`, by its path, was
    looked at in this run already: it is yielded as it was seen then.
    """
    excluded = PathPatterns(exclude)
    pending = [""]
    while pending:
        directory = pending.pop()
        entries = _entries(root, directory, unread)
        names = {entry.name for entry in entries}
        if directory and _is_generated(directory, names):
            continue
        for entry in entries:
            path = f"{directory}/{entry.name}" if directory else entry.name
            if excluded.matches(path) or entry.name == ".git":
                continue
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    pending.append(path)
            elif entry.is_file(follow_symlinks=False) and (
                file := known.get(path) or look_at(root, path)
            ):
                yield file
            elif others is not None and entry.is_symlink():
                others.append(path)


def _entries(root: str, directory: str, unread: list[str] | None) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(os.path.join(root, directory)) as found:
            return list(found)
    except OSError:
        if unread is not None:
            unread.append(directory)
        return []


def as_argument(path: str) -> str:
    """The path as tools take it: what begins with a dash is an option, with an @ a list of them."""
    return f"./{path}" if path.startswith(("-", "@")) else path


def content_digest(content: bytes) -> str:
    """Return what identifies this content, as text."""
    return blake2b(content, digest_size=16).hexdigest()


def _file_set(
    root: str, files: Iterable[SourceFile], unread: Sequence[str], *, without_git: str = ""
) -> FileSet:
    ordered = tuple(sorted(files, key=lambda file: file.path))
    notes = [without_git] if without_git else []
    if unread:
        others = f" and {len(unread) - 1} other directories" if len(unread) > 1 else ""
        notes.append(f"could not look into {printable_path(unread[0]) or '.'}{others}")
    return FileSet(root, ordered, has_git=not without_git, note="; ".join(notes))


def _seen(
    root: str,
    listings: Iterable[Sequence[str]],
    excluded: PathPatterns,
    unread: list[str],
    others: list[str],
) -> Iterable[SourceFile]:
    """Return those of git's names, tracked and then untracked, that are regular files now."""
    found: dict[str, SourceFile] = {}
    for names, tracked in zip(listings, (True, False), strict=True):
        directories = _Directories(root, excluded, unread, tracked=tracked)
        for path in names:
            directory = path[: max(path.rfind("/"), 0)]
            if not directories[directory] or excluded.matches(path):
                continue
            file = look_at(root, path)
            if file is not None:
                found[path] = file
            else:
                others.append(path)
                directories.not_seen_into(directory)
    return found.values()


class _Directories(dict[str, bool]):
    """Tells of a directory whether its files belong to the project; each is looked at once.

    They don't below an excluded directory, nor below a symbolic link: git's index still holds the
    files of a directory that a link has replaced since. Nor do untracked ones in what is generated.
    """

    def __init__(
        self, root: str, excluded: PathPatterns, unread: list[str], *, tracked: bool
    ) -> None:
        super().__init__({"": True})
        self._root = root
        self._excluded = excluded
        self._unread = unread
        self._tracked = tracked

    def __missing__(self, directory: str) -> bool:
        belongs = (
            self[directory[: max(directory.rfind("/"), 0)]]
            and not self._excluded.matches(directory)
            and not os.path.islink(f"{self._root}/{directory}")
            and (self._tracked or not self._was_generated(directory))
        )
        self[directory] = belongs
        return belongs

    def not_seen_into(self, directory: str) -> None:
        """Note the directory that hides what lies here, if one may not be entered.

        Asked about what could not be seen only: of thousands of directories that takes a while.
        """
        if not directory or not self[directory]:
            return
        self.not_seen_into(directory.rpartition("/")[0])
        if os.access(f"{self._root}/{directory}", os.X_OK):
            return
        if os.path.lexists(f"{self._root}/{directory}") and directory not in self._unread:
            self._unread.append(directory)
        self[directory] = False

    def _was_generated(self, directory: str) -> bool:
        names = (*_ENVIRONMENT_MARKS, "__init__.py")
        there = {name for name in names if os.path.exists(f"{self._root}/{directory}/{name}")}
        return _is_generated(directory, there)


def _is_generated(directory: str, names: set[str]) -> bool:
    """Whether tools filled a directory with these names in it: an environment, a cache, a build."""
    name = directory.rpartition("/")[2]
    return (
        name in _NOT_SOURCE
        or name.endswith(".egg-info")
        or (name in _BUILT and "__init__.py" not in names)
        or not names.isdisjoint(_ENVIRONMENT_MARKS)
    )
