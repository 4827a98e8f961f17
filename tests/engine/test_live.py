"""Claims about what the engine sees of a run that goes on: whether it is in tolerance again."""

from __future__ import annotations

from chaosrun.live import LiveTolerance
from chaosrun.load.live import FleetNow, GroupNow
from chaosrun.load.wire import GroupLive
from chaosrun.plan import GroupPlan, StreamPlan

S = 1_000_000_000
USERS = GroupPlan(name="users", clients=100, period_ns=S, tolerate_requests=0.05, window_ns=2 * S)
TICKERS = GroupPlan(name="tickers", clients=100, streams=(StreamPlan(),))


def now(t_s: float, **counts: int) -> FleetNow:
    group = {"clients": 100, "planned": 100, "counted": 100, "open": 100, "usable": 100} | counts
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


def test_clients_that_are_still_to_come_break_no_tolerance() -> None:
    """A stage calls 50 more: as in the score nobody misses them before they were usable or their time is over."""
    tolerance = LiveTolerance([TICKERS], 0)
    for step in range(10):
        tolerance.see(now(step / 5, counted=50, open=50))
    assert tolerance.held_for(2 * S) == 2 * S
    tolerance.see(now(2, counted=51, open=50))
    assert tolerance.held_for(2 * S) == 0


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
