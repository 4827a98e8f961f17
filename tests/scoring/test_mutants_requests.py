"""Claims on the ledger of requests, and on who is usable, that a mutation pass found nobody to make."""

from __future__ import annotations

import pytest
from storybook import group

from chaosrun.plan import Plan
from chaosrun.records import NONE, Called, History, Kind, Opened, Phase, Slot, Status
from chaosrun.scoring.outcomes import Fate, Outcome, judge
from chaosrun.scoring.requests import RequestLedger, Requests
from chaosrun.scoring.sessions import sessions, usable_by_outcomes

L = 500_000_000
END = 10 * L


def row(
    due: int, *, got: int = NONE, status: Status = Status.SENT, kind: Kind = Kind.SLOT, sent: int | None = None
) -> Slot:
    return Slot(0, 0, due, due if sent is None else sent, got, status, kind, 0)


def test_every_slot_canary_and_sentinel_is_counted_once_where_it_belongs() -> None:
    slots = [
        *(row(t, got=t + 1) for t in (1, 2, 3)),
        row(4, got=5, status=Status.ERROR),
        row(5, got=5 + 2 * L),
        *(row(6 + i, sent=6 + i + L // 10 + 1, got=8 + L) for i in range(2)),  # by the observer's fault
        row(8, sent=NONE, status=Status.SKIPPED_OBSERVER),
        *(row(9 + i, sent=NONE, status=Status.SKIPPED_DISCONNECTED) for i in range(2)),
        *(row(END - 2 + i) for i in range(2)),
        *(row(20 + i, got=21 + i, kind=Kind.CANARY) for i in range(4)),
        *(row(30 + i, kind=Kind.CANARY) for i in range(2)),
        *(row(40 + i, got=41 + i, kind=Kind.SENTINEL) for i in range(3)),
    ]
    plan = Plan(groups=(group(clients=1, latency_limit_ns=L),))
    made = History(plan=plan, phases=[Phase(t=0, name="ramp")], end=END, load_stopped=END, slots=slots)
    assert Requests.of(made, 0).ledger == RequestLedger(
        due=12,
        sent=9,
        skipped_disconnected=2,
        skipped_observer=1,
        replied_in_time=3,
        replied_late=3,
        replied_error=1,
        in_flight_at_end=2,
        late_observer=2,
        good=3,
        bad=4,
        undecided=2,
        valid=6,
        canaries_sent=6,
        canaries_good=4,
        sentinels=3,
    )


def seen(due: int, good: bool | None) -> Outcome:
    return Outcome(due, 0, Kind.SLOT, 0, 0, due, due, Fate.REPLIED_IN_TIME, good, False, due, None)


@pytest.mark.parametrize(
    ("observations", "closes", "usable"),
    [
        ([seen(10, True)], [10], [(10, 90)]),  # the disconnect comes first
        ([seen(10, True)], [11], [(10, 11)]),
        ([seen(10, True), seen(10, False)], [], []),
        ([seen(10, False), seen(10, True)], [], []),
        ([seen(10, True), seen(20, None), seen(30, False), seen(40, True)], [], [(10, 30), (40, 90)]),
        ([seen(10, True), seen(20, True)], [20], [(10, 90)]),  # away for no time at all
        ([], [10], []),
    ],
)
def test_a_client_is_usable_from_a_good_observation_to_a_bad_one_or_a_disconnect(
    observations: list[Outcome], closes: list[int], usable: list[tuple[int, int]]
) -> None:
    assert usable_by_outcomes(observations, closes, 90) == usable


def test_http_has_no_sessions_whatever_was_opened() -> None:
    line = Opened(t=5, g=0, c=0, conn=0, began=1, shaken=5)
    for kind, found in (("websocket", {0: [(10, END)]}), ("http", {})):
        plan = Plan(groups=(group(clients=1, kind=kind),))
        made = History(plan=plan, phases=[Phase(t=0, name="ramp")], end=END, load_stopped=END, opened=[line])
        assert sessions(made, 0, [seen(10, True)]) == found


def judged(slot: Slot, end: int, called: int) -> Outcome:
    plan = Plan(groups=(group(clients=1, latency_limit_ns=L, reply_timeout_ns=4 * L),))
    made = History(
        plan=plan,
        phases=[Phase(t=0, name="ramp")],
        end=end,
        load_stopped=end,
        slots=[slot],
        called=[Called(t=called, id="f")],
    )
    return judge(made, 0)[0]


def test_a_good_slot_counts_where_it_was_due_though_its_answer_came_after_the_fault() -> None:
    assert judged(row(10, got=20), END, called=15).counts_at == 10
    assert judged(row(10, got=20, status=Status.ERROR), END, called=15).counts_at == 15


@pytest.mark.parametrize(("end", "fate"), [(10 + 4 * L - 1, Fate.IN_FLIGHT), (10 + 4 * L, Fate.LOST_CONNECTED)])
def test_a_slot_is_given_up_when_its_time_out_is_over_and_the_run_is_not(end: int, fate: Fate) -> None:
    assert judged(row(10), end, called=5).fate is fate
