from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from chaosrun.reports._safe_text import clean, clean_lines, fit_encoding
from chaosrun.spec.secret import mask


def test_an_escape_sequence_is_spelt_out() -> None:
    assert clean("\x1b[2Jgone\x07") == "\\x1b[2Jgone\\x07"


def test_text_cannot_be_turned_round_or_hidden() -> None:
    assert clean("safe\u202egpj.exe\u200b\x9b31m") == "safe\\u202egpj.exe\\u200b\\x9b31m"


def test_a_line_end_cannot_forge_a_line() -> None:
    assert clean("title\r\nverdict: passed") == "title  verdict: passed"
    assert clean_lines("one\ntwo\x1b") == "one\ntwo\\x1b"


def test_letters_of_all_languages_stay() -> None:
    assert clean("Größe 価格 ± 5 µs €") == "Größe 価格 ± 5 µs €"


@given(st.text())
def test_nothing_that_controls_a_terminal_is_left(text: str) -> None:
    assert not {unicodedata.category(char) for char in clean(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_a_secret_within_another_does_not_shine_through() -> None:
    assert mask("token=abcdefgh and abcd", ["abcd", "abcdefgh"]) == "token=*** and ***"


def test_a_secret_of_three_letters_blanks_out_nothing() -> None:
    assert mask("it was cut", ["was", ""]) == "it was cut"


def test_what_an_encoding_lacks_is_said_in_ascii() -> None:
    assert fit_encoding("2 s ± 1 ms · ✓ €", "ascii") == "2 s +- 1 ms | + \\u20ac"
    assert fit_encoding("2 s ± 1 ms · ✓ €", "utf-8") == "2 s ± 1 ms · ✓ €"
    assert fit_encoding("±", None) == "+-"
    assert fit_encoding("±", "no-such-encoding") == "+-"
