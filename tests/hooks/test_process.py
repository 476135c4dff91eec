from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crackerjack.hooks import process, process_tree
from crackerjack.hooks.execution import tool_environment
from crackerjack.hooks.process import (
    Cancellation,
    ProcessResult,
    run_process,
)
from crackerjack.hooks.process_groups import NoGroups
from crackerjack.hooks.process_tree import Seen


class Groups(NoGroups):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.alive: set[int] = set()
        self.count = 0

    def started(self, pgid: int) -> None:
        self.alive.add(pgid)
        self.count += 1

    def ended(self, pgid: int) -> None:
        self.alive.remove(pgid)


class Runner:
    """Runs things with the arguments that most tests want."""

    def __init__(self, directory: Path) -> None:
        self.cwd = str(directory)
        self.groups = Groups()
        self.cancel = Cancellation()
        self.output: list[tuple[float, str, str]] = []
        self.reports: list[bytes] = []

    def __call__(
        self,
        *argv: str,
        timeout: float = 60.0,
        keep: int = process.KEEP,
        grace: float = process.GRACE,
        cwd: str | None = None,
        on_output: Callable[[str, str], None] | None = None,
    ) -> ProcessResult:
        return run_process(
            argv,
            cwd=self.cwd if cwd is None else cwd,
            timeout=timeout,
            cancel=self.cancel,
            groups=self.groups,
            on_output=on_output or self.take,
            on_report=self.reports.append,
            keep=keep,
            grace=grace,
        )

    def take(self, stream: str, text: str) -> None:
        self.output.append((time.monotonic(), stream, text))

    def text(self, stream: str = "stdout") -> str:
        return "".join(text for _, name, text in self.output if name == stream)


