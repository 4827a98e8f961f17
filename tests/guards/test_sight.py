"""Claims about what a guard reads of the load and of roles while a run goes on."""

from __future__ import annotations

from math import inf

import pytest

from chaosrun.guards.sight import NOTHING, GroupSight, Reading, RoleSight, suits
from chaosrun.load.live import FleetNow, GroupNow
from chaosrun.load.wire import GroupLive
from chaosrun.plan import GroupPlan, StreamPlan
from chaosrun.records import Resource
from chaosrun.scoring.histogram import bucket_of

S = 1_000_000_000
USERS = GroupPlan(name="users", clients=100, period_ns=S)
LISTENERS = GroupPlan(name="listeners", clients=100, streams=(StreamPlan(),))


def picture(t_s: float, name: str = "users", **counts: object) -> FleetNow:
    group = {"clients": 100, "planned": 100, "counted": 100, "open": 100, "usable": 100} | counts
    return FleetNow(t=round(t_s * S), groups=(GroupNow(GroupLive(name=name, **group)),))


def seen(*pictures: FleetNow, plan: GroupPlan = USERS) -> GroupSight:
    sight = GroupSight(plan)
    for each in pictures:
        sight.see(each.t, each)
    return sight


def read(sight: GroupSight, metric: str, *, least: bool = False) -> Reading:
    return sight.read(metric, least=least)


# ---- the ramp


def test_clients_that_still_have_time_to_connect_are_not_unusable() -> None:
    assert read(seen(picture(1, planned=40, counted=20, usable=20)), "usable") == Reading(1.0)
    assert read(seen(picture(1, planned=40, counted=20, usable=5)), "usable") == Reading(0.25)


def test_while_nobody_can_be_served_yet_there_is_rightly_nothing_to_be_read() -> None:
    sight = seen(picture(0.1, planned=3, counted=0, open=0, usable=0))
    assert [read(sight, metric) for metric in ("usable", "bad", "response_p99")] == [NOTHING] * 3


@pytest.mark.parametrize("metric", ["throughput", "goodput", "message_rate"])
def test_a_rate_is_not_too_low_while_clients_are_still_to_come_but_may_be_too_high(metric: str) -> None:
    ramp = seen(picture(1, counted=99), picture(1.5, counted=99, good=10, replies=10, pushes=10))
    assert read(ramp, metric, least=True) == NOTHING
    assert read(ramp, metric, least=False).value == pytest.approx(20 if metric != "throughput" else 40)
    all_there = seen(picture(1), picture(1.5, good=10, replies=10, pushes=10))
    assert read(all_there, metric, least=True).value == pytest.approx(20 if metric != "throughput" else 40)


# ---- the load


def test_bad_is_the_share_of_the_last_second() -> None:
    sight = seen(*[picture(t / 5, due=20 * t, bad=20 * max(0, t - 10)) for t in range(14)])
    assert read(sight, "bad") == Reading(0.6), "3 of the last 5 steps"


def test_requests_that_wait_longer_than_the_latency_limit_are_bad_before_they_are_decided() -> None:
    """A frozen service decides nothing any more."""
    frozen = seen(picture(5, due=100, bad=0), picture(5.5, due=100, overdue=50), picture(6, due=100, overdue=100))
    assert read(frozen, "bad") == Reading(1.0)
    assert frozen.requests() == (100, 200)


def test_an_overdue_request_that_is_answered_late_counts_once() -> None:
    sight = seen(picture(5, due=100, bad=0), picture(5.5, due=100, overdue=50), picture(6, due=150, bad=50, overdue=0))
    assert read(sight, "bad") == Reading(1.0)
    assert sight.requests() == (50, 150)


def test_without_requests_in_its_span_nobody_can_tell_how_many_are_bad() -> None:
    sight = seen(picture(5, due=7), picture(6, due=7))
    assert read(sight, "bad") == Reading(blind="no request was answered or given up within 1 s")


def test_of_a_slow_load_rates_look_back_as_far_as_two_requests_are_apart() -> None:
    slow = GroupPlan(name="users", clients=2, period_ns=8 * S)  # one request in 4 s
    one = {"clients": 2, "counted": 2}
    sight = seen(picture(0, **one), picture(4, due=1, bad=1, **one), picture(7.9, due=1, bad=1, **one), plan=slow)
    assert read(sight, "bad") == Reading(1.0)
    sight.see(13 * S, picture(13, due=1, bad=1, **one))
    assert read(sight, "bad").blind == "no request was answered or given up within 8 s"


def test_disconnects_are_those_of_the_whole_run() -> None:
    assert read(seen(picture(5, disconnects=3)), "unexpected_disconnects") == Reading(3.0)


