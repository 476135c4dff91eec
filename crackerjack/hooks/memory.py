"""What earlier runs found, under keys that cover everything that a hook's findings depend on."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from crackerjack import __version__
from crackerjack.config import PYPROJECT
from crackerjack.decoding import msgpack_decoder
from crackerjack.hooks.cache import (
    CacheFile,
    Digests,
    ResultCache,
    invocation_key,
    key_of,
)
from crackerjack.hooks.environment import environment_digest
from crackerjack.hooks.files import FileSet, SourceFile
from crackerjack.hooks.hook import Hook
from crackerjack.hooks.look import Found
from crackerjack.types import HookStatus

_SHARED_CONFIGURATION: Final = (PYPROJECT, "setup.cfg", "tox.ini", ".editorconfig")
_WORD: Final = re.compile(rb"[\w./~-]{2,200}")
_SETTINGS: Final = (".toml", ".cfg", ".ini")
"""Of files that a configuration mentions, these may mention others."""
_NEVER_SETTINGS: Final = (b".py", b".pyi", b".md", b".rst")
"""Of files that a configuration mentions, these hold no settings."""
_LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a file that are taken for settings."""
_CONCLUSIVE: Final = frozenset({HookStatus.PASSED, HookStatus.FAILED})


class Versions:
    """What tools said of their version; see :class:`crackerjack.hooks.tools.VersionCache`."""

    def __init__(self, results: ResultCache) -> None:
        self._results = results

    def get(self, key: str) -> str | None:
        """The version under this key."""
        value = self._results.get(b"version", os.fsencode(key))
        return None if value is None else value.decode("utf-8", "backslashreplace")

    def put(self, key: str, version: str) -> None:
        """Keep a version."""
        self._results.put(b"version", os.fsencode(key), version.encode("utf-8", "backslashreplace"))


