"""The request ledger: every class, the two equations, user waits, and rows that are not as planned."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from storybook import MS, S, Story, group, ms, random_story, s, strike

from chaosrun.plan import Plan
from chaosrun.records import NONE, Closed, History, Kind, Phase, Slot, Status
from chaosrun.scoring.outcomes import Fate, Outcome, judge
from chaosrun.scoring.requests import Requests, violations

END = s(100)
DUE = s(10)


def history(*rows: Slot, closed: tuple[Closed, ...] = (), end: int = END) -> History:
    """One client, L 500 ms, G 5 s, a slot a second."""
    return History(
        plan=Plan(groups=(group(clients=1),)),
        phases=[Phase(t=0, name="ramp")],
        end=end,
        load_stopped=end - S,
        slots=rows,
        closed=closed,
    )


def slot(due: int = DUE, got: int = NONE, status: Status = Status.SENT, sent: int | None = None, **more: int) -> Slot:
    return Slot(0, 0, due, due if sent is None else sent, got, status, **more)  # type: ignore[arg-type]


def only(history: History) -> Outcome:
    (outcome,) = judge(history, 0)
    return outcome


@pytest.mark.parametrize(
    ("row", "fate", "good"),
    [
        (slot(got=DUE + 1), Fate.REPLIED_IN_TIME, True),
        (slot(got=DUE + ms(500)), Fate.REPLIED_IN_TIME, True),
        (slot(got=DUE + ms(500) + 1), Fate.REPLIED_LATE, False),
        (slot(got=DUE + s(5)), Fate.REPLIED_LATE, False),
        (slot(got=DUE + s(5) + 1), Fate.LOST_CONNECTED, False),
        (slot(got=DUE + 1, status=Status.ERROR), Fate.REPLIED_ERROR, False),
        (slot(got=DUE + s(5) + 1, status=Status.ERROR), Fate.LOST_CONNECTED, False),
        (slot(status=Status.ERROR), Fate.LOST_AT_BREAK, False),
        (slot(), Fate.LOST_CONNECTED, False),
        (slot(sent=NONE, status=Status.SKIPPED_DISCONNECTED), Fate.SKIPPED_DISCONNECTED, False),
        (slot(sent=NONE, status=Status.SKIPPED_OBSERVER), Fate.SKIPPED_OBSERVER, None),
        (slot(sent=DUE + ms(50), got=DUE + ms(51)), Fate.REPLIED_IN_TIME, True),
        (slot(sent=DUE + ms(50) + 1, got=DUE + ms(51)), Fate.REPLIED_IN_TIME, None),
    ],
)
def test_every_slot_has_one_class_and_is_good_bad_or_the_observers(row: Slot, fate: Fate, good: bool | None) -> None:
    outcome = only(history(row))
    assert (outcome.fate, outcome.good) == (fate, good)


def test_a_slot_whose_connection_ended_first_is_lost_at_the_break() -> None:
    closed = Closed(t=DUE + ms(10), g=0, c=0, conn=0, cause="rst")
    assert only(history(slot(), closed=(closed,))).fate is Fate.LOST_AT_BREAK


def test_a_slot_given_up_before_its_connection_ended_is_lost_connected() -> None:
    closed = Closed(t=DUE + s(6), g=0, c=0, conn=0, cause="rst")
    assert only(history(slot(), closed=(closed,))).fate is Fate.LOST_CONNECTED


def test_a_break_of_another_connection_or_group_is_none_of_its_own() -> None:
    closed = (
        Closed(t=DUE + 1, g=0, c=0, conn=1, cause="rst"),
        Closed(t=DUE + 1, g=1, c=0, conn=0, cause="rst"),
    )
    assert only(history(slot(), closed=closed)).fate is Fate.LOST_CONNECTED


def test_our_own_close_at_the_end_breaks_nothing_that_is_in_flight() -> None:
    ours = Closed(t=DUE + ms(100), g=0, c=0, conn=0, cause="ours", planned=True)
    outcome = only(history(slot(), closed=(ours,), end=DUE + ms(200)))
    assert (outcome.fate, outcome.good) == (Fate.IN_FLIGHT, None)


def test_our_own_close_while_the_load_runs_is_a_break() -> None:
    ours = Closed(t=DUE + ms(100), g=0, c=0, conn=0, cause="ours", planned=True)
    assert only(history(slot(), closed=(ours,))).fate is Fate.LOST_AT_BREAK


def test_a_server_that_breaks_off_after_the_load_stopped_loses_what_was_in_flight() -> None:
    theirs = Closed(t=DUE + ms(100), g=0, c=0, conn=0, cause="fin")
    assert only(history(slot(), closed=(theirs,), end=DUE + s(1))).fate is Fate.LOST_AT_BREAK


def test_in_flight_and_older_than_the_limit_is_bad_and_younger_is_undecided() -> None:
    assert only(history(slot(), end=DUE + s(1))).fate is Fate.IN_FLIGHT
    assert only(history(slot(), end=DUE + s(1))).good is False
    assert only(history(slot(), end=DUE + ms(500))).good is None


# ---- user waits -----------------------------------------------------------------------------------------------------


def test_a_late_reply_ends_its_own_wait_however_late() -> None:
    assert only(history(slot(got=DUE + s(30)))).wait == s(30)


def test_a_lost_slot_waits_for_the_clients_next_good_reply() -> None:
    rows = slot(), slot(DUE + s(1), got=DUE + s(4)), slot(DUE + s(3), got=DUE + s(3) + MS)
    waits = [outcome.wait for outcome in judge(history(*rows), 0)]
    assert waits == [s(3) + MS, s(3), MS]


def test_a_canary_ends_a_wait_too_but_only_one_due_later() -> None:
    canary = slot(DUE + ms(400), got=DUE + ms(401), kind=Kind.CANARY)
    before = slot(DUE - ms(100), got=DUE + ms(200))
    waits = {outcome.due: outcome.wait for outcome in judge(history(before, slot(), canary), 0)}
    assert waits[DUE] == ms(401)


def test_an_error_reply_does_not_end_a_wait() -> None:
    outcome = only(history(slot(got=DUE + 1, status=Status.ERROR)))
    assert outcome.wait is None
    assert outcome.censored


def test_another_clients_reply_does_not_end_a_wait() -> None:
    other = Slot(0, 1, DUE + 1, DUE + 1, DUE + 2)
    assert judge(history(slot(), other), 0)[0].wait is None


# ---- histograms -----------------------------------------------------------------------------------------------------


def test_corrected_and_uncorrected_latency_stand_side_by_side() -> None:
    rows = (
        slot(got=DUE + ms(20), sent=DUE + ms(10)),
        slot(DUE + s(1), sent=NONE, status=Status.SKIPPED_DISCONNECTED),
        slot(DUE + s(2), got=DUE + s(2) + ms(5)),
        slot(DUE + s(3), got=DUE + s(3) + 1, status=Status.ERROR),
        slot(DUE + s(4), sent=NONE, status=Status.SKIPPED_OBSERVER),
    )
    (window,) = Requests.of(history(*rows), 0).measure([(DUE, DUE + s(5))])
    assert (window.response.count, window.response.max, window.censored) == (3, s(1) + ms(5), 1)
    assert (window.service.count, window.service.max) == (2, ms(10))
    assert (window.lateness.count, window.lateness.max) == (3, ms(10))


def test_a_late_send_is_in_no_histogram_but_the_observers_own() -> None:
    (window,) = Requests.of(history(slot(sent=DUE + ms(60), got=DUE + ms(61))), 0).measure([(0, END)])
    assert (window.response.count, window.service.count, window.censored) == (0, 0, 0)
    assert window.lateness.max == ms(60)
    assert (window.ledger.late_observer, window.ledger.observed, window.ledger.sent) == (1, 0, 1)


def test_a_window_is_half_open_by_due_time_and_can_be_of_one_kind_of_request() -> None:
    rows = slot(got=DUE + 1), slot(DUE + s(1), got=DUE + s(1) + 1, request=1), slot(DUE + s(2), got=DUE + s(3))
    requests = Requests.of(history(*rows), 0)
    both, second = requests.measure([(DUE, DUE + s(2))]) + requests.measure([(DUE, DUE + s(2))], request=1)
    assert (both.ledger.due, second.ledger.due) == (2, 1)


def test_canaries_and_sentinels_are_ledgered_apart() -> None:
    rows = (
        slot(got=DUE + 1, kind=Kind.CANARY),
        slot(DUE + 1, kind=Kind.CANARY),
        slot(DUE + 2, got=DUE + 3, kind=Kind.SENTINEL),
    )
    ledger = Requests.of(history(*rows), 0).ledger
    assert (ledger.due, ledger.canaries_sent, ledger.canaries_good, ledger.sentinels) == (0, 2, 1, 1)


@pytest.mark.parametrize("what", ["freeze", "crash"])
def test_corrected_quantiles_of_a_stall_follow_the_closed_form(what: str) -> None:
    # Slots are due evenly over 100 s, users wait to the end of 10 s of them: P(wait > x) = (10 s - x)/100 s.
    story = Story(group(clients=100, tolerate_requests=0.01), end=s(105), faults=[strike(s(50))])
    getattr(story, what)(s(50), s(60))
    (window,) = Requests.of(story.history(), 0).measure([(s(5), s(105))])
    for q, wait in ((0.92, s(2)), (0.95, s(5)), (0.99, s(9))):
        found = window.response.quantile(q)
        assert found is not None
        assert abs(found - wait) <= wait // 100 + ms(20)
    # A server that refuses leaves nothing to measure from an actual send: uncorrected, the crash never was.
    slowest = window.service.quantile(0.99)
    assert slowest is not None
    assert (slowest < ms(2)) == (what == "crash")


def test_one_late_reply_never_becomes_a_long_wait() -> None:
    history = Story(group(clients=1), loss=0).delay(0, s(20), ms(600)).history()
    (window,) = Requests.of(history, 0).measure([(s(5), s(40))])
    assert window.response.max == ms(601)
    assert window.ledger.bad == 1


# ---- conservation ---------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**6))
def test_both_equations_hold_on_any_history_and_the_due_are_as_planned(seed: int) -> None:
    story, feeds = random_story(seed)
    history = story.history()
    for g, _ in enumerate(feeds):
        ledger = Requests.of(history, g).ledger
        assert violations(history, g, ledger) == []
        assert ledger.good + ledger.bad + ledger.undecided == ledger.observed


def test_windows_side_by_side_add_up_to_the_whole() -> None:
    history = Story(group(), faults=[strike(s(6))]).crash(s(6), s(9)).history()
    requests = Requests.of(history, 0)
    cuts = [0, s(5), s(6) + 1, s(20), history.end]
    parts = requests.measure(pairwise(cuts))
    whole = requests.ledger
    for name in ("due", "sent", "replied_in_time", "skipped_disconnected", "good", "bad", "canaries_sent"):
        assert sum(getattr(part.ledger, name) for part in parts) == getattr(whole, name)


def test_a_lost_row_a_row_twice_and_a_strange_row_are_noticed() -> None:
    whole = Story(group()).history()
    rows = list(whole.slots)
    index = next(i for i, row in enumerate(rows) if row.kind == Kind.SLOT and row.due == s(10))
    lost = replace(whole, slots=rows[:index] + rows[index + 1 :])
    twice = replace(whole, slots=[*rows, rows[index]])
    strange = replace(whole, slots=[*rows, rows[index]._replace(client=99), rows[index]._replace(due=s(10) + 1)])
    assert violations(whole, 0, Requests.of(whole, 0).ledger) == []
    assert violations(lost, 0, Requests.of(lost, 0).ledger) == ["accounts: 1 slots that were due have no record"]
    assert "1 records of slots that were not due" in violations(twice, 0, Requests.of(twice, 0).ledger)[0]
    assert "2 records of slots that were not due" in violations(strange, 0, Requests.of(strange, 0).ledger)[0]


def test_equations_that_do_not_hold_are_said_with_their_numbers() -> None:
    whole = Story(group()).history()
    ledger = Requests.of(whole, 0).ledger
    assert violations(whole, 0, replace(ledger, due=7, replied_late=3)) == [
        f"accounts: 7 slots due, {ledger.due} sent or skipped",
        f"accounts: {ledger.sent} slots sent, {ledger.sent + 3} replied, lost or in flight",
    ]


def test_a_run_that_never_began_to_ramp_owes_no_slots() -> None:
    idle = replace(Story(group()).history(), phases=[Phase(t=0, name="start")], slots=())
    assert violations(idle, 0, Requests.of(idle, 0).ledger) == []
