"""Which files a tool that writes has changed, and what they held before."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from typing import Self

import msgspec

from crackerjack.hooks.atomic import read_regular
from crackerjack.hooks.files import SourceFile, content_digest, look_at
from crackerjack.hooks.undo import FileChange, UndoStore, digest_now


class ChangeWatch:
    """Around the run of a tool that writes: records the files before it, settles them after it.

    ::

        with ChangeWatch(store, job_id, root, candidates) as watch:
            run_process(...)
        watch.changed

    Every candidate is read and recorded, so name those that the tool's own check says it would
    change. A file that cannot be read is not watched, and one that the tool makes is not undone.
    """

    def __init__(
        self, store: UndoStore, job_id: str, root: str, candidates: Sequence[SourceFile]
    ) -> None:
        self._store = store
        self._job_id = job_id
        self._root = root
        self._candidates = candidates
        self._before: list[_Before] = []
        self.changed: tuple[str, ...] = ()
        """The paths that do not hold what they held; known when the watch is over."""

    def __enter__(self) -> Self:
        """Record the candidates. Raises :exc:`StoreError`: then the tool must not run."""
        self._store.record_all(self._job_id, self._contents())
        return self

    def __exit__(self, *_: object) -> None:
        """Settle them, also when the tool was killed half-way."""
        after = {before.file.path: self._digest_now(before) for before in self._before}
        self._store.settle_all(self._job_id, after)
        self.changed = tuple(
            before.file.path for before in self._before if after[before.file.path] != before.digest
        )

    def _contents(self) -> Iterator[FileChange]:
        for candidate in self._candidates:
            file = look_at(self._root, candidate.path)
            moment = time.time_ns()
            if file is None:
                continue
            try:
                content = read_regular(os.path.join(self._root, file.path))
            except OSError:
                continue
            self._before.append(_Before(file, moment, content_digest(content)))
            yield FileChange(file.path, content, None, stat.S_IMODE(file.mode))

    def _digest_now(self, before: _Before) -> str:
        """What it holds now, without reading it where its times prove that nothing wrote to it."""
        same = look_at(self._root, before.file.path) == before.file
        if same and before.file.shows_changes_after(before.moment):
            return before.digest
        return digest_now(self._root, before.file.path)


class _Before(msgspec.Struct, frozen=True):
    file: SourceFile
    moment: int
    """When it was looked at, nanoseconds since the epoch."""
    digest: str
