"""Claims on what is told of a recovery that a mutation pass found nobody to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from storybook import MS, Feed, S, Still, Story, group, ms, s, strike, ticking

from chaosrun.records import History, Lag, Published
from chaosrun.scoring.pacing import blind
from chaosrun.scoring.recovery import Recovery, find_recovery
from chaosrun.scoring.timeline import build_timeline

HIT = s(10)


def found(history: History, feeds: Sequence[Feed | None] = ()) -> Recovery:
    stale = [feed.stale if feed else () for feed in feeds or [None] * len(history.plan.groups)]
    return find_recovery(history, [build_timeline(history, g, own) for g, own in enumerate(stale)], feeds)


# ---- several groups


def test_feeds_that_stand_still_at_once_make_a_client_unusable_once() -> None:
    history = Story(ticking(clients=1)).history()
    spans = [Still(0, "A", "stream", HIT, s(16)), Still(0, "B", "stream", s(11), s(13))]
    built = build_timeline(history, 0, [*spans, Still(0, "C", "stream", s(15), s(18))])
    assert [span for span in built.clients[0].usable if span[0] > S] == [(s(18), built.clients[0].sessions[0][1])]
    assert built.clients[0].usable[0][1] == HIT


def test_between_two_faults_tolerance_must_hold_for_the_longest_window_of_all_groups() -> None:
    for gap, episodes in ((s(5), 1), (s(7), 2)):
        again = HIT + gap
        groups = [group(name="asks", window_ns=S), ticking(name="listens", window_ns=s(4))]
        faults = [strike(HIT, id="one"), strike(again, id="two")]
        story = Story(groups, faults=faults).crash(HIT, HIT + s(2), g=0).crash(again, again + S, g=0)
        assert len(found(story.history(), [None, Feed([])]).episodes) == episodes


def test_the_longest_outage_that_could_hide_is_that_of_the_blindest_group() -> None:
    groups = [group(name="often", period_ns=ms(500)), group(name="seldom", period_ns=s(2))]
    spans = [blind(each) for each in groups]
    assert spans[0] != spans[1]
    assert found(Story(groups, faults=[strike(HIT)]).history()).blind == max(span for span in spans if span is not None)


@pytest.mark.parametrize("gaps", [(200, 400), (400, 200)])
def test_the_error_of_a_recovery_of_feeds_has_the_longest_gap_of_all_groups(gaps: tuple[int, int]) -> None:
    groups = [ticking(name="one", clients=1), ticking(name="two", clients=1)]
    feeds = [Feed([Still(0, "A", "stream", HIT, s(14))], ms(gaps[0])), Feed([], ms(gaps[1]))]
    episode = found(Story(groups, faults=[strike(HIT)]).history(), feeds).episodes[0]
    assert (episode.recovered, episode.recovered_by) == (s(14), "one.pushes")
    assert episode.error is not None
    assert ms(400) <= episode.error < ms(410)


# ---- several episodes


def test_of_two_episodes_that_recovered_before_the_removal_the_longer_outage_is_the_worst() -> None:
    faults = [strike(HIT, removed=s(20), id="one"), strike(s(25), removed=s(38), id="two")]
    whole = found(Story(group(), faults=faults).crash(HIT, s(12)).crash(s(25), s(30)).history())
    assert [episode.ttr for episode in whole.episodes] == [0, 0]
    assert whole.worst is whole.episodes[1]


def test_an_episode_is_verified_if_every_one_of_its_faults_is() -> None:
    for seen in (True, False):
        faults = [strike(HIT, id="one"), strike(s(11), verified=seen, id="two")]
        (episode,) = found(Story(group(), faults=faults).crash(HIT, s(14)).history()).episodes
        assert (episode.faults, episode.verified) == (("one", "two"), seen)


# ---- censored


def test_what_a_time_to_recover_is_above_is_never_negative_and_nothing_without_an_impact() -> None:
    late = Story(group(), faults=[strike(HIT, removed=s(39) + 500 * MS)]).crash(HIT, s(60)).history()
    assert found(late).episodes[0].ttr_censored_above == 500 * MS
    # It was removed only while the run was rolled back.
    rolled_back = replace(late, removed=[type(late.removed[0])(t=s(41), id="fault")])
    assert found(rolled_back).episodes[0].ttr_censored_above == 0
    never = replace(late, removed=[])
    assert (found(never).episodes[0].reference, found(never).episodes[0].ttr_censored_above) == (None, 0)
    assert found(Story(group(), faults=[strike(HIT)]).history()).episodes[0].ttr_censored_above is None


# ---- what is counted up to the end of the episode


def test_bad_slots_and_lost_time_are_counted_to_the_end_of_the_episode_and_not_to_the_recovery() -> None:
    calm = Story(group(clients=20), faults=[strike(HIT)]).crash(HIT, s(12))
    stray = Story(group(clients=20), faults=[strike(HIT)]).crash(HIT, s(12)).errors(s(30), s(31), clients=[0])
    before, after = (found(story.history()).episodes[0] for story in (calm, stray))
    assert before.recovered == after.recovered
    assert after.bad_slots == before.bad_slots + 1
    assert after.lost_client_ns > before.lost_client_ns


def back_error(slow: int) -> int:
    """Of the first client back, where the load lagged by 80 ms in the second that ends at `slow`."""
    history = Story(group(clients=1), faults=[strike(HIT)]).crash(HIT, s(12)).history()
    lags = [Lag(t=t, span_ns=S // 2, buckets={0: 100}, max_ns=0) for t in range(S, s(40), S)]
    lags += [Lag(t=slow, span_ns=S // 2, buckets={800: 100}, max_ns=80 * MS)]
    (episode,) = found(replace(history, lags=lags)).episodes
    assert episode.recovered is not None
    assert s(12) <= episode.recovered < s(14)
    return episode.back.errors["first"]


def test_only_a_lag_between_the_fault_and_the_recovery_adds_to_the_error_of_back() -> None:
    assert back_error(s(5)) == back_error(s(30)) < back_error(s(11) + S // 2)


# ---- absorbed


def absorbed(published: int, removed: int, *, instant_first: bool = False) -> bool | None:
    """Whether a fault held from 11 s until it was removed was taken without an impact, as one message tells."""
    faults = [strike(HIT, id="one")] if instant_first else []
    story = Story(ticking(clients=1), faults=[*faults, strike(s(11), removed=removed, id="two")])
    line = Published(t=published, channel="A", epoch="E", first=1, last=1)
    episode = found(replace(story.history(), published=[line]), [Feed([])]).episodes[-1]
    assert (episode.impact, len(episode.faults)) == (None, 1 + instant_first)
    return episode.absorbed


def test_a_fault_that_nothing_met_while_it_was_on_is_not_shown_to_be_absorbed() -> None:
    assert absorbed(s(11), s(12))
    assert absorbed(s(12) - 1, s(12))
    assert absorbed(s(12), s(12)) is None
    assert absorbed(s(20), s(12), instant_first=True) is None
    assert absorbed(s(11), s(12), instant_first=True)


def test_what_came_after_the_observation_met_no_fault_though_it_was_still_on() -> None:
    assert absorbed(s(39), s(42))
    assert absorbed(s(41), s(42)) is None
