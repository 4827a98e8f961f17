"""Claims about when what burns has burnt through: histories by hand with exact answers, and any history against the
definitions counted out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from chaosrun.guards.burning import Blindness, ShareOfRequests, ShareOfTime, Through, Throughout

S = 1_000_000_000

BURNING = (True, False, None)

looks = st.lists(st.tuples(st.integers(1, 9), st.sampled_from(BURNING)), max_size=40).map(
    lambda steps: list(zip(accumulate(step for step, _ in steps), (burning for _, burning in steps), strict=True))
)
"""Looks at growing times."""
Looks = Sequence[tuple[int, bool | None]]


def first(looks: Looks, see: Callable[[int, bool | None], Through | None]) -> tuple[int, Through] | None:
    """The first look that burns through, and what it says."""
    for index, (t, burning) in enumerate(looks):
        if (through := see(t, burning)) is not None:
            return index, through
    return None


# ---- throughout


def test_it_burns_through_at_exactly_its_time_and_not_a_nanosecond_before() -> None:
    fuse = Throughout(2 * S)
    assert fuse.see(5 * S, True) is None
    assert fuse.see(7 * S - 1, True) is None
    assert fuse.see(7 * S, True) == Through(5 * S)


def test_one_good_look_puts_it_out_and_the_time_begins_anew() -> None:
    fuse = Throughout(2 * S)
    fuse.see(0, True)
    fuse.see(S, False)
    assert fuse.see(2 * S, True) is None
    assert fuse.see(4 * S - 1, True) is None
    assert fuse.see(4 * S, True) == Through(2 * S)


def test_a_look_that_cannot_tell_neither_puts_it_out_nor_burns_it_through() -> None:
    fuse = Throughout(2 * S)
    fuse.see(0, True)
    assert fuse.see(3 * S, None) is None
    assert fuse.see(4 * S, True) == Through(0)
    fuse = Throughout(2 * S)
    assert fuse.see(0, None) is None
    assert fuse.see(S, True) is None
    assert fuse.see(3 * S - 1, True) is None, "it is seen to burn from the first second on only"


def test_what_else_is_asked_for_holds_it_up_and_does_not_put_it_out() -> None:
    fuse = Throughout(0)
    assert fuse.see(S, True, enough=False) is None
    assert fuse.see(2 * S, True, enough=True) == Through(S)


def test_without_a_time_the_first_look_is_enough() -> None:
    assert Throughout(0).see(S, True) == Through(S)


@given(looks=looks, for_ns=st.integers(0, 30))
def test_throughout_is_no_good_look_between_two_burning_ones_so_far_apart(looks: Looks, for_ns: int) -> None:
    def burnt(last: int) -> tuple[int, Through] | None:
        good = max((i for i in range(last + 1) if looks[i][1] is False), default=-1)
        burning = [t for t, b in looks[good + 1 : last + 1] if b]
        through = looks[last][1] and burning and looks[last][0] - burning[0] >= for_ns
        return (last, Through(burning[0])) if through else None

    expected = next((found for last in range(len(looks)) if (found := burnt(last)) is not None), None)
    assert first(looks, Throughout(for_ns).see) == expected


# ---- a share of the time


def test_a_share_of_the_time_is_reached_in_both_windows_at_exactly_the_share() -> None:
    """Half of 10 s and half of 2 s. It burns from 10 s on, so the long window has its 5 s at 15 s."""
    fuse = ShareOfTime(0.5, 10 * S, 2 * S)
    for t in range(10):
        assert fuse.see(t * S, False) is None
    for t in range(10, 15):
        assert fuse.see(t * S, True) is None, t
    assert fuse.see(15 * S - 1, True) is None
    assert fuse.see(15 * S, True) == Through(10 * S, (0.5, 1.0))


def test_what_is_over_ends_no_run_however_much_of_the_long_window_it_was() -> None:
    """4 s of fire are under half of the long window; a second more, 3 s later, is half of both."""
    fuse = ShareOfTime(0.5, 10 * S, 2 * S)
    for t in (0, 1, 2, 3, 4):
        assert fuse.see(t * S, True) is None
    for t in (5, 6, 7):
        assert fuse.see(t * S, False) is None
    assert fuse.see(8 * S, True) is None
    assert fuse.see(9 * S, True) == Through(0, (0.5, 0.5))


def test_the_short_window_alone_ends_no_run() -> None:
    fuse = ShareOfTime(0.5, 10 * S, 2 * S)
    assert fuse.see(0, True) is None
    assert fuse.see(2 * S, True) is None, "all of the short window, a fifth of the long one"


def test_a_single_burning_look_has_no_length() -> None:
    fuse = ShareOfTime(0.01, 10 * S, S)
    assert [fuse.see(t * S, t % 2 == 0) for t in range(40)] == [None] * 40


def test_what_nobody_could_tell_has_not_burnt() -> None:
    fuse = ShareOfTime(0.2, 10 * S, S)
    assert [fuse.see(t * S, None if t % 2 else True) for t in range(40)] == [None] * 40


def test_time_before_the_long_window_is_forgotten() -> None:
    fuse = ShareOfTime(0.6, 10 * S, S)
    assert fuse.see(0, True) is None
    assert fuse.see(5 * S, True) is None, "half"
    assert fuse.see(6 * S, False) is None
    assert fuse.see(12 * S, True) is None
    assert fuse.see(14 * S, True) is None, "1 s of the old fire is left, and 2 s are new"


@given(looks=looks, percent=st.integers(1, 100), long=st.integers(2, 40), data=st.data())
def test_a_share_of_time_is_the_length_between_burning_neighbours_within_each_window(
    looks: Looks, percent: int, long: int, data: st.DataObject
) -> None:
    short = data.draw(st.integers(1, long - 1))

    def burnt_within(last: int, window: int) -> list[int]:
        """The instants (each stands for the unit after it) of the window that burnt."""
        end = looks[last][0]
        pairs = pairwise(looks[: last + 1])
        burnt = [at for (a, b), (c, d) in pairs if b and d for at in range(a, c)]
        return [at for at in burnt if end - window <= at < end]

    def burnt(last: int) -> tuple[int, Through] | None:
        wide, narrow = burnt_within(last, long), burnt_within(last, short)
        shares = Fraction(len(wide), long), Fraction(len(narrow), short)
        if min(shares) < Fraction(percent, 100):
            return None
        return last, Through(wide[0], (float(shares[0]), float(shares[1])))

    expected = next((found for last in range(len(looks)) if (found := burnt(last)) is not None), None)
    assert first(looks, ShareOfTime(percent / 100, long, short).see) == expected


# ---- a share of the requests


def feed(fuse: ShareOfRequests, seconds: Sequence[tuple[int, int]]) -> list[Through | None]:
    """`seconds`: bad ones and all of each second, after a look at 0."""
    seen = [fuse.see(0, 0, 0)]
    bad = due = 0
    for t, (more_bad, more) in enumerate(seconds, 1):
        bad, due = bad + more_bad, due + more
        seen.append(fuse.see(t * S, bad, due))
    return seen


def test_a_share_of_requests_counts_requests_and_not_time() -> None:
    """One second of 100 bad requests weighs as much as ten of 10 good ones."""
    fuse = ShareOfRequests(0.5, 10 * S, 2 * S)
    seen = feed(fuse, [*[(0, 10)] * 9, (90, 90), (0, 1)])
    assert seen[:10] == [None] * 10
    assert seen[10] == Through(9 * S, (0.5, 0.9))


def test_exactly_at_the_share_is_enough_and_one_request_less_is_not() -> None:
    enough, less = [*[(0, 100)] * 9, (100, 100)], [*[(0, 100)] * 9, (99, 100)]
    assert feed(ShareOfRequests(0.1, 10 * S, S), enough)[-1] == Through(9 * S, (0.1, 1.0))
    assert feed(ShareOfRequests(0.1, 10 * S, S), less)[-1] is None


def test_what_is_over_in_the_short_window_ends_no_run() -> None:
    seen = feed(ShareOfRequests(0.2, 10 * S, S), [*[(0, 10)] * 9, (9, 10), (1, 10), (1, 10)])
    assert seen == [None] * 13
    seen = feed(ShareOfRequests(0.18, 10 * S, S), [*[(0, 10)] * 9, (9, 10), (1, 10), (8, 10)])
    assert seen == [*[None] * 12, Through(9 * S, (0.18, 0.8))], "when it comes back, the old part counts too"


def test_what_a_window_lacks_at_first_counts_as_good_ones_at_the_same_rate() -> None:
    """All are bad: after 2 of 10 s that is a fifth of the long window."""
    seen = feed(ShareOfRequests(0.2, 10 * S, S), [(10, 10)] * 3)
    assert seen == [None, None, Through(0, (0.2, 1.0)), Through(0, (0.3, 1.0))]


def test_a_window_without_requests_is_not_bad() -> None:
    fuse = ShareOfRequests(0.1, 10 * S, S)
    assert feed(fuse, [(5, 5), (5, 5), (0, 0)])[-1] is None, "nothing was due in the last second"


def test_the_last_look_as_old_as_the_window_is_where_it_begins() -> None:
    fuse = ShareOfRequests(0.5, 10 * S, 2 * S)
    fuse.see(0, 0, 0)
    fuse.see(3 * S, 40, 40)
    fuse.see(10 * S, 40, 80)
    fuse.see(12 * S, 40, 80)
    assert fuse.see(13 * S, 80, 120) == Through(12 * S, (0.5, 1.0)), "those up to 3 s are out"


@given(
    steps=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9)), max_size=30),
    percent=st.integers(1, 100),
    long=st.integers(2, 40),
    data=st.data(),
)
def test_a_share_of_requests_is_bad_by_due_since_the_begin_of_each_window(
    steps: list[tuple[int, int, int]], percent: int, long: int, data: st.DataObject
) -> None:
    short = data.draw(st.integers(1, long - 1))
    sums = list(accumulate(steps, lambda a, b: (a[0] + b[0], a[1] + b[1], a[2] + b[2])))
    counts = [(t, bad, bad + good) for t, bad, good in sums]

    def share(last: int, window: int) -> Fraction:
        t, bad, due = counts[last]
        start, bad_then, due_then = max((c for c in counts[: last + 1] if c[0] <= t - window), default=counts[0])
        if due == due_then:
            return Fraction(0)
        whole = Fraction(min(t - start, window), window)
        return Fraction(bad - bad_then, due - due_then) * whole

    fuse = ShareOfRequests(percent / 100, long, short)
    for last, (t, bad, due) in enumerate(counts):
        shares = share(last, long), share(last, short)
        through = fuse.see(t, bad, due)
        assert (through is not None) == (min(shares) >= Fraction(percent, 100))
        assert through is None or through.shares == (float(shares[0]), float(shares[1]))


# ---- blindness


def test_blindness_lasts_exactly_its_time_and_ends_with_the_first_look_that_tells() -> None:
    blindness = Blindness(10 * S)
    assert blindness.see(S, blind=True) is None
    assert blindness.see(11 * S - 1, blind=True) is None
    assert blindness.see(11 * S, blind=True) == S
    assert blindness.see(12 * S, blind=False) is None
    assert blindness.see(13 * S, blind=True) is None
    assert blindness.see(23 * S, blind=True) == 13 * S
