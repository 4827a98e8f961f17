"""Claims about the guards of a run: which one ends it, when, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from chaosrun.guards.endpoint import Look
from chaosrun.guards.guard import Burn, Endpoint, For, Guard, Limit, OfLoad, OfRole
from chaosrun.guards.sight import Reading
from chaosrun.guards.watch import GuardNow, Guards, told
from chaosrun.load.live import FleetNow, GroupNow
from chaosrun.load.wire import GroupLive
from chaosrun.plan import GroupPlan
from chaosrun.records import Burnt, Resource

S = 1_000_000_000
L = 500_000_000
USERS = GroupPlan(name="users", clients=100, period_ns=S, latency_limit_ns=L)
ADMINS = GroupPlan(name="admins", clients=100, period_ns=S, latency_limit_ns=L)
WHOLE = {"clients": 100, "planned": 100, "counted": 100, "open": 100, "usable": 100}

USABLE = Guard("usable below 50% for 2s", OfLoad("usable"), For(2 * S), Limit(below=0.5), "ratio")
HOT = Guard("cpu of server above 90% for 2s", OfRole("cpu", "server"), For(2 * S), Limit(above=0.9), "ratio")
OUTSIDE = Guard("http://h/ not answering 2xx for 2s", Endpoint("http://h/", shown="http://h/"), For(2 * S))


def live(t_s: float, users: dict[str, int] | None = None, admins: dict[str, int] | None = None) -> FleetNow:
    groups = [GroupLive(name="users", **WHOLE | (users or {})), GroupLive(name="admins", **WHOLE | (admins or {}))]
    return FleetNow(t=round(t_s * S), groups=tuple(map(GroupNow, groups)))


def cpu(t_s: float, value: float | None, role: str = "server") -> dict[str, Resource]:
    t = round(t_s * S)
    found = {"chaosrun": Resource(t=t, role="chaosrun", cpu=0, memory=0)}
    return found if value is None else found | {role: Resource(t=t, role=role, cpu=value, memory=0)}


def ends(guards: Guards, now: FleetNow, resources: dict[str, Resource] | None = None) -> Burnt | None:
    seen = guards.see(now.t, now, {} if resources is None else resources)
    return None if seen is None else seen[0]


# ---- a limit


@pytest.mark.parametrize(
    ("limit", "value", "beyond"),
    [
        (Limit(below=0.5), 0.5, False),
        (Limit(below=0.5), 0.4999, True),
        (Limit(below=0.5), 0.6, False),
        (Limit(above=0.5), 0.5, False),
        (Limit(above=0.5), 0.5001, True),
        (Limit(above=0.5), 0.4, False),
        (Limit(above=0.0), 0.0, False),
        (Limit(below=0.0), 0.0, False),
        (Limit(above=2.0), inf, True),
    ],
)
def test_a_value_exactly_at_the_limit_is_not_beyond_it(limit: Limit, value: float, beyond: bool) -> None:
    assert limit.is_beyond(value) is beyond


# ---- of the load


def test_a_guard_says_what_it_read_and_since_when() -> None:
    guards = Guards([USABLE], [USERS])
    assert ends(guards, live(10, {"usable": 40})) is None
    assert ends(guards, live(11.9, {"usable": 40})) is None
    now = live(12, {"usable": 10})
    assert guards.see(now.t, now, {}) == (
        Burnt(t=12 * S, guard="usable below 50% for 2s", of="users", value=0.1, since=10 * S),
        "stop_when: usable below 50% for 2s (users): since 10.0 s; it read 10%",
    )


def test_a_guard_without_a_group_watches_every_group_by_itself() -> None:
    guards = Guards([USABLE], [USERS, ADMINS])
    assert ends(guards, live(0, users={"usable": 0})) is None
    assert ends(guards, live(2, admins={"usable": 0})) is None, "neither of them for 2 s"
    assert ends(guards, live(3, admins={"usable": 0})) is None
    burnt = ends(guards, live(4, admins={"usable": 0}))
    assert burnt is not None and (burnt.of, burnt.since) == ("admins", 2 * S)


def test_a_guard_with_a_group_watches_no_other() -> None:
    guards = Guards([replace(USABLE, sight=OfLoad("usable", "users"))], [USERS, ADMINS])
    assert [ends(guards, live(t, admins={"usable": 0})) for t in range(9)] == [None] * 9


def test_a_service_that_falls_over_in_the_ramp_ends_the_run_and_those_still_to_come_do_not() -> None:
    guards = Guards([USABLE], [USERS])
    for t, came in ((0, 0), (1, 5), (2, 20), (3, 40)):
        assert ends(guards, live(t, {"planned": came + 10, "counted": came, "usable": came})) is None
    assert ends(guards, live(4, {"planned": 60, "counted": 40, "usable": 0})) is None
    assert ends(guards, live(5, {"planned": 70, "counted": 40, "usable": 0})) is None
    burnt = ends(guards, live(6, {"planned": 80, "counted": 40, "usable": 0}))
    assert burnt is not None and (burnt.since, burnt.value) == (4 * S, 0.0)


def test_an_answer_that_never_came_is_said_as_such() -> None:
    slow = Guard("response_p99 above 2s for 2s", OfLoad("response_p99"), For(2 * S), Limit(above=2.0), "s")
    guards = Guards([slow], [USERS])
    for t in range(3):
        assert ends(guards, live(t, {"unanswered": 100 * t})) is None
    now = live(3, {"unanswered": 300})
    ended = guards.see(now.t, now, {})
    assert ended is not None
    assert (ended[0].value, ended[0].note) == (None, "not answered at all")
    assert ended[1] == "stop_when: response_p99 above 2s for 2s (users): since 1.0 s; not answered at all"


def test_a_share_of_the_time_names_both_shares() -> None:
    share = replace(
        USABLE, written="usable below 50% for 40% of the time of 10s and of 2s", how=Burn(0.4, 10 * S, 2 * S)
    )
    guards = Guards([share], [USERS])
    for t in range(4):
        assert ends(guards, live(t, {"usable": 10})) is None
    now = live(4, {"usable": 10})
    ended = guards.see(now.t, now, {})
    assert ended is not None
    assert (ended[0].shares, ended[0].since) == ((0.4, 1.0), 0)
    assert ended[1].endswith("(users): 40% of the long window and 100% of the short one, since 0.0 s; it read 10%")


def test_of_bad_without_a_limit_it_is_a_share_of_the_requests() -> None:
    """A tenth of the time, but 100 of 190 requests."""
    guard = Guard("bad for 50% of the requests of 10s and of 1s", OfLoad("bad"), Burn(0.5, 10 * S, S), unit="ratio")
    guards = Guards([guard], [USERS])
    for t in range(10):
        assert ends(guards, live(t, {"due": 10 * t})) is None
    burnt = ends(guards, live(10, {"due": 90, "bad": 0, "overdue": 100}))
    assert burnt is not None and burnt.shares == (100 / 190, 1.0)


# ---- of roles


def test_a_role_is_guarded_by_its_samples_and_is_no_trouble_while_it_is_down() -> None:
    guards = Guards([HOT], [USERS])
    assert ends(guards, live(1), cpu(1, 0.95)) is None
    assert ends(guards, live(2), cpu(2, None)) is None
    assert ends(guards, live(3), cpu(3, 0.95)) is None, "it was down, so it has not been hot throughout"
    burnt = ends(guards, live(5), cpu(5, 0.97))
    assert burnt is not None and (burnt.of, burnt.value, burnt.since) == ("server", 0.97, 3 * S)
    guards = Guards([HOT], [USERS])
    assert [ends(guards, live(t), cpu(t, 0.5 if t < 1 else None)) for t in range(99)] == [None] * 99


def test_cpu_may_be_a_share_of_the_machine() -> None:
    half = replace(HOT, sight=OfRole("cpu", "server", of_machine=True), limit=Limit(above=0.5), how=For(0))
    assert ends(Guards([half], [USERS], cores=4), live(1), cpu(1, 2.0)) is None
    assert ends(Guards([half], [USERS], cores=4), live(1), cpu(1, 2.1)) is not None
    assert ends(Guards([half], [USERS], cores=1), live(1), cpu(1, 0.51)) is not None


# ---- of an address


def test_an_address_burns_through_by_time_or_by_failures_in_a_row_or_by_both() -> None:
    def at(guard: Guard, looks: str) -> int | None:
        """`looks`: one a second, `.` for what is right; when it burns through."""
        guards = Guards([guard], [USERS])
        for t, seen in enumerate(looks):
            guards.asking[0].hear(Look(seen == ".", "" if seen == "." else "status 503"))
            if ends(guards, live(t)) is not None:
                return t
        return None

    assert at(OUTSIDE, ".xxxxxx") == 3, "2 s after it was first seen"
    assert at(OUTSIDE, ".xx.xx.xx.") is None
    in_a_row = replace(OUTSIDE, how=For(0, failures=3))
    assert at(in_a_row, "xx.xxx") == 5
    assert at(in_a_row, "xx.xx.") is None
    assert at(replace(OUTSIDE, how=For(2 * S, failures=5)), ".xxxxxx") == 5
    assert at(replace(OUTSIDE, how=For(4 * S, failures=2)), ".xxxxxx") == 5
    assert at(replace(OUTSIDE, how=Burn(0.5, 4 * S, S)), "xx.xx.xxx") == 4, "2 of 4 s, and all of the last"


def test_an_address_says_what_it_answered_and_how_often() -> None:
    guards = Guards([replace(OUTSIDE, how=For(0, failures=2))], [USERS])
    guards.asking[0].hear(Look(False, "status 503"))
    assert ends(guards, live(1)) is None
    guards.asking[0].hear(Look(False, "status 502"))
    now = live(2)
    ended = guards.see(now.t, now, {})
    assert ended is not None
    assert ended[0] == Burnt(t=2 * S, guard=OUTSIDE.written, of="http://h/", value=2.0, since=S, note="status 502")
    assert ended[1] == "stop_when: http://h/ not answering 2xx for 2s: since 1.0 s; status 502, 2 in a row"


# ---- blind


def blind_at(guard: Guard, plan: GroupPlan = USERS) -> float | None:
    """When a guard gives up that never reads anything, by looks five times a second from 100 s on."""
    guards = Guards([guard], [plan])
    for step in range(1000):
        t = 100 + step / 5
        ended = guards.see(round(t * S), FleetNow(t=0), {})
        if ended is not None:
            assert ended[0].blind and ended[0].since == 100 * S
            assert "the guard is blind since 100.0 s: " in ended[1]
            return round(t - 100, 3)
    return None


def test_a_guard_that_cannot_be_read_ends_the_run_within_a_stated_time() -> None:
    assert blind_at(HOT) == 10
    assert blind_at(USABLE) == 10.6, "10 s and the latency limit, at the next look"
    assert blind_at(OUTSIDE) == 12, "10 s, `every` and `timeout`"


def test_a_guard_that_may_burn_for_longer_may_be_blind_for_as_long() -> None:
    assert blind_at(replace(HOT, how=For(30 * S))) == 30
    assert blind_at(replace(HOT, how=Burn(0.5, 60 * S, 5 * S))) == 60


def test_one_look_that_tells_ends_the_blindness() -> None:
    guards = Guards([HOT], [USERS])
    for t in range(100):
        assert ends(guards, live(t), cpu(t, 0.5) if t % 10 == 0 else {}) is None


def test_what_has_burnt_through_is_said_rather_than_that_another_guard_is_blind() -> None:
    guards = Guards([USABLE, HOT], [USERS])
    burnt = next(b for t in range(99) if (b := ends(guards, live(t, {"usable": 0}))) is not None)
    assert (burnt.of, burnt.blind) == ("users", "")


def test_words_tell_an_address_that_is_well_again_too() -> None:
    burnt = Burnt(t=9 * S, guard="g", of="g", value=0.0, since=S, shares=(0.5, 0.25))
    assert told(burnt, "") == (
        "stop_when: g: 50% of the long window and 25% of the short one, since 1.0 s; all is well now, 0 in a row"
    )


# ---- for whoever watches


def test_a_guard_says_at_any_time_how_far_it_has_burnt_and_what_it_reads() -> None:
    guards = Guards([USABLE], [USERS])
    ends(guards, live(10))
    assert guards.now == (GuardNow("usable below 50% for 2s", "users", 0.0, "100%"),)
    ends(guards, live(11, {"usable": 40}))
    ends(guards, live(12.5, {"usable": 40}))
    assert guards.now == (GuardNow("usable below 50% for 2s", "users", 0.75, "40%"),)
    ends(guards, live(12.6))
    assert guards.now[0].burnt == 0.0


def test_a_guard_that_cannot_read_says_why() -> None:
    guards = Guards([USABLE], [USERS])
    guards.see(20 * S, live(10), {})
    (now,) = guards.now
    assert now.blind
    assert now.reading == "nothing was heard of the load for more than 2 s"


def test_a_guard_of_an_endpoint_says_what_it_saw() -> None:
    guards = Guards([OUTSIDE], [USERS])
    guards.asking[0].reading = Reading(2.0, note="answered 503")
    ends(guards, live(10))
    assert guards.now == (GuardNow("http://h/ not answering 2xx for 2s", "http://h/", 0.0, "answered 503"),)


def test_a_guard_that_counts_failures_has_burnt_as_far_as_they_go() -> None:
    three = Guard("http://h/ not answering 3 times", Endpoint("http://h/", shown="http://h/"), For(0, failures=3))
    guards = Guards([three], [USERS])
    guards.asking[0].reading = Reading(1.0, note="answered 503")
    ends(guards, live(10))
    assert guards.now[0].burnt == pytest.approx(1 / 3)


def test_a_share_of_a_window_says_how_far_it_has_burnt() -> None:
    half = Guard("bad", OfLoad("usable"), Burn(0.5, 10 * S, 2 * S), Limit(below=0.5), "ratio")
    guards = Guards([half], [USERS])
    for t in (10, 11, 12):
        ends(guards, live(t, {"usable": 10}))
    assert guards.now[0].burnt == pytest.approx(0.4), "2 s of a long window of 10 s, of which half must burn"
    requests = Guard("bad requests", OfLoad("bad"), Burn(0.5, 10 * S, 2 * S))
    counting = Guards([requests], [USERS])
    ends(counting, live(0, {"due": 0}))
    ends(counting, live(10, {"due": 100, "bad": 25}))
    assert counting.now[0].burnt == pytest.approx(0.5)
