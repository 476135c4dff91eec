from __future__ import annotations

import pytest

from crackerjack.hooks.cleaning.taken import taken_names

NAMES = {"pkg/compat.py": frozenset({"json", "StringIO"})}


def taken(text: str, path: str = "pkg/other.py") -> frozenset[str]:
    return taken_names(NAMES, [(path, text.encode())])["pkg/compat.py"]


@pytest.mark.parametrize(
    "text",
    [
        "from pkg.compat import json",
        "from .compat import (\n    basestring,  # (all of it)\n    json as j,\n)",
        "from .compat import basestring, \\\n    json",
        "from .. compat import x\nfrom pkg import compat\ncompat.json.loads('')",
        "mock.patch('pkg.compat.json')",
    ],
)
def test_names_that_others_take(text: str) -> None:
    assert taken(text) == {"json"}


def test_everything_is_taken_with_a_star() -> None:
    assert taken("from pkg.compat import *") == {"json", "StringIO"}


@pytest.mark.parametrize(
    "text",
    [
        "import json\nfrom pkg.compat import basestring\njson.loads('')",
        "from pkg.incompat import json",
        "from pkg.compat_more import json",
        "from json import compat",
    ],
)
def test_names_that_others_do_not_take(text: str) -> None:
    assert taken(text) == set()


def test_a_module_takes_nothing_from_itself() -> None:
    assert taken("from pkg.compat import json", "pkg/compat.py") == set()