@pytest.fixture(params=["pidfd", "thread"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Both ways of noticing an exit: what Linux has, and what every system has."""
    if request.param == "thread":
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    elif not hasattr(os, "pidfd_open"):
        pytest.skip("no pidfd on this system")
    return Runner(tmp_path)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", textwrap.dedent(code))


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def gone(pid: int) -> bool:
    """Whether the process has ended; a zombie that nobody reaps here counts as ended."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return not state or state.startswith("Z")


def test_output_streams_and_exit_code(run: Runner) -> None:
    result = run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.returncode, result.stdout, result.stderr) == (3, b"out\n", b"err\n")
    assert (run.text(), run.text("stderr")) == ("out\n", "err\n")
    assert not any((result.timed_out, result.cancelled, result.truncated))
    assert run.groups.count == 1
    assert not run.groups.alive


def test_a_signal_is_a_negative_return_code(run: Runner) -> None:
    assert run("sh", "-c", "kill -SEGV $$").returncode == -signal.SIGSEGV


def test_a_line_arrives_within_30_ms_of_being_printed(run: Runner) -> None:
    run(
        *python("""
        import time
        for _ in range(20):
            print(time.monotonic(), flush=True)
            time.sleep(0.037)
        """)
    )
    delays = [
        at - float(line) for at, _, text in run.output for line in text.splitlines()
    ]  # the monotonic clock is the machine's, the same for every process
    assert len(delays) == 20
    assert sorted(delays)[10] < 0.03, delays


def test_many_small_lines_make_few_calls(run: Runner) -> None:
    run(
        *python("""
        import sys
        for number in range(20000):
            sys.stdout.write(f"{number}\\n"); sys.stdout.flush()
        """)
    )
    assert run.text() == "".join(f"{number}\n" for number in range(20000))
    assert len(run.output) < 200


def test_a_300_kb_line_nul_bytes_and_invalid_utf8(run: Runner) -> None:
    result = run(
        *python(r"""
        import os
        os.write(1, b"x" * 300_000 + b"\n")
        os.write(1, b"a\0b\xff\xfec\n")
        """)
    )
    assert run.text() == "x" * 300_000 + "\na\0b\\xff\\xfec\n"
    assert result.stdout == b"x" * 300_000 + b"\na\0b\xff\xfec\n"


def test_what_is_beyond_keep_is_read_and_dropped(run: Runner) -> None:
    result = run(*python("print('y' * 5_000_000)"), keep=1000)
    assert (result.returncode, result.truncated, result.stdout) == (0, True, b"y" * 1000)


def test_a_tool_that_never_ends_is_terminated_with_its_children(run: Runner) -> None:
    result = run("sh", "-c", "sleep 1000 & echo $!; sleep 1000", timeout=0.3)
    assert result.timed_out
    assert not result.cancelled
    assert result.returncode == -signal.SIGTERM
    assert result.duration < 1.5
    wait_until(lambda: gone(int(run.text())))
    assert not run.groups.alive


def test_a_tool_that_ignores_term_is_killed_after_the_grace(run: Runner) -> None:
    result = run(
        *python("""
        import signal, time
        signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
        print("ready", flush=True)
        time.sleep(1000)
        time.sleep(1000)
        """),
        timeout=1.0,
        grace=0.4,
    )
    assert result.timed_out
    assert result.returncode == -signal.SIGKILL
    assert 1.4 <= result.duration < 3.0
    assert run.text() == "ready\nno\n"


def test_output_of_an_orderly_end_is_not_lost(run: Runner) -> None:
    result = run(
        *python("""
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("cleaned up"))
        time.sleep(1000)
        """),
        timeout=0.5,
    )
    assert result.timed_out
    assert result.returncode == 1
    assert result.stderr == b"cleaned up\n"


def test_after_term_the_rest_of_the_group_has_its_grace_too(run: Runner) -> None:
    """The shell dies at once; the tool that it started is still cleaning up."""
    tool = (
        "import signal, sys, time\n"
        "def end(*_): time.sleep(0.3); sys.exit('the tool ended well')\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(1000)"
    )
    result = run("sh", "-c", '"$0" -c "$1"; true', sys.executable, tool, timeout=1.0)
    assert result.returncode == -signal.SIGTERM
    assert result.stderr.endswith(b"the tool ended well\n")


@pytest.mark.parametrize("term", ["", "trap '' TERM; "])
def test_who_left_the_group_is_ended_with_the_rest(run: Runner, term: str) -> None:
    """As a child of `timeout` has, which is for ever; and it is told once, as the others are."""
    leaves = """
        import os, subprocess, sys
        how = {"start_new_session": True} if sys.argv[1] == "session" else {"process_group": 0}
        below = "import os, subprocess; subprocess.run(['sleep', '1000'], process_group=0)"
        child = subprocess.Popen([sys.executable, "-c", below], **how)
        os.write(1, f"{child.pid} {os.getpid()}\\n".encode())  # at once: the other one writes too
        child.wait()
    """
    start = f'{term}python=$0; for how in session group; do $python -c "$1" $how & done; wait; sleep 1000'
    code = textwrap.dedent(leaves)
    pids: list[int] = []

    def cancel_when_all_are_there(stream: str, text: str) -> None:
        assert stream == "stdout"
        pids.extend(map(int, text.split()))
        if len(pids) == 4:
            wait_until(lambda: all(children(pid) for pid in pids))
            pids.extend(grandchild for pid in pids[:4:2] for grandchild in children(pid))
            run.cancel.cancel()

    result = run(
        "sh", "-c", start, sys.executable, code, grace=0.2, on_output=cancel_when_all_are_there
    )
    assert result.cancelled
    assert len(pids) == 6
    wait_until(lambda: all(map(gone, pids)), 5.0)


def children(parent: int) -> list[int]:
    said = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in said.splitlines()]
    return [pid for pid, above in rows if above == parent]


def test_the_tree_is_told_of_term_once(run: Runner) -> None:
    """Many tools take the second as a wish to end at once."""
    tool = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('term', flush=True))\n"
        "print('ready', flush=True)\nwhile True: time.sleep(1000)"
    )
    result = run("sh", "-c", '"$0" -c "$1"; true', sys.executable, tool, timeout=1.0, grace=0.5)
    assert result.stdout == b"ready\nterm\n"


