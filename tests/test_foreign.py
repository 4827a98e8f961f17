"""Text of others, as it is written down."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaosrun.foreign import LONGEST, brief, clean


@given(st.text())
def test_what_is_cleaned_can_be_printed_and_cleaning_it_again_changes_nothing(text: str) -> None:
    told = clean(text)
    assert "\x1b" not in told and "\n" not in told and "\u202e" not in told
    told.encode()  # no half of a pair is left
    assert clean(told) == told


def test_plain_words_of_any_language_stay_as_they_are() -> None:
    assert clean("Grüße, 世界 <b>&amp;</b>") == "Grüße, 世界 <b>&amp;</b>"


def test_what_is_brief_is_so_even_where_every_character_is_spelt_out() -> None:
    assert brief("ok") == "ok"
    assert brief("x" * LONGEST) == "x" * LONGEST
    assert brief("x" * 10**7) == "x" * LONGEST + "…"
    assert len(brief("\x1b" * 10**6)) == LONGEST + 1
