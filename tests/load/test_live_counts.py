"""Claims about what a worker tells of its groups while a run goes on: what guards go by."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fleet_stage import MS, SECOND, Bridge, Run, play
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.load.group import Counts
from chaosrun.load.requests import Requests
from chaosrun.records import Kind

LIMIT = 100 * MS


def test_an_unanswered_request_is_overdue_first_and_unanswered_when_its_connection_ends(tmp_path) -> None:
    bridge = Bridge(answers=False)

    async def during(run: Run) -> None:
        await run.until(lambda: run.group is not None and run.group.overdue > 12)
        before = run.group.unanswered  # those that fell due before their client had a connection
        await bridge.kill()
        await run.until(lambda: run.group.overdue == 0 and run.group.unanswered > before + 12)
        assert run.group.unanswered == run.group.bad == run.group.due

    play(tmp_path, during, bridge=bridge, latency_limit_ns=LIMIT)


def test_a_client_counts_once_it_was_usable_long_before_its_time_to_connect_is_over(tmp_path) -> None:
    async def during(run: Run) -> None:
        await run.until(lambda: run.group is not None and run.group.counted >= 2)
        assert run.group.counted <= run.group.planned
        assert run.now() - run.t0 < 3600 * SECOND

    play(tmp_path, during, ramp_over_ns=20 * SECOND, connect_within_ns=3600 * SECOND)


def test_a_client_that_is_never_usable_counts_when_its_time_to_connect_is_over(tmp_path) -> None:
    async def during(run: Run) -> None:
        await run.until(lambda: run.group is not None and run.group.planned == 12)
        planned_at, counted = run.now(), run.group.counted
        assert counted == 0 or planned_at - run.t0 > SECOND
        await run.until(lambda: run.group.counted == 12)
        assert run.now() - run.t0 >= SECOND, "0 s for the first, 200 ms for the last, and a second more for each"
        assert run.group.usable == 0

    play(tmp_path, during, bridge=Bridge(authenticates=False), ramp_over_ns=200 * MS, connect_within_ns=SECOND)


class Always:
    """A conversation that sends whatever it is asked to, to nobody."""

    def request(self, *_: object) -> bool:
        return True


def requests() -> tuple[Requests, Counts]:
    """Those of a client whose group keeps no records; a request may take 10 ns."""
    counts = Counts()
    nowhere = SimpleNamespace(slot=lambda *_: None)
    group = SimpleNamespace(index=0, counts=counts, recorder=nowhere, latency_limit_ns=10, late_after_ns=10**9)
    return Requests(group, 0), counts


@given(
    steps=st.lists(
        st.tuples(
            st.integers(1, 9), st.sampled_from(["ask", "canary", "reply", "look", "give up"]), st.integers(0, 99)
        ),
        max_size=60,
    )
)
def test_overdue_are_the_slots_without_a_reply_sent_before_the_time(steps: list[tuple[int, str, int]]) -> None:
    made, _ = requests()
    now, token, waiting = 0, 0, {}
    for pause, what, which in steps:
        now += pause
        if what in ("ask", "canary"):
            kind = Kind.SLOT if what == "ask" else Kind.CANARY
            token += 1
            made.ask(Always(), now, now, kind, 0, 0)
            waiting[token] = (now, kind)
        elif what == "reply" and waiting:
            one = list(waiting)[which % len(waiting)]
            del waiting[one]
            assert made.replied(one, now, True)
        elif what == "give up":
            made.give_up()
            waiting = {}
        else:
            before = now - 10
            assert made.overdue(before) == sum(at < before and kind is Kind.SLOT for at, kind in waiting.values())
    assert made.in_flight == len(waiting)


@pytest.mark.parametrize(("sent", "overdue"), [(89, 1), (90, 0), (91, 0)])
def test_exactly_at_the_latency_limit_a_request_is_not_overdue_yet(sent: int, overdue: int) -> None:
    made, _ = requests()
    made.ask(Always(), sent, sent, Kind.SLOT, 0, 0)
    assert made.overdue(100 - 10) == overdue


def test_late_answers_have_response_times_and_those_that_never_came_are_counted_apart() -> None:
    made, counts = requests()
    for _ in range(3):
        made.ask(Always(), 100, 100, Kind.SLOT, 0, 0)
    made.replied(1, 110, True)
    made.replied(2, 111, True)
    made.give_up()
    assert (counts.due, counts.good, counts.bad, counts.unanswered) == (3, 1, 2, 1)
    assert counts.latency == {10: 1, 11: 1}
