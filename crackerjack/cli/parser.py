"""The arguments of every command. Only the parser of the command that is asked for is built."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, Final, NoReturn, Protocol

from crackerjack import __version__
from crackerjack.cli.fleet_arguments import (
    add_apply,
    add_broker,
    add_queue,
    add_remote_run,
    add_worker,
)
from crackerjack.cli.values import count, job_id, port, said, seconds, workers
from crackerjack.types import ExitCode


class Command(Protocol):
    """What runs a command."""

    def __call__(self, arguments: argparse.Namespace, /) -> int:
        """Returns the exit code; raises :exc:`CrackerjackError` for exit code 2."""
        ...


class _Entry(Protocol):
    def __call__(self, parser: argparse.ArgumentParser, /) -> None: ...


class _Parser(argparse.ArgumentParser):
    """Says what was probably meant, and where the help is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_formatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        import difflib

        from crackerjack.reports.safe_text import inert

        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            known = [name for action in self._actions for name in action.option_strings]
            close = difflib.get_close_matches(unknown.split()[0].partition("=")[0], known, n=1)
            if close:
                message += f" (did you mean {close[0]}?)"
        help_is = f"Try '{self.prog} --help' for help."
        self.exit(ExitCode.USAGE, f"{self.prog}: error: {inert(message)}\n{help_is}\n")


