"""Claims about what a worker tells of its groups while a run goes on: what guards go by."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from fleet_stage import MS, SECOND, Bridge, Run, play
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.load.config import Backoff
from chaosrun.load.group import Counts
from chaosrun.load.requests import Requests
from chaosrun.load.wire import GroupLive
from chaosrun.plan import StagePlan
from chaosrun.records import History, Kind, Phase
from chaosrun.scoring.timeline import build_timeline

LIMIT = 100 * MS
AROUND = 150 * MS


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


def assert_told_as_scored(run: Run, history: History, pictures: list[tuple[int, GroupLive]]) -> None:
    """Each picture counts as many clients as the score has planned, but for what happened just around it."""
    history = replace(history, phases=[Phase(t=run.t0, name="ramp"), Phase(t=run.stopped, name="drain")])
    timeline = build_timeline(history, 0)
    for t, counts in pictures:
        scored = [n for _, _, n in timeline.planned.pieces(t - AROUND, t + AROUND)]
        assert min(scored) <= counts.counted <= max(scored), (t - run.t0, scored)
        assert counts.usable <= counts.counted


async def watch(run: Run, until: int) -> list[tuple[int, GroupLive]]:
    pictures: dict[int, GroupLive] = {}
    while run.now() - run.t0 < until:
        if run.group is not None:
            pictures[run.fleet.live.t] = run.group
        await asyncio.sleep(0.02)
    return list(pictures.items())


def test_what_is_told_while_clients_come_and_go_is_what_the_score_says_afterwards(tmp_path) -> None:
    """Twelve come, eight are sent away, and when they are called back nobody listens for a second.

    Whoever is called and lost between two pictures is seen by the score alone; here nobody is.
    """
    stages = [
        ("up", 600, 12),
        ("on", 500, 12),
        ("ebb", 200, 4),
        ("low", 500, 4),
        ("flood", 500, 12),
        ("high", 2000, 12),
    ]
    bridge, pictures = Bridge(), []

    async def during(run: Run) -> None:
        pictures.extend(await watch(run, 1750 * MS))
        await bridge.kill()
        pictures.extend(await watch(run, 2900 * MS))
        await bridge.start()
        pictures.extend(await watch(run, 3800 * MS))

    run, history = play(
        tmp_path,
        during,
        bridge=bridge,
        stages=tuple(StagePlan(name=name, length_ns=length * MS, clients=n) for name, length, n in stages),
        connect_within_ns=500 * MS,
    )
    assert_told_as_scored(run, history, pictures)
    told = [counts.counted for _, counts in pictures]
    assert 4 in told[told.index(12) :], "eight were sent away"
    assert any(
        4 < counts.counted < counts.planned and counts.usable == 0 for t, counts in pictures if t > run.t0 + 1750 * MS
    )
    assert told[-1] == 12


def test_what_is_told_of_users_who_come_back_is_what_the_score_says_afterwards(tmp_path) -> None:
    """They leave every 300 ms or so, stay away for 200 ms, and at last find nobody who listens."""
    bridge, pictures = Bridge(), []
    step = {"name": "ping", "send": {"type": "ping", "id": "{id}", "sent": 1}, "expect": {"type": "pong", "id": "{id}"}}
    user = {
        "path": "/ws",
        "open": [{"send": {"type": "auth", "account": "{client}"}, "expect": {"type": "auth_ok"}}],
        "session": {"repeat": 3, "think": "100ms", "steps": [step], "then": "reconnect"},
    }

    async def during(run: Run) -> None:
        pictures.extend(await watch(run, 1500 * MS))
        await bridge.kill()
        pictures.extend(await watch(run, 3300 * MS))

    run, history = play(
        tmp_path,
        during,
        bridge=bridge,
        connect_within_ns=800 * MS,
        period_ns=None,
        requests=("ping",),
        scripted=True,
        streams=(),
        protocol=json.dumps(user),
        reconnect=Backoff(first_ns=200 * MS, max_ns=200 * MS, jitter="none"),
    )
    assert_told_as_scored(run, history, pictures)
    told = [counts.counted for t, counts in pictures if t < run.t0 + 1500 * MS]
    assert min(told[3:]) < 12, "some are away by plan"
    assert [counts.counted for t, counts in pictures if t > run.t0 + 3000 * MS][-1] == 12


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
