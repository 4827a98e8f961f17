"""What the page of a history draws, without a script: a number over the runs, a mark for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from math import floor, inf, log10
from statistics import median
from typing import Final

from chaosrun.history.trends import Ran, Trend
from chaosrun.reports._history import day, run_told
from chaosrun.reports._markup import Markup, tag
from chaosrun.scoring.words import show

Link = Callable[[str], str | None]
"""Where the report of a run is, seen from the page; None: there is none."""

_TALL: Final = 150
_TOP: Final = 14
_BELOW: Final = 22
_WIDE: Final = 1000
_LEFT: Final = 70
"""Of `_WIDE`: room for the axis' numbers."""
_RIGHT: Final = 12
_TICKS: Final = 3
_NICE: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
MOST: Final = 200
"""Of more runs the last so many are drawn; the table has all."""


def trend_plot(trend: Trend, link: Link) -> Markup:
    """A mark for each run, oldest first, on an axis from 0, on which a run that never ended is a cross at the top.

    The line is the median of the good runs that the newest are held against, the shade behind marks runs that are
    worse.
    """
    runs = trend.runs[-MOST:]
    known = [run.value for run in runs if run.value is not None and run.value != inf]
    top = max(known, default=0.0) * 1.08 or 1.0
    parts = [
        *_shades(runs),
        *_axis(top, trend.unit),
        *_median(trend, top),
        *_begun_anew(trend, runs),
        *_marks(runs, top, trend.unit, link),
    ]
    parts += _dates(runs)
    said = f"{trend.name} of {len(runs)} runs, oldest first: " + ", ".join(run_told(run, trend.unit) for run in runs)
    return tag("svg", *parts, class_="trend", width="100%", height=_TOP + _TALL + _BELOW, role="group", aria_label=said)


def _x(place: float, runs: int) -> str:
    """In percent of the width; the only run stands in the middle."""
    share = 0.5 if runs == 1 else place / (runs - 1)
    inset = 0.01  # so that the outermost marks are whole
    return f"{100 * (_LEFT + (inset + share * (1 - 2 * inset)) * (_WIDE - _LEFT - _RIGHT)) / _WIDE:.2f}%"


def _y(value: float, top: float) -> float:
    return round(_TOP + _TALL * (1 - (1.0 if value == inf else value / top)), 1)


def _shades(runs: Sequence[Ran]) -> Iterator[Markup]:
    """Behind each stretch of runs that are worse."""
    for worse, stretch in groupby(enumerate(runs), key=lambda pair: pair[1].worse):
        places = [place for place, _ in stretch]
        if worse:
            first, last = (float(_x(at, len(runs))[:-1]) for at in (places[0] - 0.4, places[-1] + 0.4))
            first, last = max(first, 100 * _LEFT / _WIDE), min(last, 100.0)
            yield tag("rect", x=f"{first:.2f}%", width=f"{last - first:.2f}%", y=_TOP, height=_TALL, class_="worse")


def _begun_anew(trend: Trend, runs: Sequence[Ran]) -> Iterator[Markup]:
    """A line before the first run of each stretch that was accepted; it tells why."""
    why = {each.since: each.why for each in trend.accepted}
    for at, run in enumerate(runs):
        if run.place in why:
            x = f"{max(float(_x(at - 0.5, len(runs))[:-1]), 100 * _LEFT / _WIDE):.2f}%"
            told = tag("title", f"accepted from {run.place} on: {why[run.place]}")
            yield tag("g", told, tag("line", x1=x, x2=x, y1=str(_TOP), y2=str(_TOP + _TALL), class_="anew"), role="img")


def _axis(top: float, unit: str) -> Iterator[Markup]:
    step = 10.0 ** floor(log10(top / _TICKS))
    step *= next(nice for nice in _NICE if top / (step * nice) <= _TICKS + 1)
    left = f"{100 * _LEFT / _WIDE:.2f}%"
    for i in range(floor(top / step) + 1):
        y = _y(i * step, top)
        yield tag("line", x1=left, x2="100%", y1=str(y), y2=str(y), class_="grid" if i else "axis")
        text = show(round(i * step, 9), unit)
        yield tag("text", text, x=f"{100 * (_LEFT - 8) / _WIDE:.2f}%", y=str(y + 4), text_anchor="end", class_="tick")


def _median(trend: Trend, top: float) -> Iterator[Markup]:
    good = set(trend.good)
    values = [run.value for run in trend.runs if run.place in good and run.value is not None]
    if values and (middle := median(values)) <= top:
        y = str(_y(middle, top))
        yield tag("line", x1=f"{100 * _LEFT / _WIDE:.2f}%", x2="100%", y1=y, y2=y, class_="usual")


def _marks(runs: Sequence[Ran], top: float, unit: str, link: Link) -> Iterator[Markup]:
    for place, run in enumerate(runs):
        if run.value is None:
            mark = tag("text", "·", x=_x(place, len(runs)), y=_TOP + _TALL - 4, text_anchor="middle", class_="none")
        else:
            mark = _mark(run, run.value, _x(place, len(runs)), _y(run.value, top))
        told = tag("title", f"{run.place}\n{day(run.started_at)}, {run.verdict}: {run_told(run, unit)}")
        href = link(run.place)
        yield tag("a", told, mark, href=href) if href else tag("g", told, mark, role="img")


def _mark(run: Ran, value: float, x: str, y: float) -> Markup:
    """By its form as well as by its colour: a dot passed, a cross failed or never ended, a ring does not count."""
    if value == inf or (run.verdict == "failed" and run.counts):
        return tag("text", "✕", x=x, y=str(y + 5), text_anchor="middle", class_="cross")
    if not run.counts or run.verdict != "passed":
        return tag("circle", cx=x, cy=str(y), r=4, class_="ring")
    return tag("circle", cx=x, cy=str(y), r=5 if run.worse else 4, class_="dot slow" if run.worse else "dot")


def _dates(runs: Sequence[Ran]) -> Iterator[Markup]:
    """Of the first and the last run."""
    y = _TOP + _TALL + 17
    yield tag("text", day(runs[0].started_at), x=f"{100 * _LEFT / _WIDE:.2f}%", y=y, class_="tick")
    if len(runs) > 1:
        yield tag("text", day(runs[-1].started_at), x="100%", y=y, text_anchor="end", class_="tick")
