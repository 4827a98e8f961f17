"""Properties of the push ledger: on invented runs, on a second scorer's word, and on any nonsense whatever."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from push_bruteforce import Brute
from push_stories import LIMIT, LOAD_STOPPED, Story, received, tell, tell_all

from chaosrun.plan import GroupPlan, Plan, StreamPlan
from chaosrun.records import Called, Closed, Head, History, Opened, Phase, Published, Push, Stream, Subscribed
from chaosrun.scoring.pushes import PushScore, count_pushes

T = TypeVar("T")
R = TypeVar("R", bound=Any)

BASELINE = (300_000_000, 800_000_000)


def agrees_with_the_second_scorer(seed: int) -> None:
    story = tell(seed)
    score = count_pushes(story.history, 0, BASELINE)
    brute = Brute(story.history)
    assert score.ledger.balanced
    assert {(s.client, s.channel, s.epoch) for s in score.accounts} == set(brute.result)
    for each in score.accounts:
        key = (each.client, each.channel, each.epoch or "")
        truth, copies = brute.result[key], each.copies
        for name in ("owed", "lost_connected", "missed_disconnected", "tail", "in_flight_at_end"):
            assert set(getattr(copies, name).numbers()) == getattr(truth, name), (seed, key, name)
        assert set(copies.replayed.numbers()) == truth.replayed, (seed, key)
        assert set((copies.live | copies.replayed).numbers()) == truth.got, (seed, key)
        assert each.account.duplicates == truth.duplicates, (seed, key)
        assert each.account.reordered == truth.reordered, (seed, key)
    assert score.ledger.unexpected == sum(sets.unexpected for sets in brute.result.values())


@pytest.mark.parametrize("decade", range(30))
def test_every_class_agrees_with_a_second_scorer_id_by_id(decade: int) -> None:
    for seed in range(decade * 10, decade * 10 + 10):
        agrees_with_the_second_scorer(seed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_class_agrees_with_a_second_scorer_on_ten_thousand_runs() -> None:
    for seed in range(10_000):
        agrees_with_the_second_scorer(seed)


def agrees_with_the_truth(seed: int) -> None:
    """The server's log minus what came is what is missing, and each number is where it was lost."""
    story = tell_all(seed)
    score = count_pushes(story.history, 0, BASELINE)
    assert score.ledger.source == "log"
    assert score.ledger.accountable
    got = received(story)
    for each in score.accounts:
        key = (each.client, each.channel, each.epoch or "")
        published = story.published[each.channel, key[2]]
        missing = each.copies.lost | each.copies.in_flight_at_end
        assert set(missing.numbers()) == owed_in_truth(story, score, *key) - set(got[key]), (seed, key)
        stays = story.stays[each.client, each.channel]
        for number in each.copies.lost_connected.numbers():
            assert any(since <= published[number] <= until for since, until in stays), (seed, key, number)
        for number in each.copies.missed_disconnected.numbers():
            assert not any(since <= published[number] <= until - LIMIT for since, until in stays), (seed, key, number)
        for number in (each.copies.tail | each.copies.in_flight_at_end).numbers():
            assert stays[-1][0] <= published[number] <= stays[-1][1], (seed, key, number)


def owed_in_truth(story: Story, score: PushScore, client: int, channel: str, epoch: str) -> set[int]:
    stays = story.stays[client, channel]
    published = story.published[channel, epoch]
    joined, head = story.joined[client, channel]
    if epoch == joined:
        published = {number: t for number, t in published.items() if number > head}
    came_back_to = [each.epoch for each in score.accounts if (each.client, each.channel) == (client, channel)]
    if epoch != came_back_to[-1]:
        return set(published)
    if stays[-1][1] >= LOAD_STOPPED:
        return {number for number, t in published.items() if t <= stays[-1][1]}
    heads = [s.head for s in story.history.subscribed if (s.c, s.channel, s.epoch) == (client, channel, epoch)]
    newest = max([0, *(n for n in received(story)[client, channel, epoch] if n in published), *(h or 0 for h in heads)])
    return {number for number, t in published.items() if number <= newest or t <= stays[-1][1] - LIMIT}


