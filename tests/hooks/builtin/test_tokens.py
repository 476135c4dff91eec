"""Tokens that open something. Those here were made up: each is put together from pieces."""

from __future__ import annotations

import random
import string

import pytest

from crackerjack.hooks.builtin import FileCheckSettings, check_file

ALPHANUMERIC = string.ascii_letters + string.digits
SEED = random.Random(7)


def some(count: int, alphabet: str = ALPHANUMERIC) -> str:
    """Characters that look random."""
    return "".join(SEED.choices(alphabet, k=count))


def codes(text: str) -> list[tuple[str, int | None]]:
    found = check_file("config.py", text.encode(), ["access-token"], FileCheckSettings())
    return [(one.code, one.line) for one in found]


TOKENS = [
    "AKIA" + some(16, string.ascii_uppercase + "234567"),
    "ghp_" + some(36),
    "github_pat_" + some(82),
    "glpat-" + some(20),
    "xoxb-" + "123456789012-234567890123-" + some(24),
    "https://hooks.slack.com/services/T0123ABCD/B0123ABCD/" + some(24),
    "sk_live_" + some(24),
    "rk_live_" + some(30),
    "pypi-" + "AgEIcHlwaS5vcmc" + some(50),
    "npm_" + some(36),
    "SG." + some(22) + "." + some(43),
    "sk-proj-" + some(24) + "T3Blbk" + "FJ" + some(24),
    "sk-ant-" + "api03-" + some(93) + "AA",
    "dop_v1_" + some(64, "0123456789abcdef"),
]


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token[:8])
def test_a_token_is_found_and_not_repeated(token: str) -> None:
    text = f'x = 1\nTOKEN = "{token}"\n'

    (found,) = check_file("config.py", text.encode(), ["access-token"], FileCheckSettings())

    assert (found.code, found.line) == ("access-token", 2)
    assert token not in found.message


@pytest.mark.parametrize(
    "text",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",  # of Amazon's own documentation
        "ghp_" + "x" * 36,
        "ghp_" + "1234567890" * 3,
        "npm_" + "config_something_long_enough_to_be_one",
        "prefix" + "AKIA" + some(16, string.ascii_uppercase + "234567"),
        "ghp_" + some(40),
        "sk_test_" + some(24),
        "def npm_install(): SG.something",
    ],
)
def test_what_only_looks_like_one_is_not(text: str) -> None:
    assert codes(text) == []


def test_each_is_told_with_its_line() -> None:
    text = f"{TOKENS[0]}\n\n{TOKENS[1]}\n{TOKENS[0]}\n"

    assert codes(text) == [("access-token", 1), ("access-token", 3), ("access-token", 4)]