@pytest.mark.parametrize("ask", [process_tree._processes, process_tree._by_ps])
def test_both_ways_of_asking_for_processes(ask: Callable[[], dict[int, Seen]]) -> None:
    with subprocess.Popen(["sleep", "1000"], process_group=0) as child:
        seen = ask()
        assert (seen[child.pid].parent, seen[child.pid].group) == (os.getpid(), child.pid)
        assert seen[child.pid].start == ask()[child.pid].start != ""
        child.kill()


def test_an_orphan_that_holds_the_pipes_delays_nobody_and_is_killed(run: Runner) -> None:
    result = run("sh", "-c", "sleep 1000 & echo $!; echo done")
    assert result.returncode == 0
    assert result.duration < 0.5
    orphan, done = run.text().split()
    assert done == "done"
    wait_until(lambda: gone(int(orphan)), 2.0)


def test_an_orphan_that_prints_for_ever_ends_too(run: Runner) -> None:
    result = run("sh", "-c", "yes & echo first")
    assert result.returncode == 0
    assert result.duration < 2.0


def test_an_orphan_in_a_session_of_its_own_delays_nobody(run: Runner) -> None:
    began = time.monotonic()
    result = run(
        *python("""
        import subprocess
        print(subprocess.Popen(["sleep", "1000"], start_new_session=True).pid)
        """)
    )
    assert result.returncode == 0
    assert time.monotonic() - began < 1.5
    os.kill(int(run.text()), signal.SIGKILL)


def test_everything_printed_before_the_exit_is_read(run: Runner) -> None:
    for _ in range(5):
        result = run("sh", "-c", "head -c 60000 /dev/zero; sleep 1000 &")
        assert len(result.stdout) == 60_000


def test_closing_its_output_early_is_no_exit(run: Runner) -> None:
    result = run("sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 5")
    assert result.returncode == 5
    assert result.duration >= 0.3


def test_cancelling_ends_it_and_says_so(run: Runner) -> None:
    threading.Timer(0.2, run.cancel.cancel).start()
    result = run("sleep", "1000")
    assert result.cancelled
    assert not result.timed_out
    assert result.returncode == -signal.SIGTERM
    assert result.duration < 1.5


def test_the_second_cancellation_kills_at_once(run: Runner) -> None:
    cancelled = threading.Event()

    def take(_stream: str, text: str) -> None:
        if text == "ready\n":
            threading.Thread(target=run.cancel.cancel).start()
        else:
            cancelled.set()
            threading.Thread(target=run.cancel.kill_now).start()

    result = run(
        *python("""
        import os, signal, time
        signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"no\\n"))
        os.write(1, b"ready\\n")
        time.sleep(1000)
        time.sleep(1000)
        """),
        grace=30.0,
        on_output=take,
    )
    assert cancelled.is_set()
    assert result.returncode == -signal.SIGKILL
    assert result.cancelled
    assert result.duration < 5.0


def test_after_a_cancellation_nothing_is_started(run: Runner) -> None:
    run.cancel.cancel("SIGINT")
    result = run("touch", "made")
    assert (result.returncode, result.cancelled) == (None, True)
    assert not (Path(run.cwd) / "made").exists()
    assert run.groups.count == 0
    assert run.cancel.reason == "SIGINT"


def test_a_signal_handler_may_cancel(run: Runner) -> None:
    previous = signal.signal(signal.SIGALRM, lambda *_: run.cancel.cancel())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        assert run("sleep", "1000").cancelled
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_what_a_callback_raises_ends_the_process_and_comes_out(run: Runner) -> None:
    pids: list[int] = []

    def refuse(_stream: str, text: str) -> None:
        pids.append(int(text))
        raise LookupError

    with pytest.raises(LookupError):
        run("sh", "-c", "echo $$; sleep 1000", on_output=refuse)
    wait_until(lambda: gone(pids[0]))
    assert not run.groups.alive


def test_reports_come_as_lines(run: Runner) -> None:
    result = run(
        *python(r"""
        import os
        os.write(int(os.environ["CRACKERJACK_REPORT_FD"]), b"one\ntwo\nthr")
        print("text")
        """)
    )
    assert result.stdout == b"text\n"
    assert run.reports == [b"one", b"two"]


