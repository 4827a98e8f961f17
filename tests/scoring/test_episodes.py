"""Several injections: which episodes they make, how each is timed, and which of them is the headline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storybook import MS, Feed, S, Still, Story, Strike, group, ms, s, strike

from chaosrun.plan import StreamPlan
from chaosrun.records import Called, Confirmed, Removed
from chaosrun.scoring.phases import injections, observation_end, phase_span
from chaosrun.scoring.recovery import Episode, Recovery, find_recovery
from chaosrun.scoring.timeline import build_timeline

HIT = s(10)


def recovery_of(story: Story, feeds: Sequence[Feed] = ()) -> Recovery:
    history = story.history()
    return find_recovery(history, [build_timeline(history, g) for g in range(len(history.plan.groups))], feeds)


def episodes_of(story: Story) -> tuple[Episode, ...]:
    return recovery_of(story).episodes


def told(*faults: Strike, **changes: int) -> Story:
    return Story(group(), faults=faults, **changes)  # type: ignore[arg-type]


def test_every_injection_that_finds_the_service_recovered_opens_an_episode() -> None:
    story = told(strike(HIT), strike(s(20)), strike(s(30)), end=s(45))
    story.crash(HIT, s(11)).crash(s(20), s(21)).crash(s(30), s(33))
    recovery = recovery_of(story)
    assert [episode.ttr for episode in recovery.episodes] == [S + MS, S + MS, s(3) + MS]
    assert recovery.worst is recovery.episodes[2]
    assert [episode.end for episode in recovery.episodes] == [s(20), s(30), s(45)]
    assert recovery.recovered_final == s(33) + MS
    assert recovery.lost_client_ns == 4 * (s(5) + 3 * MS)


def test_each_call_of_a_repeated_fault_has_its_own_confirmation_and_removal() -> None:
    history = replace(
        told(strike(HIT, removed=s(11)), strike(s(20), removed=s(22))).history(),
        called=[Called(t=HIT, id="fault"), Called(t=s(20), id="fault")],
        confirmed=[
            Confirmed(t=HIT + MS, id="fault", verified=True),
            Confirmed(t=s(20) + 2 * MS, id="fault", verified=False),
            Confirmed(t=s(20) + 3 * MS, id="fault", verified=True),
        ],
        removed=[Removed(t=s(11), id="fault"), Removed(t=s(22), id="fault")],
    )
    assert [(i.called, i.confirmed, i.removed) for i in injections(history)] == [
        (HIT, HIT + MS, s(11)),
        (s(20), s(20) + 3 * MS, s(22)),
    ]


def test_overlapping_faults_join_and_count_from_the_last() -> None:
    story = told(strike(HIT, id="a"), strike(s(11), id="b")).crash(HIT, s(14))
    (episode,) = episodes_of(story)
    assert (episode.faults, episode.reference) == (("a", "b"), s(11))
    assert (episode.ttr, episode.outage, episode.back.all) == (s(3) + MS, s(4) + MS, s(3) + MS)


def test_an_injection_too_soon_after_the_recovery_joins() -> None:
    # Recovered at 11.001 s; tolerance must hold for a window of 2 s before the next one.
    early = told(strike(HIT, id="a"), strike(s(13), id="b")).crash(HIT, s(11)).crash(s(13), s(14))
    later = told(strike(HIT, id="a"), strike(s(13.5), id="b")).crash(HIT, s(11)).crash(s(13.5), s(14))
    assert [episode.faults for episode in episodes_of(early)] == [("a", "b")]
    assert [episode.faults for episode in episodes_of(later)] == [("a",), ("b",)]


def two_gaps(second: float, *, limit: int = S) -> Recovery:
    """Both faults stop the feed of all clients: the first from the last message at 9.9 s, the second from `second`."""
    story = Story(group(streams=(StreamPlan(),)), faults=(strike(HIT, id="a"), strike(s(20), id="b")))
    gaps = [(s(9.9), s(12)), (s(second), s(23))]
    return recovery_of(story, [Feed([Still(c, "A", "stream", *gap, limit) for c in range(4) for gap in gaps])])


def test_a_gap_that_was_not_yet_too_long_at_the_next_fault_is_that_faults() -> None:
    """The last message before a fault opens the gap: with it the service would never be well up to the fault."""
    first, second = two_gaps(19.8).episodes
    assert (first.faults, first.recovered, first.ttr) == (("a",), s(12), s(2))
    assert (second.faults, second.impact, second.ttr) == (("b",), s(20), s(3))
    assert two_gaps(19.8).worst == second


def test_a_gap_that_was_too_long_before_the_next_fault_is_not_that_faults() -> None:
    (both,) = two_gaps(18.5).episodes
    assert both.faults == ("a", "b")
    assert len(two_gaps(18.5, limit=s(1.5) + 1).episodes) == 2


def test_injections_at_one_instant_are_one_episode() -> None:
    (episode,) = episodes_of(told(strike(HIT, id="a"), strike(HIT, id="b")).crash(HIT, s(12)))
    assert episode.faults == ("a", "b")


def test_an_injection_that_did_nothing_is_an_episode_of_its_own() -> None:
    first, second = episodes_of(told(strike(HIT, id="a"), strike(s(20), id="b")).crash(s(20), s(22)))
    assert (first.absorbed, first.ttr, second.ttr) == (True, 0, s(2) + MS)


def test_held_between_injections_for_a_window_is_enough_where_the_hold_would_not_fit() -> None:
    story = told(strike(HIT, id="a"), strike(s(14), id="b")).crash(HIT, s(11)).crash(s(14), s(15))
    first = episodes_of(story)[0]
    assert (first.recovered, first.first_recovered, first.pending) == (s(11) + MS, s(11) + MS, None)


def test_a_censored_episode_is_the_worst_whatever_the_others_took() -> None:
    recovery = recovery_of(told(strike(HIT), strike(s(30)), end=s(36)).crash(HIT, s(27)).crash(s(30), s(60)))
    assert [episode.ttr for episode in recovery.episodes] == [s(17) + MS, None]
    assert recovery.worst is recovery.episodes[1]
    assert recovery.worst.ttr_censored_above == s(6)


def test_an_unproved_absence_of_impact_is_worse_than_a_proved_one() -> None:
    recovery = recovery_of(told(strike(HIT, id="a"), strike(s(20), id="b", verified=False), strike(s(30), id="c")))
    assert recovery.worst is recovery.episodes[1]


def test_a_short_dip_at_the_fault_and_a_long_outage_later_are_one_episode_timed_to_its_end() -> None:
    story = told(strike(HIT), end=s(60)).errors(HIT, s(10.3)).crash(s(20), s(50))
    (episode,) = episodes_of(story)
    assert (episode.impact, episode.first_recovered, episode.recovered) == (HIT, s(10.5), s(50) + MS)
    assert (episode.relapses, episode.ttr) == (1, s(40) + MS)


# ---- sustained faults -----------------------------------------------------------------------------------------------


def test_a_service_that_adapts_to_a_sustained_fault_took_no_time_after_its_removal() -> None:
    (episode,) = episodes_of(told(strike(HIT, removed=s(30))).crash(HIT, s(12)))
    assert (episode.adapted_at, episode.recovered, episode.ttr) == (s(12) + MS, s(12) + MS, 0)
    assert episode.outage == s(2) + MS


def test_tolerance_that_held_too_briefly_before_the_removal_is_no_adaptation() -> None:
    (episode,) = episodes_of(told(strike(HIT, removed=s(16))).crash(HIT, s(12)))
    assert (episode.adapted_at, episode.ttr) == (None, 0)


def test_a_sustained_fault_is_timed_from_its_removal() -> None:
    (episode,) = episodes_of(told(strike(HIT, removed=s(20))).crash(HIT, s(23)))
    assert (episode.ttr, episode.outage, episode.back.all) == (s(3) + MS, s(13) + MS, s(3) + MS)


def test_a_removal_known_between_two_instants_counts_from_the_earlier_one_with_that_error() -> None:
    told_of = told(strike(HIT, removed=s(20))).crash(HIT, s(23)).history()
    vague = replace(told_of, removed=[Removed(t=s(20), id="fault", until=s(20.5))])
    exact, wide = (find_recovery(history, [build_timeline(history, 0)]).episodes[0] for history in (told_of, vague))
    assert (wide.ttr, wide.back.all) == (exact.ttr, exact.back.all) == (s(3) + MS, s(3) + MS)
    assert exact.error is not None and wide.error == exact.error + s(0.5)
    assert wide.back.errors["all"] == exact.back.errors["all"] + s(0.5)
    assert wide.impact_error == exact.impact_error, "when it was hit has nothing to do with that"


def test_what_is_known_of_an_earlier_removal_widens_nothing() -> None:
    both = told(strike(HIT, id="a", removed=s(12)), strike(s(11), id="b", removed=s(20))).crash(HIT, s(23)).history()
    early = replace(both, removed=[replace_until(line, s(13)) for line in both.removed])
    exact, wide = (find_recovery(history, [build_timeline(history, 0)]).episodes for history in (both, early))
    assert [episode.error for episode in wide] == [episode.error for episode in exact]


def replace_until(line: Removed, until: int) -> Removed:
    return Removed(t=line.t, id=line.id, until=until) if line.id == "a" else line


def test_a_removal_that_breaks_again_is_timed_to_the_last_recovery() -> None:
    (episode,) = episodes_of(told(strike(HIT, removed=s(20))).errors(HIT, s(12)).crash(s(20), s(23)))
    assert (episode.adapted_at, episode.recovered, episode.ttr) == (s(12), s(23) + MS, s(3) + MS)
    assert episode.relapses == 1


def test_an_instant_fault_ends_with_its_call_even_if_a_restart_was_owed() -> None:
    history = told(strike(HIT)).crash(HIT, s(12)).history()
    owed = replace(history, removed=[Removed(t=s(12), id="fault")])
    assert injections(owed)[0].removed == HIT


# ---- phases ---------------------------------------------------------------------------------------------------------


def test_the_observation_ends_with_after_or_with_the_load() -> None:
    history = told(end=s(40), verify=s(3)).history()
    assert observation_end(history) == s(40)
    assert observation_end(replace(history, load_stopped=s(33))) == s(33)
    cut = replace(history, phases=[phase for phase in history.phases if phase.t < s(35)], end=s(35))
    assert observation_end(cut) == s(35)


def test_a_phase_ends_where_the_next_begins_and_may_be_missing() -> None:
    history = told(end=s(40)).history()
    assert phase_span(history, "baseline") == (s(3), s(39))
    assert phase_span(history, "drain") == (s(42), s(42) + ms(510))
    assert phase_span(history, "warmup") is None


def test_a_call_after_the_observation_is_no_injection() -> None:
    assert injections(told(strike(s(41)), end=s(40)).history()) == ()
