"""Runs one tool to its end: its output as it comes, its time limit, and nothing left behind."""

from __future__ import annotations

import contextlib
import enum
import math
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from crackerjack.hooks.output import Capture, OutputRelay, ReportLines
from crackerjack.hooks.process_groups import ProcessGroups
from crackerjack.hooks.process_tree import ProcessTree

MIB: Final = 1024 * 1024
KEEP: Final = 64 * MIB
"""Bytes of standard output that are kept for a parser."""
KEEP_STDERR: Final = MIB
GRACE: Final = 2.0
"""Seconds between TERM and KILL."""
LINGER: Final = 0.05
"""Seconds that output is read after the child has exited, while an orphan of it holds the pipe."""
PATIENCE: Final = 5.0
"""Seconds to wait for what was killed: a process in an uninterruptible sleep may stay for ever."""
REPORT_FD: Final = "CRACKERJACK_REPORT_FD"
"""The variable that tells a child which descriptor its reports go to."""
_READ: Final = 64 * 1024


class Cancellation:
    """A one-way flag that any thread, or a signal handler, may set.

    :meth:`cancel` asks for an orderly end, :meth:`kill_now` for an immediate one.
    """

    def __init__(self) -> None:
        self._reason = ""
        self._set = False
        self._urgent = False
        # Adding, removing and copying are atomic, so a signal handler waits for no lock here.
        self._callbacks: dict[Callable[[], None], None] = {}

    @property
    def is_set(self) -> bool:
        """Whether to stop."""
        return self._set

    @property
    def is_urgent(self) -> bool:
        """Whether to stop without grace."""
        return self._urgent

    @property
    def reason(self) -> str:
        """What the first call gave as its reason; empty before it."""
        return self._reason

    def cancel(self, reason: str = "cancelled") -> None:
        """Ask every run to stop: TERM, grace, KILL."""
        self._reason = self._reason or reason
        self._set = True
        for callback in list(self._callbacks):
            callback()

    def kill_now(self, reason: str = "cancelled") -> None:
        """Ask every run to stop at once: KILL."""
        self._urgent = True
        self.cancel(reason)

    def add_callback(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, by whichever thread cancels, at every such call.

        When the flag is set already it is called now, and then perhaps twice. It must be quick, must
        not raise, and must do in a signal handler.
        """
        self._callbacks[callback] = None
        if self._set:
            callback()

    def remove_callback(self, callback: Callable[[], None]) -> None:
        """Undo :meth:`add_callback`; a call that is under way may still arrive."""
        self._callbacks.pop(callback, None)


class ProcessResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a process ended and what it printed."""

    returncode: int | None
    """Negative for a signal; None when it was never started or could not be killed."""
    stdout: bytes = b""
    stderr: bytes = b""
    timed_out: bool = False
    cancelled: bool = False
    truncated: bool = False
    """Standard output was longer than what was kept: its beginning."""
    duration: float = 0.0
    """Seconds."""


def run_process(
    argv: Sequence[str],
    *,
    cwd: str,
    timeout: float,
    cancel: Cancellation,
    groups: ProcessGroups,
    env: Mapping[str, str] | None = None,
    on_output: Callable[[str, str], None] | None = None,
    on_report: Callable[[bytes], None] | None = None,
    keep: int = KEEP,
    grace: float = GRACE,
) -> ProcessResult:
    """Run `argv` in a process group of its own until it exits, `timeout` seconds pass or `cancel` is set.

    What is left of the group then is ended: TERM and after `grace` seconds KILL; orphans of a child
    that exited by itself are killed. `on_output(stream, text)` gets ``stdout`` and ``stderr`` as
    :class:`OutputRelay` describes; the result holds the first `keep` bytes of standard output, and of
    standard error at most 1 MiB. With `on_report`, the child finds the number of an open descriptor
    in ``CRACKERJACK_REPORT_FD``; each line that it writes there is passed on, without its end.
    Callbacks run in the calling thread; what they raise ends the process and comes out here.

    Raises :exc:`OSError` when the process cannot be started (no such file, not executable, no such
    directory, too many arguments) and :exc:`ValueError` for a NUL in an argument.
    """
    began = time.monotonic()
    if cancel.is_set:
        return ProcessResult(returncode=None, cancelled=True)
    relay = None if on_output is None else OutputRelay(on_output)
    stdout = Capture("stdout", keep, relay)
    stderr = Capture("stderr", min(keep, KEEP_STDERR), relay)
    run = _Run(cancel, groups, relay, until=began + timeout, grace=grace)
    try:
        run.start(argv, cwd, env, (stdout.take, stderr.take), on_report)
        run.supervise()
        run.drain()
        if relay is not None:
            relay.finish()
    finally:
        returncode = run.end()
    return ProcessResult(
        returncode=returncode,
        stdout=stdout.kept(),
        stderr=stderr.kept(),
        timed_out=run.timed_out,
        cancelled=run.cancelled,
        truncated=stdout.truncated,
        duration=time.monotonic() - began,
    )


class _Stage(enum.Enum):
    RUNNING = 1
    STOPPING = 2
    """TERM was sent."""
    KILLED = 3


class _Run:
    """A child under supervision, from before its start until nothing of it is left."""

    def __init__(
        self,
        cancel: Cancellation,
        groups: ProcessGroups,
        relay: OutputRelay | None,
        *,
        until: float,
        grace: float,
    ) -> None:
        self.timed_out = False
        self.cancelled = False
        self._cancel = cancel
        self._groups = groups
        self._relay = relay
        self._until = until
        """When the present stage ends, on the monotonic clock."""
        self._grace = grace
        self._stage = _Stage.RUNNING
        self._child: subprocess.Popen[bytes] | None = None
        self._tree: ProcessTree | None = None
        self._exited = False
        self._pipes: dict[int, Callable[[bytes], None]] = {}
        self._closing = contextlib.ExitStack()
        self._selector = self._closing.enter_context(selectors.DefaultSelector())
        self._wake = _Wake()
        self._closing.callback(self._wake.close)
        self._selector.register(self._wake.reader, selectors.EVENT_READ, self._note_wake)

    def start(
        self,
        argv: Sequence[str],
        cwd: str,
        env: Mapping[str, str] | None,
        outputs: tuple[Callable[[bytes], None], Callable[[bytes], None]],
        on_report: Callable[[bytes], None] | None,
    ) -> None:
        """Start the child and watch it."""
        with contextlib.ExitStack() as child_ends:
            stdout, stderr = (self._pipe(take, child_ends) for take in outputs)
            passed: tuple[int, ...] = ()
            if on_report is not None:
                passed = (self._pipe(ReportLines(on_report).take, child_ends),)
                env = {**(os.environ if env is None else env), REPORT_FD: str(passed[0])}
            with self._groups.starting(os.fstat(stdout).st_ino):
                child = self._child = subprocess.Popen(
                    list(argv),
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                    pass_fds=passed,
                )
                self._groups.started(child.pid)
        self._watch_exit(child)
        self._cancel.add_callback(self._wake)

    def supervise(self) -> None:
        """Return when the child has exited and its output is read, or nothing more can be done."""
        while True:
            now = time.monotonic()
            self._escalate(now)
            if self._over(now):
                return
            due = self._until
            if self._relay is not None:
                if self._relay.due <= now:
                    self._relay.flush(now)
                due = min(due, self._relay.due)
            for key, _ in self._selector.select(None if due == math.inf else max(0.0, due - now)):
                key.data()

    def drain(self) -> None:
        """Read what is in the pipes now: an orphan may write for ever, so no more than a pipe holds."""
        for fd in list(self._pipes):
            for _ in range(MIB // _READ):
                if not self._read(fd):
                    break

    def end(self) -> int | None:
        """Kill what is left of the group, reap the child, let go of everything; its return code."""
        self._cancel.remove_callback(self._wake)
        if self._child is not None:
            if self._stage is _Stage.RUNNING:
                self._signal_group(signal.SIGKILL)
            else:
                self._signal_tree(signal.SIGKILL)
            try:
                self._reap(self._child, PATIENCE)
            except subprocess.TimeoutExpired:
                # Whenever it dies, its number becomes free, and the groups have to know.
                threading.Thread(target=self._reap, args=(self._child, None), daemon=True).start()
        self._closing.close()
        return None if self._child is None else self._child.returncode

    def _reap(self, child: subprocess.Popen[bytes], timeout: float | None) -> None:
        child.wait(timeout)
        self._groups.ended(child.pid)

    def _pipe(self, take: Callable[[bytes], None], child_ends: contextlib.ExitStack) -> int:
        """Make a pipe and read from it; return its other end, which is open as long as `child_ends`."""
        reader, writer = os.pipe()
        self._closing.callback(os.close, reader)
        child_ends.callback(os.close, writer)
        os.set_blocking(reader, False)
        self._pipes[reader] = take
        self._selector.register(reader, selectors.EVENT_READ, lambda: self._read(reader))
        return writer

    def _watch_exit(self, child: subprocess.Popen[bytes]) -> None:
        """Have the selector woken by the exit, with the child not reaped: it keeps its number."""
        try:
            pidfd = os.pidfd_open(child.pid)
        except (AttributeError, OSError):  # macOS, an old kernel, or a sandbox
            threading.Thread(target=self._wait_for_exit, args=(child,), daemon=True).start()
        else:
            self._closing.callback(os.close, pidfd)
            self._selector.register(pidfd, selectors.EVENT_READ, lambda: self._note_exit(pidfd))

    def _wait_for_exit(self, child: subprocess.Popen[bytes]) -> None:
        if hasattr(os, "waitid"):
            with contextlib.suppress(
                ChildProcessError
            ):  # reaped already, because a callback raised
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        else:  # macOS before Python 3.13
            child.wait()
        self._exited = True
        self._wake()

    def _note_exit(self, pidfd: int) -> None:
        self._selector.unregister(pidfd)
        self._exited = True
        self._linger()

    def _note_wake(self) -> None:
        self._wake.take()
        if self._exited:
            self._linger()

    def _linger(self) -> None:
        if self._stage is not _Stage.STOPPING:  # there, what is left of the group has its grace
            self._until = min(self._until, time.monotonic() + LINGER)

    def _escalate(self, now: float) -> None:
        if self._exited:
            if self._cancel.is_urgent:
                self._until = now
            return
        if self._stage is _Stage.RUNNING and (self._cancel.is_set or now >= self._until):
            self.cancelled = self._cancel.is_set
            self.timed_out = not self.cancelled
            self._enter(_Stage.STOPPING, signal.SIGTERM, now + self._grace)
        if self._stage is _Stage.STOPPING and (self._cancel.is_urgent or now >= self._until):
            self._enter(_Stage.KILLED, signal.SIGKILL, now + PATIENCE)

    def _enter(self, stage: _Stage, signal_number: signal.Signals, until: float) -> None:
        self._stage, self._until = stage, until
        self._signal_tree(signal_number)

    def _over(self, now: float) -> bool:
        if self._exited and not self._pipes:
            return True
        return now >= self._until and (self._exited or self._stage is _Stage.KILLED)

    def _read(self, fd: int) -> bool:
        """Read once from a pipe; False when nothing is in it."""
        try:
            data = os.read(fd, _READ)
        except BlockingIOError:
            return False
        if data:
            self._pipes[fd](data)
        else:
            self._selector.unregister(fd)
            del self._pipes[fd]
        return bool(data)

    def _signal_tree(self, signal_number: signal.Signals) -> None:
        """Tell the group, and who left it."""
        if self._child is not None:
            if self._tree is None:
                self._tree = ProcessTree(self._child.pid)
            self._tree.signal(signal_number)
        self._signal_group(signal_number)

    def _signal_group(self, signal_number: signal.Signals) -> None:
        # No such process: all gone. Not permitted: what macOS says of a group of zombies.
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal_number)


class _Wake:
    """Ends a `select` from another thread or from a signal handler."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)
        self._open = True
        # Keeps a late caller from writing to a descriptor that has become something else. Re-entrant,
        # for the signal handler that comes in while its own thread holds it.
        self._lock = threading.RLock()

    def __call__(self) -> None:
        with self._lock:
            if self._open:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._writer, b"!")

    def take(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.reader, 64)

    def close(self) -> None:
        with self._lock:
            self._open = False
            os.close(self.reader)
            os.close(self._writer)
