"""An object store that says what it was asked, and bundles that nobody packs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from crackerjack.errors import ObjectMissing
from crackerjack.fleet.canonical import FORMAT, Entry, Manifest, Pack, encoded
from crackerjack.fleet.objects import object_name


class ObjectsInMemory:
    """Keeps what it is given, and trusts it: who unpacks must not."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.questions = 0
        self.put_names: list[str] = []

    def has(self, names: Collection[str]) -> set[str]:
        self.questions += 1
        return self.objects.keys() & set(names)

    def put(self, name: str, content: bytes) -> None:
        self.put_names.append(name)
        self.objects[name] = content

    def get(self, name: str) -> bytes:
        try:
            return self.objects[name]
        except KeyError:
            raise ObjectMissing(name) from None

    def forget_questions(self) -> None:
        self.questions = 0
        self.put_names.clear()

    def keep(self, content: bytes) -> bytes:
        """Keep an object; its digest."""
        self.objects[object_name(content)] = content
        return bytes.fromhex(object_name(content))


def bundle_of(store: ObjectsInMemory, *packs: Iterable[Entry], git: bool = False) -> str:
    """Put a bundle of these entries into the store, whatever they are; its name."""
    described = []
    for entries in map(tuple, packs):
        digest = store.keep(encoded(entries))
        described.append(Pack(digest, len(entries), sum(entry.size for entry in entries)))
    files, size = sum(pack.files for pack in described), sum(pack.size for pack in described)
    return store.keep(encoded(Manifest(FORMAT, files, size, tuple(described), git))).hex()


def plain(path: bytes, content: bytes = b"x", flags: int = 0) -> Entry:
    return Entry(path, flags, len(content), content)
