"""Claims about what the engine sees of a run that goes on: tolerance, and guards."""

from __future__ import annotations

from chaosrun.live import Guard, Guards, LiveTolerance
from chaosrun.load.live import FleetNow, GroupNow
from chaosrun.load.wire import GroupLive
from chaosrun.plan import GroupPlan, StreamPlan
from chaosrun.records import Resource

S = 1_000_000_000
USERS = GroupPlan(name="users", clients=100, period_ns=S, tolerate_requests=0.05, window_ns=2 * S)
TICKERS = GroupPlan(name="tickers", clients=100, streams=(StreamPlan(),))


def now(t_s: float, **counts: int) -> FleetNow:
    group = {"clients": 100, "planned": 100, "open": 100, "usable": 100} | counts
    return FleetNow(t=int(t_s * S), groups=(GroupNow(GroupLive(name="users", **group)),))


def snapshots(
    tolerance: LiveTolerance, start_s: float, end_s: float, *, bad_until_s: float = 0, open_: int = 100
) -> None:
    """100 slots a second, all of them bad until `bad_until_s`; five snapshots a second."""
    for step in range(int((end_s - start_s) * 5) + 1):
        t = start_s + step / 5
        due = round(t * 100)
        bad = round(min(t, bad_until_s) * 100)
        tolerance.see(now(t, due=due, bad=bad, open=open_))


def test_tolerance_holds_from_the_start_of_the_first_window_that_is_good() -> None:
    tolerance = LiveTolerance([USERS], 10 * S)
    snapshots(tolerance, 10, 16, bad_until_s=12)
    held = tolerance.held_for(16 * S) / S
    assert 3.6 <= held <= 4.2, "bad until 12, so good from about 12 on"


def test_without_a_whole_window_nothing_is_known_to_hold() -> None:
    tolerance = LiveTolerance([USERS], 10 * S)
    snapshots(tolerance, 10, 11.8)
    assert tolerance.held_for(int(11.8 * S)) == 0


def test_clients_that_are_not_open_break_tolerance_whatever_the_requests_say() -> None:
    tolerance = LiveTolerance([USERS], 10 * S)
    snapshots(tolerance, 10, 16, open_=98)
    assert tolerance.held_for(16 * S) == 0


def test_windows_without_slots_hold_nothing() -> None:
    tolerance = LiveTolerance([USERS], 0)
    for step in range(30):
        tolerance.see(now(step / 5, due=7, bad=0))
    assert tolerance.held_for(6 * S) == 0


def test_stale_clients_break_tolerance_of_a_group_that_only_listens() -> None:
    tolerance = LiveTolerance([TICKERS], 0)
    for step in range(30):
        tolerance.see(now(step / 5, stale=2 if step < 10 else 0))
    assert tolerance.held_for(int(5.8 * S)) == int(3.8 * S)


def test_every_group_must_hold() -> None:
    tolerance = LiveTolerance([TICKERS, TICKERS], 0)
    good, bad = now(1, stale=0).groups[0], now(1, stale=50).groups[0]
    tolerance.see(FleetNow(t=S, groups=(good, bad)))
    assert tolerance.held_for(5 * S) == 0
    tolerance.see(FleetNow(t=2 * S, groups=(good, good)))
    assert tolerance.held_for(5 * S) == 3 * S


def test_what_was_seen_before_the_start_does_not_count() -> None:
    tolerance = LiveTolerance([TICKERS], 10 * S)
    tolerance.see(now(9))
    assert tolerance.held_for(20 * S) == 0


# ---- guards


def guard(metric: str, *, below: float | None = None, above: float | None = None, role: str | None = None) -> Guard:
    return Guard(metric, None, role, below, above, 2 * S, f"{metric} guard")


def test_a_guard_must_burn_throughout_its_time() -> None:
    guards = Guards([guard("usable", below=0.5)])
    assert guards.see(now(0, usable=10), {}) is None
    assert guards.see(now(1.9, usable=10), {}) is None
    assert guards.see(now(2.0, usable=10), {}) == "stop_when: usable guard (last seen 0.1)"


def test_one_good_look_puts_a_guard_out() -> None:
    guards = Guards([guard("usable", below=0.5)])
    guards.see(now(0, usable=10), {})
    guards.see(now(1, usable=80), {})
    assert guards.see(now(2.5, usable=10), {}) is None
    assert guards.see(now(4.5, usable=10), {}) is not None


def test_no_client_planned_yet_is_no_evidence_and_burns_nothing() -> None:
    guards = Guards([guard("usable", below=0.5)])
    for t in range(10):
        assert guards.see(now(t, planned=0, usable=0), {}) is None


def test_bad_is_the_share_of_the_last_second() -> None:
    guards = Guards([guard("bad", above=0.5)])
    stopped = [guards.see(now(t / 5, due=20 * t, bad=20 * max(0, t - 20)), {}) for t in range(60)]
    burnt = next(index for index, text in enumerate(stopped) if text)
    assert 30 <= burnt <= 36, "all bad from 4 s on: over half of the last second from 4.5 s, and 2 s throughout"


def test_a_role_is_guarded_by_its_last_sample_and_a_missing_role_burns_nothing() -> None:
    guards = Guards([guard("cpu", above=0.9, role="server")])
    hot = {"server": Resource(t=0, role="server", cpu=0.95, memory=1)}
    assert guards.see(now(0), {}) is None
    assert guards.see(now(1), hot) is None
    assert guards.see(now(3), hot) is not None


def test_a_percentile_looks_back_ten_seconds() -> None:
    guards = Guards([guard("response_p99", above=0.1)])
    from chaosrun.scoring.histogram import bucket_of

    slow = {bucket_of(S // 2): 50}
    fast = {bucket_of(S // 1000): 50}

    def at(t: float, latency: dict[int, int]) -> FleetNow:
        group = GroupLive(name="users", clients=1, planned=1, latency=latency)
        return FleetNow(t=int(t * S), groups=(GroupNow(group),))

    assert guards.see(at(0, slow), {}) is None
    texts = [guards.see(at(t, fast), {}) for t in range(1, 10)]
    assert any(texts), "the slow second stays within the last ten"
    guards = Guards([guard("response_p99", above=0.1)])
    guards.see(at(0, slow), {})
    assert all(guards.see(at(t, fast), {}) is None for t in range(10, 20))