def test_a_quantile_looks_back_ten_seconds() -> None:
    slow, fast = {bucket_of(S // 2): 50}, {bucket_of(S // 1000): 50}
    sight = seen(picture(0, latency=slow), *(picture(t, latency=fast) for t in range(1, 10)))
    assert read(sight, "response_p99").value == pytest.approx(0.5, rel=0.01)
    sight.see(10 * S, picture(10, latency=fast))
    assert read(sight, "response_p99").value == pytest.approx(0.001, rel=0.01)


def test_pictures_that_overlap_are_not_counted_twice() -> None:
    """Each holds the response times of the last second; five come a second."""
    fast, slow = {bucket_of(S // 1000): 99}, {bucket_of(S): 1}
    sight = seen(picture(1, latency=fast), *(picture(1 + t / 5, latency=slow) for t in range(1, 5)))
    assert read(sight, "response_p99").value == pytest.approx(0.001, rel=0.01)


def test_a_request_that_is_never_answered_took_longer_than_any_other() -> None:
    fast = {bucket_of(S // 1000): 98}
    sight = seen(picture(0), picture(1, latency=fast, unanswered=2))
    assert read(sight, "response_p99") == Reading(inf)
    assert read(sight, "response_p90").value == pytest.approx(0.001, rel=0.01)
    dead = seen(picture(0), picture(1, unanswered=100))
    assert read(dead, "response_p50") == Reading(inf)


def test_those_never_answered_are_forgotten_with_their_second() -> None:
    fast = {bucket_of(S // 1000): 5}
    sight = seen(
        picture(0), picture(1, unanswered=100), *(picture(t, latency=fast, unanswered=100) for t in range(2, 11))
    )
    assert read(sight, "response_p50") == Reading(inf)
    sight.see(11 * S, picture(11, latency=fast, unanswered=100))
    assert read(sight, "response_p50").value == pytest.approx(0.001, rel=0.01)


# ---- nobody can tell


def test_a_picture_of_which_a_load_process_is_missing_tells_nothing() -> None:
    sight = seen(picture(5, due=500), picture(5.2, due=250, clients=50, counted=50, usable=50))
    assert read(sight, "usable") == Reading(blind="a load process says nothing")
    assert read(sight, "throughput", least=True).blind
    assert sight.requests() is None


def test_an_old_picture_tells_nothing() -> None:
    sight = seen(picture(5))
    sight.see(7 * S, picture(5))
    assert not read(sight, "usable").blind, "2 s old"
    sight.see(7 * S + 1, picture(5))
    assert read(sight, "usable") == Reading(blind="nothing was heard of the load for more than 2 s")
    sight.see(8 * S, picture(8))
    assert not read(sight, "usable").blind


def test_before_the_first_picture_nobody_can_tell() -> None:
    sight = GroupSight(USERS)
    sight.see(0, FleetNow(t=0))
    assert read(sight, "usable").blind


def test_the_same_picture_twice_is_one() -> None:
    sight = seen(picture(5, due=0), picture(5.5, due=10), picture(5.5, due=10))
    assert read(sight, "bad") == Reading(0.0)


def test_a_group_suits_a_metric_if_it_has_what_is_measured() -> None:
    assert [suits(metric, USERS) for metric in ("bad", "response_p99", "usable", "message_rate")] == [1, 1, 1, 0]
    assert [suits(metric, LISTENERS) for metric in ("bad", "goodput", "throughput", "message_rate")] == [0, 0, 1, 1]


# ---- roles


def sample(t_s: float, role: str = "server", cpu: float = 0.5, memory: int = 7) -> dict[str, Resource]:
    t = round(t_s * S)
    own = Resource(t=t, role="chaosrun", cpu=0.25, memory=3)
    return {"chaosrun": own, role: Resource(t=t, role=role, cpu=cpu, memory=memory)}


def test_a_role_is_read_by_its_last_sample() -> None:
    sight = RoleSight("server")
    sight.see(S, sample(1, cpu=0.75, memory=9))
    assert sight.read("cpu", cores=1) == Reading(0.75)
    assert sight.read("cpu", cores=4) == Reading(0.1875)
    assert sight.read("memory", cores=4) == Reading(9.0), "memory is no share of anything"


def test_a_role_that_is_down_uses_nothing_and_that_is_known() -> None:
    sight = RoleSight("server")
    sight.see(S, sample(1))
    sight.see(2 * S, sample(2, role="other"))
    assert sight.read("cpu", cores=1) == Reading(0.0, note="it is down")


def test_of_a_role_that_was_never_seen_nobody_can_tell() -> None:
    sight = RoleSight("server")
    sight.see(S, sample(1, role="other"))
    assert sight.read("memory", cores=1) == Reading(blind="no process of role server was seen yet")


def test_samples_that_are_too_old_tell_nothing_of_any_role() -> None:
    sight = RoleSight("server")
    sight.see(6 * S, sample(1))
    assert not sight.read("cpu", cores=1).blind, "5 s old"
    sight.see(6 * S + 1, sample(1))
    assert sight.read("cpu", cores=1) == Reading(blind="CPU and memory are not being sampled")
    sight.see(0, {})
    assert sight.read("cpu", cores=1).blind


def test_the_observer_is_chaosrun_itself() -> None:
    sight = RoleSight("observer")
    sight.see(S, sample(1))
    assert sight.read("cpu", cores=1) == Reading(0.25)