def _formatter(prog: str) -> argparse.HelpFormatter:
    """As wide as the terminal. Left to itself, argparse imports shutil for that: 4 ms."""
    try:
        columns = os.get_terminal_size().columns
    except OSError:
        columns = 0
    return argparse.HelpFormatter(prog, width=(columns or 100) - 2)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; ``entry`` names the function that runs the command.

    Without a command it is ``run``. Raises :exc:`SystemExit` for help, version and usage errors.
    """
    first = argv[0] if argv else ""
    if first in {"-h", "--help", "-V", "--version"}:
        whole_parser().parse_args(argv)
    if first in _COMMANDS:
        return _build(first).parse_args(argv[1:])
    if first and not first.startswith("-"):
        _Parser(prog="crackerjack", add_help=False).error(_unknown_command(first))
    return _build("run").parse_args(argv)


def whole_parser() -> argparse.ArgumentParser:
    """Every command in one parser: for ``--help`` and the shell completions."""
    parser = _Parser(
        prog="crackerjack",
        description="Run a Python project's quality checks as a job and see every event of it live.",
        usage="crackerjack [COMMAND] [options]; without a COMMAND: crackerjack run [options]",
        epilog="The options above are those of `crackerjack run`; `crackerjack COMMAND --help` "
        "shows those of the others. Exit codes: 0 passed, 1 findings or failing tests, "
        "2 usage, configuration or store error, 3 a tool is missing, crashed or timed out, "
        "130 interrupted.",
    )
    parser.add_argument("-V", "--version", action="version", version=f"crackerjack {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name, (entry, add_arguments, help_text) in _COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(entry=entry)
        add_arguments(command)
    _add_run(parser)
    return parser


def _build(name: str) -> argparse.ArgumentParser:
    entry, add_arguments, help_text = _COMMANDS[name]
    parser = _Parser(prog=f"crackerjack {name}", description=help_text)
    parser.set_defaults(entry=entry, command=name)
    add_arguments(parser)
    return parser


def _unknown_command(word: str) -> str:
    import difflib

    close = difflib.get_close_matches(word, _COMMANDS, n=1)
    hint = f" (did you mean {close[0]}?)" if close else f"; there are: {', '.join(_COMMANDS)}"
    return f"no command {word!r}{hint}"


def _add_project(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--project", metavar="DIR", type=said, help="the project (default: the one around here)"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for machines")


def _add_job(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    parser.add_argument(
        "job",
        metavar="JOB",
        type=job_id,
        nargs="?" if optional else None,
        help="the job's id" + (" (default: the project's last job)" if optional else ""),
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    _add_what_to_run(parser)
    _add_how_to_run(parser)
    add_remote_run(parser)
    _add_output(parser)


def _add_what_to_run(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to run")
    _add_project(parser)
    what.add_argument(
        "--workflow",
        metavar="NAME",
        type=said,
        help="fast, standard (default), test, comprehensive, or one of the project's own",
    )
    what.add_argument("--fast", action="store_true", help="only the fast hooks")
    what.add_argument("--comp", action="store_true", help="only the comprehensive hooks")
    what.add_argument("-t", "--run-tests", action="store_true", help="run the tests too")
    what.add_argument("-s", "--skip-hooks", action="store_true", help="skip all hooks")
    what.add_argument("--skip-cleaning", action="store_true", help="skip the code cleaning")
    what.add_argument(
        "--hook",
        metavar="NAME",
        action="append",
        default=[],
        help="only this hook; may be repeated (`crackerjack hooks` lists them)",
    )
    what.add_argument(
        "--path",
        metavar="PATH",
        action="append",
        default=[],
        type=said,
        help="only this file, or what is in this directory; may be repeated",
    )
    what.add_argument(
        "--changed-only", action="store_true", help="only files that differ from the last commit"
    )
    what.add_argument(
        "--since", metavar="REV", type=said, help="only files that differ from this revision"
    )


def _add_how_to_run(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how to run it")
    how.add_argument(
        "--check",
        action="store_true",
        default=None,
        help="never write to the project (the default when CI is set)",
    )
    how.add_argument(
        "--fix",
        dest="check",
        action="store_false",
        help="write fixes, also when CI is set",
    )
    how.add_argument(
        "--strip-code",
        action="store_true",
        default=None,
        help="let the cleaning remove comments and docstrings",
    )
    how.add_argument("--no-cache", action="store_true", help="reuse no earlier result")
    how.add_argument(
        "--fail-fast", action="store_true", default=None, help="begin nothing after a failure"
    )
    how.add_argument("-j", "--jobs", metavar="N", type=workers, help="hooks side by side")
    how.add_argument("--job-id", metavar="ID", type=job_id, help="the id of this run")
    how.add_argument(
        "--timeout", metavar="SECONDS", type=seconds, help="for the whole run (default: 3600)"
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument(
        "--json", action="store_true", help="print every event as a line of JSON, and only that"
    )
    output.add_argument("--events-file", metavar="FILE", help="write the same lines to a file")
    output.add_argument(
        "--format",
        choices=("text", "github", "sarif", "junit", "json"),
        help="print a report at the end",
    )
    output.add_argument("--output", metavar="FILE", help="write the report to a file")
    output.add_argument(
        "--open", action="store_true", help="show the job in the browser, where a server has it"
    )
    _add_volume(output)


def _add_volume(parser: argparse._ActionsContainer) -> None:
    volume = parser.add_mutually_exclusive_group()
    volume.add_argument("-q", "--quiet", action="store_true", help="findings and verdict only")
    volume.add_argument(
        "-v", "--verbose", action="store_true", help="also the tools' output and every test"
    )


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    add_broker(parser)
    _add_project(parser)
    parser.add_argument("--all", action="store_true", help="the jobs of every project")
    parser.add_argument("--status", metavar="STATUS", help="running, completed, failed, ...")
    parser.add_argument("--limit", metavar="N", type=count, default=20, help="default: 20")
    _add_json(parser)


def _add_show(parser: argparse.ArgumentParser) -> None:
    add_broker(parser)
    _add_job(parser, optional=True)
    _add_project(parser)
    parser.add_argument(
        "--format", choices=("text", "github", "sarif", "junit", "json"), help="as a report"
    )
    _add_json(parser)


def _add_events(parser: argparse.ArgumentParser) -> None:
    add_broker(parser)
    _add_job(parser)
    parser.add_argument(
        "--since", metavar="N", type=count, default=0, help="only events after this seq"
    )
    parser.add_argument("--follow", action="store_true", help="go on until the job ends")
    _add_server(parser)
    parser.add_argument(
        "--json", action="store_true", help="accepted for symmetry: events are JSON lines anyway"
    )


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        metavar="URL",
        type=said,
        help="from a `crackerjack serve`, say http://127.0.0.1:8675",
    )
    parser.add_argument(
        "--token", type=said, help="that server's token; better given in CRACKERJACK_TOKEN"
    )


def _add_watch(parser: argparse.ArgumentParser) -> None:
    add_broker(parser)
    _add_job(parser, optional=True)
    _add_project(parser)
    parser.add_argument("--all", action="store_true", help="an overview of all jobs, like top")
    _add_server(parser)
    _add_volume(parser)


def _add_cancel(parser: argparse.ArgumentParser) -> None:
    add_broker(parser)
    _add_job(parser)
    _add_json(parser)


def _add_undo(parser: argparse.ArgumentParser) -> None:
    add_broker(parser)
    _add_job(parser, optional=True)
    _add_project(parser)
    _add_json(parser)


def _add_prune(parser: argparse.ArgumentParser) -> None:
    add_broker(parser)
    _add_project(parser)
    parser.add_argument("--all", action="store_true", help="the jobs of every project")
    parser.add_argument(
        "--keep", metavar="N", type=count, help="ended jobs to keep (default: keep_jobs)"
    )
    _add_json(parser)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    add_broker(parser)
    parser.add_argument("--open", action="store_true", help="show the dashboard in the browser")
    parser.add_argument("--host", default="127.0.0.1", help="the address (default: 127.0.0.1)")
    parser.add_argument(
        "--port", metavar="N", type=port, default=8675, help="default: 8675; 0 takes a free one"
    )
    parser.add_argument(
        "--token",
        type=said,
        help="what clients must send; better given in CRACKERJACK_TOKEN, unseen by ps",
    )
    parser.add_argument(
        "--project-root",
        metavar="DIR",
        type=said,
        action="append",
        default=[],
        help="where clients may start runs: in projects below DIR; may be repeated (default: here)",
    )
    parser.add_argument(
        "--allowed-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="a site whose pages may ask, such as https://ci.example.org; may be repeated",
    )
    parser.add_argument(
        "--allowed-host",
        metavar="NAME",
        action="append",
        default=[],
        help="another name of this server, as clients write it; may be repeated",
    )


def _add_mcp(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--project-root",
        metavar="DIR",
        type=said,
        action="append",
        default=[],
        help="the agent may see and run projects below DIR; may be repeated (default: the project here)",
    )


def _add_listing(parser: argparse.ArgumentParser) -> None:
    _add_project(parser)
    _add_json(parser)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    add_broker(parser)
    _add_listing(parser)


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    parser.set_defaults(whole_parser=whole_parser)


_JOBS: Final = "crackerjack.cli.job_commands"
_WATCH: Final = "crackerjack.cli.watch_command"
_FLEET: Final = "crackerjack.cli.fleet_commands"
_PROJECTS: Final = "crackerjack.cli.project_commands"

_COMMANDS: Final[dict[str, tuple[str, _Entry, str]]] = {
    "run": ("crackerjack.cli.run_command:run", _add_run, "run the checks (the default)"),
    "jobs": (f"{_JOBS}:jobs", _add_jobs, "list jobs, newest first"),
    "show": (f"{_JOBS}:show", _add_show, "show what a job did and found"),
    "events": (f"{_WATCH}:events", _add_events, "print the events of a job as JSON lines"),
    "watch": (f"{_WATCH}:watch", _add_watch, "show a job live, as run does"),
    "cancel": (f"{_JOBS}:cancel", _add_cancel, "stop a running job"),
    "undo": (f"{_JOBS}:undo", _add_undo, "put back what a job changed"),
    "prune": (f"{_JOBS}:prune", _add_prune, "forget old jobs"),
    "serve": ("crackerjack.cli.serve_command:serve", _add_serve, "serve every job, live"),
    "worker": (f"{_FLEET}:worker", add_worker, "run jobs that a broker has for workers"),
    "apply": ("crackerjack.cli.fixes:apply", add_apply, "make the fixes of a run on a worker here"),
    "queue": (f"{_FLEET}:queue", add_queue, "show what waits for workers, and which there are"),
    "mcp": ("crackerjack.cli.mcp_command:mcp", _add_mcp, "serve AI agents over MCP (stdio)"),
    "hooks": (f"{_PROJECTS}:hooks", _add_listing, "list what will run here, and what will not"),
    "config": (f"{_PROJECTS}:config", _add_listing, "show the configuration and its origins"),
    "doctor": (f"{_PROJECTS}:doctor", _add_doctor, "check the tools, the store and the project"),
    "init": (f"{_PROJECTS}:init", _add_listing, "add [tool.crackerjack] to pyproject.toml"),
    "completion": (f"{_PROJECTS}:completion", _add_completion, "print a shell's completion"),
}
