"""The environment of a project on a worker: made once of what the project's files say, then kept.

An environment holds what the project depends on and not the project: all projects and revisions whose
files say the same share it. :mod:`crackerjack.fleet.overlay` puts it and the project together.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from crackerjack.errors import EnvironmentFailed
from crackerjack.fleet.recipe import Recipe, environment_recipe, read_pyproject
from crackerjack.hooks.cache import key_of
from crackerjack.hooks.process import Cancellation, run_process
from crackerjack.hooks.process_groups import NoGroups, ProcessGroups
from crackerjack.masking import Masker

MOST: Final = 12
"""Environments that are kept; one takes some hundred MB. Those in use are not counted out."""
LIMIT: Final = 1800.0
"""Seconds for one command of the making."""

_LAST_LINES: Final = 20
"""Of what a tool says that has failed."""
_LONGEST: Final = 4000  # characters of them
_POLL: Final = 0.1
"""Seconds between looks at a lock, so that a waiting job can be cancelled."""
_COMPLETE: Final = "crackerjack-complete"
"""The file that is written last. Its time is that of the last use."""
_INHERITED_NOT: Final = frozenset({"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME"})


class ProjectEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that is complete."""

    prefix: str
    """Its directory."""
    source: str
    """What it was made from, for the user."""
    made: bool
    """Whether it was made just now; else an earlier job has made it."""

    @property
    def python(self) -> str:
        """Its interpreter."""
        return os.path.join(self.prefix, "bin", "python")


class ProjectEnvironments:
    """Environments in a directory, for any process.

    `python` makes them and is in them. At most `most` are kept: those that were not used for longest
    go. Locks, of no size, stay beside them.
    """

    def __init__(
        self,
        directory: str,
        *,
        python: str = sys.executable,
        environment: Mapping[str, str] = os.environ,
        most: int = MOST,
        limit: float = LIMIT,
    ) -> None:
        self._directory = os.path.abspath(directory)
        self._python = python
        self._environment = {k: v for k, v in environment.items() if k not in _INHERITED_NOT}
        self._most = most
        self._limit = limit

    @property
    def uv(self) -> str | None:
        """The uv that makes environments of lock files."""
        return shutil.which("uv", path=self._environment.get("PATH"))

    @contextlib.contextmanager
    def use(
        self,
        root: str,
        *,
        cancel: Cancellation | None = None,
        groups: ProcessGroups | None = None,
        tell: Callable[[str], object] = lambda _what: None,
    ) -> Iterator[ProjectEnvironment | None]:
        """The environment for the project in `root`, kept from removal in the block.

        None when the project does not say what it needs. It is made if it is not there; of several
        that want it one makes it and the others wait. `tell` hears what is worth knowing of that, as in
        ``makes the environment from uv.lock``: before it is made, which may take minutes, and always of
        a lock file that cannot be read. Raises :exc:`EnvironmentFailed`, with the last
        lines of the tool, also when `cancel` is set.
        """
        uv = self.uv
        recipe = environment_recipe(root, read_pyproject(root), has_uv=uv is not None)
        if recipe is None:
            yield None
            return
        making = _Making(
            root,
            recipe,
            uv=uv or "",
            python=self._python,
            environment=self._environment,
            cancel=cancel or Cancellation(),
            groups=groups or NoGroups(),
            limit=self._limit,
            tell=tell,
        )
        prefix = os.path.join(self._directory, making.name())
        with contextlib.ExitStack() as held:
            try:
                os.makedirs(self._directory, mode=0o700, exist_ok=True)
                lock = held.enter_context(_opened(f"{prefix}.lock"))
                made = self._completed(prefix, lock, making)
                os.utime(os.path.join(prefix, _COMPLETE))
                self._make_room()
            except OSError as error:
                problem = f"{self._directory} cannot be used ({error.strerror})"
                raise EnvironmentFailed(recipe.source, problem) from error
            yield ProjectEnvironment(prefix=prefix, source=recipe.source, made=made)

    def _completed(self, prefix: str, lock: int, making: _Making) -> bool:
        """Return with a shared lock on a complete environment; whether it had to be made."""
        made = False
        making.tell(there=os.path.exists(os.path.join(prefix, _COMPLETE)))
        while True:
            making.wait_for(lock, fcntl.LOCK_SH)
            if os.path.exists(os.path.join(prefix, _COMPLETE)):
                return made
            # Never waited for: of two that looked at the same time, one makes it and then keeps its
            # shared lock for as long as its job takes.
            if not _taken(lock, fcntl.LOCK_EX):
                time.sleep(_POLL)
            # The shared lock was let go of in between: another may have made it.
            elif not os.path.exists(os.path.join(prefix, _COMPLETE)):
                making.make(prefix)
                made = True

    def _make_room(self) -> None:
        """Remove what was not used for longest, and what was left half made."""
        ages: list[tuple[float, str]] = []
        for name in os.listdir(self._directory):
            prefix = os.path.join(self._directory, name)
            if os.path.isdir(prefix):
                with contextlib.suppress(FileNotFoundError):
                    ages.append((0.0, prefix))
                    ages[-1] = (os.stat(os.path.join(prefix, _COMPLETE)).st_mtime, prefix)
        kept = sorted(ages, reverse=True)
        for number, (used, prefix) in enumerate(kept):
            if number >= self._most or used == 0.0:
                with _opened(f"{prefix}.lock") as lock, contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(prefix)


