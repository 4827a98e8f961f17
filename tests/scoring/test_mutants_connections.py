"""Which events a window of connections counts: its start and what is its own, not its end and what is another's."""

from __future__ import annotations

from collections.abc import Iterator

from storybook import group

from chaosrun.plan import Plan
from chaosrun.records import Attempt, Closed, History, Opened, Phase, Refused
from chaosrun.scoring.connections import measure_connections, needs

START, END = 100, 200
INSTANTS = (START - 1, START, END - 1, END)
"""Of which the second and the third are inside."""

SOON = group(clients=1, connect_within_ns=10)


def everything_at_each_instant(g: int) -> Iterator[tuple[Attempt, Refused, Opened, Closed]]:
    for conn, t in enumerate(INSTANTS, start=1):
        yield (
            Attempt(t=t, g=g, c=0),
            Refused(t=t, g=g, c=0, why="http", status=503),
            Opened(t=t, g=g, c=0, conn=conn, began=t, shaken=t),
            Closed(t=t, g=g, c=0, conn=conn - 1, cause="close", code=1012),
        )


def history(*, load_stopped: int = 1_000) -> History:
    """Two groups, to both of which the same things happen."""
    events = [*everything_at_each_instant(0), *everything_at_each_instant(1)]
    attempts, refused, opened, closed = zip(*events, strict=True)
    return History(
        plan=Plan(groups=(SOON, SOON)),
        phases=[Phase(t=0, name="ramp")],
        end=1_000,
        load_stopped=load_stopped,
        attempts=attempts,
        refused=refused,
        opened=opened,
        closed=closed,
    )


def test_a_window_has_what_happened_to_its_group_from_its_start_up_to_its_end() -> None:
    found = measure_connections(history(), 0, START, END)
    assert (found.attempts, found.refused_by, found.refused, found.reconnects) == (2, {"http(503)": 2}, 2, 2)
    assert (found.unexpected_disconnects, found.by_cause) == (2, {"close(1012)": 2})
    assert (found.needs, found.needs_met, found.connect.count) == (2, 2, 2)


def test_a_connection_took_from_its_attempt_to_its_opening_and_counts_where_it_began() -> None:
    lines = [Opened(t=t + 7, g=0, c=0, conn=0, began=t, shaken=t + 3) for t in INSTANTS]
    plan = Plan(groups=(SOON,))
    slow = History(plan=plan, phases=[Phase(t=0, name="ramp")], end=1_000, load_stopped=1_000, opened=lines)
    found = measure_connections(slow, 0, START, END)
    assert (found.connect.count, found.connect.max, found.reconnects) == (2, 7, 0)


def lost_at(t: int, *, back: int | None = None) -> list[tuple[int, bool]]:
    opened = [Opened(t=0, g=0, c=0, conn=0, began=0, shaken=0)]
    if back is not None:
        opened.append(Opened(t=back, g=0, c=0, conn=1, began=back, shaken=back))
    closed = [Closed(t=t, g=0, c=0, conn=0, cause="rst")]
    plan = Plan(groups=(SOON,))
    made = History(
        plan=plan, phases=[Phase(t=0, name="ramp")], end=1_000, load_stopped=500, opened=opened, closed=closed
    )
    return [(need.at, need.met) for need in needs(made, 0)][1:]


def test_a_loss_is_a_need_if_the_load_left_just_time_enough_to_come_back() -> None:
    assert lost_at(490) == [(490, False)]
    assert lost_at(491) == []


def test_a_loss_that_was_made_good_is_a_need_however_short_the_time_left_but_not_once_the_load_stopped() -> None:
    assert lost_at(499, back=502) == [(499, True)]
    assert lost_at(500, back=502) == []
