"""Searches text for a pattern of the user's own: a program, and the function that it is made of.

A pattern may backtrack for ever, and holds the interpreter's lock meanwhile: nothing could time it
out or interrupt it. So it runs in a process of its own, of which only the standard library is needed::

    python -I -S pattern_search.py PATTERN FILE

prints a line of JSON, an object with the named groups, for each line of the file that it finds.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator


def matches(pattern: str, text: str) -> Iterator[dict[str, str]]:
    """Yield the named groups of each line, taken by itself, that the pattern is found in."""
    search = re.compile(pattern).search
    for line in text.splitlines():
        if found := search(line):
            yield found.groupdict(default="")


def main(pattern: str, path: str) -> None:
    """Search a file in UTF-8."""
    with open(path, encoding="utf-8", newline="") as file:
        for groups in matches(pattern, file.read()):
            sys.stdout.write(json.dumps(groups) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
