"""R and its error, each on a history whose answer is known."""

from __future__ import annotations

from dataclasses import replace

from recoveries import HIT, TWENTY, episode_of, recovery_of, struck
from storybook import MS, Feed, Still, Story, group, ms, s, strike

from chaosrun.plan import StreamPlan
from chaosrun.scoring.comeback import Back, Noticed


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


# ---- recovered, or not -----------------------------------------------------------------------------------------------


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
