"""Each client's way back, as it went and as back(q) counts it."""

from drawing import assessed, drawn
from storybook import MS, S, Story, group, strike

from chaosrun.charts.draw import draw
from chaosrun.charts.picture import Fall, Waterfall
from chaosrun.charts.waterfall import draw_waterfalls
from chaosrun.records import Closed


def waterfall(story: Story) -> Waterfall:
    (found,) = drawn(story.history()).groups[0].waterfalls
    return found


def crash(clients: int = 4, until: int = 15 * S) -> Story:
    return Story(group(clients=clients), faults=[strike(13 * S)]).crash(13 * S, until)


def test_a_client_that_was_cut_off_knocks_until_it_is_let_in() -> None:
    """Cut at 13 s, an attempt every 100 ms from 13.1 s on, the first that succeeds at 15.0 s: the twentieth."""
    found = waterfall(crash())
    assert found.falls == [
        Fall(client=c, lost=13.0, reconnecting=13.1, connected=15.001, usable=15.001, cause="rst", attempts=20)
        for c in range(4)
    ]
    assert (found.episode, found.affected, found.never) == (0, 4, 0)


def test_how_a_connection_ended_is_told_as_in_the_result() -> None:
    story = crash(1)
    story.closes[0, 0, 0] = Closed(t=0, g=0, c=0, conn=0, cause="close", code=1012)
    run = assessed(story.history())
    (fall,) = draw(run.evidence, run.result).groups[0].waterfalls[0].falls
    assert run.result.clients.by_cause == {fall.cause: 1} == {"close(1012)": 1}


def test_a_client_that_kept_its_connection_made_no_attempt() -> None:
    story = Story(group(clients=2), faults=[strike(13 * S)]).freeze(13 * S, 15 * S + 200 * MS)
    assert waterfall(story).falls == [
        Fall(client=0, lost=13.0, reconnecting=None, connected=None, usable=15.0, cause="kept", attempts=0),
        Fall(client=1, lost=13.5, reconnecting=None, connected=None, usable=15.5, cause="kept", attempts=0),
    ]


def test_who_comes_back_first_stands_first_and_who_never_does_last() -> None:
    story = Story(group(clients=4), faults=[strike(13 * S)])
    story.crash(13 * S, 90 * S, [0]).crash(13 * S, 17 * S, [1]).crash(13 * S, 15 * S, [2]).crash(13 * S, 16 * S, [3])
    run = assessed(story.history())
    (found,) = draw(run.evidence, run.result).groups[0].waterfalls
    assert [(fall.client, fall.usable) for fall in found.falls] == [(2, 15.001), (3, 16.001), (1, 17.001), (0, None)]
    assert (found.falls[-1].connected, found.falls[-1].reconnecting, found.never) == (None, 13.1, 1)
    back = run.result.recovery.back_s
    assert (back.first, back.p50, back.never, back.unreturned) == (2.001, 3.001, 1, ["accounts-0"])


def test_a_client_that_flaps_is_back_when_that_is_over_with_the_connection_it_is_back_on() -> None:
    story = crash(4).crash(16 * S, 17 * S, [0])
    fall = waterfall(story).falls[-1]
    assert (fall.client, fall.lost, fall.reconnecting, fall.connected, fall.usable) == (0, 13.0, 13.1, 17.001, 17.001)
    # Twenty to come back the first time, and of the second from 16.1 s to 17.0 s ten.
    assert fall.attempts == 30


def test_a_client_that_was_cut_off_just_before_the_impact_was_cut_off_by_the_same() -> None:
    """A fault at 13.1 s; one client in four may be missing: with the second, at 13.104 s, it is an impact."""
    at = 13 * S + 100 * MS
    story = Story(group(clients=4, tolerate_sessions=0.25), faults=[strike(at)])
    for c in range(4):
        story.crash(at + c * 4 * MS, 15 * S, [c])
    found = waterfall(story)
    assert {fall.cause for fall in found.falls} == {"rst"}
    first = next(fall for fall in found.falls if fall.client == 0)
    assert (first.lost, first.reconnecting) == (13.104, 13.2)


def test_an_episode_without_an_impact_has_no_waterfall_and_others_keep_their_numbers() -> None:
    story = Story(group(clients=4), faults=[strike(10 * S, id="noop"), strike(20 * S, id="crash")], end=45 * S).crash(
        20 * S, 22 * S
    )
    picture = drawn(story.history())
    assert [found.episode for found in picture.groups[0].waterfalls] == [1]
    assert [(mark.kind, mark.episode) for mark in picture.marks] == [
        ("fault", 0), ("fault", 1), ("impact", 1), ("recovered", 1),
    ]  # fmt: skip


def test_of_too_many_clients_the_first_the_last_and_some_lost_ones_are_shown() -> None:
    story = Story(group(clients=40), faults=[strike(13 * S)])
    for c in range(30):
        story.crash(13 * S, 15 * S + c * 100 * MS, [c])
    story.crash(13 * S, 90 * S, range(30, 40))
    evidence = assessed(story.history()).evidence
    assert evidence.recovery is not None
    (found,) = draw_waterfalls(evidence.history, evidence.groups[0].timeline, evidence.recovery.episodes, 11)
    shown = [fall.client for fall in found.falls]
    assert (found.affected, found.never, len(shown)) == (40, 10, 11)
    assert shown[:6] == [0, 5, 11, 17, 23, 29]
    assert (shown[6], shown[-1]) == (30, 39)
    assert all(fall.usable is None for fall in found.falls[6:])


def test_attempts_are_counted_when_they_begin_and_when_they_end() -> None:
    """Four clients at once: 20 attempts each after the crash, of which 19 are refused at once."""
    attempts = drawn(crash().history()).groups[0].attempts
    assert (attempts.start, attempts.step) == (0.0, 0.1)
    assert attempts.begun[131:150] == attempts.refused[131:150] == [4] * 19
    assert (attempts.begun[150], attempts.refused[150], attempts.opened[150]) == (4, 0, 4)
    assert (sum(attempts.begun), sum(attempts.refused), sum(attempts.opened)) == (84, 76, 8)


def test_attempts_of_another_group_are_its_own() -> None:
    story = Story([group(clients=4), group(name="others", clients=2)], faults=[strike(13 * S)])
    first, second = drawn(story.crash(13 * S, 15 * S).history()).groups
    assert (sum(first.attempts.begun), sum(second.attempts.begun)) == (84, 42)
