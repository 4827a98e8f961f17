"""The heat map of waits: what is counted where, and that nothing falls out of it."""

from dataclasses import replace

from drawing import assessed, drawn
from storybook import MS, S, Story, group, ms, strike

from chaosrun.charts.heat import draw_heat
from chaosrun.charts.picture import Heat
from chaosrun.plan import StreamPlan
from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.requests import Requests


def heat_of(story: Story) -> Heat:
    heat = drawn(story.history()).groups[0].heat
    assert heat is not None
    return heat


def evidence_of(story: Story) -> GroupEvidence:
    return assessed(story.history()).evidence.groups[0]


def at(heat: Heat, cells: list[tuple[int, int, int]], t: float) -> dict[float, int]:
    """Counts by the lower edge (ms) of their row, in the column of `t`."""
    return {heat.rows_ms[row]: n for column, row, n in cells if column == int((t - heat.start) / heat.step)}


def test_what_was_due_in_an_outage_waits_for_the_end_of_it_from_its_due_time_on() -> None:
    """One client with a request a second and a reply in 1 ms; no server from 13 s to 15 s."""
    heat = heat_of(Story(group(clients=1), faults=[strike(13 * S)]).crash(13 * S, 15 * S))
    assert (heat.start, heat.step, heat.columns) == (0.0, 0.2, 213)
    assert at(heat, heat.corrected, 12) == {1.0: 1}
    assert at(heat, heat.corrected, 13) == {2000.0: 1}
    assert at(heat, heat.corrected, 14) == {1000.0: 1}
    assert at(heat, heat.corrected, 15) == {2.0: 1}  # its session opens at 15.001: its canary is what is answered
    assert [at(heat, heat.uncorrected, t) for t in (12, 13, 14)] == [{1.0: 1}, {}, {}]
    assert (heat.corrected_max_ms[65], heat.uncorrected_max_ms[65]) == (2002.0, None)
    assert [heat.unanswered[i] for i in (60, 65, 70, 75)] == [0, 1, 1, 1]
    assert (sum(heat.due), sum(heat.censored), sum(heat.left_out)) == (42, 0, 0)
    assert heat.latency_limit_ms == 500.0


def test_who_waits_to_the_end_is_counted_beside_the_cells() -> None:
    heat = heat_of(Story(group(clients=1), faults=[strike(13 * S)]).crash(13 * S, 90 * S))
    assert sum(heat.censored) == 42 - 13
    # The slot of the first instant is due before the first session is there, and waits for the next.
    assert sum(heat.unanswered) == 42 - 13 + 1
    assert sum(n for _, _, n in heat.corrected) == 13


def test_what_the_observer_missed_is_in_no_cell_and_is_counted() -> None:
    story = Story(group(clients=1)).skip(0, 5 * S).late(0, 7 * S, ms(300))
    heat = heat_of(story)
    assert sum(heat.left_out) == 2
    assert sum(n for _, _, n in heat.corrected) == 42 - 2
    assert (sum(n for _, _, n in heat.uncorrected), sum(heat.unanswered)) == (42 - 3, 1)


def test_an_error_is_no_answer() -> None:
    heat = heat_of(Story(group(clients=1), faults=[strike(13 * S)]).errors(13 * S, 15 * S))
    assert [heat.unanswered[i] for i in (60, 65, 70, 75)] == [0, 1, 1, 0]
    assert at(heat, heat.corrected, 13) == {2000.0: 1}


def test_one_long_wait_among_thousands_keeps_its_own_cell_and_the_maximum_of_its_column() -> None:
    story = Story(group(clients=50, reply_timeout_ns=20 * S)).delay(7, 20 * S + 7 * 20 * MS, 9 * S)
    own = evidence_of(story)
    for columns in (300, 10, 1):
        heat = draw_heat(own, 43 * S, columns, 6000)
        assert heat is not None
        assert len(heat.due) <= columns
        longest = [(column, heat.rows_ms[row], n) for column, row, n in heat.corrected if heat.rows_ms[row] > 500]
        ((column, edge, n),) = longest
        assert (edge, n) == (7000.0, 1)
        assert heat.corrected_max_ms[column] == heat.uncorrected_max_ms[column] == 9001.0


def test_rows_begin_at_the_shortest_wait_and_end_with_the_longest_or_the_limit() -> None:
    heat = heat_of(Story(group(clients=1), latency=ms(3)))
    assert heat.rows_ms[0] == 3.0
    assert heat.rows_ms[-1] == 500.0
    heat = heat_of(Story(group(clients=1), latency=1))
    assert heat.rows_ms[:3] == [0.0, 0.1, 0.15]


def test_a_reply_before_its_request_was_sent_which_no_clock_should_tell_counts_as_at_once() -> None:
    own = evidence_of(Story(group(clients=1)))
    strange = [o._replace(sent=o.got + 5) if o.due == 20 * S else o for o in own.timeline.requests.outcomes]
    timeline = replace(own.timeline, requests=Requests(tuple(strange)))
    heat = draw_heat(GroupEvidence(own.history, 0, None, timeline), 43 * S, 300, 6000)
    assert heat is not None
    assert heat.rows_ms[0] == 0.0
    assert at(heat, heat.uncorrected, 20) == {0.0: 1}
    assert at(heat, heat.uncorrected, 21) == {1.0: 1}


def test_columns_are_brought_together_until_the_cells_are_few_enough() -> None:
    own = evidence_of(Story(group(clients=20)))
    fine, coarse = draw_heat(own, 43 * S, 300, 6000), draw_heat(own, 43 * S, 300, 60)
    assert fine is not None
    assert coarse is not None
    assert len(fine.corrected) + len(fine.uncorrected) > 60
    assert len(coarse.corrected) + len(coarse.uncorrected) <= 60
    assert sum(coarse.due) == sum(fine.due)


def test_a_group_that_only_listens_or_sends_nothing_but_sentinels_has_none() -> None:
    assert drawn(Story(group(period_ns=None, streams=(StreamPlan(),))).history()).groups[0].heat is None
    assert drawn(Story(group(period_ns=None, sentinel_period_ns=S)).history()).groups[0].heat is None
