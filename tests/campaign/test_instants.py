"""The instants of a campaign: all over the run, at the lines that matter, and the same for the same seed."""

from __future__ import annotations

from collections import Counter

from instants import TIED, WITHIN_S, Course, Instant, Mark, planned

COURSE = Course(
    (
        *(Mark("begun", 0.0), Mark("start", 1.0), Mark("baseline", 2.0), Mark("fault", 3.0), Mark("intent", 3.01)),
        *(Mark("called", 3.02), Mark("confirmed", 3.1), Mark("removed", 4.0), Mark("undone", 4.1), Mark("drain", 5.0)),
    ),
    6.0,
)


def at_s(instant: Instant) -> float:
    """When it comes in a run that goes as the course did."""
    return COURSE.at(instant.after) + instant.plus_s


def test_a_seed_plans_the_same_instants_again_and_another_seed_others() -> None:
    assert planned(COURSE, 20, 1) == planned(COURSE, 20, 1)
    assert sorted(planned(COURSE, 20, 1)) != sorted(planned(COURSE, 20, 2))


def test_as_many_as_are_asked_for_and_none_outside_of_the_run() -> None:
    for kills in (1, 2, 7, 200):
        instants = planned(COURSE, kills, 3)
        assert len(instants) == kills
        assert all(0 <= at_s(each) <= COURSE.end_s for each in instants)


def test_half_of_them_are_spread_evenly_over_the_whole_run() -> None:
    evenly = 100
    times = [at_s(each) for each in planned(COURSE, 2 * evenly, 4)]
    for part in range(evenly):
        assert any(part * 6.0 / evenly <= each + 1e-9 and each - 1e-9 <= (part + 1) * 6.0 / evenly for each in times)


def test_an_instant_is_told_from_something_that_can_be_seen_before_it() -> None:
    for each in planned(COURSE, 400, 5):
        assert each.after != "removed", "the line is in the journal when the run has ended"
        assert each.plus_s >= 0


def test_every_line_at_which_a_fault_comes_or_goes_is_aimed_at() -> None:
    near: Counter[str] = Counter()
    for each in planned(COURSE, 50, 6):
        for line in TIED:
            near[line] += -WITHIN_S <= at_s(each) - COURSE.at(line) <= WITHIN_S
    assert all(near[line] >= 5 for line in TIED)
