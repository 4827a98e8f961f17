"""A load process that stands still, is starved or dies: from when on it is told, and what it makes unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checking import clocks, found, grade, with_lags
from storybook import S, Story, group, ms, s, strike

from chaosrun.plan import GroupPlan
from chaosrun.records import History, Lag
from chaosrun.scoring.histogram import bucket_of


def calm(*groups: GroupPlan) -> History:
    """Ten seconds of baseline from 3 s on, a crash of two seconds at 13 s."""
    return Story(groups or (group(clients=8),), faults=[strike(s(13))]).crash(s(13), s(15)).history()


def without_lags(history: History, since: int, until: int) -> History:
    return replace(history, lags=[lag for lag in history.lags if not since <= lag.t < until])


# ---- how long a stall may be ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stall", "grade_of"),
    [(ms(25), "ok"), (ms(25) + 1, "warn"), (ms(250), "warn"), (ms(250) + 1, "invalid")],
)
def test_a_stall_warns_above_25_ms_and_invalidates_above_250_ms(stall: int, grade_of: str) -> None:
    check = found(with_lags(calm(), at=s(20), value=stall), "event-loop lag max")
    assert (check.grade, check.limit, check.unit) == (grade_of, 0.25, "s")
    assert check.spans == (((s(19), s(20)),) if grade_of == "invalid" else ())


def test_a_stall_as_long_as_the_smallest_latency_limit_is_too_long() -> None:
    history = calm(group(clients=8), group(name="hasty", clients=8, latency_limit_ns=ms(100)))
    assert grade(with_lags(history, at=s(20), value=ms(100)), "event-loop lag max") == "warn"
    check = found(with_lags(history, at=s(20), value=ms(100) + 1), "event-loop lag max")
    assert (check.grade, check.limit) == ("invalid", 0.1)


def test_replies_that_came_in_a_stall_are_neither_good_nor_bad_and_losses_stay_counted() -> None:
    check = found(with_lags(calm(), at=s(20), value=ms(300)), "event-loop lag max")
    assert check.hits({"skipped"}, s(19), s(20), None), "what was good and what bad"
    assert check.hits({"lag"}, s(19), s(20), None)
    assert not check.hits({"journal", "send", "prober", "clock", "sampler", "source", "effect"}, s(19), s(20), None)


@pytest.mark.parametrize(("stall", "grade_of"), [(S, "ok"), (S + 1, "invalid")])
def test_a_load_process_that_stands_still_for_a_second_vouches_for_no_count_either(stall: int, grade_of: str) -> None:
    check = found(with_lags(calm(), at=s(20), value=stall), "load process standing still")
    assert (check.grade, check.limit) == (grade_of, 1.0)
    if grade_of == "invalid":
        assert check.clouds == {"lag", "send", "skipped", "journal"}
        # A request that was in flight may have been due a reply time-out (5 s) before the stall.
        assert check.spans == ((s(14), s(20)),)


def test_a_reply_time_out_shorter_than_a_second_is_what_a_load_process_may_stand_still() -> None:
    history = calm(group(clients=8, latency_limit_ns=ms(200), reply_timeout_ns=ms(600)), group(name="slow", clients=8))
    assert grade(with_lags(history, at=s(20), value=ms(600)), "load process standing still") == "ok"
    check = found(with_lags(history, at=s(20), value=ms(600) + 1), "load process standing still")
    assert (check.grade, check.limit) == ("invalid", 0.6)
    assert check.spans == ((s(14), s(20)),), "the longest reply time-out of all groups counts"


def _of(writer: str, lag: Lag, buckets: dict[int, int], max_ns: int) -> Lag:
    return Lag(t=lag.t, w=writer, span_ns=S, buckets=buckets, max_ns=max_ns)


def test_a_stall_of_200_ms_is_told_in_any_ten_seconds_however_long_the_run_is() -> None:
    history = Story(group(clients=4), faults=[strike(s(590))], end=s(600)).history()
    stalled = {bucket_of(ms(t)): 1 for t in range(1, 200, 10)}
    lags = [_of("", lag, stalled, ms(199)) if lag.t == s(300) else lag for lag in history.lags]
    check = found(replace(history, lags=lags), "event-loop lag p99")
    assert check.grade == "invalid"
    assert check.spans == ((s(290), s(309)),)
    assert grade(replace(history, lags=lags), "event-loop lag max") == "warn"
    assert found(history, "event-loop lag p99").spans == ()


def test_a_busy_loop_is_told_in_the_last_ten_seconds_too_and_what_only_warns_is_not_taken_out() -> None:
    lags = [_of("", lag, {bucket_of(ms(20)): 100}, ms(20)) for lag in calm().lags]
    assert grade(replace(calm(), lags=lags), "event-loop lag p99") == "warn"
    lags[-1] = _of("", lags[-1], {bucket_of(ms(90)): 100}, ms(90))
    check = found(replace(calm(), lags=lags), "event-loop lag p99")
    assert (check.grade, check.spans) == ("invalid", ((s(32), s(42)),))


def test_ten_seconds_of_lag_with_one_tick_in_a_hundred_above_50_ms_are_borne() -> None:
    def ticks(late: int) -> str | None:
        lags = [_of("", lag, {bucket_of(ms(1)): 100}, ms(1)) for lag in calm().lags]
        lags[19] = _of("", lags[19], {bucket_of(ms(1)): 100 - late, bucket_of(ms(60)): late}, ms(60))
        return grade(replace(calm(), lags=lags), "event-loop lag p99")

    assert (ticks(10), ticks(11)) == ("ok", "invalid")


# ---- signs of life --------------------------------------------------------------------------------------------------


def test_a_load_process_that_dies_is_told_by_the_lag_records_that_stop() -> None:
    check = found(without_lags(calm(), s(20) + 1, s(60)), "load process without a sign of life")
    assert (check.grade, check.value, check.limit) == ("invalid", 22.0, 2.0)
    assert check.spans == ((s(20), s(42)),)
    assert check.clouds == {"lag", "send", "skipped"}
    assert not check.hits({"lag"}, s(13), s(20), None), "what was measured before stands"


def test_a_hole_in_the_lag_records_is_told_and_where() -> None:
    check = found(without_lags(calm(), s(20), s(22.5)), "load process without a sign of life")
    assert (check.grade, check.spans) == ("invalid", ((s(19), s(22)),))
    assert grade(without_lags(calm(), s(20), s(21.5)), "load process without a sign of life") == "warn"
    assert grade(without_lags(calm(), s(20), s(20.5)), "load process without a sign of life") == "ok"


def test_one_of_two_load_processes_that_dies_is_not_covered_by_the_other() -> None:
    history = calm()
    others = [
        Lag(t=lag.t, w="load-1", span_ns=lag.span_ns, buckets=lag.buckets, max_ns=lag.max_ns) for lag in history.lags
    ]
    dead = replace(history, lags=sorted([*history.lags[:20], *others], key=lambda lag: lag.t))
    assert grade(replace(history, lags=[*history.lags, *others]), "load process without a sign of life") == "ok"
    assert found(dead, "load process without a sign of life").spans == ((s(20), s(42)),)


def test_a_load_process_that_never_gave_a_sign_in_what_is_judged_is_missing_throughout() -> None:
    history = calm()
    ramp_only = [Lag(t=s(2), w="load-1", span_ns=S, buckets={}, max_ns=0)]
    check = found(
        replace(history, lags=sorted([*history.lags, *ramp_only], key=lambda lag: lag.t)), "load process without"
    )
    assert (check.grade, check.spans) == ("invalid", ((s(3), s(42)),))


def test_without_any_lag_record_there_is_nothing_to_check() -> None:
    silent = replace(calm(), lags=())
    assert [grade(silent, name) for name in ("event-loop lag p99", "event-loop lag max", "load process standing")] == [
        None,
        None,
        None,
    ]
    assert grade(silent, "load process without") is None


def test_the_worst_of_two_load_processes_counts_by_its_own_p99() -> None:
    history = calm()
    busy = [
        Lag(t=lag.t, w="load-1", span_ns=S, buckets={bucket_of(ms(60)): 100}, max_ns=ms(60)) for lag in history.lags
    ]
    quiet = [_of("load-2", lag, {bucket_of(ms(1)): 99_900}, ms(1)) for lag in history.lags]
    assert grade(replace(history, lags=[*quiet, *history.lags, *busy]), "event-loop lag p99") == "invalid"


# ---- CPU taken away -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("field", "name"), [("steal", "CPU stolen"), ("throttled", "CPU withheld by our own quota")])
def test_cpu_taken_away_is_judged_by_phase_from_above_1_percent_to_above_5(field: str, name: str) -> None:
    def taken(share: float, since: int = 0) -> History:
        return replace(calm(), clocks=clocks(**{field: {0: 0.0, since: share}}))

    assert grade(replace(calm(), clocks=clocks(steal={0: None}, throttled={0: None})), name) is None
    assert [grade(taken(share), name) for share in (0.01, 0.0101, 0.05)] == ["ok", "warn", "warn"]
    check = found(taken(0.051), name)
    assert (check.grade, check.limit, check.unit, check.clouds) == ("invalid", 0.05, "ratio", {"lag", "send"})
    assert check.value == pytest.approx(0.051)
    later = found(taken(0.2, since=s(39)), name)
    assert (later.grade, later.spans) == ("invalid", ((s(39), s(40)), (s(40), s(42)))), "after and verify"


def test_a_phase_shorter_than_a_second_is_too_short_to_tell_what_was_taken() -> None:
    history = calm()
    phases = [replace_start(phase, s(39.5)) if phase.name == "after" else phase for phase in history.phases]
    brief = replace(
        history, phases=phases, clocks=[clock for clock in clocks(steal={s(39.1): 0.5}) if clock.t < s(41.5)]
    )
    assert grade(brief, "CPU stolen") == "invalid", "verify is judged"
    only = replace(brief, clocks=[clock for clock in clocks(steal={s(39.1): 0.5}) if clock.t <= s(40)])
    assert grade(only, "CPU stolen") == "ok"


def replace_start(phase, t: int):
    return type(phase)(t=t, name=phase.name)
