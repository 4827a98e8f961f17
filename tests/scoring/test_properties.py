"""What must hold of any history: nothing depends on the clock's origin, on names, on order or on who wrote a row."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from storybook import Feed, Story, group, ms, random_story, s, strike

from chaosrun.records import NONE, History, Opened, Probe, Slot
from chaosrun.scoring.pacing import due_times
from chaosrun.scoring.phases import injections, observation_end
from chaosrun.scoring.recovery import Recovery, find_recovery
from chaosrun.scoring.stretches import last_start
from chaosrun.scoring.timeline import build_timeline
from chaosrun.scoring.tolerance import indicators

seeds = st.integers(0, 10**6)
Feeds = list[Feed | None]


def recovery_of(history: History, feeds: Feeds) -> Recovery:
    timelines = [build_timeline(history, g, feed.stale if feed else ()) for g, feed in enumerate(feeds)]
    return find_recovery(history, timelines, feeds)


def told(seed: int) -> tuple[History, Feeds]:
    story, feeds = random_story(seed)
    return story.history(), feeds


# ---- shifting -------------------------------------------------------------------------------------------------------

INSTANTS = (
    "fault_start",
    "end",
    "reference",
    "impact",
    "unserved",
    "recovered",
    "first_recovered",
    "pending",
    "adapted_at",
    "server_ready",
)


def shifted(history: History, by: int) -> History:
    def at(t: int) -> int:
        return t if t == NONE else t + by

    def moved(record: Any) -> Any:
        changes = {"t": record.t + by}
        if isinstance(record, Opened):
            changes |= {"began": record.began + by, "shaken": record.shaken + by}
        return msgspec.structs.replace(record, **changes)

    def slot(row: Slot) -> Slot:
        return row._replace(due=row.due + by, sent=at(row.sent), got=at(row.got))

    def probe(row: Probe) -> Probe:
        return row._replace(sent=row.sent + by, got=at(row.got), until=row.until + by)

    lines = ("phases", "called", "confirmed", "removed", "attempts", "refused", "opened", "closed", "lags")
    return replace(
        history,
        **{name: [moved(record) for record in getattr(history, name)] for name in lines},
        slots=[slot(row) for row in history.slots],
        probes=[probe(row) for row in history.probes],
        end=history.end + by,
        load_stopped=history.load_stopped + by,
    )


def shifted_feed(feed: Feed | None, by: int) -> Feed | None:
    if feed is None:
        return None
    return replace(feed, stale=[replace(span, start=span.start + by, end=span.end + by) for span in feed.stale])


@given(seeds, st.integers(0, 10**15))
def test_shifting_all_times_changes_nothing(seed: int, by: int) -> None:
    history, feeds = told(seed)
    there = recovery_of(shifted(history, by), [shifted_feed(feed, by) for feed in feeds])
    here = recovery_of(history, feeds)
    for moved, episode in zip(there.episodes, here.episodes, strict=True):
        back = {name: t - by if (t := getattr(moved, name)) is not None else None for name in INSTANTS}
        assert replace(moved, **back) == episode


# ---- permuting and sharding -----------------------------------------------------------------------------------------


@given(seeds, st.randoms(use_true_random=False))
def test_permuting_clients_changes_nothing(seed: int, dice: random.Random) -> None:
    story, feeds = random_story(seed)
    # Clients that start together: nothing but their names tells them apart.
    story.groups = [
        msgspec.structs.replace(plan, ramp_start=plan.clients, period_ns=plan.period_ns)
        for plan in (story.groups if isinstance(story.groups, list) else [])
    ]
    history = story.history()
    names = [dice.sample(range(plan.clients), plan.clients) for plan in history.plan.groups]

    def renamed(record: Any) -> Any:
        return msgspec.structs.replace(record, c=names[record.g][record.c])

    lines = {name: [renamed(r) for r in getattr(history, name)] for name in ("attempts", "refused", "opened", "closed")}
    rows = [row._replace(client=names[row.group][row.client]) for row in history.slots]
    others: Feeds = [
        feed and replace(feed, stale=[replace(span, client=names[g][span.client]) for span in feed.stale])
        for g, feed in enumerate(feeds)
    ]
    mine, theirs = recovery_of(history, feeds), recovery_of(replace(history, slots=rows, **lines), others)
    for episode, other in zip(mine.episodes, theirs.episodes, strict=True):
        assert replace(other, back=replace(other.back, unreturned=episode.back.unreturned)) == episode


@given(seeds, st.randoms(use_true_random=False))
def test_merging_shards_equals_the_whole(seed: int, dice: random.Random) -> None:
    history, feeds = told(seed)
    lines = ("attempts", "refused", "opened", "closed", "slots", "lags", "probes")
    shuffled = {name: dice.sample(list(getattr(history, name)), len(getattr(history, name))) for name in lines}
    assert recovery_of(replace(history, **shuffled), feeds) == recovery_of(history, feeds)


# ---- monotony -------------------------------------------------------------------------------------------------------


def last_stretch(history: History, feeds: Feeds) -> int | None:
    """Since when tolerance has held at the end of the observation, looked for from the last fault on."""
    fault = injections(history)[-1]
    timelines = [build_timeline(history, g, feed.stale if feed else ()) for g, feed in enumerate(feeds)]
    stale = [feed.stale if feed else () for feed in feeds]
    found = indicators(history, timelines, stale, [injection.called for injection in injections(history)])
    end = observation_end(history)
    start = last_start(found, fault.called, end, found[0])
    return start.held_from if end - start.held_from >= history.plan.recovery.stable_for_ns else None


@given(seeds, st.sampled_from(["tolerate_requests", "tolerate_sessions", "tolerate_pushes"]), st.floats(0, 0.5))
def test_the_last_stretch_does_not_begin_later_as_tolerance_grows(seed: int, which: str, more: float) -> None:
    history, feeds = told(seed)
    groups = tuple(
        msgspec.structs.replace(plan, **{which: min(1.0, getattr(plan, which) + more)}) for plan in history.plan.groups
    )
    strict = last_stretch(history, feeds)
    lenient = last_stretch(replace(history, plan=msgspec.structs.replace(history.plan, groups=groups)), feeds)
    if strict is not None:
        assert lenient is not None
        assert lenient <= strict


@given(seeds, st.integers(0, s(20)))
def test_the_last_stretch_does_not_begin_earlier_as_the_hold_grows(seed: int, more: int) -> None:
    history, feeds = told(seed)
    hold = history.plan.recovery.stable_for_ns + more
    recovery = msgspec.structs.replace(history.plan.recovery, stable_for_ns=hold)
    longer = replace(history, plan=msgspec.structs.replace(history.plan, recovery=recovery))
    short, long = recovery_of(history, feeds).episodes[-1], recovery_of(longer, feeds).episodes[-1]
    if long.recovered is not None:
        assert short.recovered is not None
        assert short.recovered <= long.recovered


@given(seeds)
def test_no_time_is_negative_and_no_recovery_before_its_impact(seed: int) -> None:
    history, feeds = told(seed)
    for episode in recovery_of(history, feeds).episodes:
        spans = (episode.ttr, episode.outage, episode.detection, episode.ttr_censored_above, episode.error)
        assert all(span >= 0 for span in spans if span is not None)
        assert episode.impact is None or episode.fault_start <= episode.impact < episode.end
        if episode.first_recovered is not None and episode.recovered is not None:
            assert episode.first_recovered <= episode.recovered


# ---- the truth ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["errors", "freeze", "crash"])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_truth_lies_within_the_printed_error(what: str, share: float) -> None:
    hidden = 0
    for seed in range(40):
        dice = random.Random(f"{what}/{share}/{seed}")
        history, truth = outage(dice, what, share)
        (episode,) = recovery_of(history, [None]).episodes
        if episode.recovered is None:
            hidden += 1
            assert episode.absorbed, seed
            continue
        assert episode.error is not None
        assert abs(episode.recovered - truth) <= episode.error, seed
    assert hidden < 15


def outage(dice: random.Random, what: str, share: float) -> tuple[History, int]:
    """An outage of some or all clients among stray losses, and when it truly ended.

    Strays stay a window away from the end: one that touches it cannot be told from the outage.
    """
    clients = dice.choice((20, 60))
    plan = group(clients=clients, tolerate_requests=0.1 if clients == 20 else 0.05)
    hit = s(8) + dice.randrange(s(1))
    end = hit + dice.choice((dice.randrange(ms(400), s(2)), dice.randrange(s(2), s(20))))
    story = Story(plan, faults=[strike(hit)], end=end + s(9), backoff=ms(20))
    getattr(story, what)(hit, end, clients=dice.sample(range(clients), round(share * clients)))
    for c in range(clients):
        for due in due_times(c, plan, 0, story.end):
            if dice.random() < 0.002 and abs(due - end) > plan.window_ns:
                story.lose(c, due)
    history = story.history()
    if what == "freeze":
        return history, max(hit, end - plan.latency_limit_ns)
    if what == "crash":
        return history, max(opened.t for opened in history.opened if opened.conn == 1)
    return history, end