def test_a_process_that_cannot_be_killed_is_given_up(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stands for a process in an uninterruptible sleep: our signals have no effect on it."""
    killpg = os.killpg
    monkeypatch.setattr(os, "killpg", lambda _pgid, _signal: None)
    monkeypatch.setattr(process, "PATIENCE", 0.2)
    result = run("sleep", "1000", timeout=0.1, grace=0.1)
    assert (result.returncode, result.timed_out) == (None, True)
    assert result.duration < 5.0
    assert len(run.groups.alive) == 1
    killpg(next(iter(run.groups.alive)), signal.SIGKILL)
    wait_until(lambda: not run.groups.alive)


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def test_what_cannot_be_started_raises_and_leaves_nothing_open(run: Runner) -> None:
    directory = Path(run.cwd)
    (directory / "plain").write_text("#!/bin/sh\n")
    (directory / "shebang").write_text("#!/no/such/interpreter\n")
    (directory / "shebang").chmod(0o755)
    (directory / "garbage").write_bytes(b"\0\1\2\3")
    (directory / "garbage").chmod(0o755)
    before = descriptors()
    with pytest.raises(FileNotFoundError):
        run("no-such-tool-anywhere")
    with pytest.raises(FileNotFoundError):
        run("true", cwd=str(directory / "absent"))
    with pytest.raises(PermissionError):
        run(str(directory / "plain"))
    with pytest.raises(FileNotFoundError):
        run(str(directory / "shebang"))
    with pytest.raises(OSError, match="Exec format error"):
        run(str(directory / "garbage"))
    with pytest.raises(OSError, match="Argument list too long"):
        run("true", "x" * 10_000_000)
    with pytest.raises(ValueError, match="null byte"):
        run("true", "\0")
    assert descriptors() == before
    assert run.groups.count == 0


def test_nothing_stays_open_after_many_runs(run: Runner) -> None:
    before = descriptors()
    for _ in range(20):
        run("sh", "-c", "echo x")
    wait_until(lambda: descriptors() == before)


def test_waiting_costs_no_processor_time(run: Runner) -> None:
    began = time.process_time()
    run("sh", "-c", "exec 2>&-; echo half; sleep 0.5; sleep 0.5")
    assert time.process_time() - began < 0.1


def test_a_million_lines_need_little_memory(tmp_path: Path) -> None:
    """In a process of its own, whose peak is its own."""
    code = """
        import resource, sys
        from crackerjack.hooks.process import Cancellation, run_process
        from crackerjack.hooks.process_groups import NoGroups

        def peak():
            size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return size if sys.platform == "darwin" else size * 1024

        passed = 0
        def count(stream, text):
            global passed
            passed += len(text)

        printer = "import sys\\nfor n in range(1000): sys.stdout.write('%-79d\\\\n' % n * 1000)"
        before = peak()
        for keep in (0, 64 * 1024 * 1024):
            result = run_process([sys.executable, "-c", printer], cwd=".", timeout=60,
                                 cancel=Cancellation(), groups=NoGroups(), on_output=count, keep=keep)
            assert result.returncode == 0 and len(result.stdout) == keep, result.returncode
            assert passed < 1.1 * 1024 * 1024, passed
            print(peak() - before)
            passed = 0
    """
    # By way of a shell: on Linux a process begins with the peak of the one that forked it.
    through_shell = ["sh", "-c", '"$@"; exit $?', "sh", *python(code)]
    done = subprocess.run(through_shell, check=True, capture_output=True, text=True)
    without, with_keep = (int(line) / 2**20 for line in done.stdout.split())
    print(f"memory for 1,000,000 lines: {without:.1f} MiB, with 64 MiB kept {with_keep:.1f} MiB")
    assert without < 10, f"{without:.0f} MiB"
    assert with_keep < 100, f"{with_keep:.0f} MiB"


def test_tools_get_a_plain_environment_and_keep_the_users_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x")
    monkeypatch.setenv("SOMETHING", "of the user's")
    env = tool_environment()
    assert env["NO_COLOR"] == env["PYTHONUNBUFFERED"] == "1"
    assert "FORCE_COLOR" not in env
    assert (env["PYTEST_ADDOPTS"], env["SOMETHING"]) == ("-x", "of the user's")
    assert "NO_COLOR" not in os.environ
