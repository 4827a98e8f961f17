"""Runs of a storybook whose impact and recovery are known."""

from __future__ import annotations

from collections.abc import Sequence

from storybook import Feed, Story, group, s, strike

from chaosrun.records import History
from chaosrun.scoring.recovery import Episode, Recovery, find_recovery
from chaosrun.scoring.timeline import build_timeline

HIT = s(10)
TWENTY = group(clients=20)
"""20 slots a second: of the 40 in a window 4 may be bad."""


def recovery_of(history: History, feeds: Sequence[Feed | None] = ()) -> Recovery:
    feeds = feeds or [None] * len(history.plan.groups)
    timelines = [build_timeline(history, g, feed.stale if feed else ()) for g, feed in enumerate(feeds)]
    return find_recovery(history, timelines, feeds)


def episode_of(story: Story, feeds: Sequence[Feed | None] = ()) -> Episode:
    (episode,) = recovery_of(story.history(), feeds).episodes
    return episode


def struck(plan: object = None, **changes: object) -> Story:
    """Four clients, or those of `plan`, and an instant fault at 10 s."""
    return Story(plan or group(), faults=[strike(HIT)], **changes)  # type: ignore[arg-type]
