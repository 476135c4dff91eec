"""Text from outside: inert, and as wide as it says."""

from __future__ import annotations

import re

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackerjack.reports.safe_text import cells, clip, inert, inert_lines, one_line
from crackerjack.reports.style import Line, Look, width_of, wrap

ANY_TEXT = st.text(st.characters())
"""Lone surrogates included."""


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain text, \u00fc\u4e2d\U0001f600", "plain text, \u00fc\u4e2d\U0001f600"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\nb\tc\rd\0", "a\\nb\\tc\\rd\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("byte \udcff, half \ud83d", "byte \\xff, half \\ud83d"),
        ("tag \U000e0041", "tag \\U000e0041"),
    ],
)
def test_what_is_hostile_is_shown(hostile: str, shown: str) -> None:
    assert inert(hostile) == shown


def test_messages_and_output_keep_their_words() -> None:
    assert one_line("expected\n\t an  int\x00") == "expected an int\\x00"
    assert inert_lines("a\tb\r\nc\rd\n") == ["a   b", "c", "d"]
    assert inert_lines("") == []


@given(ANY_TEXT)
def test_no_text_moves_the_cursor(text: str) -> None:
    for safe in (inert(text), one_line(text), *inert_lines(text)):
        safe.encode("utf-8")
        assert not re.search("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", safe)


@given(ANY_TEXT)
def test_text_is_never_wider_than_it_says(text: str) -> None:
    safe = inert(text)[:150]
    screen = pyte.Screen(320, 2)
    pyte.Stream(screen).feed(safe)
    assert screen.cursor.x <= cells(safe)


def test_wide_characters_take_two_cells_and_combining_ones_none() -> None:
    assert cells("\u4e2d\u6587") == 4
    assert cells("e\u0301") == 1
    assert cells("\U0001f600") == 2
    assert cells("\u2764\ufe0f") == 2
    assert cells("\U0001f1e6") == 2
    assert cells("\u2630") == 2
    assert cells("\u0600") == 1


@given(ANY_TEXT.map(inert), st.integers(0, 40))
def test_clipped_text_fits(text: str, width: int) -> None:
    cut = clip(text, width, "\u2026")
    assert cells(cut) <= width
    assert cut == text or cells(text) > width


@given(
    st.lists(st.tuples(st.sampled_from(["", "bad"]), st.text("abc \u4e2d", max_size=30))),
    st.integers(10, 40),
)
def test_wrapped_lines_keep_every_word_and_break_only_at_spaces(line: Line, width: int) -> None:
    lines = wrap(line, width, 4)
    assert "".join("".join(text for _, text in one) for one in lines).replace(" ", "") == "".join(
        text for _, text in line
    ).replace(" ", "")
    longest = max((cells(word) for word in "".join(t for _, t in line).split(" ")), default=0)
    for one in lines:
        assert width_of(one) <= max(width, 4 + longest)


def test_words_of_one_colour_are_coloured_together() -> None:
    lines = wrap([("warn", "one two three"), ("", " "), ("bad", ""), ("bad", "four five")], 11, 2)
    assert [Look(color=True).paint(line) for line in lines] == [
        "\x1b[33mone two\x1b[0m",
        "  \x1b[33mthree\x1b[0m",
        "  \x1b[31mfour five\x1b[0m",
    ]


def test_colours_and_symbols_only_where_there_are_any() -> None:
    line: Line = [("bad", "x"), ("", " y")]
    assert Look(color=True).paint(line) == "\x1b[31mx\x1b[0m y"
    assert Look().paint(line) == "x y"
    assert Look(unicode=False).symbol("passed") == ("good", "+")
    assert Look().symbol("passed") == ("good", "\u2713")
    assert Look().symbol("a status of a newer version")[1]


def test_a_fitted_line_is_cut_across_its_styles() -> None:
    fitted = Look(unicode=False).fit([("bad", "abcd"), ("", "efgh"), ("good", "ij")], 7)
    assert fitted == [("bad", "abcd"), ("", "...")]
