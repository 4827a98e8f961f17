"""Fewer steps, and none of their extremes lost."""

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from chaosrun.charts.thinning import Piece, pieces_of, spread, thinned

SHAPES = st.lists(st.tuples(st.integers(1, 50), st.integers(-9, 9)), min_size=1, max_size=300)


def pieces(shape: list[tuple[int, int]]) -> list[Piece]:
    """From `(length, level)` of each."""
    ends = list(accumulate(length for length, _ in shape))
    return pieces_of([0, *ends[:-1]], [level for _, level in shape], ends[-1])


def test_few_pieces_stay_as_they_are() -> None:
    some = pieces([(1, 5), (2, 3), (9, 4)])
    assert thinned(some, 5) == [[piece] for piece in some]


def test_a_short_dip_in_a_long_flutter_keeps_its_instant_length_and_depth() -> None:
    """10,000 steps between 9 and 10, and 50 of 1,000,000 units at 3."""
    some = pieces([(100, 9 + i % 2) for i in range(5_000)] + [(50, 3)] + [(100, 9 + i % 2) for i in range(5_000)])
    runs = thinned(some, 100)
    assert [(Piece(500_000, 500_050, 3, 5_000))] in runs
    assert len(runs) <= 100


@given(SHAPES, st.integers(5, 40))
def test_there_are_as_many_runs_as_asked_for_and_nothing_is_left_out(shape: list[tuple[int, int]], most: int) -> None:
    some = pieces(shape)
    runs = thinned(some, most)
    assert len(runs) <= most
    assert [piece for run in runs for piece in run] == some
    assert all(run for run in runs)


@given(SHAPES, st.integers(5, 40))
def test_the_lowest_and_the_highest_stand_alone(shape: list[tuple[int, int]], most: int) -> None:
    some = pieces(shape)
    alone = {run[0].level for run in thinned(some, most) if len(run) == 1}
    assert {min(level for _, level in shape), max(level for _, level in shape)} <= alone


@given(st.lists(st.integers(), unique=True, max_size=200), st.integers(2, 50))
def test_a_spread_is_in_order_evenly_and_has_both_ends(items: list[int], most: int) -> None:
    shown = spread(items, most)
    assert len(shown) == min(most, len(items))
    places = [items.index(item) for item in shown]
    assert places == sorted(set(places))
    if items:
        assert (shown[0], shown[-1]) == (items[0], items[-1])
        steps = [b - a for a, b in pairwise(places)]
        assert max(steps, default=1) - min(steps, default=1) <= 1


def test_of_one_or_none_the_first_is_shown_or_nothing() -> None:
    assert spread([1, 2, 3], 1) == [1]
    assert spread([1, 2, 3], 0) == []
