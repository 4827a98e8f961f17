"""Where the impact of a fault begins, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recoveries import HIT, TWENTY, episode_of, recovery_of, struck
from storybook import MS, Feed, Still, Story, group, ms, s, strike, ticking

from chaosrun.plan import StreamPlan
from chaosrun.records import Published, Push
from chaosrun.scoring.comeback import Back


def test_the_receipt_that_opened_the_gap_is_the_impact() -> None:
    plan = group(streams=(StreamPlan(),))
    episode = episode_of(struck(plan), [Feed([Still(c, "A", "stream", s(10.2 + c / 100), s(14)) for c in range(4)])])
    assert episode.impact == s(10.2)


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


# ---- no impact -------------------------------------------------------------------------------------------------------


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
