"""Claims on the ledger of requests, and on who is usable, that a mutation pass found nobody to make."""

from __future__ import annotations

from dataclasses import replace

import pytest
from storybook import Story, group

from chaosrun.plan import Plan
from chaosrun.records import NONE, Called, History, Kind, Opened, Phase, Slot, Status
from chaosrun.scoring.outcomes import Fate, Outcome, judge
from chaosrun.scoring.requests import RequestLedger, Requests, violations
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
        *(row(40 + i, got=41 + i, kind=Kind.SENTINEL) for i in range(2)),
        row(42, kind=Kind.SENTINEL),
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


def history(*slots: Slot, called: int = 0) -> History:
    plan = Plan(groups=(group(clients=1, latency_limit_ns=L),))
    ramp = [Phase(t=0, name="ramp")]
    return History(plan=plan, phases=ramp, end=END, load_stopped=END, slots=slots, called=[Called(t=called, id="f")])


@pytest.mark.parametrize(
    ("windows", "due"),
    [
        ([(0, 10), (10, 11), (11, 20)], [0, 0, 1]),
        ([(9, 11), (11, 12)], [0, 1]),
        ([(10, 20)], [1]),  # where it was due is in the same window, and it is counted once
        ([(9, 20)], [1]),
        ([(12, 20)], [0]),
    ],
)
def test_a_slot_undecided_when_a_fault_struck_is_counted_in_the_window_of_the_fault_alone(
    windows: list[tuple[int, int]], due: list[int]
) -> None:
    found = Requests.of(history(row(10), called=11), 0).measure(windows)
    assert [window.ledger.due for window in found] == due


def test_a_window_of_one_kind_of_request_holds_that_kind() -> None:
    rows = [row(1, got=2), row(2, got=3), row(3, got=4)._replace(request=1)]
    requests = Requests.of(history(*rows), 0)
    assert [requests.measure([(0, 9)], request=kind)[0].ledger.due for kind in (None, 0, 1, 2)] == [3, 2, 1, 0]


@pytest.mark.parametrize("name", ["due", "skipped_disconnected", "skipped_observer", "sent"])
@pytest.mark.parametrize("by", [1, -1])
def test_a_term_of_the_first_equation_that_is_off_by_one_either_way_is_said(name: str, by: int) -> None:
    whole = Story(group()).history()
    ledger = Requests.of(whole, 0).ledger
    wrong = replace(ledger, **{name: getattr(ledger, name) + by})
    assert "slots due" in violations(whole, 0, wrong)[0]


ENDS = ("replied_in_time", "replied_late", "replied_error", "lost_connected", "lost_at_break", "in_flight_at_end")


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("by", [1, -1])
def test_a_term_of_the_second_equation_that_is_off_by_one_either_way_is_said(name: str, by: int) -> None:
    whole = Story(group()).history()
    ledger = Requests.of(whole, 0).ledger
    (wrong,) = violations(whole, 0, replace(ledger, **{name: getattr(ledger, name) + by}))
    assert wrong == f"accounts: {ledger.sent} slots sent, {ledger.sent + by} replied, lost or in flight"


def test_the_last_slot_due_is_the_one_before_the_load_stopped() -> None:
    whole = Story(group(clients=1)).history()
    rows = [slot for slot in whole.slots if slot.kind == Kind.SLOT]
    last = rows[-1].due
    for stopped, slots, words in (
        (last + 1, rows, []),
        (last + 1, rows[:-1], ["accounts: 1 slots that were due have no record"]),
        (last, rows, ["accounts: 1 records of slots that were not due, or twice"]),
        (last, rows[:-1], []),
    ):
        told = replace(whole, load_stopped=stopped, slots=slots)
        assert violations(told, 0, Requests.of(told, 0).ledger) == words


def test_a_record_of_a_client_that_no_plan_knows_is_noticed_by_itself() -> None:
    whole = Story(group(clients=1)).history()
    slot = next(slot for slot in whole.slots if slot.kind == Kind.SLOT)
    told = replace(whole, slots=[*whole.slots, slot._replace(client=99)])
    assert violations(told, 0, Requests.of(told, 0).ledger) == [
        "accounts: 1 records of slots that were not due, or twice"
    ]


def test_a_slot_counts_in_no_window_between_its_due_time_and_the_fault() -> None:
    found = Requests.of(history(row(10), called=15), 0).measure([(10, 12), (12, 15), (15, 16)])
    assert [window.ledger.due for window in found] == [0, 0, 1]
