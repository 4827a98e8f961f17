"""What was done, in sentences: of an effect the reader learns what it was seen by."""

from __future__ import annotations

from hand_built import FAULT, PASSED
from msgspec.structs import replace

from chaosrun.reports._story import story


def test_an_effect_is_told_with_what_it_was_seen_by() -> None:
    seen = replace(FAULT, detail="300 of 300 connections reset, within 6.67 ms")
    first = story(replace(PASSED, faults=[seen]))[0]
    assert first.endswith("confirmed within 4.1 ms: 300 of 300 connections reset, within 6.67 ms.")
    unseen = replace(seen, verified=False, confirmed_s=None, detail="none of the 300 clients had an open connection")
    first = story(replace(PASSED, faults=[unseen]))[0]
    assert first.endswith("its effect NOT confirmed: none of the 300 clients had an open connection.")


def test_where_nothing_is_told_of_it_the_sentence_ends() -> None:
    assert story(PASSED)[0].endswith("its effect confirmed within 4.1 ms.")
