"""Sessions, usable and planned clients."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from storybook import MS, S, Still, Story, group, ms, random_story, s, ticking

from chaosrun.plan import Plan
from chaosrun.records import NONE, Closed, History, Kind, Opened, Phase, Slot, Status
from chaosrun.scoring.pacing import lives
from chaosrun.scoring.steps import clipped, shared
from chaosrun.scoring.timeline import GroupTimeline, build_timeline


def one_client(*rows: Slot, closed: tuple[int, ...] = (), opened: tuple[int, ...] = (0,)) -> History:
    return History(
        plan=Plan(groups=(group(clients=1),)),
        phases=[Phase(t=0, name="ramp")],
        end=s(50),
        load_stopped=s(40),
        slots=rows,
        opened=[Opened(t=t, g=0, c=0, conn=i, began=t, shaken=t) for i, t in enumerate(opened)],
        closed=[Closed(t=t, g=0, c=0, conn=i, cause="rst") for i, t in enumerate(closed)],
    )


def row(due: int, *, good: bool, conn: int = 0, kind: Kind = Kind.SLOT) -> Slot:
    return Slot(0, 0, due, due, due + MS if good else NONE, Status.SENT, kind, conn)


def usable(history: History) -> tuple[tuple[int, int], ...]:
    return build_timeline(history, 0).clients[0].usable


def sessions(history: History) -> tuple[tuple[int, int], ...]:
    return build_timeline(history, 0).clients[0].sessions


def test_a_session_begins_with_the_send_of_the_connections_first_good_canary() -> None:
    canaries = [row(s(1), good=False, kind=Kind.CANARY), row(s(2), good=True, kind=Kind.CANARY)]
    assert sessions(one_client(*canaries, row(s(3), good=True))) == ((s(2), s(50)),)


def test_an_open_connection_that_never_answers_is_no_session() -> None:
    assert sessions(one_client(row(s(1), good=False), row(s(2), good=False))) == ()


def test_a_session_ends_with_its_connection_and_the_next_one_must_prove_itself() -> None:
    rows = row(s(1), good=True), row(s(6), good=False, conn=1), row(s(7), good=True, conn=1)
    assert sessions(one_client(*rows, closed=(s(5),), opened=(0, s(6)))) == ((s(1), s(5)), (s(7), s(50)))


def test_without_requests_the_opening_conversation_makes_the_session() -> None:
    timeline = build_timeline(Story(ticking(clients=1)).crash(s(10), s(12)).history(), 0)
    assert timeline.clients[0].sessions[0] == (MS, s(10))
    assert timeline.sessions.at(s(11)) == 0


def test_usable_is_the_outcome_of_the_last_observation() -> None:
    rows = row(s(1), good=True), row(s(2), good=False), row(s(3), good=True)
    assert usable(one_client(*rows)) == ((s(1), s(2)), (s(3), s(50)))


def test_a_disconnect_makes_unusable_until_the_next_good_one() -> None:
    rows = row(s(1), good=True), row(s(8), good=True, conn=1)
    assert usable(one_client(*rows, closed=(s(5),), opened=(0, s(7)))) == ((s(1), s(5)), (s(8), s(50)))


def test_of_observations_due_at_one_instant_all_must_be_good() -> None:
    rows = row(s(1), good=True), row(s(2), good=True), row(s(2), good=False, kind=Kind.SENTINEL), row(s(3), good=True)
    assert usable(one_client(*rows)) == ((s(1), s(2)), (s(3), s(50)))


def test_what_the_observer_got_wrong_is_no_observation() -> None:
    late = Slot(0, 0, s(2), s(2) + ms(60), NONE)
    skipped = Slot(0, 0, s(3), NONE, NONE, Status.SKIPPED_OBSERVER)
    assert usable(one_client(row(s(1), good=True), late, skipped)) == ((s(1), s(50)),)


def planned(story: Story) -> list[tuple[tuple[int, int], ...]]:
    return [client.planned for client in build_timeline(story.history(), 0).clients]


def test_a_client_is_planned_from_its_first_use_to_the_end_of_the_load() -> None:
    plan = group(clients=2, ramp_start=1, ramp_over_ns=s(4), connect_within_ns=s(5))
    story = Story(plan, end=s(20), verify=s(2))
    assert planned(story) == [((MS, s(22)),), ((s(4) + MS, s(22)),)], "a handshake of 1 ms, and a canary at once"
    timeline = build_timeline(story.history(), 0)
    assert [timeline.planned.at(t) for t in (0, MS, s(4) + MS, s(22))] == [0, 1, 2, 0]


def test_a_client_that_cannot_be_used_is_planned_when_its_time_to_connect_is_over() -> None:
    plan = group(clients=2, ramp_start=1, ramp_over_ns=s(4), connect_within_ns=s(5))
    # An attempt every 100 ms; the last one that is refused is that of 7.9 s.
    story = Story(plan, end=s(20), verify=s(2)).crash(0, s(8))
    assert planned(story) == [((s(5), s(22)),), ((s(8) + MS, s(22)),)]
    assert build_timeline(story.history(), 0).lost_client_ns(0, s(20)) == s(3) + MS


def test_what_is_lost_after_the_first_use_is_lost_though_its_time_to_connect_goes_on() -> None:
    story = (
        Story(group(clients=4, connect_within_ns=s(30)), end=s(20)).crash(s(5), s(7), [0, 1]).errors(s(3), s(4), [2])
    )
    assert planned(story) == [((MS, s(22)),)] * 4
    assert build_timeline(story.history(), 0).lost_client_ns(0, s(20)) == 2 * (s(2) + MS) + S


def test_a_client_is_planned_no_earlier_than_its_session_begins() -> None:
    """Else a request that was sent a little late would have its client missed for that long."""
    row = Slot(0, 0, s(1), s(1) + ms(20), s(1) + ms(21))
    timeline = build_timeline(one_client(row), 0)
    [client] = timeline.clients
    assert client.usable == ((s(1), s(50)),)
    assert client.sessions == ((s(1) + ms(20), s(50)),)
    assert client.planned == ((s(1), s(40)),), "its time to connect is over by then"
    patient = replace(one_client(row), plan=Plan(groups=(group(clients=1, connect_within_ns=s(5)),)))
    assert build_timeline(patient, 0).clients[0].planned == ((s(1) + ms(20), s(40)),)


def test_a_client_that_asks_by_http_is_planned_from_its_first_good_request() -> None:
    story = Story(group(kind="http", clients=2, connect_within_ns=s(5))).errors(0, s(2), [1])
    assert planned(story) == [((0, s(42)),), ((s(2) + S // 2, s(42)),)]


def test_a_client_that_listens_is_planned_when_it_is_open_and_its_feed_is_fresh() -> None:
    history = Story(ticking(clients=2, connect_within_ns=s(5))).history()
    timeline = build_timeline(history, 0, [Still(1, "A", "stream", 0, s(3))])
    assert [client.planned for client in timeline.clients] == [((MS, s(42)),), ((s(3), s(42)),)]


def test_lost_client_time_is_the_area_between_planned_and_usable() -> None:
    # Down from 10 s; back with the attempt at 12.0 s, whose canary is sent 1 ms later.
    timeline = build_timeline(Story(group(clients=1)).crash(s(10), s(12)).history(), 0)
    assert timeline.lost_client_ns(s(5), s(30)) == s(2) + MS


def test_a_client_that_listens_is_unusable_while_a_feed_is_stale() -> None:
    stale = [Still(0, "A", "stream", s(5), s(8)), Still(0, "B", "stream", s(7), s(9))]
    timeline = build_timeline(Story(ticking(clients=1)).history(), 0, stale)
    assert timeline.lost_client_ns(s(4), s(20)) == s(4)


def test_http_clients_have_no_sessions_and_are_usable_by_their_slots() -> None:
    timeline = build_timeline(Story(group(kind="http", clients=1)).errors(s(10), s(12)).history(), 0)
    assert timeline.sessions.at(s(5)) == 0
    assert timeline.clients[0].usable[0] == (0, s(10))
    assert timeline.lost_client_ns(s(5), s(20)) == s(2)


def test_a_run_that_never_began_to_ramp_planned_nobody() -> None:
    idle = replace(Story(group()).history(), phases=[])
    assert build_timeline(idle, 0).planned.maximum(0, idle.end) == 0


# ---- properties -----------------------------------------------------------------------------------------------------


def timelines(history: History) -> list[GroupTimeline]:
    return [build_timeline(history, g) for g in range(len(history.plan.groups))]


@given(st.integers(0, 10**6), st.booleans())
def test_nobody_who_can_be_used_is_left_out_of_the_planned_nor_planned_before_that(seed: int, staged: bool) -> None:
    history = random_story(seed, staged=staged)[0].history()
    for timeline in timelines(history):
        grace = timeline.group.connect_within_ns
        for client in timeline.clients:
            used = client.usable if timeline.group.kind == "http" else shared(client.usable, client.sessions)
            due: list[int] = []
            for start, end in lives(client.index, timeline.group):
                stop = history.load_stopped if end is None else min(end, history.load_stopped)
                due.append(start + grace)
                there = clipped(used, start, stop)
                assert shared(there, client.planned) == there
                assert min([stop, start + grace, *(a for a, _ in there)]) in {stop, *(a for a, _ in client.planned)}
            for start, _ in client.planned:
                assert start in due or any(a <= start < b for a, b in used)


@given(st.integers(0, 10**6), st.data())
def test_more_bad_events_never_lower_the_lost_client_time(seed: int, data: st.DataObject) -> None:
    story, _ = random_story(seed)
    history = story.history()
    # Whoever cannot be used in time counts later: the first use itself is left as it is.
    since = [[min((a for a, _ in client.planned), default=0) for client in line.clients] for line in timelines(history)]
    sent = [i for i, row in enumerate(history.slots) if row.sent != NONE and row.due > since[row.group][row.client]]
    spoilt = data.draw(st.sets(st.sampled_from(sent), max_size=5)) if sent else set()
    slots = [slot._replace(status=Status.ERROR) if i in spoilt else slot for i, slot in enumerate(history.slots)]
    worse = replace(history, slots=slots)
    for before, after in zip(timelines(history), timelines(worse), strict=True):
        assert after.lost_client_ns(S, history.end) >= before.lost_client_ns(S, history.end)


@given(st.integers(0, 10**6), st.data())
def test_more_disconnects_never_lower_the_lost_client_time(seed: int, data: st.DataObject) -> None:
    story, _ = random_story(seed)
    history = story.history()
    t = data.draw(st.integers(0, history.end))
    cut = Closed(t=t, g=0, c=0, conn=10**6, cause="rst")
    worse = replace(history, closed=[*history.closed, cut])
    assert timelines(worse)[0].lost_client_ns(0, history.end) >= timelines(history)[0].lost_client_ns(0, history.end)
