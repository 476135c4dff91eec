"""The form of a bundle: a manifest that names packs, packs that hold files, chunks of large files.

All are objects. Their content is MessagePack of the values below, and the same files make the same
bytes on every machine: nothing in them tells a time, an owner or a directory.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from crackerjack.decoding import msgpack_decoder
from crackerjack.errors import BundleBroken
from crackerjack.fleet.objects import LARGEST_OBJECT
from crackerjack.fleet.paths import why_no_link, why_not

FORMAT: Final = 1

EXECUTABLE: Final = 1
LINK: Final = 2
TRACKED: Final = 4
"""Git tracks the file."""
_KINDS: Final = frozenset({0, EXECUTABLE, LINK, TRACKED, EXECUTABLE | TRACKED, LINK | TRACKED})
"""The flags that go together: there are no other modes, so no setuid bit and no device."""

LARGEST_PACK: Final = 256 * 1024
"""Bytes of the files in a pack; a pack that would hold more is split in two."""
CHUNK: Final = 512 * 1024
"""Bytes of a large file in one object; the last of its chunks may be shorter."""
ENTRY: Final = 64
"""Bytes that an entry takes beside its content and its path, generously."""

_T = TypeVar("_T")


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A file or a symbolic link."""

    path: bytes
    flags: int
    size: int
    """Bytes of the content."""
    content: bytes | tuple[bytes, ...]
    """What the file holds, or the target of the link; of a file of more than :data:`LARGEST_PACK`
    bytes, the SHA-256 of its chunks."""


class Pack(msgspec.Struct, frozen=True, array_like=True):
    """A pack as the manifest knows it."""

    digest: bytes
    """SHA-256 of its content."""
    files: int
    size: int
    """Bytes of the files in it, with the chunks."""


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """A whole project."""

    format: int
    files: int
    size: int
    """Bytes of all files."""
    packs: tuple[Pack, ...]
    git: bool
    """Whether git listed the files; else the project has no repository."""
    changed: tuple[bytes, ...] | None = None
    """The files that differ from the base of a run that looks at what has changed."""
    deleted: tuple[bytes, ...] = ()
    """The files that the base has and the project has not."""


def encoded(value: Manifest | tuple[Entry, ...]) -> bytes:
    """Return the content of a manifest or of a pack."""
    return msgspec.msgpack.encode(value)


def decoded_manifest(name: str, content: bytes, *, max_files: int, max_bytes: int) -> Manifest:
    """Return the manifest; raises :exc:`BundleBroken` when it cannot be, or says more than may be."""
    manifest = _decoded(name, content, Manifest)
    if manifest.format != FORMAT:
        raise BundleBroken(
            name, f"its format is {manifest.format}, and {FORMAT} is understood here"
        )
    if not 0 <= manifest.files <= max_files:
        raise BundleBroken(name, f"it has {manifest.files} files, and {max_files} are allowed here")
    if not 0 <= manifest.size <= max_bytes:
        raise BundleBroken(name, f"it has {manifest.size} bytes, and {max_bytes} are allowed here")
    packs = manifest.packs
    if any(len(pack.digest) != 32 or pack.files < 0 or pack.size < 0 for pack in packs):
        raise BundleBroken(name, "a pack is described in a way that cannot be")
    if len(packs) > manifest.files or len({pack.digest for pack in packs}) != len(packs):
        raise BundleBroken(name, "it has more packs than files, or one twice")
    if (sum(pack.files for pack in packs), sum(pack.size for pack in packs)) != (
        manifest.files,
        manifest.size,
    ):
        raise BundleBroken(name, "its packs do not make up what it says of itself")
    for path in (*(manifest.changed or ()), *manifest.deleted):
        if why := why_not(path):
            raise BundleBroken(name, f"{shown(path)}: {why}")
    return manifest


def decoded_pack(name: str, content: bytes, pack: Pack, *, max_file: int) -> tuple[Entry, ...]:
    """Return the entries of a pack of the bundle `name`, each of which may be written as it is.

    Raises :exc:`BundleBroken` for what is no pack, for another than the manifest says, and for an
    entry whose path, flags, size or content cannot be.
    """
    entries = _decoded(name, content, tuple[Entry, ...])
    if (len(entries), sum(entry.size for entry in entries)) != (pack.files, pack.size):
        raise BundleBroken(name, "a pack holds other files than the manifest says")
    for entry in entries:
        if why := _why_no_entry(entry, max_file):
            raise BundleBroken(name, f"{shown(entry.path)}: {why}")
    return entries


def shown(path: bytes) -> str:
    """Return a path of strangers as it may be printed: at most 200 characters, all harmless."""
    return ascii(path[:200])[1:]


def _why_no_entry(entry: Entry, max_file: int) -> str:
    if entry.flags not in _KINDS:
        return f"its mode {entry.flags} is unknown"
    if not 0 <= entry.size <= max_file:
        return f"it has {entry.size} bytes, and {max_file} are allowed here"
    return why_not(entry.path) or _why_no_content(entry)


def _why_no_content(entry: Entry) -> str:
    if not isinstance(entry.content, bytes):
        fits = len(entry.content) == -(-entry.size // CHUNK) and not entry.flags & LINK
        fits = fits and all(len(digest) == 32 for digest in entry.content)
        return "" if fits else "its chunks do not make up its size"
    if len(entry.content) != entry.size:
        return "its size is not that of its content"
    return why_no_link(entry.path, entry.content) if entry.flags & LINK else ""


def _decoded(name: str, content: bytes, kind: type[_T]) -> _T:
    if len(content) > LARGEST_OBJECT:
        raise BundleBroken(name, f"an object has more than {LARGEST_OBJECT} bytes")
    try:
        return msgpack_decoder(kind).decode(content)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BundleBroken(name, f"an object cannot be read ({error})") from None
