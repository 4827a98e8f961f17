"""How many clients were usable, degraded or down at each instant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from chaosrun.charts.bins import SECOND, seconds
from chaosrun.charts.picture import Ribbon
from chaosrun.charts.thinning import pieces_of, thinned
from chaosrun.scoring.sessions import ClientTimeline
from chaosrun.scoring.steps import Interval, Steps, clipped
from chaosrun.scoring.timeline import GroupTimeline

_TICK = 100_000
"""Steps closer than this (ns) are one on the page, where times have four digits."""


def draw_ribbon(timeline: GroupTimeline, end: int, most: int) -> Ribbon:
    """The ribbon of a group over `[0, end)`, in at most `most` rows."""
    planned, unusable = timeline.planned, timeline.unusable
    degraded = Steps.counting(span for client in timeline.clients for span in _degraded(client, end))
    times = sorted({0, *(t for steps in (planned, unusable, degraded) for t in steps.times if 0 < t < end)})
    lost = [unusable.at(t) for t in times]
    ribbon = Ribbon(
        t=[],
        planned=[],
        usable=[],
        degraded=[],
        down=[],
        usable_max=[],
        lost_client_seconds=round(unusable.integral(0, end) / SECOND, 6),
    )
    runs = thinned(pieces_of(times, [-n for n in lost], end), most)
    for tick, together in groupby(runs, lambda run: run[0].start // _TICK):
        run = [piece for pieces in together for piece in pieces]
        worst = min(run, key=lambda piece: piece.level)
        t = worst.start
        ribbon.t.append(seconds(tick * _TICK))
        ribbon.planned.append(planned.at(t))
        ribbon.usable.append(planned.at(t) - lost[worst.nth])
        ribbon.degraded.append(degraded.at(t))
        ribbon.down.append(lost[worst.nth] - degraded.at(t))
        ribbon.usable_max.append(max(planned.at(piece.start) - lost[piece.nth] for piece in run))
    return ribbon


def _degraded(client: ClientTimeline, end: int) -> Iterator[Interval]:
    """When it should have been usable, and had no more than a session."""
    for a, b in client.unusable(0, end):
        yield from clipped(client.sessions, a, b)
