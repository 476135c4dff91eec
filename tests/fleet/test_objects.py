from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from crackerjack.errors import BundleError, ObjectDamaged, ObjectMissing
from crackerjack.fleet.objects import (
    LARGEST_OBJECT,
    DirectoryObjects,
    content_of,
    object_name,
    stored_form,
)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryObjects:
    return DirectoryObjects(str(tmp_path / "objects"))


def only_file(directory: Path) -> Path:
    (path,) = (path for path in directory.rglob("*") if path.is_file())
    return path


def test_what_is_put_is_there(store: DirectoryObjects) -> None:
    content = os.urandom(300_000)
    name, other = object_name(content), object_name(b"other")
    assert store.has([name, other]) == set()
    store.put(name, content)
    store.put(name, content)
    assert store.has([name, other]) == {name}
    assert store.get(name) == content
    with pytest.raises(ObjectMissing, match=other):
        store.get(other)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_name_is_never_a_path(store: DirectoryObjects, name: str) -> None:
    assert store.has([name]) == set()
    with pytest.raises(ObjectMissing):
        store.get(name)
    with pytest.raises(ObjectDamaged):
        store.put(name, b"content")


def test_damage_is_noticed_and_can_be_mended(store: DirectoryObjects, tmp_path: Path) -> None:
    content = b"content" * 1000
    name = object_name(content)
    for damage in (b"", b"no zlib", stored_form(content)[:-3], stored_form(b"other content")):
        store.put(name, content)
        only_file(tmp_path).write_bytes(damage)
        with pytest.raises(ObjectDamaged):
            store.get(name)
        assert store.has([name]) == set()


def test_a_bomb_is_not_unpacked(store: DirectoryObjects, tmp_path: Path) -> None:
    content = bytes(LARGEST_OBJECT + 1)
    with pytest.raises(ObjectDamaged, match="more than"):
        content_of(object_name(content), stored_form(content))
    with pytest.raises(ObjectDamaged, match="follows"):
        content_of(object_name(b"x"), zlib.compress(b"x") + b"more")


def test_what_was_not_used_for_longest_goes(store: DirectoryObjects, tmp_path: Path) -> None:
    contents = [os.urandom(10_000) for _ in range(4)]
    for age, content in enumerate(contents):
        store.put(object_name(content), content)
        path = next(tmp_path.rglob(object_name(content)))
        os.utime(path, (age, age))
    store.get(object_name(contents[0]))
    assert store.trim(25_000) == 2
    assert [bool(store.has([object_name(content)])) for content in contents] == [1, 0, 0, 1]


def test_a_directory_that_is_none_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = DirectoryObjects(str(tmp_path / "file"))
    with pytest.raises(BundleError, match="cannot be used"):
        store.put(object_name(b"x"), b"x")
