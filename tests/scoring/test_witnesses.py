"""Those who see the run beside the load: prober, sampler and the server's own log. Each clouds only what needs it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checking import found, grade, probes, samples
from push_script import Script
from storybook import MS, Story, group, ms, s, strike

from chaosrun.judge import gather, judge_criteria
from chaosrun.plan import CriterionPlan, StreamPlan
from chaosrun.records import NONE, History, Probe, Slot
from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.observer import check_observer
from chaosrun.scoring.record_checks import broken_equations, source


@pytest.fixture
def calm() -> History:
    """Ten seconds of baseline, a crash of two seconds at 13 s, seen by load and prober alike."""
    story = Story(group(clients=8), faults=[strike(s(13))]).crash(s(13), s(15))
    story.probes = probes(down=(s(13), s(15)))
    return story.history()


def silent(history: History, since: int, until: int) -> History:
    return replace(history, probes=[probe for probe in history.probes if not since <= probe.sent < until])


# ---- the prober -----------------------------------------------------------------------------------------------------


def test_a_prober_warns_after_a_quarter_of_a_second_of_silence_and_invalidates_after_half(calm: History) -> None:
    assert found(calm, "prober silent").value == 0.01
    assert grade(silent(calm, s(20), s(20.24)), "prober silent") == "ok"
    assert grade(silent(calm, s(20), s(20.25)), "prober silent") == "warn"
    assert grade(silent(calm, s(20), s(20.49)), "prober silent") == "warn"
    check = found(silent(calm, s(20), s(20.5)), "prober silent")
    assert (check.grade, check.limit, check.unit) == ("invalid", 0.5, "s")
    assert check.spans == ((s(19.99), s(20.5)),)
    assert check.clouds == {"prober"}


def test_a_prober_that_can_only_connect_is_held_to_five_times_its_own_pace(calm: History) -> None:
    slow = [Probe(t, t + MS, t + MS, connect=True) for t in range(s(3), s(42), ms(250))]
    check = found(replace(calm, probes=slow), "prober silent")
    assert (check.grade, check.limit) == ("ok", 1.25)
    assert grade(silent(replace(calm, probes=slow), s(20), s(21)), "prober silent") == "warn"
    assert grade(silent(replace(calm, probes=slow), s(20), s(21.25)), "prober silent") == "invalid"


def test_a_prober_that_dies_is_silent_from_then_on_and_clouds_nothing_else(calm: History) -> None:
    dead = replace(silent(calm, s(20), s(60)), lost_probes=1)
    check = found(dead, "prober silent")
    assert (check.grade, check.spans) == ("invalid", ((s(19.99), s(41)),))
    lost = found(dead, "lost probes")
    assert (lost.grade, lost.value, lost.limit, lost.clouds) == ("invalid", 1, 0, {"prober"})
    assert "the prober ended by itself" in lost.why
    assert grade(dead, "lost journal records") == "ok"
    planned = [
        CriterionPlan(name="recovery", metric="ttr", window="whole", max=60),
        CriterionPlan(name="latency", metric="response_p99", window="whole", max=60),
        CriterionPlan(name="losses", metric="requests.lost_connected", window="whole", max=0),
        CriterionPlan(name="bad", metric="bad", window="whole", max=1),
    ]
    evidence = gather(dead)
    outcomes = {c.name: c.outcome for c in judge_criteria(evidence, check_observer(evidence), planned)}
    assert outcomes == {"recovery": None, "latency": True, "losses": True, "bad": True}


def test_what_is_missing_of_the_last_second_of_probes_may_still_be_under_way(calm: History) -> None:
    assert grade(silent(calm, s(41), s(60)), "prober silent") == "ok"
    assert grade(silent(calm, s(40.4), s(60)), "prober silent") == "invalid"


def test_silence_before_the_baseline_is_no_ones_business_and_silence_at_its_start_is(calm: History) -> None:
    assert grade(silent(calm, s(3), s(3.2)), "prober silent") == "ok"
    check = found(silent(calm, s(3), s(4)), "prober silent")
    assert (check.grade, check.spans) == ("invalid", ((s(3), s(4)),))


def test_without_a_prober_there_is_nothing_to_check(calm: History) -> None:
    nobody = replace(calm, probes=())
    assert (grade(nobody, "prober silent"), grade(nobody, "lost probes")) == (None, "ok")


def test_a_prober_that_did_not_probe_is_not_said_to_have_been_served(calm: History) -> None:
    served = replace(calm, probes=probes(down=None))
    assert "served throughout" in found(served, "prober against load").why
    absent = silent(served, s(12.9), s(15.5))
    check = found(absent, "prober against load")
    assert (check.grade, check.clouds) == ("invalid", {"prober"})
    assert check.why == "only the load noticed it; the prober did not probe meanwhile"
    late = silent(served, s(12.9), s(13.99))
    assert "served" in found(late, "prober against load").why, "within a second it was"


# ---- the sampler of resources ---------------------------------------------------------------------------------------


def test_a_sampler_warns_after_two_seconds_of_silence_and_invalidates_after_three(calm: History) -> None:
    def without(*seconds: int) -> History:
        return replace(calm, resources=samples(t for t in range(42) if t not in seconds))

    assert grade(calm, "resource sampler") is None
    assert grade(without(), "resource sampler") == "ok"
    assert grade(without(20), "resource sampler") == "ok"
    assert grade(without(20, 21), "resource sampler") == "warn"
    check = found(without(20, 21, 22), "resource sampler")
    assert (check.grade, check.spans, check.clouds) == ("invalid", ((s(19), s(23)),), {"sampler"})
    assert (check.value, check.limit, check.unit) == (4.0, 3.0, "s")


def test_a_sampler_that_dies_clouds_what_came_after(calm: History) -> None:
    check = found(replace(calm, resources=samples(range(20))), "resource sampler")
    assert (check.grade, check.spans) == ("invalid", ((s(19), s(42)),))
    assert not check.hits({"sampler"}, s(3), s(19), None)


# ---- the server's own log -------------------------------------------------------------------------------------------


def logged(script: Script) -> tuple[str | None, float | None]:
    check = source(GroupEvidence.of(script.history(), 0))
    assert check is not None
    assert (check.clouds, check.limit, check.group) == ({"source"}, 0, "all")
    return check.grade, check.value


def heard() -> Script:
    """A client that heard 1 to 5 of epoch E, one a second, the last at 14 s."""
    script = Script().joins(0, 9, head=0)
    for number in range(1, 6):
        script.gets(0, 9 + number, number)
    return script


def test_a_log_with_all_that_anybody_knows_of_is_whole() -> None:
    assert logged(heard().logs(14, 1, 5).marks(100, 5)) == ("ok", 0)
    assert logged(heard().logs(14, 1, 9)) == ("ok", 0)


def test_without_a_log_there_is_none_to_be_whole() -> None:
    assert logged(heard()) == (None, None)


def test_a_hole_in_the_log_is_told_though_nobody_received_what_is_missing() -> None:
    assert logged(heard().logs(14, 1, 5).logs(16, 9, 10)) == ("invalid", 3)


def test_a_log_that_ends_before_the_last_receipt_or_mark_is_not_whole() -> None:
    assert logged(heard().logs(14, 1, 3)) == ("invalid", 2), "two receipts"
    assert logged(heard().logs(14, 9, 9)) == ("invalid", 5), "none of what came is in it"
    assert logged(heard().logs(14, 1, 5).marks(100, 7)) == ("invalid", 2)
    assert logged(heard().logs(14, 2, 5)) == ("invalid", 1)


def test_an_epoch_that_the_log_of_its_channel_leaves_out_is_missing_whole() -> None:
    script = heard().logs(14, 1, 5).leaves(0, 20).joins(0, 21, head=0, epoch="F").gets(0, 22, 1, 2, 3, epoch="F")
    assert logged(script) == ("invalid", 3)
    other = heard().logs(14, 1, 5).subscribes(0, 15, 0, "F", "B").gets(0, 22, 1, 2, epoch="F", channel="B")
    assert logged(other) == ("ok", 0), "of another channel there is no log at all"


def test_in_a_stream_that_only_rises_a_log_may_leave_numbers_out_but_none_that_were_received() -> None:
    def rising() -> Script:
        return Script(StreamPlan(order="increasing", has_epoch=True)).joins(0, 9, head=0).gets(0, 10, 2, 7)

    assert logged(rising().logs(14, 2, 2).logs(14, 7, 9)) == ("ok", 0)
    assert logged(rising().logs(14, 2, 2).logs(14, 9, 9)) == ("invalid", 1)


def test_a_group_without_streams_has_no_log_to_check(calm: History) -> None:
    assert source(GroupEvidence.of(calm, 0)) is None


# ---- strangers ------------------------------------------------------------------------------------------------------


def test_rows_of_a_group_that_is_not_planned_break_an_equation(calm: History) -> None:
    stranger = Slot(1, 0, s(20), NONE, NONE)
    assert broken_equations(gather(calm)) == []
    assert broken_equations(gather(replace(calm, slots=[*calm.slots, stranger]))) == ["1 slots of no group of the plan"]
