"""The truth's own idea of recovery is that of the scorer, wherever both are told the same story."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from truth import Ask, Connection, Truth
from truth_recovery import Served
from truth_script import Script

from chaosrun.records import NONE, History, Kind, Slot, Status
from chaosrun.scoring.recovery import find_recovery
from chaosrun.scoring.timeline import build_timeline

sys.path.append(str(Path(__file__).parents[1] / "scoring"))

from storybook import Story, random_story


def story_of(seed: int) -> Story | None:
    """A random story that a truth server could have lived through: one group that asks, and a sound observer."""
    story, _ = random_story(seed)
    (first, *others) = list(story.groups)  # type: ignore[arg-type]
    if others or first.streams or first.period_ns is None or first.sentinel_period_ns is not None:
        return None
    story.sent_late.clear()
    story.skipped.clear()
    return story


def truth_of(history: History) -> Truth:
    """The log of a server to which everything came, and from which everything went, without delay."""
    rows: dict[tuple[int, int], list[Slot]] = {}
    for row in sorted(history.slots, key=lambda row: (row.sent, row.kind != Kind.CANARY)):
        if row.sent != NONE:
            rows.setdefault((row.client, row.conn), []).append(row)
    ends = {(closed.c, closed.conn): closed.t for closed in history.closed}
    found = []
    for opened in history.opened:
        key = opened.c, opened.conn
        each = Connection(0, len(found), opened.c, opened.began, opened.shaken, ends.get(key))
        for row in rows.get(key, []):
            answered = None if row.got == NONE else row.got
            each.asks.append(Ask(len(each.asks), row.sent, row.sent, answered, row.status == Status.SENT))
        found.append(each)
    return Truth(Script(), [], [], found)


@pytest.mark.parametrize("block", range(3))
def test_the_truth_and_the_scorer_agree_on_random_stories(block: int) -> None:
    told = 0
    for seed in range(block * 100, block * 100 + 100):
        story = story_of(seed)
        if story is None:
            continue
        told += 1
        history = story.history()
        recovery = find_recovery(history, [build_timeline(history, 0)])
        courses = Served(truth_of(history), history).courses()
        said = [(e.fault_start, e.impact, e.recovered, e.ttr, e.relapses) for e in recovery.episodes if e.impact]
        true = [(c.start, c.impact, c.recovered, c.ttr, c.relapses) for c in courses if c.impact]
        assert said == true, seed
        hit = [episode for episode in recovery.episodes if episode.impact]
        for episode, course in zip(hit, [course for course in courses if course.impact], strict=True):
            assert episode.lost_client_ns == course.lost, seed
            back = episode.back
            assert list(back.unreturned) == [f"group0-{c}" for c in course.back.never], seed
            since = episode.fault_start if episode.reference is None else episode.reference
            for q, got in ((0.5, back.p50), (0.9, back.p90), (1, back.all)):
                was = course.back.share(q)
                assert got == (None if was is None else max(0, was - since)), (seed, q)
    assert told > 20