class Memory:
    """The results of one project's hooks. Any thread may use it; writers to the project must not run.

    With ``enabled=False`` it knows nothing and keeps nothing.
    """

    def __init__(self, state_dir: str, root: str, *, enabled: bool) -> None:
        self._root = root
        self._enabled = enabled
        self._file = CacheFile(state_dir)
        self._results = ResultCache(self._file)
        self._digests = Digests(self._file if enabled else None, root)
        self.versions: Final = Versions(self._results)
        self._lock = threading.Lock()
        self._environments: dict[str, bytes | None] = {}
        self._mentions: dict[tuple[str, bytes], list[str]] = {}

    @property
    def trouble(self) -> str:
        """What is wrong with the cache, a sentence; empty while nothing is."""
        return self._file.trouble

    def close(self) -> None:
        """Keep what was learnt of the files, and close the cache."""
        if self._enabled:
            with self._lock:
                self._digests.save()
            self._file.close()

    def invocation(
        self,
        hook: Hook,
        *,
        tool_version: str,
        argv: Sequence[str],
        python: str,
        all_files: FileSet,
    ) -> bytes | None:
        """The key of how the hook runs now; None when something it depends on cannot be told."""
        if not self._enabled or hook.asks_network:
            return None
        environment: bytes | None = b""
        if hook.reads_environment:
            environment = self.environment(python)
        if environment is None:
            return None
        others = b""
        if hook.sees_other_files:
            others = os.fsencode("\0".join(all_files.select(hook.patterns).paths))
        return invocation_key(
            hook=key_of(
                __version__.encode(), repr(hook).encode("utf-8", "surrogateescape"), others
            ),
            tool_version=tool_version,
            argv=argv,
            config=self._configuration(hook, argv, all_files),
            environment=environment,
        )

    def recall(self, invocation: bytes | None, files: Sequence[SourceFile]) -> Found | None:
        """What was found in exactly these files, taken together."""
        identity = self._identity(invocation, files)
        if invocation is None or identity is None:
            return None
        value = self._results.get(invocation, identity)
        return None if value is None else _decode(value)

    def remember(self, invocation: bytes | None, files: Sequence[SourceFile], found: Found) -> None:
        """Keep what was found in these files, unless they were written to meanwhile."""
        identity = self._identity(invocation, files)
        if invocation is None or identity is None or found.status not in _CONCLUSIVE:
            return
        if self.still_hold(files):
            self._results.put(invocation, identity, msgspec.msgpack.encode(found))

    def recall_each(
        self, invocation: bytes | None, files: Sequence[SourceFile]
    ) -> dict[str, Found]:
        """What was found in each of these files, for those of which that is known."""
        if invocation is None:
            return {}
        values = self._results.get_each(self._root, invocation)
        if not values:
            return {}
        known = {
            path: values[identity]
            for path, identity in self.identities(files).items()
            if identity in values
        }
        # Of thousands of files most have passed, in the same few bytes.
        decoded = {value: _decode(value) for value in set(known.values())}
        return {path: found for path, value in known.items() if (found := decoded[value])}

    def remember_each(
        self, invocation: bytes | None, files: Sequence[SourceFile], found: Mapping[str, Found]
    ) -> None:
        """Keep what was found in each file; `found` is by path."""
        kept = [file for file in files if file.path in found]
        if invocation is None or not kept:
            return
        identities = self.identities(kept)
        if self.still_hold(kept):
            values = {
                identity: msgspec.msgpack.encode(found[path])
                for path, identity in identities.items()
            }
            self._results.put_each(self._root, invocation, values)

    def _identity(self, invocation: bytes | None, files: Sequence[SourceFile]) -> bytes | None:
        if invocation is None:
            return None
        with self._lock:
            return self._digests.combined(files)

    def identities(self, files: Sequence[SourceFile]) -> dict[str, bytes]:
        """What identifies each of these files that can be read; see :meth:`Digests.of`."""
        with self._lock:
            return self._digests.of(files)

    def still_hold(self, files: Iterable[SourceFile]) -> bool:
        """Whether they hold what :meth:`identities` said of them."""
        with self._lock:
            return self._digests.still_hold(files)

    def environment(self, python: str) -> bytes | None:
        """What identifies the packages that this interpreter sees; see :func:`environment_digest`."""
        if python not in self._environments:
            self._environments[python] = environment_digest(python, root=self._root)
        return self._environments[python]

    def _configuration(self, hook: Hook, argv: Sequence[str], all_files: FileSet) -> bytes:
        """Digest every file and variable that the tool may read its settings from.

        Tools look for their configuration beside each file and in the directories above the project,
        and nobody can tell which of them counts: so all do. So does every file that one of them, or
        the command, may mean by a word: the target of an ``extend``, a list of words, a script.
        """
        names = {*_SHARED_CONFIGURATION, *hook.config_files}
        plain = [name for name in names if "/" not in name]
        inside = [file.path for file in all_files.select(plain).files]
        paths = {os.path.join(self._root, path) for path in (*inside, *names)}
        above = os.path.dirname(self._root)
        while above != os.path.dirname(above):
            paths.update(os.path.join(above, name) for name in plain)
            above = os.path.dirname(above)
        home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        tool = os.path.basename(hook.tool or "")
        for directory in (os.path.join(home, tool), os.path.expanduser("~"), home):
            paths.update(os.path.join(directory, name) for name in (*plain, "config"))
        prefixes = (f"{tool.upper()}_", "PYTHON", "MYPY", "LC_", "LANG")
        variables = sorted(item for item in os.environ.items() if item[0].startswith(prefixes))
        arguments = (os.path.join(self._root, argument) for argument in argv[1:])
        waiting = [*paths, *filter(os.path.isfile, arguments)]
        contents: dict[str, bytes] = {}
        while waiting:
            path = waiting.pop()
            if path not in contents:
                contents[path] = _content(path)
                if path in paths or path.endswith(_SETTINGS):
                    waiting += self._mentioned(path, contents[path])
        parts = (part for path in sorted(contents) for part in (os.fsencode(path), contents[path]))
        return key_of(repr(variables).encode("utf-8", "backslashreplace"), *parts)

    def _mentioned(self, path: str, content: bytes) -> list[str]:
        """The files that a word in this configuration names, from beside it."""
        found = self._mentions.get((path, content))
        if found is None:
            directory = os.path.dirname(os.fsencode(path))
            words = {word for word in _WORD.findall(content) if not word.endswith(_NEVER_SETTINGS)}
            places = (os.path.join(directory, os.path.expanduser(word)) for word in words)
            found = [os.fsdecode(place) for place in places if os.path.isfile(place)]
            self._mentions[path, content] = found
        return found


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return b"+" + stream.read(_LARGEST)
    except OSError:
        return b"-"


def _decode(value: bytes) -> Found | None:
    try:
        return msgpack_decoder(Found).decode(value)
    except msgspec.MsgspecError:  # another version's; its key should have differed
        return None
