"""Starting up: the command's version and help against a bare click program's."""

from __future__ import annotations

import sys
from typing import Final

from benches.bench_checks import compare
from benches.paired import command, measure
from benches.projects import CRACKERJACK, environment, fresh

CLICK_PROGRAM: Final = '''"""As little as a click program can be."""
import click

@click.command()
@click.version_option("1.0")
@click.option("--name", default="world", help="Whom to greet.")
def main(name):
    """Greet somebody."""
    click.echo(f"Hello {name}")

main()
'''


def main() -> None:
    directory = fresh("startup")
    (directory / "bare.py").write_text(CLICK_PROGRAM)
    for option in ("--version", "--help"):
        programs = {
            f"crackerjack {option}": [CRACKERJACK, option],
            f"click {option}": [sys.executable, "bare.py", option],
        }
        contenders = [
            command(name, argv, cwd=str(directory), env=environment(), accept=(0,))
            for name, argv in programs.items()
        ]
        series = measure(contenders, rounds=31, warmups=3)
        compare(f"Starting up: {option}", series, {series[1].name: 1.2})
