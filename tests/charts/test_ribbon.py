"""The ribbon of runs of which every number is counted by hand, and of some that are far too long for it."""

import pytest
from drawing import drawn
from storybook import MS, S, Story, group, random_story, strike

from chaosrun.charts.picture import Ribbon
from chaosrun.charts.ribbon import draw_ribbon
from chaosrun.scoring.requests import Requests
from chaosrun.scoring.sessions import ClientTimeline
from chaosrun.scoring.steps import Interval, Steps
from chaosrun.scoring.timeline import GroupTimeline, build_timeline


def rows(ribbon: Ribbon) -> list[tuple[float, int, int, int, int, int]]:
    """t, planned, usable, degraded, down, usable_max."""
    return list(
        zip(
            ribbon.t,
            ribbon.planned,
            ribbon.usable,
            ribbon.degraded,
            ribbon.down,
            ribbon.usable_max,
            strict=True,
        )
    )


def test_a_crash_takes_all_clients_down_until_their_canaries_are_sent() -> None:
    """Eight clients, no server from 13 s to 15 s; an attempt every 100 ms, a handshake of 1 ms."""
    story = Story(group(clients=8), faults=[strike(13 * S)]).crash(13 * S, 15 * S)
    (own,) = drawn(story.history()).groups
    assert rows(own.ribbon) == [
        (0.0, 0, 0, 0, 0, 0),
        (0.001, 8, 8, 0, 0, 8),
        (13.0, 8, 0, 0, 8, 0),
        (15.001, 8, 8, 0, 0, 8),
        (42.0, 0, 0, 0, 0, 0),
    ]
    assert own.ribbon.lost_client_seconds == 8 * 2.001


def test_a_ramp_is_drawn_when_it_is_and_not_a_time_to_connect_later() -> None:
    """A client at once and one every second; who is lost meanwhile is down though its 10 s are not over."""
    plan = group(clients=3, ramp_start=1, ramp_over_ns=2 * S, connect_within_ns=10 * S)
    (own,) = drawn(Story(plan, faults=[strike(13 * S)]).crash(1500 * MS, 1700 * MS).history()).groups
    assert rows(own.ribbon) == [
        (0.0, 0, 0, 0, 0, 0),
        (0.001, 1, 1, 0, 0, 1),
        (1.001, 2, 2, 0, 0, 2),
        (1.5, 2, 0, 0, 2, 0),
        (1.701, 2, 2, 0, 0, 2),
        (2.001, 3, 3, 0, 0, 3),
        (42.0, 0, 0, 0, 0, 0),
    ]
    assert own.ribbon.lost_client_seconds == 0.402


def test_a_frozen_server_degrades_its_clients_one_by_one() -> None:
    """Two clients with a request a second each, due at .0 and .5; what is due from 13.0 s on waits until 15.2 s.

    Requests due within 500 ms of the thaw are answered in time: client 0 is usable again from 15.0 s on, client 1
    from 15.5 s on.
    """
    story = Story(group(clients=2), faults=[strike(13 * S)]).freeze(13 * S, 15 * S + 200 * MS)
    (own,) = drawn(story.history()).groups
    assert rows(own.ribbon)[2:-1] == [
        (13.0, 2, 1, 1, 0, 1),
        (13.5, 2, 0, 2, 0, 0),
        (15.0, 2, 1, 1, 0, 1),
        (15.5, 2, 2, 0, 0, 2),
    ]
    assert own.ribbon.lost_client_seconds == 4.0


def test_clients_of_http_have_no_session_and_are_down_where_they_are_not_usable() -> None:
    story = Story(group(kind="http", clients=2), faults=[strike(13 * S)]).crash(13 * S, 15 * S)
    (own,) = drawn(story.history()).groups
    assert rows(own.ribbon)[2:-1] == [
        (13.0, 2, 1, 0, 1, 1),
        (13.5, 2, 0, 0, 2, 0),
        (15.0, 2, 1, 0, 1, 1),
        (15.5, 2, 2, 0, 0, 2),
    ]


# ---- brought together -----------------------------------------------------------------------------------------------


def timeline(*away: list[Interval], planned: Interval) -> GroupTimeline:
    """Clients that are away at the given times, and keep their sessions."""
    clients = []
    for index, gaps in enumerate(away):
        edges = [planned[0], *(t for gap in gaps for t in gap), planned[1]]
        usable = tuple(zip(edges[::2], edges[1::2], strict=True))
        clients.append(ClientTimeline(index=index, planned=(planned,), sessions=(planned,), usable=usable))
    end = planned[1]
    return GroupTimeline(
        g=0,
        group=group(clients=len(clients)),
        requests=Requests(()),
        clients=tuple(clients),
        sessions=Steps.counting(span for client in clients for span in client.sessions),
        usable=Steps.counting(span for client in clients for span in client.usable),
        planned=Steps.counting(span for client in clients for span in client.planned),
        unusable=Steps.counting(span for client in clients for span in client.unusable(0, end)),
    )


HOUR = 3600 * S


def test_fifty_milliseconds_of_an_hour_are_still_seen() -> None:
    """One client flaps for a second every two; once, three others are away for 50 ms."""
    flapping = [(t, t + S) for t in range(S, HOUR - S, 2 * S)]
    dip = (1800 * S + 500 * MS, 1800 * S + 550 * MS)
    ribbon = draw_ribbon(timeline(flapping, [dip], [dip], [dip], planned=(0, HOUR)), HOUR, 400)
    assert len(ribbon.t) <= 400
    i = ribbon.usable.index(min(ribbon.usable))
    assert (ribbon.t[i], ribbon.t[i + 1]) == (1800.5, 1800.55)
    assert (ribbon.usable[i], ribbon.degraded[i], ribbon.planned[i]) == (1, 3, 4)
    assert min(ribbon.usable[:i] + ribbon.usable[i + 1 :]) == 3
    assert set(ribbon.usable_max[:i]) == {3, 4}
    assert ribbon.lost_client_seconds == pytest.approx(len(flapping) + 3 * 0.05)


def test_steps_within_a_tenth_of_a_millisecond_are_one() -> None:
    away = [[(S + i * 1_000, 2 * S + i * 1_000)] for i in range(50)]
    ribbon = draw_ribbon(timeline(*away, planned=(0, 3 * S)), 3 * S, 400)
    assert rows(ribbon) == [
        (0.0, 50, 50, 0, 0, 50),
        (1.0, 50, 0, 50, 0, 49),
        (2.0, 50, 1, 49, 0, 50),
    ]


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("most", [5, 12, 40])
def test_no_moment_of_a_run_is_worse_or_better_than_its_row(seed: int, most: int) -> None:
    history = random_story(seed)[0].history()
    whole = build_timeline(history, 0)
    ribbon = draw_ribbon(whole, history.end, most)
    assert len(ribbon.t) <= most
    starts = [round(t * S) for t in ribbon.t]
    changes = {0, *whole.planned.times, *whole.unusable.times}
    for i, (a, b) in enumerate(zip(starts, [*starts[1:], history.end], strict=True)):
        moments = [(whole.planned.at(t), whole.unusable.at(t)) for t in changes if a <= t < b]
        assert max(lost for _, lost in moments) == ribbon.planned[i] - ribbon.usable[i]
        assert max(planned - lost for planned, lost in moments) == ribbon.usable_max[i]
