"""What was due, good and pushed, per second."""

import pytest
from push_script import Script
from storybook import Story, group, strike

from chaosrun.charts.bins import Bins
from chaosrun.charts.picture import Rates
from chaosrun.charts.publishing import read_feeds
from chaosrun.charts.rates import draw_rates
from chaosrun.records import History, Push
from chaosrun.scoring.evidence import GroupEvidence

S = 1_000_000_000


def rates(history: History, step: int) -> Rates:
    own = GroupEvidence.of(history, 0)
    bins = Bins(step, history.end // step + 1)
    (feeds,) = read_feeds(history, [own], bins)
    return draw_rates(own, feeds, bins)


def test_counts_are_divided_by_the_length_of_their_bin() -> None:
    """Four clients with a request a second; no server from 13 s to 15 s."""
    story = Story(group(clients=4), faults=[strike(13 * S)]).crash(13 * S, 15 * S)
    found = rates(story.history(), S // 2)
    assert (found.start, found.step) == (0.0, 0.5)
    assert (found.due[24], found.good[24]) == (4.0, 4.0)
    assert (found.due[26], found.good[26]) == (4.0, 0.0)
    assert sum(found.due) / 2 == 4 * 42
    # The slot of the first instant and that of 15.0 s are due before their sessions are there.
    assert sum(found.good) / 2 == 4 * 40 - 2
    assert set(found.pushes) == {0.0}


def test_what_the_observer_missed_was_due_and_is_not_good() -> None:
    found = rates(Story(group(clients=1)).skip(0, 5 * S).history(), S)
    assert (found.due[4:7], found.good[4:7]) == ([1.0, 1.0, 1.0], [1.0, 0.0, 1.0])


def test_pushes_count_when_they_are_received_replays_and_doubles_too() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 10, 1, 2, 2).gets(0, 11, 1)
    found = rates(script.history(), 2 * S)
    assert {i: n for i, n in enumerate(found.pushes) if n} == {5: 2.0}
    assert set(found.due) == {0.0}


@pytest.mark.parametrize("late", [0, 3 * S])
def test_a_message_after_the_end_counts_in_the_last_bin(late: int) -> None:
    """A run that was cut off ends with the last line of its journal; its rows may be a little newer."""
    history = Script().joins(0, 1, head=0).gets(0, 10, 1).history()
    assert isinstance(history.pushes, list)
    history.pushes.append(Push(history.end + late, 2, 2, None, 0))
    assert rates(history, S).pushes[-1] == 1.0
