"""Draw docs/watching.svg: a run in one terminal, and who watches it in another, at the same moment.

Both are real: they run in pseudo-terminals, on a small project that is made for it. Run it with
``.venv/bin/python scripts/draw_watching.py`` when the live view has changed.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import ExitStack, closing
from itertools import groupby
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import pyte

TARGET: Final = Path(__file__).parent.parent / "docs" / "watching.svg"
COLUMNS: Final = 80
LINES: Final = 24
PATIENCE: Final = 60.0  # seconds until the moment to draw must have come
MOMENT: Final = r"(1[5-9]|2\d)/40, 1 failed"
"""What both terminals show when they are drawn."""

PROJECT: Final = {
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1.0"\n',
    "shop/__init__.py": '"""A shop."""\n',
    "shop/prices.py": '''"""What things cost."""

import os


def total(prices: list[float], discount: float) -> int:
    """The sum of the prices, less a discount."""
    return sum(prices) * (1 - discount)
''',
    "tests/test_prices.py": """import time

import pytest

from shop.prices import total


@pytest.mark.parametrize("price", range(40))
def test_half_price(price: int) -> None:
    time.sleep(0.15)
    assert total([price], 0.5) == (7 if price == 13 else price / 2)
""",
}

CELL: Final = (7.8, 17)  # pixels: width and height of a character at 13 pixels
MARGIN: Final = 14  # pixels around the text of a terminal
BAR: Final = 26  # pixels: the height of its title bar
GAP: Final = 16  # pixels between the terminals
FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
BACKGROUND: Final = "#16181d"
COLORS: Final = {
    "default": "#d5d9e0",
    "brightblack": "#868d99",
    "red": "#f2777a",
    "green": "#8fd18b",
    "brown": "#f0c674",  # what pyte calls the terminal's yellow
    "cyan": "#6fc3df",
}


class Terminal:
    """A command in a pseudo-terminal of its own."""

    def __init__(self, title: str, *arguments: str, cwd: Path, env: dict[str, str]) -> None:
        self.title = title
        self._raw = f"$ crackerjack {' '.join(arguments)}\r\n".encode()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        command = [str(Path(sys.executable).parent / "crackerjack"), *arguments]
        self.process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)

    def read(self) -> None:
        """Take in what was written, for a moment."""
        if select.select([self._master], [], [], 0.02)[0]:
            try:
                self._raw += os.read(self._master, 65536)
            except OSError as error:  # Linux says so when the command has ended
                raise SystemExit(f"{self.title} ended too early:\n{self.text()}") from error

    def screen(self) -> pyte.Screen:
        """What is on the screen now."""
        screen = pyte.Screen(COLUMNS, LINES)
        # The emulator knows no faint characters, so they are drawn in grey.
        pyte.ByteStream(screen).feed(self._raw.replace(b"\x1b[2m", b"\x1b[90m"))
        return screen

    def text(self) -> str:
        """The screen's characters."""
        return "\n".join(line.rstrip() for line in self.screen().display).rstrip()

    def close(self) -> None:
        """End the command as Ctrl-C does: then a run ends its tools before itself."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        os.close(self._master)


def rows(screen: pyte.Screen) -> list[list[tuple[int, str, str, bool]]]:
    """The lines of a screen, each as pieces: first column, text, colour, whether it is bold."""
    lines = []
    for y in range(screen.lines):
        cells = [(x, screen.buffer[y][x]) for x in range(screen.columns)]
        pieces = []
        for (color, bold), group in groupby(cells, key=lambda cell: (cell[1].fg, cell[1].bold)):
            piece = list(group)
            text = "".join(char.data for _, char in piece)
            pieces += [  # several blanks would be drawn as one
                (piece[0][0] + words.start(), words[0], COLORS[color], bold)
                for words in re.finditer(r"\S+(?: \S+)*", text)
            ]
        lines.append(pieces)
    while not lines[-1]:
        lines.pop()
    return lines


def window(terminal: Terminal, top: float, width: float) -> tuple[list[str], float]:
    """The SVG of a terminal, and its height."""
    lines = rows(terminal.screen())
    height = BAR + 2 * MARGIN + CELL[1] * len(lines)
    drawn = [
        f'<rect y="{top:g}" width="{width:g}" height="{height:g}" rx="8" fill="{BACKGROUND}"/>',
        *(
            f'<circle cx="{18 + 18 * number}" cy="{top + 17:g}" r="5" fill="{COLORS[color]}"/>'
            for number, color in enumerate(("red", "brown", "green"))
        ),
        (
            f'<text x="{width / 2:g}" y="{top + 21:g}" text-anchor="middle" '
            f'fill="{COLORS["brightblack"]}">{escape(terminal.title)}</text>'
        ),
    ]
    for number, pieces in enumerate(lines):
        y = top + BAR + MARGIN + CELL[1] * (number + 0.75)
        drawn += [_piece(y, *piece) for piece in pieces]
    return drawn, height


def _piece(y: float, column: int, text: str, color: str, bold: bool) -> str:
    # The length is given, so that columns meet in whatever font the reader has.
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{MARGIN + CELL[0] * column:g}" y="{y:g}" fill="{color}"{weight} '
        f'textLength="{CELL[0] * len(text):g}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
    )


def svg(terminals: list[Terminal]) -> str:
    """The picture, one terminal below the other."""
    width = 2 * MARGIN + CELL[0] * COLUMNS
    top = 0.0
    body: list[str] = []
    for terminal in terminals:
        drawn, height = window(terminal, top, width)
        body += drawn
        top += height + GAP
    size = f'width="{width:g}" height="{top - GAP:g}" viewBox="0 0 {width:g} {top - GAP:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-size="13" font-family="{FONTS}">',
            "<!-- drawn by scripts/draw_watching.py -->",
            "<title>crackerjack run in one terminal, crackerjack watch in another</title>",
            *body,
            "</svg>\n",
        ]
    )


def make_project(project: Path) -> None:
    """A project with something to fix, to find and to fail, whose tests take a while."""
    for name, text in PROJECT.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "--quiet", project], check=True)


def read_until(pattern: str, terminals: list[Terminal]) -> None:
    """Read until all of the terminals show it."""
    deadline = time.monotonic() + PATIENCE
    while not all(re.search(pattern, terminal.text()) for terminal in terminals):
        if time.monotonic() > deadline:
            raise SystemExit("\n".join(terminal.text() for terminal in terminals))
        for terminal in terminals:
            terminal.read()


def main() -> None:
    """Run, watch, wait for the moment, and draw it."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        project = Path(directory, "shop")
        make_project(project)
        env = {key: value for key, value in os.environ.items() if key not in {"CI", "NO_COLOR"}}
        env |= {"CRACKERJACK_STATE_DIR": str(Path(directory, "state"))}
        env |= {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        command = ("run", "-t", "--job-id", "nightly")
        run = stack.enter_context(closing(Terminal("one terminal", *command, cwd=project, env=env)))
        read_until("Running", [run])  # then the job is there
        watching = Terminal(
            "another terminal, meanwhile", "watch", "nightly", cwd=Path(directory), env=env
        )
        stack.enter_context(closing(watching))
        read_until(MOMENT, [run, watching])
        TARGET.write_text(svg([run, watching]))


if __name__ == "__main__":
    main()
