"""Impact, R and what is told with them, each on a history whose answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from storybook import MS, Feed, S, Still, Story, group, ms, s, strike, ticking

from chaosrun.plan import StreamPlan
from chaosrun.records import NONE, Closed, History, Probe, Published, Push
from chaosrun.scoring.comeback import Back, Noticed
from chaosrun.scoring.recovery import Episode, Recovery, find_recovery
from chaosrun.scoring.timeline import build_timeline

HIT = s(10)
TWENTY = group(clients=20)
"""20 slots a second: of the 40 in a window 4 may be bad."""


def recovery_of(history: History, feeds: Sequence[Feed | None] = ()) -> Recovery:
    feeds = feeds or [None] * len(history.plan.groups)
    timelines = [build_timeline(history, g, feed.stale if feed else ()) for g, feed in enumerate(feeds)]
    return find_recovery(history, timelines, feeds)


def episode_of(story: Story, feeds: Sequence[Feed | None] = ()) -> Episode:
    (episode,) = recovery_of(story.history(), feeds).episodes
    return episode


def struck(plan: object = None, **changes: object) -> Story:
    """Four clients, or those of `plan`, and an instant fault at 10 s."""
    return Story(plan or group(), faults=[strike(HIT)], **changes)  # type: ignore[arg-type]


# ---- what comes last ------------------------------------------------------------------------------------------------


def test_after_a_crash_sessions_come_last_with_the_send_of_the_last_canary() -> None:
    episode = episode_of(struck().crash(HIT, s(12)))
    back_at = s(12) + MS
    assert (episode.impact, episode.impact_by) == (HIT, "accounts.sessions")
    assert (episode.recovered, episode.recovered_by) == (back_at, "accounts.sessions")
    assert (episode.ttr, episode.outage, episode.detection) == (s(2) + MS, s(2) + MS, 0)
    assert episode.first_recovered == back_at
    assert episode.lost_client_ns == 4 * (s(2) + MS)
    assert (episode.relapses, episode.pending, episode.adapted_at, episode.absorbed) == (0, None, None, False)


def test_the_error_of_sessions_is_the_canarys_round_trip_plus_lag_plus_the_width_of_the_fault() -> None:
    story = Story(group(), faults=[strike(HIT, confirmed=HIT + ms(3))], latency=ms(7)).crash(HIT, s(12))
    assert episode_of(story).error == ms(7) + MS + ms(3)


def test_a_frozen_server_that_answers_its_backlog_recovers_one_limit_before_it_resumes() -> None:
    # Frozen from T = 10 s for D = 4 s: slots due after T + D - L = 13.5 s are good, the first of them at 13.75 s.
    episode = episode_of(struck().freeze(HIT, s(14)))
    assert (episode.impact, episode.impact_by) == (HIT, "accounts.requests")
    assert (episode.recovered, episode.recovered_by) == (s(13.75), "accounts.requests")
    assert episode.error == ms(250) + MS


def test_a_partial_failure_widens_the_error_by_the_tolerance_over_the_bad_fraction() -> None:
    # Clients 0 to 9 of 20 fail: f = 1/2, and 2 * l * W / f = 2 * 0.1 * 2 s / 0.5 = 0.8 s.
    episode = episode_of(struck(TWENTY).errors(HIT, s(15), clients=range(10)))
    # Each second's first ten slots are bad. Windows that begin after 14.25 s hold four bad ones at most; the next good
    # slot is due at 14.5 s, 50 ms after a bad one.
    assert episode.recovered == s(14.5)
    assert episode.error == ms(50) + ms(800) + MS
    assert abs(episode.recovered - s(15)) <= episode.error


def test_some_clients_that_are_out_longer_than_all_widen_the_error_until_they_are_asked_again() -> None:
    # All fail up to 15 s, clients 3, 9 and 15 up to 17 s. Windows that begin after 15.45 s hold four of their slots at
    # most: R is 15.5 s, with all of the W before it bad but for eight of forty. Of the slots from there on more than a
    # tenth are bad up to the fourth of theirs, at 16.75 s, and client 15 is asked again at 17.75 s.
    episode = episode_of(struck(TWENTY).errors(HIT, s(15)).errors(s(15), s(17), clients=[3, 9, 15]))
    assert episode.recovered == s(15.5)
    assert episode.error == ms(50) + s(17.75) - s(15.5) + MS
    assert abs(episode.recovered - s(17)) <= episode.error


def test_a_client_is_asked_again_by_what_says_something_of_it_good_or_bad() -> None:
    # Of the nine slots from 15 s to 15.4 s one is lost, and that is more than a tenth.
    story = struck(TWENTY).errors(HIT, s(15)).lose(8, s(15.4), s(16.4))
    assert episode_of(story).error == ms(50) + s(16.4) - s(15) + MS
    skipped = struck(TWENTY).errors(HIT, s(15)).lose(8, s(15.4)).skip(8, s(16.4))
    assert episode_of(skipped).error == ms(50) + s(17.4) - s(15) + MS


def test_a_slot_that_a_second_fault_found_undecided_is_of_a_client_to_be_asked_again_too() -> None:
    # The slot of 15.4 s counts at the call of 15.42 s: one of nine from 15 s on.
    faults = [strike(HIT), strike(s(15.42), id="second")]
    episode = episode_of(Story(TWENTY, faults=faults).errors(HIT, s(15)).lose(8, s(15.4)))
    assert (episode.faults, episode.recovered) == (("fault", "second"), s(15))
    assert episode.error == ms(50) + s(16.4) - s(15) + MS


def test_of_a_slot_and_a_sentinel_lost_at_one_instant_the_client_that_is_asked_later_counts() -> None:
    # At 15.1 s the slot of client 2 is due, which is asked again at 15.2 s, and a sentinel of client 1, at 16.05 s.
    plan = group(clients=20, sentinel_period_ns=ms(100))
    story = struck(plan).errors(HIT, s(15)).lose(2, s(15.1))
    assert episode_of(story).error == ms(50) + ms(400) + MS
    assert episode_of(story.lose(1, s(15.1))).error == ms(50) + s(16.05) - s(15) + MS


def test_a_canary_asks_a_client_again_that_was_out_longer_than_the_others() -> None:
    plan = group(clients=20, tolerate_sessions=0.5)
    episode = episode_of(struck(plan).errors(HIT, s(15)).crash(s(15), s(17), clients=[3, 9, 15]))
    assert (episode.recovered, episode.recovered_by) == (s(15.5), "accounts.requests")
    assert episode.error == ms(50) + s(17) + MS - s(15.5) + MS


def test_a_client_that_is_never_asked_again_widens_the_error_up_to_its_last_slot() -> None:
    # Four of the thirty slots from 15 s to 16.45 s are lost, and the load ends before that client's next one.
    story = struck(TWENTY, end=s(17.2), verify=ms(200), stable_for=s(2)).errors(HIT, s(15))
    for c, due in ((6, s(15.3)), (16, s(15.8)), (4, s(16.2)), (9, s(16.45))):
        story.lose(c, due)
    episode = episode_of(story)
    assert (episode.recovered, episode.error) == (s(15), ms(50) + s(16.45) - s(15) + MS)


def test_a_request_that_is_lost_right_behind_an_outage_prolongs_it() -> None:
    # Frozen up to 14 s with a limit of 500 ms: what is due at 13.55 s would be the first to be served, and is lost.
    episode = episode_of(struck(TWENTY).freeze(HIT, s(14)).lose(11, s(13.55)))
    assert (episode.recovered, episode.error) == (s(13.6), ms(50) + MS)


def test_pushes_that_come_last_give_r_and_the_longest_baseline_gap_as_its_error() -> None:
    plan = group(streams=(StreamPlan(),))
    feed = Feed([Still(c, "EURUSD", "stream", s(9.9), s(14.2)) for c in range(4)])
    episode = episode_of(struck(plan), [feed])
    assert (episode.impact, episode.impact_by) == (HIT, "accounts.pushes")
    assert (episode.recovered, episode.recovered_by) == (s(14.2), "accounts.pushes")
    assert episode.error == ms(200) + MS
    assert episode.noticed == {"stale": Noticed(count=4, p50=ms(900), max=ms(900))}


def test_the_receipt_that_opened_the_gap_is_the_impact() -> None:
    plan = group(streams=(StreamPlan(),))
    episode = episode_of(struck(plan), [Feed([Still(c, "A", "stream", s(10.2 + c / 100), s(14)) for c in range(4)])])
    assert episode.impact == s(10.2)


def test_without_lag_records_the_error_is_unknown_not_zero() -> None:
    history = replace(struck().crash(HIT, s(12)).history(), lags=())
    assert recovery_of(history).episodes[0].error is None


def test_r_of_many_slow_clients_is_exact_by_sessions() -> None:
    slow = group(clients=300, period_ns=s(30), window_ns=s(2), tolerate_requests=0.1)
    assert episode_of(struck(slow).crash(HIT, s(12))).recovered == s(12) + MS


def test_a_client_with_several_stale_feeds_counts_once() -> None:
    plan = group(tolerate_pushes=0.25, streams=(StreamPlan(),))
    both = [Still(0, "A", "stream", s(11), s(13)), Still(0, "B", "stream", s(12), s(14))]
    assert episode_of(struck(plan), [Feed(both)]).impact is None


# ---- where the impact begins ----------------------------------------------------------------------------------------


def test_error_replies_at_once_are_an_impact_from_the_first_to_the_last() -> None:
    episode = episode_of(struck().errors(HIT, s(30)))
    assert (episode.impact, episode.recovered, episode.absorbed) == (HIT, s(30), False)


def test_a_dip_shorter_than_the_window_is_found_at_its_own_place() -> None:
    episode = episode_of(struck().errors(s(10.9), s(11.3)))
    assert (episode.impact, episode.recovered, episode.outage) == (s(11), s(11.5), ms(500))


def test_a_stray_loss_after_a_dip_in_the_same_window_does_not_move_the_impact() -> None:
    assert episode_of(struck(TWENTY).errors(HIT, s(10.5)).lose(18, s(11.9))).impact == HIT


def test_stray_losses_before_the_outage_are_not_the_impact() -> None:
    story = struck(TWENTY).lose(2, s(10.1)).lose(4, s(10.2)).errors(s(13), s(15))
    assert episode_of(story).impact == s(13)


def test_the_impact_on_some_clients_or_of_short_dips_and_a_stray_is_where_the_tolerance_ran_out() -> None:
    gray = struck(TWENTY).errors(HIT, s(15), clients=[1, 8, 14])  # bad at 10.05, 10.4, 10.7, 11.05, 11.4 ...
    assert episode_of(gray).impact == s(11.4)
    dips = struck(TWENTY).errors(s(10.4), s(10.5)).errors(s(10.7), s(10.8)).lose(18, s(11.9))
    assert episode_of(dips).impact == s(11.9)


def test_the_impact_may_be_late_by_all_that_used_up_the_tolerance_with_it() -> None:
    gray = episode_of(struck(TWENTY).errors(HIT, s(15), clients=[1, 8, 14]))
    assert gray.impact_late == s(11.4) - HIT  # a good slot is due at 10 s, the first bad one at 10.05 s
    dips = struck(TWENTY).errors(s(10.4), s(10.5)).errors(s(10.7), s(10.8)).lose(18, s(11.9))
    assert episode_of(dips).impact_late == s(11.9) - s(10.35)
    strays = struck(TWENTY).lose(2, s(12.1)).errors(s(13), s(15))
    assert (episode_of(strays).impact, episode_of(strays).impact_late) == (s(13), s(13) - s(12.05))


def test_the_impact_of_a_clean_outage_is_late_by_less_than_the_distance_of_slots_and_never_before_the_fault() -> None:
    assert episode_of(struck(TWENTY).errors(s(13), s(15))).impact_late == ms(50)
    story = Story(TWENTY, faults=[strike(s(12.99))]).errors(s(12.99), s(15))
    assert episode_of(story).impact_late == ms(10)
    assert episode_of(struck(TWENTY).errors(HIT, s(15))).impact_late == 0


def test_a_slot_lost_in_the_window_before_the_first_with_too_many_is_not_part_of_the_impact() -> None:
    # With the one that was lost before, the slot of 13.15 s uses up the tolerance: its window begins after 11.15 s.
    near, far = (struck(TWENTY).lose(c, due).errors(s(13), s(15)) for c, due in ((4, s(11.2)), (3, s(11.15))))
    assert episode_of(near).impact_late == s(13) - s(11.15)
    assert episode_of(far).impact_late == ms(50)


def test_the_impact_on_sessions_is_exact_and_only_as_unsure_as_the_load_is_late_and_the_fault_wide() -> None:
    story = Story(group(), faults=[strike(HIT, confirmed=HIT + ms(3))]).crash(s(10.1), s(12))
    episode = episode_of(story)
    assert (episode.impact, episode.impact_late, episode.impact_error) == (s(10.1), 0, MS + ms(3))
    lost = Story(group(), faults=[strike(HIT)]).lose(0, s(11)).crash(s(11.1), s(12))
    assert (episode_of(lost).impact, episode_of(lost).impact_late) == (s(11), ms(250))
    tolerated = struck(TWENTY).lose(2, s(12.1)).crash(s(13.01), s(15))
    assert (episode_of(tolerated).impact, episode_of(tolerated).impact_late) == (s(13.01), s(13.01) - s(12.05))


def test_what_one_group_may_have_been_hit_by_earlier_counts_though_another_shows_it_first() -> None:
    plans = [group(name="whole", clients=20), group(name="gray", clients=20)]
    story = struck(plans).errors(s(10.5), s(15), g=0).errors(s(10.2), s(15), clients=[7, 8, 14], g=1)
    episode = episode_of(story)
    assert (episode.impact, episode.impact_by) == (s(10.5), "whole.requests")
    assert episode.impact_late == s(10.5) - s(10.3)


def test_without_an_impact_or_lag_records_its_error_is_not_known() -> None:
    assert (episode_of(struck()).impact_late, episode_of(struck()).impact_error) == (None, None)
    history = replace(struck().crash(HIT, s(12)).history(), lags=())
    assert (recovery_of(history).episodes[0].impact_late, recovery_of(history).episodes[0].impact_error) == (0, None)


def test_a_slot_undecided_when_the_fault_struck_belongs_to_the_fault_if_bad() -> None:
    story = Story(group(), faults=[strike(s(10.1))]).freeze(s(9.9), s(12))
    episode = episode_of(story)
    assert (episode.impact, episode.detection) == (s(10.1), 0)


def test_a_slot_decided_before_the_fault_is_the_baselines() -> None:
    story = Story(group(), faults=[strike(s(10.1))]).lose(0, s(9)).errors(s(10), s(10.05))
    assert episode_of(story).impact is None


def test_an_answer_at_the_very_instant_of_the_fault_is_decided_before_it() -> None:
    story = Story(group(), faults=[strike(s(10) + MS)]).errors(s(10), s(10.05))
    assert episode_of(story).impact is None


def test_the_earliest_of_all_indicators_and_groups_is_the_impact() -> None:
    plans = [group(name="first"), group(name="second")]
    episode = episode_of(struck(plans).errors(s(11), s(13), g=0).crash(s(10.6), s(12), g=1))
    assert (episode.impact, episode.impact_by) == (s(10.6), "second.sessions")
    assert (episode.recovered, episode.recovered_by) == (s(13), "first.requests")


def test_a_few_dead_clients_of_one_group_are_not_drowned_by_healthy_pollers_of_another() -> None:
    plans = [
        group(name="few", clients=30, tolerate_requests=0.1),
        group(name="pollers", kind="http", clients=500, period_ns=s(2), tolerate_requests=0.01),
    ]
    episode = episode_of(struck(plans, end=s(25)).crash(HIT, s(12), clients=range(4), g=0))
    assert (episode.impact_by, episode.recovered, episode.back.affected) == ("few.sessions", s(12) + MS, 4)


def test_a_push_only_service_that_stalls_has_an_impact() -> None:
    feed = Feed([Still(c, "A", "stream", s(10.1), s(13)) for c in range(4)])
    episode = episode_of(struck(ticking()), [feed])
    assert (episode.impact, episode.recovered) == (s(10.1), s(13))
    assert (episode.back.affected, episode.back.all) == (4, s(3))


def test_a_still_feed_is_noticed_when_it_has_stood_for_as_long_as_it_may() -> None:
    feed = Feed([Still(c, "A", "one of two", s(10.1), s(13), ms(700)) for c in range(3)])
    noticed = episode_of(struck(ticking()), [feed]).noticed
    assert {tag: (seen.count, seen.p50) for tag, seen in noticed.items()} == {"stale": (3, ms(800))}


# ---- recovered, or not ----------------------------------------------------------------------------------------------


def test_a_service_that_never_recovers_is_censored_at_the_time_observed() -> None:
    episode = episode_of(struck(end=s(40)).crash(HIT, s(100)))
    assert (episode.recovered, episode.ttr, episode.ttr_censored_above) == (None, None, s(30))
    assert episode.back == Back(affected=4, never=4, unreturned=tuple(f"accounts-{c}" for c in range(4)))


def test_flapping_stretches_shorter_than_the_hold_never_recover() -> None:
    story = struck(end=s(40))
    for down in range(10, 38, 4):
        story.crash(s(down), s(down + 1))
    episode = episode_of(story)
    assert (episode.recovered, episode.first_recovered, episode.ttr_censored_above) == (None, None, s(30))
    assert episode.relapses == 6
    assert episode.pending == s(35) + MS


def test_a_stretch_of_exactly_the_hold_is_a_recovery_and_a_nanosecond_less_is_pending() -> None:
    back_at = s(12) + MS
    enough = episode_of(struck(end=back_at + s(5)).crash(HIT, s(12)))
    short = episode_of(struck(end=back_at + s(5) - 1).crash(HIT, s(12)))
    assert (enough.recovered, enough.pending) == (back_at, None)
    assert (short.recovered, short.pending) == (None, back_at)


def test_a_last_stretch_shorter_than_a_window_shows_nothing() -> None:
    back_at = s(38) + MS
    assert episode_of(struck(end=back_at + s(2)).crash(HIT, s(38))).pending == back_at
    assert episode_of(struck(end=back_at + s(2) - 1).crash(HIT, s(38))).pending is None


def test_partial_recovery_is_a_recovery_with_clients_that_never_came_back() -> None:
    plan = group(clients=20, tolerate_sessions=0.1)
    episode = episode_of(struck(plan).crash(HIT, s(12)).crash(HIT, s(100), clients=[3, 7]))
    assert episode.recovered is not None
    assert episode.back.unreturned == ("accounts-3", "accounts-7")
    assert (episode.back.first, episode.back.p90) == (s(2) + MS, s(2) + MS)
    assert (episode.back.p99, episode.back.all, episode.back.never) == (None, None, 2)


def test_a_client_is_back_when_its_flapping_is_over() -> None:
    story = struck(stable_for=s(3)).crash(HIT, s(12)).crash(s(13), s(15), clients=[2])
    back = episode_of(story).back
    assert (back.first, back.p50, back.all) == (s(2) + MS, s(2) + MS, s(5) + MS)


def test_a_client_that_was_never_usable_is_not_affected() -> None:
    plan = group(clients=20, tolerate_sessions=0.1)
    episode = episode_of(struck(plan).crash(0, s(100), clients=[5]).crash(HIT, s(12)))
    assert (episode.back.affected, episode.back.never) == (19, 0)


def test_a_stray_bad_slot_after_the_recovery_affects_nobody() -> None:
    episode = episode_of(struck(TWENTY).crash(HIT, s(12), clients=[0]).lose(9, s(30.45)))
    assert (episode.back.affected, episode.back.all) == (1, s(2) + MS)


def test_nothing_after_the_observation_counts() -> None:
    episode = episode_of(struck(end=s(40), verify=s(9)).crash(s(41), s(43)))
    assert (episode.impact, episode.end, episode.absorbed) == (None, s(40), True)


# ---- no impact ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "absorbed"), [(ms(250) - 1, True), (ms(250), False)])
def test_an_outage_hides_if_it_is_shorter_than_blind_and_falls_between_the_slots(length: int, absorbed: bool) -> None:
    # TWENTY has a slot every 50 ms and tolerates four bad ones of forty: from just after one to just before the sixth.
    episode = episode_of(struck(TWENTY).errors(s(20.05) + 1, s(20.05) + 1 + length))
    assert (episode.bad_slots, episode.absorbed) == ((4, True) if absorbed else (5, False))


def test_a_verified_fault_without_impact_under_load_is_absorbed() -> None:
    recovery = recovery_of(struck(TWENTY).lose(9, s(20.45)).history())
    (episode,) = recovery.episodes
    assert (episode.absorbed, episode.ttr, episode.impact, episode.error) == (True, 0, None, None)
    assert (episode.bad_slots, episode.back, recovery.blind) == (1, Back(), ms(250))


def test_a_fault_that_nothing_confirmed_is_not_absorbed_but_unknown() -> None:
    episode = episode_of(Story(group(), faults=[strike(HIT, verified=False)]))
    assert (episode.absorbed, episode.ttr, episode.verified) == (None, None, False)


def test_an_observation_shorter_than_the_hold_proves_no_absence() -> None:
    assert episode_of(Story(group(), faults=[strike(s(35) + 1)], end=s(40))).absorbed is None
    assert episode_of(Story(group(), faults=[strike(s(35))], end=s(40))).absorbed is True


def test_where_nothing_crossed_the_target_nothing_was_absorbed() -> None:
    quiet = struck(ticking()).history()
    assert recovery_of(quiet, [Feed([])]).episodes[0].absorbed is None
    published = replace(quiet, published=[Published(t=s(11), channel="A", first=1, last=2)])
    assert recovery_of(published, [Feed([])]).episodes[0].absorbed is True
    received = replace(quiet, pushes=[Push(s(11), 1, 1, None, 0)])
    assert recovery_of(received, [Feed([])]).episodes[0].absorbed is True


def test_a_push_after_a_sustained_fault_was_removed_did_not_meet_it() -> None:
    quiet = Story(ticking(), faults=[strike(HIT, removed=s(20))]).history()
    received = replace(quiet, pushes=[Push(s(21), 1, 1, None, 0)])
    assert recovery_of(received, [Feed([])]).episodes[0].absorbed is None


def test_without_a_fault_there_is_no_recovery_to_tell() -> None:
    recovery = recovery_of(Story(group()).history())
    assert (recovery.episodes, recovery.worst, recovery.recovered_final, recovery.lost_client_ns) == ((), None, None, 0)


def test_a_group_that_nothing_can_judge_is_refused() -> None:
    with pytest.raises(ValueError, match="'accounts' has no indicator"):
        recovery_of(struck(group(kind="http", period_ns=None)).history())


# ---- what else is told ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "code", "tag"),
    [
        ("close", 1012, "close(1012)"),
        ("close", None, "close"),
        ("fin", None, "fin"),
        ("ping_timeout", None, "ping_timeout"),
    ],
)
def test_clients_notice_by_the_cause_of_their_own_disconnect(cause: str, code: int | None, tag: str) -> None:
    story = struck().crash(s(10.1), s(12))
    for c in range(4):
        story.closes[0, c, 0] = Closed(t=0, g=0, c=c, conn=0, cause=cause, code=code)
    assert episode_of(story).noticed == {tag: Noticed(count=4, p50=ms(100), max=ms(100))}


def test_clients_of_a_frozen_server_notice_by_their_deadline() -> None:
    # Due at 10, 10.25, 10.5 and 10.75 s; L is 500 ms.
    noticed = episode_of(struck().freeze(HIT, s(14))).noticed
    assert noticed == {"deadline": Noticed(count=4, p50=ms(750), max=ms(1250))}


def test_an_error_reply_is_noticed_as_an_answer_not_as_a_deadline() -> None:
    assert episode_of(struck().errors(HIT, s(14))).noticed == {}


def test_a_client_counts_once_under_what_it_noticed_first() -> None:
    noticed = episode_of(struck().freeze(HIT, s(14)).crash(s(10.9), s(12))).noticed
    assert noticed == {
        "deadline": Noticed(count=2, p50=ms(500), max=ms(750)),
        "rst": Noticed(count=2, p50=ms(900), max=ms(900)),
    }


def test_what_we_or_the_fault_closed_is_not_noticed() -> None:
    history = struck().crash(HIT, s(12)).history()
    injected = [Closed(t=r.t, g=r.g, c=r.c, conn=r.conn, cause="injected", planned=True) for r in history.closed]
    assert recovery_of(replace(history, closed=injected)).episodes[0].noticed == {}


def test_the_server_is_ready_with_the_first_fresh_handshake_begun_after_the_impact() -> None:
    story = struck().crash(HIT, s(12))
    story.probes = [
        Probe(s(9.9), s(11), s(12), connect=True),
        Probe(s(10.5), NONE, s(11.5), connect=True),
        Probe(s(11.9), s(11.95), s(13), connect=False),
        Probe(s(12.2), s(12.3), s(13.2), connect=True),
        Probe(s(12.1), s(12.25), s(13.2), connect=True),
    ]
    episode = episode_of(story)
    assert (episode.server_ready, episode.server_ready_after) == (s(12.25), s(2.25))


def test_times_after_a_removal_are_never_negative() -> None:
    story = Story(group(), faults=[strike(HIT, removed=s(20))]).crash(HIT, s(12))
    story.probes = [Probe(s(12.2), s(12.3), s(13.2), connect=True)]
    episode = episode_of(story)
    assert (episode.server_ready_after, episode.back.all, episode.ttr) == (0, 0, 0)


def test_a_sustained_fault_that_was_never_removed_has_no_time_to_recover() -> None:
    history = replace(Story(group(), faults=[strike(HIT, removed=s(20))]).crash(HIT, s(12)).history(), removed=())
    episode = recovery_of(history).episodes[0]
    assert (episode.recovered, episode.reference, episode.ttr, episode.server_ready_after) == (
        s(12) + MS,
        None,
        None,
        None,
    )


def test_lost_client_time_is_counted_to_the_end_of_after() -> None:
    episode = episode_of(struck(end=s(40)).crash(HIT, s(100)))
    assert episode.lost_client_ns == 4 * s(30)
    assert recovery_of(struck(end=s(40)).crash(HIT, s(100)).history()).lost_client_ns == 4 * 30 * S
