"""Claims on the ages of pushes that a mutation pass found nobody to make."""

from __future__ import annotations

from collections import Counter

from push_script import Script

from chaosrun.plan import GroupPlan, Plan, StreamPlan
from chaosrun.records import History, Phase, Push, Stream
from chaosrun.scoring.histogram import bucket_of
from chaosrun.scoring.push_windows import measure_pushes

ALONE = (Stream(t=0, sid=0, g=0, c=0, conn=0, channel="A"),)


def listening(*pushes: Push, streams: tuple[Stream, ...] = ALONE) -> History:
    """Two groups of one client each, for 200 microseconds."""
    plans = tuple(GroupPlan(name=name, clients=1, streams=(StreamPlan(),)) for name in ("one", "other"))
    phases = [Phase(t=0, name="start")]
    return History(
        plan=Plan(groups=plans), phases=phases, end=200_000, load_stopped=200_000, streams=streams, pushes=pushes
    )


def test_an_age_spends_one_nanosecond_at_every_value_that_it_goes_through() -> None:
    born, begin, end = 5, 12, 70_005  # through every bucket of nine octaves, some of them in part
    (window,) = measure_pushes(listening(Push(born, 1, 1, None, 0)), 0, [(begin, end)])
    assert window.age.buckets() == dict(sorted(Counter(map(bucket_of, range(begin - born, end - born))).items()))
    assert (window.age_max_ns, window.age_mean_ns) == (70_000, (7 + 70_000) / 2)


def test_pushes_to_another_group_are_none_of_this_one() -> None:
    streams = tuple(Stream(t=0, sid=sid, g=1 - sid, c=0, conn=0, channel="A") for sid in (0, 1))
    history = listening(Push(10, 1, 1, None, 0), Push(20, 1, 1, None, 1), Push(30, 2, 2, None, 0), streams=streams)
    assert [window.count for g in (0, 1) for window in measure_pushes(history, g, [(0, 100)])] == [1, 2]


def test_a_window_without_a_message_ever_has_no_age() -> None:
    (window,) = measure_pushes(Script().joins(0, 1).history(), 0, [(0, 100)])
    assert (window.age.buckets(), window.age_max_ns, window.age_mean_ns) == ({}, None, None)
