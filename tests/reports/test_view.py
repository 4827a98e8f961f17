from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from chaosrun.guards.watch import GuardNow
from chaosrun.load.live import FleetNow, GroupNow
from chaosrun.load.wire import GroupLive
from chaosrun.plan import FaultPlan, GroupPlan, Plan
from chaosrun.reports._view import View

SECOND = 1_000_000_000
PLAN = Plan(groups=(GroupPlan(name="users", clients=10),), faults=(FaultPlan(id="f", name="f", kind="noop"),))


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def fleet(t: int, **counts: int) -> FleetNow:
    return FleetNow(t=t, groups=(GroupNow(GroupLive(name="users", clients=10, planned=12, counted=10, **counts)),))


def test_rates_are_over_the_last_second() -> None:
    view = View(Hands())
    for tenth in range(40):
        view.live(fleet(tenth * SECOND // 10, replies=tenth, pushes=5 * tenth, due=2 * tenth, bad=tenth), {})
    (group,) = view.groups
    assert group.replies_per_s == 10
    assert group.pushes_per_s == 50
    assert group.bad_share == 0.5


def test_one_snapshot_tells_no_rate() -> None:
    view = View(Hands())
    view.live(fleet(SECOND, replies=7), {})
    assert view.groups[0].replies_per_s is None
    assert view.groups[0].bad_share is None


def test_the_time_left_of_a_phase_never_falls_below_zero() -> None:
    clock = Hands()
    view = View(clock)
    view.phase("baseline", 10 * SECOND)
    assert view.phase_now is not None
    clock.now += 4
    assert view.phase_now.left(view.now) == 6
    clock.now += 100
    assert view.phase_now.left(view.now) == 0


def test_an_open_ended_phase_has_no_time_left() -> None:
    view = View(Hands())
    view.phase("recovery", None)
    assert view.phase_now is not None
    assert view.phase_now.left(view.now) is None


def test_a_phase_that_may_end_sooner_says_what_is_left_of_its_longest() -> None:
    clock = Hands()
    view = View(clock)
    view.began(Path("r"), "t", replace(PLAN, phases_ns={"recovery": 20 * SECOND}))
    view.phase("recovery", None)
    clock.now += 5
    assert view.phase_now is not None
    assert (view.phase_now.planned_s, view.phase_now.at_most_s) == (None, 20)
    assert view.phase_now.left(view.now) == 15


def test_the_service_is_remembered_second_by_second_for_a_minute() -> None:
    clock = Hands()
    view = View(clock)
    view.began(Path("r"), "t", PLAN)
    for second in range(90):
        clock.now = 100.0 + second
        view.live(fleet(second * SECOND, usable=10 if second < 80 else 5), {})
        view.live(fleet(second * SECOND + 1, usable=0), {})
    assert len(view.served) == 60
    assert view.served[-1] == 0.5
    assert view.served[0] == 1.0


def test_only_the_last_notes_are_kept() -> None:
    view = View(Hands())
    for number in range(100):
        view.note(str(number))
    assert view.notes[-1] == "99"
    assert len(view.notes) < 10


def test_the_guard_that_is_nearest_to_ending_the_run_comes_first_and_a_blind_one_before_a_calm_one() -> None:
    view = View(Hands())
    guards = [
        GuardNow("calm", "users", 0.0, "100%"),
        GuardNow("blind", "users", 0.0, "nothing was heard", blind=True),
        GuardNow("warm", "users", 0.2, "70%"),
        GuardNow("hot", "users", 0.9, "10%"),
    ]
    view.guards(guards, armed=True)
    assert [guard.guard for guard in view.guards_now] == ["hot", "warm", "blind", "calm"]
    assert view.guards_armed
