"""The closed forms of a stall hold for a service that is played request by request, and for chaosrun's scorer."""

from __future__ import annotations

import pytest
from stall_forms import Stall, as_a_closed_loop, quantile

MS, S = 1_000_000, 1_000_000_000
CLIENTS, PERIOD, SPAN = 40, S // 2, 120 * S
QUANTILES = (0.5, 0.9, 0.96, 0.975, 0.99, 0.999)


def played(stall: Stall, begins: int, *, answered: bool = True) -> list[list[tuple[int, int]]]:
    """(due, reply) of every request of every client: a queue, of which nothing is served during the stall."""
    dues = sorted((c * PERIOD // CLIENTS + k * PERIOD, c) for c in range(CLIENTS) for k in range(SPAN // PERIOD))
    each = stall.busy * PERIOD / CLIENTS
    free = 0.0
    clients: list[list[tuple[int, int]]] = [[] for _ in range(CLIENTS)]
    for due, c in dues:
        stalled = begins <= due < begins + stall.length
        if stalled and not answered:
            continue
        free = max(free + each, begins + stall.length if stalled else due)
        clients[c].append((due, round(free) + stall.base))
    return clients


@pytest.mark.parametrize("busy", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("length", [S // 2, 2 * S, 6 * S])
def test_corrected_quantiles_are_those_of_a_queue_that_stood_still(length: int, busy: float) -> None:
    stall = Stall(length=length, span=SPAN, period=PERIOD, base=2 * MS, busy=busy)
    waits = [reply - due for client in played(stall, 50 * S) for due, reply in client]
    for q in QUANTILES:
        assert abs(quantile(waits, q) - stall.corrected(q)) <= 2 * PERIOD // CLIENTS


@pytest.mark.parametrize("length", [S // 2, 2 * S, 6 * S])
def test_a_thrown_away_backlog_makes_waits_of_whole_periods(length: int) -> None:
    stall = Stall(length=length, span=SPAN, period=PERIOD, base=2 * MS)
    waits = []
    for client in played(stall, 50 * S, answered=False):
        replies = [reply for _, reply in client]
        first = client[0][0]
        for due in range(first, first + SPAN, PERIOD):
            waits.append(next(reply for reply in replies if reply >= due) - due)
    for q in QUANTILES:
        assert quantile(waits, q) == stall.discarded(q)


@pytest.mark.parametrize("length", [S // 2, 2 * S, 6 * S])
def test_a_closed_loop_times_one_request_of_each_client_in_the_stall(length: int) -> None:
    stall = Stall(length=length, span=SPAN, period=PERIOD, base=2 * MS)
    clients = [list(as_a_closed_loop(client)) for client in played(stall, 50 * S)]
    assert all(sum(wait > stall.base for wait in client) == 1 for client in clients)
    waits = [wait for client in clients for wait in client]
    for q in QUANTILES:
        assert abs(quantile(waits, q) - stall.closed_loop(q)) <= 2 * PERIOD // CLIENTS


def test_a_stall_no_longer_than_a_period_omits_nothing() -> None:
    stall = Stall(length=PERIOD, span=SPAN, period=PERIOD)
    for q in QUANTILES:
        assert stall.closed_loop(q) == stall.corrected(q)


def test_the_longer_the_stall_the_more_a_closed_loop_leaves_out() -> None:
    """6 s of 120 s: users wait 4.8 s or more at the 99th percentile; a closed loop has it in the 999th only."""
    stall = Stall(length=6 * S, span=SPAN, period=PERIOD)
    assert stall.corrected(0.99) == pytest.approx(4.8 * S)
    assert stall.closed_loop(0.99) == 0
    assert stall.closed_loop(0.999) > 5 * S
