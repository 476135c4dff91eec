"""Tools that print too much, or nonsense, or never end: the run ends, and says what is true."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine, Ended, Project


def run_tool(crackerjack: CommandLine, *arguments: str) -> Ended:
    return crackerjack("--check", "--hook", "tool", "--json", *arguments)


def texts(ran: Ended) -> list[str]:
    return [e["data"]["text"] for e in ran.events if e["event_type"] == "hook_output"]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:  # a zombie that init has yet to reap is dead enough
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return sys.platform == "darwin"


def wait_until_dead(pid: int) -> None:
    deadline = time.monotonic() + 30
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.01)


def test_a_line_of_300_kb_arrives_whole(crackerjack: CommandLine, project: Project) -> None:
    project.write_tool("head -c 300000 /dev/zero | tr '\\0' x; echo; echo after")
    ran = run_tool(crackerjack)
    assert ran.exit_code == 0
    assert "".join(texts(ran)) == "x" * 300_000 + "\nafter\n"
    assert max(map(len, texts(ran))) <= 16 * 1024


def test_a_directory_in_place_of_a_report_is_removed_with_the_rest(
    crackerjack: CommandLine, project: Project
) -> None:
    project.configure(
        "[tool.crackerjack.hooks.tool]\n"
        """command = ["/bin/sh", "-c", "mkdir {report} && touch {report}/page"]"""
    )
    ran = run_tool(crackerjack)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert list((crackerjack.state_dir / "scratch").iterdir()) == []


def test_bytes_that_are_no_text_stay_readable(crackerjack: CommandLine, project: Project) -> None:
    project.write_tool("printf 'a\\000b\\377\\033[31mred\\r\\007 ok\\n'; exit 1")
    ran = run_tool(crackerjack)
    assert texts(ran) == ["a\0b\\xff\x1b[31mred\r\x07 ok\n"]
    assert (ran.exit_code, ran.result_of("tool")["status"]) == (1, "failed")
    shown = crackerjack("--check", "--hook", "tool", "-v").stdout
    assert "red" in shown
    assert not {"\0", "\x1b", "\r", "\x07"}.intersection(shown)


def test_a_million_lines_cost_no_memory_and_are_capped_with_a_notice(
    crackerjack: CommandLine, project: Project, tmp_path: Path
) -> None:
    many = 'yes "a line among a million" | head -n 1000000; echo the last words; exit 1'
    project.write_tool("if [ -e silent ]; then exit 1; fi; " + many)
    silent = project.write("silent", "")
    arguments = ("--check", "--hook", "tool", "--json")
    idle, idle_peak = crackerjack.measured(*arguments, output=tmp_path / "idle")
    silent.unlink()
    ran, peak = crackerjack.measured(*arguments, output=tmp_path / "output")
    assert (idle.exit_code, ran.exit_code) == (1, 1)
    assert peak - idle_peak < 150  # MiB
    assert ran.result_of("tool")["status"] == "failed"
    assert ran.result_of("tool")["reason"].endswith("the last words")
    said = "".join(texts(ran))
    assert len(said) < 2_000_000
    assert "bytes of output are left out here]" in said
    assert said.endswith("a line among a million\nthe last words\n")


def test_a_tool_that_prints_for_ever_is_timed_out(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write_tool("exec yes", "timeout = 1.5")
    ran = run_tool(crackerjack)
    assert ran.exit_code == 3
    assert ran.result_of("tool")["status"] == "timed_out"
    assert "bytes of output are left out here]" in "".join(texts(ran))


def test_a_tool_that_ignores_term_is_killed(crackerjack: CommandLine, project: Project) -> None:
    project.write_tool("trap '' TERM; echo $$; while :; do sleep 1; done", "timeout = 1")
    ran = run_tool(crackerjack)
    assert (ran.exit_code, ran.result_of("tool")["status"]) == (3, "timed_out")
    wait_until_dead(int(texts(ran)[0]))


def test_children_that_a_tool_leaves_behind_are_ended(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write_tool("sleep 300 & echo $!")
    began = time.monotonic()
    ran = run_tool(crackerjack)
    assert time.monotonic() - began < 60  # not 300: the child holds the pipe open
    assert (ran.exit_code, ran.result_of("tool")["status"]) == (0, "passed")
    wait_until_dead(int(texts(ran)[0]))


def test_a_child_in_a_session_of_its_own_keeps_nobody_waiting(
    crackerjack: CommandLine, project: Project
) -> None:
    own_session = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(300)"
    project.write("child.py", own_session)
    project.write_tool(
        f"{sys.executable} -S child.py > pid & until [ -s pid ]; do sleep 0.01; done; cat pid"
    )
    ran = run_tool(crackerjack)
    assert ran.result_of("tool")["status"] == "passed"
    os.kill(int(texts(ran)[0]), signal.SIGKILL)


def test_a_tool_finds_no_input_to_wait_for(crackerjack: CommandLine, project: Project) -> None:
    project.write_tool("cat", "timeout = 30")
    assert run_tool(crackerjack).result_of("tool")["status"] == "passed"


def test_a_tool_that_closes_its_output_is_waited_for(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write_tool("exec >&- 2>&-; sleep 0.2; exit 1")
    assert run_tool(crackerjack).result_of("tool")["status"] == "failed"


def test_a_tool_that_crashes_has_found_nothing(crackerjack: CommandLine, project: Project) -> None:
    project.write_tool("echo its words >&2; kill -SEGV $$")
    ran = run_tool(crackerjack)
    assert (ran.exit_code, ran.result_of("tool")["status"]) == (3, "tool_error")
    assert "was ended by SIGSEGV: its words" in ran.result_of("tool")["reason"]


@pytest.mark.parametrize("parser", ["json", "sarif"])
def test_a_report_that_is_none_is_an_error_of_the_tool(
    crackerjack: CommandLine, project: Project, parser: str
) -> None:
    fields = 'fields = {path = "a", message = "b"}' if parser == "json" else ""
    project.write_tool("yes '{\"a\": [' | head -n 100000; exit 1", f'parser = "{parser}"\n{fields}')
    ran = run_tool(crackerjack)
    assert (ran.exit_code, ran.result_of("tool")["status"]) == (3, "tool_error")


def test_a_pattern_that_backtracks_for_ever_is_timed_out(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write_tool(
        f"echo {'a' * 60}; exit 1",
        "parser = 'regex'\npattern = '(?P<path>(a+)+)(?P<message>b)'\ntimeout = 2",
    )
    ran = run_tool(crackerjack)
    assert (ran.exit_code, ran.result_of("tool")["status"]) == (3, "timed_out")
    assert "while its output was searched for the pattern" in ran.result_of("tool")["reason"]


def test_a_pattern_finds_lines_among_colours_and_nonsense(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write_tool(
        "printf '\\033[1msample/maths.py\\033[0m:4: \\377 found\\nnoise\\n' >&2; exit 1",
        "parser = 'regex'\npattern = '^(?P<path>[^:]+):(?P<line>[0-9]+): (?P<message>.*)'",
    )
    ran = run_tool(crackerjack)
    assert ran.exit_code == 1
    (found,) = [e["data"] for e in ran.events if e["event_type"] == "diagnostic_found"]
    assert (found["path"], found["line"], found["message"]) == ("sample/maths.py", 4, "\\xff found")


@pytest.mark.parametrize(
    ("make", "status", "sentence"),
    [
        ("rm tool; mkdir tool", "tool_missing", "./tool is no program: it must be an executable"),
        ("chmod -x tool", "tool_missing", "./tool is no program: it must be an executable"),
        ("rm tool", "tool_missing", "./tool is no program: it must be an executable file"),
        ("rm tool; ln -s tool tool", "tool_missing", "./tool is no program"),
        ("echo '#!/no/such' > tool", "tool_missing", "an executable file whose interpreter exists"),
        ("echo 'exit 1' > tool", "tool_error", "a script begins with a line such as #!/bin/sh"),
    ],
)
def test_a_tool_that_is_no_program(
    crackerjack: CommandLine, project: Project, make: str, status: str, sentence: str
) -> None:
    project.write_tool("exit 0")
    subprocess.run(["sh", "-c", make], cwd=project.root, check=True)
    ran = run_tool(crackerjack)
    assert (ran.exit_code, ran.result_of("tool")["status"]) == (3, status)
    assert sentence in ran.result_of("tool")["reason"]


def test_events_stay_lines_of_json_whatever_is_printed(
    crackerjack: CommandLine, project: Project
) -> None:
    project.write_tool("head -c 200000 /dev/urandom; printf '\\342\\200\\250\\302\\205\\n'")
    ran = run_tool(crackerjack)
    lines = ran.stdout.split("\n")
    assert [json.loads(line)["seq"] for line in lines if line] == list(range(1, len(lines)))
