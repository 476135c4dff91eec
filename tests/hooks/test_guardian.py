from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crackerjack.hooks.guardian import Guardian


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that is left to init does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def ends_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process group that nobody but the guardian would end."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("ending", ["kill", "kill group", "abort", "os._exit"])
def test_nothing_is_left_behind_by_a_run_that_was_killed(tmp_path: Path, ending: str) -> None:
    """Two hooks that sleep, each with a grandchild, and one that has ended."""
    code = """
        import os, threading
        from crackerjack.hooks.guardian import Guardian
        from crackerjack.hooks.process import Cancellation, run_process

        guardian = Guardian(on_death=["sh", "-c", 'echo "$1" >last-words', "sh", "we were killed"])

        begun = threading.Semaphore(0)

        def hook(script):
            def show(stream, text):
                print(text, end="", flush=True)
                begun.release()

            run_process(["sh", "-c", script], cwd=".", timeout=1000, cancel=Cancellation(),
                        groups=guardian, on_output=show)

        for _ in range(2):
            threading.Thread(target=hook, args=("sleep 1000 & echo $! $$; sleep 1000",)).start()
            begun.acquire()
        hook("true")
        print("ready", flush=True)
        if input() == "abort":
            os.abort()
        os._exit(0)
    """
    runner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert runner.stdin is not None
    assert runner.stdout is not None
    pids = [int(pid) for _ in range(2) for pid in runner.stdout.readline().split()]
    assert len(pids) == 4
    assert all(alive(pid) for pid in pids)
    assert runner.stdout.readline() == "ready\n"
    if ending == "kill":
        runner.kill()
    elif ending == "kill group":
        os.killpg(runner.pid, signal.SIGKILL)
    else:
        runner.stdin.write(ending + "\n")
        runner.stdin.flush()
    killed = time.monotonic()
    assert runner.wait(20) in {-signal.SIGKILL, -signal.SIGABRT, 0}
    assert all(ends_within(pid, 2.0 - (time.monotonic() - killed)) for pid in pids)
    words = tmp_path / "last-words"
    while not (words.exists() and words.read_text()):
        assert time.monotonic() < killed + 5
        time.sleep(0.01)
    assert words.read_text() == "we were killed\n"
    runner.stdin.close()
    runner.stdout.close()


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="there is no /proc to ask here")
def test_who_left_the_group_is_not_left_behind_either(sleeper: subprocess.Popen[bytes]) -> None:
    tool = """
        import subprocess, sys, time
        below = (
            "import os, subprocess, time\\n"
            "pid = subprocess.Popen(['sleep', '1000'], process_group=0).pid\\n"
            "os.write(1, b'%d\\\\n' % pid)\\n"  # at once: others write too
            "time.sleep(1000)"
        )
        subprocess.Popen([sys.executable, "-c", below], start_new_session=True)
        subprocess.Popen([sys.executable, "-c", below], process_group=0)
        subprocess.run(["sh", "-c", "timeout 1000 sleep 1000 & echo $!"])
        time.sleep(1000)
    """
    code = """
        import os, signal, subprocess, sys
        from crackerjack.hooks.guardian import Guardian
        guardian = Guardian(on_death=[])
        with subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True,
                              stdout=subprocess.PIPE, text=True) as child:
            guardian.started(child.pid)
            print(child.pid, *(child.stdout.readline().strip() for _ in range(3)), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), textwrap.dedent(tool)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    pids = [int(pid) for pid in killed.stdout.split()]
    assert len(pids) == 4
    assert all(ends_within(pid, 5.0) for pid in pids)
    assert alive(sleeper.pid)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="there is no /proc to ask here")
def test_a_child_that_was_being_started_when_the_run_was_killed_is_not_left_behind() -> None:
    code = """
        import os, signal, sys
        from crackerjack.hooks.guardian import Guardian
        from crackerjack.hooks.process import Cancellation, run_process

        class KilledTooEarly(Guardian):
            def started(self, pgid):
                print(pgid, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)

        run_process(["sleep", "1000"], cwd=".", timeout=1000, cancel=Cancellation(),
                    groups=KilledTooEarly())
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert ends_within(int(killed.stdout), 5.0)


def test_a_dismissed_guardian_harms_nobody(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    words = tmp_path / "last-words"
    guardian = Guardian(on_death=["touch", str(words)])
    with guardian:
        guardian.started(sleeper.pid)
    guardian.close()
    guardian.started(1234)
    guardian.ended(1234)
    assert not ends_within(sleeper.pid, 0.2)
    assert not words.exists()


def test_a_group_that_ended_is_forgotten(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Its number may be another's: here, that of a process which lives on."""
    code = f"""
        import os
        from crackerjack.hooks.guardian import Guardian
        guardian = Guardian(on_death=["touch", "last-words"])
        for pgid in ({sleeper.pid}, {sleeper.pid}0, 1{sleeper.pid}):
            guardian.started(pgid)
        for pgid in (7, {sleeper.pid}, {sleeper.pid}0, 1{sleeper.pid}):
            guardian.ended(pgid)
        os._exit(0)
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    deadline = time.monotonic() + 5
    while not (tmp_path / "last-words").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert alive(sleeper.pid)


def test_without_its_guardian_a_run_goes_on() -> None:
    with Guardian() as guardian:
        os.kill(guardian._shell.pid, signal.SIGKILL)
        assert ends_within(guardian._shell.pid, 5.0)
        guardian.started(1234)
        guardian.ended(1234)
