"""A project as it travels: :func:`pack` puts it into an object store, :func:`unpack` makes it again.

What travels are the files that hooks find, with their executable bits, and symbolic links that stay
inside; not the history of git, but what git tells of the files: which it tracks, and which have
changed. What the store has already is not sent: of a project that has not changed, nothing, and of one
changed file the pack that it is in, some 200 kB before they are compressed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from crackerjack.config import BundleTable
from crackerjack.errors import BundleBroken, BundleTooLarge, ProjectUnsettled, UsageError
from crackerjack.fleet.canonical import (
    EXECUTABLE,
    FORMAT,
    LINK,
    TRACKED,
    Entry,
    Manifest,
    decoded_manifest,
    decoded_pack,
    encoded,
    shown,
)
from crackerjack.fleet.objects import LARGEST_OBJECT, ObjectStore, object_name, verified
from crackerjack.fleet.packing import Known, Moved, PackMemory, buckets, build
from crackerjack.fleet.repository import make_repository
from crackerjack.fleet.travelling import (
    DEFAULT_LIMITS,
    MIB,
    LeftOut,
    Traveller,
    Travellers,
    find_travellers,
)
from crackerjack.fleet.tree import InTheWay, NewTree
from crackerjack.hooks.cache import ResultCache
from crackerjack.hooks.diagnostic import printable_path
from crackerjack.hooks.files import discover
from crackerjack.hooks.git import deleted_files

_ATTEMPTS: Final = 5
"""Looks at a project that somebody writes to, until it is refused."""


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """A project in an object store."""

    name: str
    """Of the object that stands for all of it: what :func:`unpack` takes."""
    files: int
    size: int
    """Bytes of all files."""
    left_out: tuple[LeftOut, ...]
    """Files that stayed at home, by path; the user should hear of them."""
    note: str
    """What the user should know of how the files were found; mostly empty."""
    sent: int
    """Objects that the store did not have."""
    sent_size: int
    """Bytes of their content, before compression."""


class Unpacked(msgspec.Struct, frozen=True, kw_only=True):
    """A project that was unpacked."""

    files: int
    size: int
    """Bytes of all files."""
    note: str
    """What is not as it is at home, half a sentence; mostly empty."""


def pack(
    project_root: str,
    store: ObjectStore,
    limits: BundleTable = DEFAULT_LIMITS,
    *,
    cache: ResultCache | None = None,
    changed_only: bool = False,
    since: str = "",
    recheck: bool = False,
) -> Bundle:
    """Put the project into the store, as far as it is not there, and return what stands for it.

    Files that did not change since the last time are not read, with a `cache`. With `changed_only` or
    `since` the project unpacks so that ``--changed-only`` finds what these mean here. With `recheck`
    the store is asked for every object, not for the manifest alone: after it has lost some.

    Raises :exc:`BundleTooLarge` beyond the `limits`, :exc:`ProjectUnsettled` when files change while
    they are read, several times over, :exc:`UsageError` for no directory, no such revision, or an
    ``include`` that is no path inside of the project, and what the store raises.
    """
    moved = ""
    for _ in range(_ATTEMPTS):
        packing = _Packing(os.path.abspath(project_root), store, limits, cache)
        try:
            return packing.run(changed_only=changed_only, since=since, recheck=recheck)
        except Moved as path:
            moved = str(path)
    raise ProjectUnsettled(printable_path(moved))


def unpack(
    bundle_name: str, store: ObjectStore, directory: str, limits: BundleTable = DEFAULT_LIMITS
) -> Unpacked:
    """Make the project again in `directory`, which must be missing or empty.

    The bundle may come from somebody hostile: nothing is written outside of the directory, nothing
    beyond `limits`, and what no :func:`pack` makes is refused with :exc:`BundleBroken`; then, and after
    any other error, the directory is gone. Hooks find the files there that they find at home: where
    git listed them, there is a repository with one commit, which tracks what is tracked at home, and
    ``--changed-only`` finds what :func:`pack` was told to. Where git did not, there is none: a
    directory inside of a repository should be kept from finding that, by ``GIT_CEILING_DIRECTORIES``.

    Raises :exc:`UsageError` for a directory that cannot be filled, and what the store raises.
    """
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        in_the_way = os.listdir(directory)
    except OSError as error:
        raise UsageError(f"{directory} cannot be unpacked into: {error.strerror}") from error
    if in_the_way:
        raise UsageError(f"{directory} is not empty: name another directory to unpack into")
    try:
        return _Unpacking(bundle_name, store, directory, limits).run()
    except InTheWay as occupied:
        # What is in the way was in the bundle as well.
        shutil.rmtree(directory, ignore_errors=True)
        problem = f"{shown(occupied.path)} is there twice, or as a file and as a directory"
        raise BundleBroken(bundle_name, problem) from None
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


class _Packing:
    """One attempt to pack a project; :exc:`Moved` ends it."""

    def __init__(
        self, root: str, store: ObjectStore, limits: BundleTable, cache: ResultCache | None
    ) -> None:
        self._root = root
        self._store = store
        self._limits = limits
        self._memory = PackMemory(cache, root)
        self._moment = time.time_ns()
        self._sent = 0
        self._sent_size = 0

    def run(self, *, changed_only: bool, since: str, recheck: bool) -> Bundle:
        travellers = find_travellers(self._root, self._limits)
        packs = [(members, self._known(members)) for members in buckets(travellers.found)]
        manifest = self._manifest(
            travellers,
            [known for _, known in packs],
            changed=changed_only or since != "",
            since=since,
        )
        content = encoded(manifest)
        if len(content) > LARGEST_OBJECT:
            what = f"its list of packs and changes takes {len(content)} bytes"
            raise BundleTooLarge(f"{what}, and {LARGEST_OBJECT} are allowed", "all files", "")
        name = object_name(content)
        if recheck or not self._store.has([name]):
            self._send(packs)
            self._put(name, content)  # last: who finds it finds all that it names
        self._memory.save()
        late = [one for _, known in packs for one in known.left_out]
        return Bundle(
            name=name,
            files=manifest.files,
            size=manifest.size,
            left_out=tuple(sorted([*travellers.left_out, *late], key=lambda one: one.path)),
            note=travellers.note,
            sent=self._sent,
            sent_size=self._sent_size,
        )

    def _known(self, members: list[Traveller]) -> Known:
        known = self._memory.known(members)
        if known is None:
            _, known = build(self._root, members, lambda _digest, _content: None)
            self._memory.remember(members, known, self._moment)
        return known

    def _manifest(
        self, travellers: Travellers, known: list[Known], *, changed: bool, since: str
    ) -> Manifest:
        packs = tuple(
            sorted((one.pack for one in known if one.pack.files), key=msgspec.structs.astuple)
        )
        differing: tuple[bytes, ...] | None = None
        deleted: tuple[bytes, ...] = ()
        if changed:
            files = discover(self._root, changed_only=not since, changed_since=since or None)
            there = {traveller.path for traveller in travellers.found}
            names = sorted({*map(os.fsencode, files.paths), *map(os.fsencode, files.others)})
            differing = tuple(name for name in names if name in there)
            gone = sorted(map(os.fsencode, deleted_files(self._root, since or None)))
            deleted = tuple(name for name in gone if name not in there)
        return Manifest(
            format=FORMAT,
            files=sum(pack.files for pack in packs),
            size=sum(pack.size for pack in packs),
            packs=packs,
            git=travellers.has_git,
            changed=differing,
            deleted=deleted,
        )

    def _send(self, packs: list[tuple[list[Traveller], Known]]) -> None:
        """Put what the store has not; the files are read again for it."""
        wanted = {digest.hex() for _, known in packs for digest in _digests(known)}
        missing = wanted - self._store.has(wanted)

        def put_chunk(digest: bytes, content: bytes) -> None:
            if digest.hex() in missing:
                missing.discard(digest.hex())
                self._put(digest.hex(), content)

        for members, known in packs:
            if missing.isdisjoint(digest.hex() for digest in _digests(known)):
                continue
            content, again = build(self._root, members, put_chunk)
            if again != known:
                raise Moved(members[0].file.path)
            put_chunk(known.pack.digest, content)

    def _put(self, name: str, content: bytes) -> None:
        self._store.put(name, content)
        self._sent += 1
        self._sent_size += len(content)


def _digests(known: Known) -> Iterator[bytes]:
    if known.pack.files:
        yield known.pack.digest
        yield from known.chunks


class _Unpacking:
    """Fills one directory."""

    def __init__(self, name: str, store: ObjectStore, directory: str, limits: BundleTable) -> None:
        self._name = name
        self._store = store
        self._directory = directory
        self._limits = limits
        self._links: list[Entry] = []
        self._tracked: list[bytes] = []

    def run(self) -> Unpacked:
        manifest = decoded_manifest(
            self._name,
            self._get(self._name),
            max_files=self._limits.max_files,
            max_bytes=self._limits.max_mb * MIB,
        )
        with NewTree(self._directory) as tree:
            for described in manifest.packs:
                content = self._get(described.digest.hex())
                max_file = self._limits.max_file_mb * MIB
                for entry in decoded_pack(self._name, content, described, max_file=max_file):
                    self._take(tree, entry)
            # Last, so that no file can be written through one of them.
            for entry in self._links:
                tree.link(entry.path, b"".join(self._content(entry)))
        note = ""
        if manifest.git:
            note = make_repository(self._name, self._directory, self._tracked, manifest)
        return Unpacked(files=manifest.files, size=manifest.size, note=note)

    def _take(self, tree: NewTree, entry: Entry) -> None:
        if entry.flags & TRACKED:
            self._tracked.append(entry.path)
        if entry.flags & LINK:
            self._links.append(entry)
            return
        executable = bool(entry.flags & EXECUTABLE)
        tree.file(entry.path, self._content(entry), executable=executable)

    def _content(self, entry: Entry) -> Iterator[bytes]:
        """The content, which is as long as the entry says."""
        if isinstance(entry.content, bytes):
            yield entry.content
            return
        left = entry.size
        for digest in entry.content:
            chunk = self._get(digest.hex())
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
        if left:
            raise BundleBroken(self._name, f"{shown(entry.path)}: its chunks have another size")

    def _get(self, name: str) -> bytes:
        return verified(name, self._store.get(name))
