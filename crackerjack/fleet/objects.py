"""Objects: immutable pieces of content that are named by what they hold, and where they are kept."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Collection
from typing import Final, Protocol

from crackerjack.errors import BundleError, ObjectDamaged, ObjectMissing

LARGEST_OBJECT: Final = 4 * 1024 * 1024
"""Bytes of an object's content. Packs and chunks are far smaller; a manifest may be the largest."""

_NAME: Final = re.compile(r"[0-9a-f]{64}")
_LEVEL: Final = 6
"""Of zlib: above it source code hardly gets smaller."""
_READ_NOT_FOLLOWING: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class ObjectStore(Protocol):
    """Keeps objects of at most :data:`LARGEST_OBJECT` bytes, for many machines or for one.

    A store that drops objects drops a manifest no later than what it names; where it cannot,
    ``pack(recheck=True)`` sends again what is missing. What a store keeps may be compressed
    (:func:`stored_form`); what goes in and comes out is the content that the name is the digest of.
    """

    def has(self, names: Collection[str]) -> set[str]:
        """Return those of the names that are there, in one question."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Keep the content, whose :func:`object_name` is `name`; again changes nothing."""
        ...

    def get(self, name: str) -> bytes:
        """Return the content. Raises :exc:`ObjectMissing` and :exc:`ObjectDamaged`."""
        ...


def is_object_name(text: str) -> bool:
    """Whether an object may have this name."""
    return _NAME.fullmatch(text) is not None


def object_name(content: bytes) -> str:
    """Return the name of an object with this content: SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def stored_form(content: bytes) -> bytes:
    """Return the content compressed, as a store may keep it; :func:`content_of` gives it back."""
    return zlib.compress(content, _LEVEL)


def content_of(name: str, stored: bytes, *, largest: int = LARGEST_OBJECT) -> bytes:
    """Return what :func:`stored_form` was given, with at most `largest` bytes of it in memory.

    Raises :exc:`ObjectDamaged` unless it is what `name` stands for.
    """
    try:
        return verified(name, inflated(stored, largest))
    except ValueError as error:
        raise ObjectDamaged(name, str(error)) from None


def inflated(stored: bytes, largest: int) -> bytes:
    """Return what was compressed, at most `largest` bytes; else :exc:`ValueError` says why not."""
    reader = zlib.decompressobj()
    try:
        content = reader.decompress(stored, largest + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(content) > largest:
        raise ValueError(f"it has more than {largest} bytes")
    if not reader.eof or reader.unused_data:
        raise ValueError("its end is missing, or something follows it")
    return content


def verified(name: str, content: bytes) -> bytes:
    """Return the content; raises :exc:`ObjectDamaged` unless it is what `name` stands for."""
    if object_name(content) != name:
        raise ObjectDamaged(name, "the content has another digest")
    return content


class DirectoryObjects:
    """Objects in a directory, compressed; any process may use it at the same time.

    Raises :exc:`BundleError` when the directory cannot be read or written. A power cut may damage
    what was put last; :meth:`get` notices, and removes it so that it can be put again.
    """

    def __init__(self, directory: str) -> None:
        self._directory = os.path.abspath(directory)

    def has(self, names: Collection[str]) -> set[str]:
        """Return those of the names that are there; what is no name never is."""
        return {name for name in names if _NAME.fullmatch(name) and self._is_there(name)}

    def put(self, name: str, content: bytes) -> None:
        """Keep the content; raises :exc:`ObjectDamaged` when it is not what `name` stands for."""
        verified(name, content)
        path = self._path(name)
        temporary = f"{path}.{os.urandom(8).hex()}.tmp"
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            try:
                with open(temporary, "xb") as file:
                    file.write(stored_form(content))
                os.rename(temporary, path)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
        except OSError as error:
            raise self._unusable(error) from error

    def get(self, name: str) -> bytes:
        """Return the content, which counts as a use; see :meth:`trim`."""
        if not _NAME.fullmatch(name):
            raise ObjectMissing(name)
        path = self._path(name)
        try:
            with open(os.open(path, _READ_NOT_FOLLOWING), "rb") as file:
                os.utime(file.fileno())
                # A little over: what zlib cannot compress grows by some bytes.
                stored = file.read(LARGEST_OBJECT + LARGEST_OBJECT // 64)
        except FileNotFoundError:
            raise ObjectMissing(name) from None
        except OSError as error:
            raise self._unusable(error) from error
        try:
            return content_of(name, stored)
        except ObjectDamaged:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise

    def trim(self, largest: int) -> int:
        """Remove what was not used for longest until at most `largest` bytes are taken.

        Returns how many objects went.
        """
        found = []
        for parent, _, names in os.walk(self._directory):
            for path in (os.path.join(parent, name) for name in names):
                with contextlib.suppress(FileNotFoundError):  # another process trims too
                    seen = os.lstat(path)
                    found.append((seen.st_mtime_ns, seen.st_size, path))
        total, gone = sum(size for _, size, _ in found), 0
        for _, size, path in sorted(found):
            if total <= largest:
                break
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            total -= size
            gone += 1
        return gone

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name[:2], name)

    def _is_there(self, name: str) -> bool:
        try:
            return stat.S_ISREG(os.lstat(self._path(name)).st_mode)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> BundleError:
        return BundleError(
            f"the objects in {self._directory} cannot be used ({error.strerror}): "
            "check the disk and the permissions"
        )