def test_what_is_missing_is_what_the_log_has_and_the_client_has_not() -> None:
    for seed in range(100):
        agrees_with_the_truth(seed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_what_is_missing_is_the_truth_on_ten_thousand_runs() -> None:
    for seed in range(10_000):
        agrees_with_the_truth(seed)


TIMES = st.integers(0, 40)
NUMBERS = st.integers(0, 12)
CLIENTS = st.integers(0, 2)
CONNS = st.integers(0, 2)
EPOCHS = st.sampled_from([None, "E", "F"])
YES = st.booleans()
CHANNELS = st.sampled_from(["A", "B"])
NAMES = st.sampled_from(["stream", "other", "unplanned"])


@st.composite
def nonsense(draw: st.DrawFn) -> History:
    """Records without rhyme or reason: what a broken server, a broken protocol or a torn journal could leave."""
    plans = tuple(
        StreamPlan(
            name=name,
            order=draw(st.sampled_from(["contiguous", "increasing", "none"])),
            scope=draw(st.sampled_from(["channel", "client", "connection"])),
            has_epoch=draw(YES),
            resumes=draw(YES),
            has_sent_at=draw(YES),
        )
        for name in ("stream", "other")
    )
    group = GroupPlan(name="all", clients=3, latency_limit_ns=draw(st.integers(0, 5)), streams=plans)

    def some(build: Callable[[], T], most: int = 6) -> list[T]:
        return [build() for _ in range(draw(st.integers(0, most)))]

    streams = [
        Stream(t=draw(TIMES), sid=sid, g=draw(st.sampled_from([0, 0, 0, 1])), c=draw(CLIENTS), conn=draw(CONNS),
               channel=draw(CHANNELS), stream=draw(NAMES), epoch=draw(EPOCHS))
        for sid in range(draw(st.integers(1, 8)))
    ]  # fmt: skip
    pushes = some(
        lambda: Push(
            draw(TIMES), draw(st.integers(-2, 12)), draw(st.integers(-2, 12)), draw(st.none() | TIMES),
            draw(st.integers(0, len(streams) - 1)),
        ),
        40,
    )  # fmt: skip
    who = {"g": 0}
    return History(
        plan=Plan(groups=(group, group)),
        phases=[Phase(t=0, name="start")],
        end=40,
        load_stopped=draw(st.integers(20, 40)),
        called=some(lambda: Called(t=draw(TIMES), id="f"), 1),
        opened=some(lambda: Opened(t=draw(TIMES), **who, c=draw(CLIENTS), conn=draw(CONNS), began=0, shaken=0)),
        closed=some(
            lambda: Closed(t=draw(TIMES), **who, c=draw(CLIENTS), conn=draw(CONNS), cause="ours", planned=draw(YES))
        ),
        subscribed=some(
            lambda: Subscribed(t=draw(TIMES), **who, c=draw(CLIENTS), conn=draw(CONNS), channel=draw(CHANNELS),
                               stream=draw(NAMES), head=draw(st.none() | NUMBERS), epoch=draw(EPOCHS))
        ),
        streams=streams,
        pushes=pushes,
        heads=some(
            lambda: Head(t=draw(TIMES), channel=draw(CHANNELS), stream=draw(NAMES), seq=draw(NUMBERS),
                         epoch=draw(EPOCHS), c=draw(st.none() | CLIENTS)), 3
        ),
        published=some(
            lambda: Published(t=draw(TIMES), channel=draw(CHANNELS), stream=draw(NAMES), first=draw(NUMBERS),
                              last=draw(NUMBERS), epoch=draw(EPOCHS)), 4
        ),
    )  # fmt: skip


def copies_in(history: History) -> int:
    orders = {plan.name: plan.order for plan in history.plan.groups[0].streams}
    total = 0
    for _, first, last, _, sid in history.pushes:
        stream = history.streams[sid]
        if stream.g == 0:
            alone = first < 0 or orders.get(stream.stream) == "none"
            total += 1 if alone else max(first, last) - first + 1
    return total


@given(nonsense())
@settings(max_examples=150, deadline=None)
def test_both_equations_hold_for_any_history_whatever(history: History) -> None:
    score = count_pushes(history, 0, (5, 20))
    assert score.ledger.balanced
    assert all(ledger.balanced for ledger in score.by_stream.values())
    assert score.ledger.received == copies_in(history)


@given(nonsense())
@settings(max_examples=80, deadline=None)
def test_every_number_owed_is_in_exactly_one_class(history: History) -> None:
    for each in count_pushes(history, 0, (5, 20)).accounts:
        copies = each.copies
        classes = [copies.live, copies.replayed, copies.lost_connected, copies.missed_disconnected, copies.conflated,
                   copies.tail, copies.in_flight_at_end]  # fmt: skip
        assert sorted(n for each in classes for n in each.numbers()) == list(copies.owed.numbers())


@given(nonsense())
@settings(max_examples=80, deadline=None)
def test_the_streams_add_up_to_the_whole(history: History) -> None:
    score = count_pushes(history, 0, (5, 20))
    for name in ("owed", "received", "lost_connected", "missed_disconnected", "conflated", "in_flight_at_end", "lost",
                 "duplicates", "reordered", "unexpected", "start_unknown", "unaccountable"):  # fmt: skip
        assert getattr(score.ledger, name) == sum(getattr(each, name) for each in score.by_stream.values()), name


@given(nonsense(), st.permutations([0, 1, 2]))
@settings(max_examples=60, deadline=None)
def test_permuting_clients_changes_nothing(history: History, other: list[int]) -> None:
    def renamed(records: Iterable[R]) -> list[R]:
        return [msgspec.structs.replace(r, c=None if r.c is None else other[r.c]) for r in records]

    permuted = replace(
        history,
        **{name: renamed(getattr(history, name)) for name in ("opened", "closed", "subscribed", "streams", "heads")},
    )
    assert count_pushes(permuted, 0, (5, 20)).ledger == count_pushes(history, 0, (5, 20)).ledger


@given(nonsense())
@settings(max_examples=60, deadline=None)
def test_shifting_all_times_changes_nothing(history: History) -> None:
    by = 1_000

    def later(records: Iterable[R]) -> list[R]:
        return [msgspec.structs.replace(r, t=r.t + by) for r in records]

    shifted = replace(
        history,
        end=history.end + by,
        load_stopped=history.load_stopped + by,
        pushes=[
            p._replace(at=p.at + by, sent_at=None if p.sent_at is None else p.sent_at + by) for p in history.pushes
        ],
        **{
            name: later(getattr(history, name))
            for name in ("called", "opened", "closed", "subscribed", "streams", "heads", "published")
        },
    )
    assert count_pushes(shifted, 0, (5 + by, 20 + by)).ledger == count_pushes(history, 0, (5, 20)).ledger
