"""Any run has a picture."""

from dataclasses import replace

import msgspec
import pytest
from drawing import assessed, disagreements
from msgspec import structs
from storybook import MS, S, Story, group, strike

from chaosrun.charts.draw import draw
from chaosrun.charts.picture import Mark, Picture
from chaosrun.plan import FaultPlan, GroupPlan, Plan, StreamPlan
from chaosrun.records import NONE, Called, History, Phase, Probe, Removed, Stop


def valid(history: History) -> Picture:
    """Drawn, encoded and read again by its types; and it agrees with the score."""
    run = assessed(history)
    picture = draw(run.evidence, run.result)
    assert disagreements(run, picture) == []
    assert msgspec.json.decode(msgspec.json.encode(picture), type=Picture) == picture
    return picture


def kinds(picture: Picture) -> list[tuple[str, float]]:
    return [(mark.kind, mark.t) for mark in picture.marks]


# ---- runs of every sort ---------------------------------------------------------------------------------------------


def test_a_run_that_recovered_has_all_its_marks_in_order() -> None:
    """Down from 13 s to 15 s; the last session is there a millisecond later."""
    story = Story(group(clients=4), faults=[strike(13 * S)]).crash(13 * S, 15 * S)
    picture = valid(story.history())
    assert kinds(picture) == [("fault", 13.0), ("impact", 13.0), ("recovered", 15.001)]
    assert [mark.label for mark in picture.marks] == ["fault", "impact of fault", "recovered from fault"]
    assert {mark.episode for mark in picture.marks} == {0}
    (band,) = picture.faults
    assert (band.name, band.kind, band.role, band.call, band.removed) == ("fault", "noop", None, 13.0, None)
    assert [(phase.name, phase.start) for phase in picture.phases][:3] == [("start", 0), ("ramp", 0), ("baseline", 3)]


def test_the_server_is_ready_with_the_first_handshake_that_the_prober_got() -> None:
    story = Story(group(clients=4), faults=[strike(13 * S)]).crash(13 * S, 15 * S)
    tries = range(3 * S, 41 * S, 100 * MS)
    story.probes = [Probe(t, NONE if 13 * S <= t < 15 * S else t + MS, t + S, connect=True) for t in tries]
    run = assessed(story.history())
    (ready,) = [mark for mark in draw(run.evidence, run.result).marks if mark.kind == "ready"]
    assert run.result.recovery.server_ready_s is not None
    assert ready.t == 13.0 + run.result.recovery.server_ready_s == 15.001
    assert (ready.label, ready.episode) == ("server ready after fault", 0)


def test_a_sustained_fault_is_a_band_with_an_end() -> None:
    story = Story(group(clients=4), faults=[strike(13 * S, removed=17 * S)]).errors(13 * S, 17 * S)
    picture = valid(story.history())
    assert [(band.call, band.removed) for band in picture.faults] == [(13.0, 17.0)]
    assert kinds(picture)[:3] == [("fault", 13.0), ("impact", 13.0), ("removed", 17.0)]
    assert picture.marks[2].label == "end of fault"


def test_the_restart_that_an_instant_fault_owes_is_its_end() -> None:
    story = Story(group(clients=4), faults=[strike(13 * S)]).crash(13 * S, 15 * S)
    picture = valid(replace(story.history(), removed=[Removed(t=15 * S, id="fault")]))
    assert [(band.call, band.removed) for band in picture.faults] == [(13.0, 15.0)]


def test_two_faults_in_one_episode_are_two_bands_and_one_impact() -> None:
    story = Story(group(clients=4), faults=[strike(13 * S, id="first"), strike(14 * S, id="second")], end=45 * S)
    picture = valid(story.crash(13 * S, 16 * S).history())
    assert [(mark.kind, mark.label, mark.episode) for mark in picture.marks] == [
        ("fault", "first", 0),
        ("impact", "impact of first, second", 0),
        ("fault", "second", 0),
        ("recovered", "recovered from first, second", 0),
    ]


def test_a_service_that_never_comes_back_has_no_mark_of_recovery() -> None:
    picture = valid(Story(group(clients=4), faults=[strike(13 * S)]).crash(13 * S, 90 * S).history())
    assert kinds(picture) == [("fault", 13.0), ("impact", 13.0)]
    assert [(fall.usable, fall.attempts > 200) for fall in picture.groups[0].waterfalls[0].falls] == [(None, True)] * 4


def test_a_load_test_has_neither_marks_nor_waterfalls() -> None:
    picture = valid(Story(group(clients=4)).history())
    assert (picture.marks, picture.faults, picture.groups[0].waterfalls) == ([], [], [])


def test_a_run_that_was_stopped_says_so_where_it_was() -> None:
    history = Story(group(clients=4), faults=[strike(13 * S)]).crash(13 * S, 15 * S).history()
    picture = valid(replace(history, stop=Stop(t=20 * S, why="interrupted", signal=True)))
    assert picture.marks[-1] == Mark(kind="stopped", t=20.0, label="stopped: interrupted")


def test_a_fault_that_was_never_called_is_not_drawn() -> None:
    history = Story(group(clients=4)).history()
    plan = structs.replace(history.plan, faults=(FaultPlan(id="f", name="f", kind="noop"),))
    picture = valid(replace(history, plan=plan))
    assert (picture.marks, picture.faults) == ([], [])


def test_a_group_of_http_has_no_waterfall_of_connections() -> None:
    story = Story(group(kind="http", clients=4), faults=[strike(13 * S)]).crash(13 * S, 15 * S)
    picture = valid(story.history())
    (found,) = picture.groups[0].waterfalls
    assert {(fall.cause, fall.attempts, fall.connected) for fall in found.falls} == {("sessionless", 0, None)}
    assert sum(picture.groups[0].attempts.begun) == 0


def test_groups_are_drawn_apart() -> None:
    story = Story([group(clients=4), group(name="listeners", period_ns=None, streams=(StreamPlan(),), clients=2)])
    first, second = valid(story.history()).groups
    assert (first.name, first.clients, first.kind, first.heat is None) == ("accounts", 4, "websocket", False)
    assert (second.name, second.clients, second.heat is None) == ("listeners", 2, True)


@pytest.mark.parametrize("end", [0, 1, 10 * S])
@pytest.mark.parametrize("phases", [(("start", 0),), (("start", 0), ("ramp", 0), ("baseline", 0), ("fault", 0))])
def test_a_run_of_which_next_to_nothing_is_known_is_drawn_empty(end: int, phases: tuple[tuple[str, int], ...]) -> None:
    """It was killed at once, nobody came in, a phase has no length."""
    history = History(
        plan=Plan(groups=(GroupPlan(name="a", clients=3, period_ns=S), GroupPlan(name="b", clients=1))),
        phases=[Phase(t=t, name=name) for name, t in phases],
        end=end,
        load_stopped=end,
    )
    picture = valid(history)
    assert [sum(own.ribbon.usable) for own in picture.groups] == [0, 0]
    assert [band.name for band in picture.phases] == [name for name, _ in phases]


def test_a_fault_at_the_last_instant_is_none_of_the_observation() -> None:
    history = Story(group(clients=4), faults=[strike(13 * S)]).history()
    valid(replace(history, called=[*history.called, Called(t=history.end, id="fault")]))
