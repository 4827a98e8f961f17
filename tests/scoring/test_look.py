"""A look at a history: when the newest runs are worse than the good ones before them, and how often it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from math import inf
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chaosrun.scoring.comparable import COMPARABLE, Subject, Value
from chaosrun.scoring.look import ALPHA, MOST, NEWEST, Look, Point, fewest, last_good, look
from chaosrun.scoring.ranks import mann_whitney, smallest_p

TTR = Subject(COMPARABLE["ttr"])
STEADY = [2.0, 2.1, 1.9, 2.05, 1.95, 2.02, 2.08, 1.98, 2.03]
SLOW = [3.0, 3.1, 3.05]


def points(
    values: Sequence[float | None],
    *,
    bad: Sequence[int] = (),
    unsound: Sequence[int] = (),
    accepted: Sequence[range] = (),
) -> list[Point]:
    """Runs with these times to recover; `bad` ones did not pass, nobody can trust `unsound` ones, and somebody
    `accepted` stretches of them."""
    return [
        Point(
            None if value is None else Value(value, 0.01),
            counts=place not in unsound,
            good=place not in bad and place not in unsound,
            accepted=any(place in stretch for stretch in accepted),
            anew=any(place == stretch.start for stretch in accepted),
        )
        for place, value in enumerate(values)
    ]


def seen(values: Sequence[float | None], *, bad: Sequence[int] = (), unsound: Sequence[int] = ()) -> Look:
    return look(points(values, bad=bad, unsound=unsound), TTR)


def test_three_slow_runs_after_nine_good_ones_are_a_regression() -> None:
    found = seen([*STEADY, *SLOW])
    assert found.contrast.verdict == "regression"
    assert found.contrast.p == pytest.approx(1 / 220)
    assert found.newest == (9, 10, 11)
    assert found.good == tuple(range(9))
    assert found.worse == {9, 10, 11}


def test_runs_as_before_are_none_and_it_is_said_what_would_have_been_seen() -> None:
    found = seen([*STEADY, 2.01, 2.06, 1.97])
    assert (found.contrast.verdict, found.worse) == ("no_regression", frozenset())
    factor = found.contrast.detectable_ratio
    assert factor is not None
    assert seen([*STEADY, *(value * factor * 1.001 for value in (2.01, 2.06, 1.97))]).contrast.verdict == "regression"
    assert seen([*STEADY, *(value * factor * 0.99 for value in (2.01, 2.06, 1.97))]).contrast.verdict != "regression"


def test_one_slow_run_or_two_are_none() -> None:
    assert seen([*STEADY, 2.0, 2.0, 9.0]).contrast.verdict == "no_regression"
    assert seen([*STEADY, 2.0, 9.0, 9.0]).contrast.verdict == "no_regression"


def test_with_eight_good_runs_nobody_can_tell() -> None:
    assert seen([*STEADY[:8], *SLOW]).contrast.verdict == "cannot_tell"
    assert fewest() == 9
    assert smallest_p(9, NEWEST) <= ALPHA < smallest_p(8, NEWEST)


def test_where_several_numbers_decide_each_is_judged_more_strictly() -> None:
    assert fewest(2) == 12
    too_few = look(points([*STEADY, *SLOW]), TTR, among=2).contrast
    assert too_few.verdict == "cannot_tell"
    assert "0.0025 is asked where 2 numbers decide" in too_few.why
    enough = [*STEADY, 2.04, 1.99, 2.01, *SLOW]
    found = look(points(enough), TTR, among=2).contrast
    assert found.verdict == "regression"
    assert found.p_corrected == pytest.approx(2 / 455)


def test_of_more_numbers_than_any_history_is_long_enough_for_nobody_can_ever_tell() -> None:
    assert look(points([*STEADY, *SLOW]), TTR, among=5000).contrast.verdict == "cannot_tell"


def test_slower_by_less_than_a_tenth_is_none_however_sure() -> None:
    assert seen([*STEADY, 2.25, 2.26, 2.27]).contrast.verdict == "no_regression"


def test_runs_that_never_recovered_are_a_regression() -> None:
    assert seen([*STEADY, inf, inf, inf]).contrast.verdict == "regression"


def test_runs_that_failed_are_judged_and_are_not_what_others_are_held_against() -> None:
    failed = seen([*STEADY, *SLOW], bad=[9, 10, 11])
    assert failed.contrast.verdict == "regression"
    with_failures = [9.0, *STEADY[:5], 9.0, *STEADY[5:], 9.0, *SLOW]
    found = seen(with_failures, bad=[0, 6, 11])
    assert found.contrast.verdict == "regression"
    assert not {0, 6, 11} & set(found.good)


def test_runs_without_a_value_or_with_an_unsound_observer_are_passed_over() -> None:
    found = seen([*STEADY, 3.0, None, 3.1, 0.1, 3.05], unsound=[12])
    assert found.newest == (9, 11, 13)
    assert found.contrast.verdict == "regression"


def test_a_regression_that_stays_is_never_what_later_runs_are_held_against() -> None:
    found = seen([*STEADY, *[3.0, 3.1, 3.05, 2.95] * 10])
    assert found.contrast.verdict == "regression"
    assert found.good == tuple(range(9))
    assert found.worse == set(range(9, 49))


def test_what_is_mended_is_no_regression_any_more_and_joins_the_good_runs_again() -> None:
    found = seen([*STEADY, *SLOW, *STEADY])
    assert found.contrast.verdict == "no_regression"
    assert {9, 10, 11} <= found.worse
    assert found.good == (*range(9), *range(min(set(range(12, 21)) - found.worse), 18))


def test_only_the_last_good_runs_count() -> None:
    old = [9.0] * 30
    found = seen([*old, *STEADY, *STEADY, *STEADY, *SLOW])
    assert len(found.good) == MOST
    assert found.contrast.verdict == "regression"
    # With very many numbers that decide, as many as it takes then.
    assert fewest(10) > MOST
    found = look(points([*STEADY, *STEADY, *STEADY, *SLOW]), TTR, among=10)
    assert len(found.good) == fewest(10)
    assert found.contrast.verdict == "regression"


def test_the_next_run_is_held_against_the_last_good_ones_the_newest_included() -> None:
    assert last_good(points([*STEADY, 2.0, 2.1], bad=[3]), TTR, 5) == (6, 7, 8, 9, 10)
    assert last_good(points([*STEADY, 2.0, 2.1], bad=[3]), TTR, 50) == (0, 1, 2, *range(4, 11))
    assert last_good(points([*STEADY, *SLOW]), TTR, 5) == (4, 5, 6, 7, 8)
    assert last_good(points([None, 2.0, 2.1], unsound=[2]), TTR, 5) == (1,)
    assert last_good([], TTR, 5) == ()


# ---- what was accepted ----------------------------------------------------------------------------------------------

SLOWER = [value + 1 for value in STEADY]


def seen_accepted(values: Sequence[float | None], *accepted: range, **how: Sequence[int]) -> Look:
    return look(points(values, accepted=accepted, **how), TTR)


def test_what_was_accepted_is_good_and_what_was_before_it_no_longer_counts() -> None:
    found = seen_accepted([*STEADY, *SLOW], range(9, 12))
    assert (found.contrast.verdict, found.newest, found.good) == ("cannot_tell", (), (9, 10, 11))
    assert found.worse == frozenset()
    later = seen_accepted([*STEADY, *SLOW, 3.0, 3.1], range(9, 12))
    assert (later.contrast.verdict, later.newest, later.good) == ("cannot_tell", (12, 13), (9, 10, 11))
    more = seen_accepted([*STEADY, *SLOW, 3.0, 3.1, 3.2, 3.0], range(9, 12))
    assert (more.newest, more.good) == ((13, 14, 15), (9, 10, 11, 12))


def test_later_runs_are_held_against_what_was_accepted() -> None:
    accepted = [*STEADY, *SLOWER]
    same = seen_accepted([*accepted, 3.0, 3.05, 2.95], range(9, 18))
    assert (same.contrast.verdict, same.good) == ("no_regression", tuple(range(9, 18)))
    worse = seen_accepted([*accepted, 4.0, 4.1, 4.05], range(9, 18))
    assert (worse.contrast.verdict, worse.worse) == ("regression", {18, 19, 20})
    assert worse.contrast.ratio_at_least == pytest.approx(4.05 / 3.08)


def test_nothing_within_what_was_accepted_is_worse_and_what_was_worse_before_it_stays_so() -> None:
    steps = [*STEADY, *SLOWER, 4.0, 4.1, 4.05]
    assert seen_accepted(steps, range(9, 21)).worse == frozenset()
    before = seen_accepted([*STEADY, *SLOW, *STEADY, *SLOW], range(21, 24))
    assert {9, 10, 11} <= before.worse
    assert not {21, 22, 23} & before.worse
    assert before.good == (21, 22, 23)


def test_of_what_was_accepted_only_good_runs_are_good_and_a_run_that_gives_nothing_begins_it_as_well() -> None:
    found = seen_accepted([*STEADY, None, 3.1, 3.05, 3.0], range(9, 13), bad=[10], unsound=[11])
    assert (found.good, found.newest) == ((12,), ())


def test_the_last_of_two_stretches_counts_though_nothing_lies_between_them() -> None:
    found = seen_accepted([*STEADY, *SLOW, 4.0, 4.1, 4.2], range(9, 12), range(12, 15))
    assert found.good == (12, 13, 14)
    assert last_good(points([*STEADY, *SLOW, 4.0, 4.1, 4.2], accepted=[range(9, 12), range(12, 15)]), TTR, 40) == (
        12,
        13,
        14,
    )


def test_the_next_run_is_held_against_what_was_accepted_and_what_came_after_it() -> None:
    history = [*STEADY, *SLOW, 3.2]
    assert last_good(points(history, accepted=[range(9, 12)]), TTR, 40) == (9, 10, 11, 12)
    assert last_good(points(history, accepted=[range(9, 12)], bad=[10]), TTR, 40) == (9, 11, 12)
    assert last_good(points(history, accepted=[range(9, 12)]), TTR, 2) == (11, 12)


@given(st.lists(st.floats(0.5, 5.0), max_size=30), st.integers(0, 30), st.integers(0, 10))
def test_a_history_begins_anew_with_what_was_accepted(times: list[float], first: int, length: int) -> None:
    first = min(first, len(times))
    stretch = range(first, min(first + length, len(times)))
    assume(len(stretch) > 0)
    found = look(points(times, accepted=[stretch]), TTR)
    alone = look(points(times[first:], accepted=[range(len(stretch))]), TTR)
    before = look(points(times[:first]), TTR)
    assert found.contrast == alone.contrast
    assert found.good == tuple(place + first for place in alone.good)
    assert found.newest == tuple(place + first for place in alone.newest)
    assert found.worse == before.worse | {place + first for place in alone.worse}


@pytest.mark.parametrize("good", range(9, MOST + 1))
def test_by_ranks_alone_a_look_is_wrong_in_at_most_one_of_two_hundred(good: int) -> None:
    """Every order of the values is as likely; the margin of a tenth is left out here, so this is the worst case."""
    total = wrong = 0
    for places in combinations(range(good + NEWEST), NEWEST):
        newest = [1.0 + place for place in places]
        before = [1.0 + place for place in range(good + NEWEST) if place not in places]
        total += 1
        wrong += mann_whitney(before, newest) <= ALPHA
    assert 0 < Fraction(wrong, total) <= ALPHA


def test_looks_at_a_service_that_stays_as_it_is_are_wrong_as_rarely_as_the_page_says() -> None:
    """With values that scatter by 20% and 50%, a look after each of 60 runs: docs/history.md has the figures."""
    chance = Random(11)
    histories = [
        points([2 * chance.lognormvariate(0, scatter) for _ in range(40)]) for scatter in (0.2, 0.5) for _ in range(30)
    ]
    alarms = looks = 0
    for history in histories:
        for end in range(12, 41):
            looks += 1
            alarms += look(history[:end], TTR).contrast.verdict == "regression"
    # 0.5% of 1,740 looks; those of one history are not independent, hence the room.
    assert looks == 1740
    assert alarms <= 25


values = st.lists(st.one_of(st.none(), st.floats(0.5, 5.0), st.just(inf)), max_size=30)


@given(values, st.data())
def test_a_look_keeps_its_promises_whatever_the_runs(times: list[float | None], data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(0, 29)))
    unsound = data.draw(st.sets(st.integers(0, 29)))
    history = points(times, bad=tuple(bad), unsound=tuple(unsound))
    found = look(history, TTR)
    assert len(found.newest) <= NEWEST
    assert all(history[place].good and history[place].value is not None for place in found.good)
    assert not set(found.good) & (found.worse | set(found.newest))
    assert max(found.good, default=-1) < min(found.newest, default=99)
    if found.contrast.verdict == "regression":
        assert set(found.newest) <= found.worse
    # What comes later changes nothing of what an earlier look found.
    if history:
        assert look(history[:-1], TTR).worse <= found.worse


@given(st.lists(st.floats(0.5, 5.0), min_size=12, max_size=20), st.floats(0.01, 100.0))
def test_the_unit_of_the_values_changes_no_verdict(times: list[float], factor: float) -> None:
    def exact(values: Sequence[float]) -> list[Point]:
        return [Point(Value(value, 0.0), True, True) for value in values]

    # Where a ratio is at the margin of a tenth the last digit decides.
    assume(not any(abs(a / b - 1.1) < 1e-9 for a in times for b in times))
    assert look(exact(times), TTR).worse == look(exact([time * factor for time in times]), TTR).worse
