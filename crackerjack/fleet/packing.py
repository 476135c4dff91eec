"""Files into packs: which go together, what a pack holds, and which packs need not be read again."""

from __future__ import annotations

import hashlib
import itertools
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from crackerjack.decoding import msgpack_decoder
from crackerjack.fleet.canonical import CHUNK, ENTRY, LARGEST_PACK, LINK, Entry, Pack, encoded
from crackerjack.fleet.secret_files import SNIFFED, secret_by_content
from crackerjack.fleet.travelling import LeftOut, Traveller, secret
from crackerjack.hashing import blake2b
from crackerjack.hooks.cache import ResultCache, key_of
from crackerjack.hooks.diagnostic import printable_path
from crackerjack.hooks.files import READ_REGULAR, SourceFile

_BITS: Final = 64
"""Of the hash that decides which pack a file goes to."""
_INVOCATION: Final = b"packs of a bundle, 1"
"""The key of what is known of packs; the number changes with their form and with what is a secret."""


class Moved(Exception):
    """A file that is not what it was when it was looked at; its path."""


class Known(msgspec.Struct, frozen=True, array_like=True):
    """What a pack was found to be."""

    pack: Pack
    chunks: tuple[bytes, ...]
    """The SHA-256 of the chunks of its large files."""
    left_out: tuple[LeftOut, ...]
    """Files that are not in it after all, for what they hold."""


def buckets(travellers: Sequence[Traveller]) -> Iterator[list[Traveller]]:
    """Yield the travellers of each pack, sorted by path.

    Where a file goes depends on a hash of its path alone: as long as a pack has more than
    :data:`LARGEST_PACK` bytes it is split by the next bit of these hashes. So a change touches one
    pack, or two when a pack comes to be split.
    """
    keyed = sorted(((_hash(one.path), one) for one in travellers), key=lambda pair: pair[0])
    weights = [0, *itertools.accumulate(_weight(one) for _, one in keyed)]
    pending = [(0, len(keyed), 0, 0)]
    while pending:
        begin, end, prefix, depth = pending.pop()
        fits = weights[end] - weights[begin] <= LARGEST_PACK
        if fits or end - begin <= 1 or depth == _BITS:
            if begin < end:
                yield sorted((one for _, one in keyed[begin:end]), key=lambda one: one.path)
            continue
        middle_prefix = prefix | 1 << (_BITS - 1 - depth)
        middle = bisect_left(keyed, middle_prefix, begin, end, key=lambda pair: pair[0])
        pending.append((middle, end, middle_prefix, depth + 1))
        pending.append((begin, middle, prefix, depth + 1))


def build(
    root: str, members: Sequence[Traveller], on_chunk: Callable[[bytes, bytes], object]
) -> tuple[bytes, Known]:
    """Read the members of a pack: its content, and what is known of it.

    `on_chunk(digest, content)` gets each chunk of a large file. Raises :exc:`Moved`.
    """
    entries: list[Entry] = []
    chunks: list[bytes] = []
    left_out: list[LeftOut] = []
    for member in members:
        try:
            entry = _entry(root, member, on_chunk)
        except _Stays as reason:
            left_out.append(LeftOut(printable_path(member.file.path), str(reason)))
            continue
        entries.append(entry)
        if not isinstance(entry.content, bytes):
            chunks += entry.content
    content = encoded(tuple(entries))
    size = sum(entry.size for entry in entries)
    pack = Pack(hashlib.sha256(content).digest(), len(entries), size)
    return content, Known(pack, tuple(chunks), tuple(left_out))


class PackMemory:
    """What the packs of a project were the last time, by how their files looked then.

    With no cache nothing is known and nothing is kept.
    """

    def __init__(self, cache: ResultCache | None, root: str) -> None:
        self._cache = cache
        self._root = os.fsencode(os.path.realpath(root))
        self._before = self._load()
        self._now: dict[bytes, Known] = {}

    def known(self, members: Sequence[Traveller]) -> Known | None:
        """Return what a pack of these was, if none of its files has changed."""
        looks = _looks(members)
        known = self._before.get(looks)
        if known is not None:
            self._now[looks] = known
        return known

    def remember(self, members: Sequence[Traveller], known: Known, moment: int) -> None:
        """Note what a pack is whose files were looked at after `moment`, in nanoseconds.

        Not where one may change without showing it; see :meth:`SourceFile.shows_changes_after`.
        """
        if all(member.file.shows_changes_after(moment) for member in members):
            self._now[_looks(members)] = known

    def save(self) -> None:
        """Keep this for the next time, instead of what was known before."""
        if self._cache is not None and self._now.keys() != self._before.keys():
            self._cache.put(_INVOCATION, self._root, msgspec.msgpack.encode(self._now))

    def _load(self) -> dict[bytes, Known]:
        row = None if self._cache is None else self._cache.get(_INVOCATION, self._root)
        try:
            return {} if row is None else msgpack_decoder(dict[bytes, Known]).decode(row)
        except msgspec.MsgspecError:
            return {}  # another version of crackerjack wrote it


class _Stays(Exception):
    """The reason for which a file does not travel."""


def _hash(path: bytes) -> int:
    return int.from_bytes(blake2b(path, digest_size=_BITS // 8).digest(), "big")


def _weight(member: Traveller) -> int:
    """Bytes that it takes in a pack."""
    size = member.file.size
    return ENTRY + len(member.path) + (size if size <= LARGEST_PACK else 34 * (size // CHUNK + 1))


def _looks(members: Sequence[Traveller]) -> bytes:
    """What identifies the content of a pack without reading it."""
    return key_of(
        *(
            os.fsencode(
                f"{file.path}\0{file.size} {file.mtime_ns} {file.ctime_ns} {file.inode}"
                f" {member.flags} {member.trusted}"
            )
            for member in members
            for file in (member.file,)
        )
    )


def _entry(root: str, member: Traveller, on_chunk: Callable[[bytes, bytes], object]) -> Entry:
    file = member.file
    if member.flags & LINK:
        return Entry(member.path, member.flags, len(member.target), member.target)
    digests: list[bytes] = []
    content = b""
    for number, content in enumerate(_pieces(root, file)):
        kind = "" if number or member.trusted else secret_by_content(file.path, content[:SNIFFED])
        if kind:
            raise _Stays(secret(kind))
        if file.size > LARGEST_PACK:
            digests.append(hashlib.sha256(content).digest())
            on_chunk(digests[-1], content)
    return Entry(member.path, member.flags, file.size, tuple(digests) if digests else content)


def _pieces(root: str, file: SourceFile) -> Iterator[bytes]:
    """Yield the content in pieces of :data:`CHUNK` bytes, as long as the file stays what was seen."""
    try:
        descriptor = os.open(os.path.join(root, file.path), READ_REGULAR)
    except PermissionError as error:
        raise _Stays(f"it cannot be read: {error.strerror}") from None
    except OSError:
        raise Moved(file.path) from None
    with open(descriptor, "rb") as stream:
        left = file.size
        while left > 0 and _is(stream.fileno(), file):
            piece = stream.read(min(CHUNK, left))
            left -= len(piece)
            if left > 0 and len(piece) < CHUNK:
                break
            yield piece
        # Asked last thing: a write after the first byte was read shows in the times.
        if left or not _is(stream.fileno(), file):
            raise Moved(file.path)


def _is(descriptor: int, file: SourceFile) -> bool:
    seen = os.fstat(descriptor)
    return (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino) == (
        file.size,
        file.mtime_ns,
        file.ctime_ns,
        file.inode,
    )
