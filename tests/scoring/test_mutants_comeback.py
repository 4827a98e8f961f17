"""Claims on who was back when, how sure that is, and who noticed, that a mutation pass found nobody to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from storybook import Still, Story, group, s, strike, ticking

from chaosrun.records import NONE, Closed, History, Kind, Opened, Slot, Status
from chaosrun.scoring.comeback import Back, Noticed, come_back, notice
from chaosrun.scoring.recovery import find_recovery
from chaosrun.scoring.sessions import ClientTimeline
from chaosrun.scoring.timeline import build_timeline

L = 500_000_000
IMPACT, END = 100, 900


def listened(*usable: Sequence[tuple[int, int]], recovered: int | None = 300) -> Back:
    """Of clients that only listen, planned from 10 on, each usable in these intervals; the impact is at 100."""
    history = Story(ticking(clients=len(usable))).history()
    clients = tuple(
        ClientTimeline(index=i, planned=((10, END),), sessions=tuple(own), usable=tuple(own))
        for i, own in enumerate(usable)
    )
    timeline = replace(build_timeline(history, 0), clients=clients)
    return come_back(history, [timeline], [0], IMPACT, recovered, END, IMPACT, 0)


def test_a_client_is_affected_that_was_away_for_a_nanosecond_between_impact_and_recovery() -> None:
    assert listened([(0, 100), (101, END)]).affected == 1
    assert listened([(0, 299), (300, END)]).affected == 1
    assert listened([(0, 99), (100, END)]).affected == 0
    assert listened([(0, 300), (301, END)]).affected == 0


def test_without_a_recovery_all_that_were_away_by_the_end_are_affected() -> None:
    assert listened([(0, 100), (200, END)], [(0, 700), (800, END)], recovered=None).affected == 2


def test_a_client_that_flaps_is_back_after_the_last_time() -> None:
    found = listened([(0, 100), (150, 200), (400, END)])
    assert (found.affected, found.all) == (1, 300)


def test_the_99th_percentile_of_a_hundred_clients_leaves_out_the_last_one() -> None:
    found = listened(*([(0, 100), (101 + i, END)] for i in range(100)))
    assert (found.first, found.p50, found.p90, found.p99, found.all) == (1, 50, 90, 99, 100)


def test_quantiles_are_of_all_that_were_affected_and_not_of_those_that_came_back() -> None:
    found = listened([(0, 100), (110, END)], [(0, 100), (120, END)], [(0, 100)], [(0, 100)])
    assert (found.affected, found.never, found.first, found.p50, found.p90, found.all) == (4, 2, 10, 20, None, None)


# ---- how sure a return is


def row(c: int, due: int, got: int, *, sent: int | None = None, conn: int = 0, kind: Kind = Kind.SLOT) -> Slot:
    return Slot(0, c, due, due if sent is None else sent, got, Status.SENT, kind, conn)


def asked(*rows: Slot, opened: Sequence[Opened] = (), clients: int = 1) -> Back:
    """Of clients with requests; the impact is at 10 s, tolerance held from 20 s on."""
    history = replace(Story(group(clients=clients)).history(), slots=rows, opened=opened, closed=())
    return come_back(history, [build_timeline(history, 0)], [None], s(10), s(20), s(40), s(10), 0)


GOOD, BAD = row(0, s(9), s(9) + 1), row(0, s(10), NONE)


def errors(*rows: Slot, opened: Sequence[Opened] = (), clients: int = 1) -> tuple[int, int]:
    found = asked(GOOD, BAD, *rows, opened=opened, clients=clients).errors
    return found["first"], found["all"]


def test_a_return_is_as_sure_as_the_last_of_the_replies_to_what_was_due_then() -> None:
    late = [row(0, s(12), s(12) + 300), row(0, s(12), s(12) + 200, kind=Kind.SENTINEL)]
    opened = [Opened(t=s(12), g=0, c=0, conn=0, began=1, shaken=1)]
    assert errors(*late, opened=opened) == (300, 300)
    assert errors(row(0, s(12), s(12) + 300, sent=s(12) + 100), opened=opened) == (300, 300)


def test_a_return_is_surely_after_its_connection_was_open_and_not_only_after_its_opening_conversation() -> None:
    opened = [Opened(t=s(12) - 700, g=0, c=0, conn=1, began=s(12) - 900, shaken=s(12) - 800)]
    assert errors(row(0, s(12), s(12) + 1, conn=1), opened=opened) == (700, 700)


def test_what_was_bad_after_a_return_says_nothing_of_how_sure_it_is() -> None:
    assert asked(GOOD, BAD, row(0, s(12), s(12) + 1), row(0, s(20) + 1, NONE)).errors["all"] == s(2)
    back = asked(GOOD, row(0, s(19), NONE), row(0, s(20) - 1, s(20)), row(0, s(20), NONE), row(0, s(21), s(21) + 1))
    assert (back.all, back.errors["all"]) == (s(10) - 1, s(1) - 1)


def test_a_reply_to_what_was_due_before_the_return_says_nothing_of_how_late_it_may_be() -> None:
    before = row(0, s(12) - 300, s(12) + 300)
    opened = [Opened(t=s(12), g=0, c=0, conn=0, began=1, shaken=1)]
    assert errors(before, row(0, s(12) - 200, NONE), row(0, s(12), s(12) + 5), opened=opened) == (5, 5)


def test_a_return_is_never_surely_after_itself() -> None:
    """A slot due while the connection was not yet open may have been sent in time all the same."""
    opened = [
        Opened(t=s(12) + 50, g=0, c=0, conn=1, began=1, shaken=1),
        Opened(t=s(12) - 10, g=0, c=1, conn=1, began=1, shaken=1),
    ]
    other = [row(1, s(9), s(9) + 1), row(1, s(10), NONE), row(1, s(12) + 100, s(12) + 101, conn=1)]
    first = row(0, s(12), s(12) + 51, sent=s(12) + 50, conn=1)
    assert errors(first, *other, opened=opened, clients=2) == (51, 100)


def test_a_connection_of_another_group_does_not_bear_on_how_sure_a_return_is() -> None:
    groups = [group(name="late", clients=1), group(name="own", clients=1)]
    story = Story(groups, faults=[strike(s(10))]).errors(s(10), s(12), g=1)
    alone = story.history()
    late = Story(groups, faults=[strike(s(10))]).errors(s(10), s(12), g=1).crash(0, s(11.9), g=0).history()
    found = [
        find_recovery(history, [build_timeline(history, g) for g in (0, 1)]).episodes[0].back
        for history in (alone, late)
    ]
    assert found[0].affected == found[1].affected == 1
    assert found[0].errors == found[1].errors


# ---- who noticed


def noticed(
    *rows: Slot, closed: Sequence[Closed] = (), stale: Sequence[Still] = (), until: int = s(20)
) -> dict[str, Noticed]:
    """From a fault at 10 s on."""
    history: History = replace(Story(group(clients=1)).history(), slots=rows, closed=closed)
    return notice(history, [build_timeline(history, 0)], [stale], s(10), until)


@pytest.mark.parametrize(
    ("due", "after"),
    [(s(10) - L - 1, None), (s(10) - L, 0), (s(10), L), (s(20) - 1, s(10) - 1 + L), (s(20), None)],
)
def test_a_limit_that_passes_is_noticed_from_the_fault_on_of_what_was_due_before_the_end(
    due: int, after: int | None
) -> None:
    found = noticed(row(0, due, NONE))
    assert found == ({} if after is None else {"deadline": Noticed(count=1, p50=after, max=after)})


@pytest.mark.parametrize(("ended", "tags"), [(L - 1, []), (L, ["deadline"])])
def test_no_limit_passes_on_a_connection_that_we_ended_before(ended: int, tags: list[str]) -> None:
    ours = Closed(t=s(11) + ended, g=0, c=0, conn=0, cause="injected")
    assert list(noticed(row(0, s(11), NONE), closed=[ours])) == tags


@pytest.mark.parametrize(
    ("t", "cause", "count"),
    [(s(10) - 1, "rst", 0), (s(10), "rst", 1), (s(20) - 1, "rst", 1), (s(20), "rst", 0), (s(15), "injected", 0)],
)
def test_a_connection_that_broke_is_noticed_from_the_fault_on_before_the_end_unless_we_ended_it(
    t: int, cause: str, count: int
) -> None:
    for planned in (False, True):
        assert len(noticed(closed=[Closed(t=t, g=0, c=0, conn=0, cause=cause, planned=planned)])) == count


@pytest.mark.parametrize(("at", "count"), [(s(10) - 1, 0), (s(10), 1), (s(20) - 1, 1), (s(20), 0)])
def test_a_feed_that_stands_still_is_noticed_from_the_fault_on_before_the_end(at: int, count: int) -> None:
    still = Still(0, "A", "stream", at - 7, s(30), limit=7)
    assert len(noticed(stale=[still])) == count
