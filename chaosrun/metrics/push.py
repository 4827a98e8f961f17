"""`push.*`: what became of the copies of pushed messages that were owed to the clients of a group.

Counts; in % the losses are shares of what was owed, the rest of what was received. In a window they are what the
ledger gained from its start to its end, so that a loss belongs to where the gap was noticed. A class that is known
from below only (no high-water mark, a dead epoch, no source of what was published) can break a limit and never keep
one.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Literal

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, counted
from chaosrun.scoring.window import PushClass, PushCount, Window

_LOSSES: dict[PushClass, str] = {
    "lost_connected": "copies missing between two receipts of one connection",
    "missed_disconnected": "copies missing across a reconnect",
    "tail": "copies missing after the last receipt of a client connected at the end",
}
_EXTRAS: dict[PushClass, str] = {
    "duplicates": "receipts of a number that had come before",
    "reordered": "first receipts below the highest number seen on their connection",
    "unexpected": "receipts outside of what is owed",
}


def reading(count: PushCount | None) -> Reading | None:
    """A count; from below only, it may be any number more."""
    if count is None:
        return None
    known = counted(count.count, count.of)
    return replace(known, high=inf, note=count.why) if count.lower_bound else known


def _class(name: PushClass, meaning: str, share_of: Literal["owed", "received"]) -> Metric:
    return Metric(
        name=f"push.{name}",
        unit="count",
        up=False,
        meaning=meaning,
        needs=needs("journal", "source"),
        measure=lambda window: reading(window.push_class(name, share_of)),
        about="pushes",
        share_of=share_of,
        filters=frozenset({"stream"}),
    )


def lost(window: Window) -> Reading | None:
    """All that a client should have had and never got: missed while away counts where the protocol promises resume."""
    return reading(window.push_lost)


METRICS = (
    Metric(
        name="push.lost",
        unit="count",
        up=False,
        meaning="copies lost while connected, at the end, and across a reconnect where the protocol promises resume",
        needs=needs("journal", "source"),
        measure=lost,
        about="pushes",
        share_of="owed",
        filters=frozenset({"stream"}),
    ),
    *(_class(name, meaning, "owed") for name, meaning in _LOSSES.items()),
    *(_class(name, meaning, "received") for name, meaning in _EXTRAS.items()),
)