class _Making:
    """Makes one environment."""

    def __init__(
        self,
        root: str,
        recipe: Recipe,
        *,
        uv: str,
        python: str,
        environment: Mapping[str, str],
        cancel: Cancellation,
        groups: ProcessGroups,
        limit: float,
        tell: Callable[[str], object],
    ) -> None:
        self._root = root
        self._recipe = recipe
        self._uv = uv
        self._python = python
        self._environment = dict(environment)
        self._cancel = cancel
        self._groups = groups
        self._limit = limit
        self._tell = tell

    def tell(self, *, there: bool) -> None:
        """Say what it is made from, where that takes time or is not what it should be."""
        lock = self._recipe.passed_over
        if lock or not there:
            does = "takes" if there else "makes"
            instead = f", not from {lock}: it has no uv" if lock else ""
            self._tell(f"{does} the environment from {self._recipe.source}{instead}")

    def name(self) -> str:
        """The name of the environment: the recipe, the interpreter, the platform."""
        say = "import sys, sysconfig; print(sys.version, sysconfig.get_platform())"
        version = self._run((self._python, "-c", say))
        interpreter = os.fsencode(os.path.realpath(self._python))
        return key_of(self._recipe.key, interpreter, version).hex()

    def wait_for(self, lock: int, how: int) -> None:
        """Take the lock; raises :exc:`EnvironmentFailed` when the job is cancelled before."""
        while True:
            if self._cancel.is_set:
                raise self._failed("the job was cancelled")
            if _taken(lock, how):
                return
            time.sleep(_POLL)

    def make(self, prefix: str) -> None:
        """Make it, from nothing; what cannot be completed is removed."""
        _remove(prefix)
        try:
            for command in self._commands(prefix):
                self._run(command, UV_PROJECT_ENVIRONMENT=prefix)
            with open(os.path.join(prefix, _COMPLETE), "w", encoding="utf-8") as file:
                file.write(self._recipe.source)
        except BaseException:
            _remove(prefix)
            raise

    def _commands(self, prefix: str) -> Iterator[Sequence[str]]:
        recipe, python = self._recipe, os.path.join(prefix, "bin", "python")
        if recipe.tool == "uv-sync":
            choice = ("--frozen", "--no-install-workspace", "--python", self._python)
            yield (self._uv, "sync", *choice, *recipe.arguments)
        elif recipe.tool == "uv":
            yield (self._uv, "venv", "--python", self._python, prefix)
            yield (self._uv, "pip", "install", "--python", python, *recipe.arguments)
        else:
            yield (self._python, "-m", "venv", prefix)
            arguments = recipe.arguments
            if recipe.requirements:
                listed = os.path.join(prefix, "requirements.txt")
                with open(listed, "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.writelines(f"{line}\n" for line in recipe.requirements)
                arguments = ("-r", listed, *arguments)
            options = ("--disable-pip-version-check", "--no-input", "--quiet")
            yield (python, "-m", "pip", "install", *options, *arguments)

    def _run(self, command: Sequence[str], **more: str) -> bytes:
        try:
            done = run_process(
                command,
                cwd=self._root,
                timeout=self._limit,
                cancel=self._cancel,
                groups=self._groups,
                env=self._environment | more,
            )
        except OSError as error:
            raise self._failed(f"{command[0]} does not start: {error.strerror}") from error
        if done.returncode == 0:
            return done.stdout
        if done.cancelled:
            raise self._failed("the job was cancelled")
        reason = f"it took longer than {self._limit:.0f} s" if done.timed_out else "it failed"
        said = (done.stdout + b"\n" + done.stderr).decode("utf-8", "backslashreplace")
        said = Masker(self._environment)(said)
        lines = [line for line in said.splitlines() if line.strip()][-_LAST_LINES:]
        program = " ".join(map(os.path.basename, command[:4]))
        raise self._failed(f"{program}: {reason}", "\n".join(lines)[-_LONGEST:])

    def _failed(self, reason: str, output: str = "") -> EnvironmentFailed:
        return EnvironmentFailed(self._recipe.source, reason, output)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    """A lock file; closing it gives the lock back. A process that is started does not inherit it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(lock: int, how: int) -> bool:
    """Take the lock if it is free; where it is not, the one that was held is gone too."""
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove(prefix: str) -> None:
    """Remove an environment, first what says that it is complete."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(prefix, _COMPLETE))
    if os.path.lexists(prefix):
        shutil.rmtree(prefix)
