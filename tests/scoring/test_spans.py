"""Where each window of a criterion begins and ends."""

from dataclasses import replace

import pytest
from nodes import within
from storybook import S, Story, group, ms, s, strike

from chaosrun.judge import gather
from chaosrun.records import History
from chaosrun.scoring.spans import Span, span_of


def span(history: History, window: str) -> Span | None:
    return span_of(history, gather(history).recovery, window)


@pytest.fixture
def crash() -> History:
    return Story(group(), faults=[strike(s(13))]).crash(s(13), s(15)).history()


def test_phases_are_windows_of_their_own_names(crash: History) -> None:
    assert span(crash, "baseline") == (s(3), s(13))
    assert span(crash, "recovery") == (s(13), s(39))
    assert span(crash, "after") == (s(39), s(40))
    assert span(crash, "verify") == (s(40), s(42))


def test_the_whole_goes_from_the_first_fault_to_the_end_of_verify(crash: History) -> None:
    assert span(crash, "whole") == (s(13), s(42))


def test_the_whole_of_a_load_test_begins_with_its_baseline() -> None:
    assert span(Story(group()).history(), "whole") == (s(3), s(42))


def test_a_planned_fault_that_never_came_leaves_no_whole(crash: History) -> None:
    assert span(replace(crash, called=(), confirmed=()), "whole") is None


def test_the_outage_is_from_impact_to_recovery(crash: History) -> None:
    assert span(crash, "outage") == (s(13), s(15) + S // 1000)
    never = Story(group(), faults=[strike(s(13))]).crash(s(13), s(99)).history()
    assert span(never, "outage") == (s(13), s(40))
    assert span(Story(group(), faults=[strike(s(13))]).history(), "outage") is None


def test_during_is_while_a_fault_stands_and_nothing_for_an_instant(crash: History) -> None:
    assert span(crash, "during") is None
    held = Story(group(), faults=[strike(s(13), removed=s(16)), strike(s(20), removed=s(25), id="second")])
    assert span(held.history(), "during") == (s(13), s(25))
    stuck = replace(held.history(), removed=[line for line in held.history().removed if line.id == "fault"])
    assert span(stuck, "during") == (s(13), s(40))


def test_a_run_cut_short_has_no_later_windows(crash: History) -> None:
    short = replace(crash, phases=crash.phases[:4], end=s(20), load_stopped=s(20))
    assert span(short, "verify") is None
    assert span(short, "whole") == (s(13), s(20))


def test_by_clocks_that_differ_the_fault_is_surely_in_its_window_and_surely_not_in_the_baseline(crash: History) -> None:
    far = within(crash, ms(4))
    assert span(far, "baseline") == (s(3), s(13) - ms(4))
    assert span(far, "whole") == (s(13) - ms(4), s(42))
    assert (span(far, "during"), span(far, "outage")) == (None, span(crash, "outage"))
    held = Story(group(), faults=[strike(s(13), removed=s(16))]).history()
    assert span(within(held, ms(4)), "during") == (s(13) - ms(4), s(16))
    for window in ("recovery", "after", "verify"):
        assert span(far, window) == span(crash, window)
    assert span(replace(far, called=(), confirmed=()), "baseline") == (s(3), s(13))


def test_an_unknown_window_is_refused_with_the_known_ones(crash: History) -> None:
    with pytest.raises(ValueError, match="no window 'afterwards'; known: baseline"):
        span(crash, "afterwards")
