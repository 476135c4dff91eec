"""What the tests of a project run against, so that two runs of them can be told to be about the same."""

from __future__ import annotations

from typing import ClassVar, Self

import msgspec

from crackerjack.hooks.cache import key_of
from crackerjack.hooks.files import LARGEST, FileSet, SourceFile
from crackerjack.hooks.memory import Memory


class TestedContent(msgspec.Struct, frozen=True):
    """The files of a project and the packages of its environment, as they were at one moment."""

    __test__: ClassVar[bool] = False  # pytest takes every class named Test... for tests

    digest: str
    """The same for the same content; empty when that cannot be told."""
    files: FileSet
    python: str

    @classmethod
    def of(cls, memory: Memory, files: FileSet, python: str) -> Self:
        """Look at these files as they are now. Only what no earlier run has read is read.

        What :mod:`coverage` leaves behind after each run is none of it. A very large file is known
        by its size and time.
        """
        now = files.refreshed(files.paths)
        kept = tuple(file for file in now.files if not _is_of_coverage(file))
        now = msgspec.structs.replace(now, files=kept)
        environment = memory.environment(python)
        if environment is None:
            return cls("", now, python)
        large = (
            f"{file.path} {file.size} {file.mtime_ns}".encode("utf-8", "surrogateescape")
            for file in kept
            if file.size > LARGEST
        )
        identities = memory.identities([file for file in kept if file.size <= LARGEST])
        digest = key_of(environment, b"".join(identities.values()), *large).hex()
        return cls(digest, now, python)

    def holds(self, memory: Memory) -> bool:
        """Whether the files still hold that, after the tests have run."""
        return memory.still_hold(self.files.files) or (
            self.of(memory, self.files, self.python).digest == self.digest
        )


def _is_of_coverage(file: SourceFile) -> bool:
    name = file.path.rpartition("/")[2]
    return name == ".coverage" or name.startswith(".coverage.")
