"""The clients of all groups over the run, in a strip below the story: drawn here, so that it needs no script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from chaosrun.charts.picture import Mark, Picture, Ribbon
from chaosrun.reports._markup import Markup, tag
from chaosrun.reports._page_words import of_ribbon
from chaosrun.scoring.result import Result

_WIDE: Final = 1000
_HIGH: Final = 100
_LEAST: Final = 2
"""What is there is at least that wide and high."""
_SHOWN: Final = {"fault": "fault", "impact": "impact", "ready": "ready", "recovered": "recovered", "stopped": "stopped"}
_KEY: Final = {"usable": "usable", "degraded": "connected, not usable", "down": "no session"}
_NEAR_THE_END: Final = 0.8
_LABELLED: Final = 1
"""With more faults than that the marks stand too close for words."""


def strip(result: Result, picture: Picture, label: str = "Clients over the run") -> Markup:
    """Usable, degraded and down clients, stacked, with the instants that matter.

    Args:
        label: what it is called where nothing is seen; another one for each on a page.
    """
    total = summed([group.ribbon for group in picture.groups])
    if not total.t or not max(total.planned):
        return Markup("")
    usable = _area(total, picture.end, [0] * len(total.t), total.usable)
    reachable = [a + b for a, b in zip(total.usable, total.degraded, strict=True)]
    degraded = _area(total, picture.end, total.usable, reachable)
    down = _area(total, picture.end, reachable, total.planned)
    areas = tag(
        "svg",
        tag("path", d=usable, class_="usable"),
        tag("path", d=degraded, class_="degraded"),
        tag("path", d=down, class_="down"),
        viewBox=f"0 0 {_WIDE} {_HIGH}",
        preserveAspectRatio="none",
        y=18,
        width="100%",
        height=54,
    )
    drawing = tag(
        "svg",
        tag("rect", y=18, width="100%", height=54, class_="ground"),
        areas,
        *_marks(result, picture),
        class_="strip",
        role="img",
        width="100%",
        height=74,
        aria_label=f"{label}. {of_ribbon(total)}",
    )
    key = [tag("span", name, class_=f"key {kind}") for kind, name in _KEY.items()]
    caption = tag("p", "Clients over the run: ", *key, class_="strip-key")
    return tag("section", drawing, caption, class_="overview", aria_label=label)


def summed(ribbons: Sequence[Ribbon]) -> Ribbon:
    """The ribbons of several groups as one."""
    if len(ribbons) == 1:
        return ribbons[0]
    times = sorted({t for ribbon in ribbons for t in ribbon.t})
    names = ("planned", "usable", "degraded", "down", "usable_max")
    columns: dict[str, list[int]] = {name: [0] * len(times) for name in names}
    for ribbon in ribbons:
        row = -1
        for i, t in enumerate(times):
            while row + 1 < len(ribbon.t) and ribbon.t[row + 1] <= t:
                row += 1
            if row >= 0:
                for name in names:
                    columns[name][i] += getattr(ribbon, name)[row]
    return Ribbon(t=times, lost_client_seconds=sum(each.lost_client_seconds for each in ribbons), **columns)


def _area(ribbon: Ribbon, end: float, low: Sequence[int], high: Sequence[int]) -> str:
    """The path between two step functions, in the coordinates of the strip: a part for each stretch in which there is
    anything between them, none so small that it is not seen."""
    most, last = max(ribbon.planned), max(end, ribbon.t[-1])
    xs = [round(t / last * _WIDE) if last else 0 for t in (*ribbon.t, last)]
    above, below = ([round((1 - value / most) * _HIGH) for value in values] for values in (high, low))
    parts = []
    for there, rows in groupby(range(len(high)), key=lambda i: high[i] > low[i]):
        if there:
            of = list(rows)
            edges = [*xs[of[0] : of[-1] + 1], max(xs[of[-1] + 1], xs[of[0]] + _LEAST)]
            tops = [above[i] for i in of]
            bottoms = [max(below[i], above[i] + _LEAST) for i in of]
            over, back = "".join(_steps(edges, tops)), "".join(_steps(edges[::-1], bottoms[::-1]))
            parts.append(f"M{edges[0]} {tops[0]}{over}V{bottoms[-1]}{back}Z")
    return "".join(parts)


def _steps(xs: Sequence[int], ys: Sequence[int]) -> Iterator[str]:
    """From one edge to the next, with a corner only where the height changes."""
    for i, y in enumerate(ys):
        if i + 1 == len(ys):
            yield f"H{xs[i + 1]}"
        elif ys[i + 1] != y:
            yield f"H{xs[i + 1]}V{ys[i + 1]}"


def _marks(result: Result, picture: Picture) -> list[Markup]:
    found = [mark for mark in picture.marks if mark.kind in _SHOWN]
    calls = sum(fault.call_s is not None for fault in result.faults)
    drawn = [
        tag("line", x1=_at(mark, picture), x2=_at(mark, picture), y1=4, y2=72, class_=f"mark {mark.kind}")
        for mark in found
    ]
    if calls > _LABELLED:
        return drawn
    # What comes first is named on its left, what comes last on its right, so that a short outage parts no two words.
    for kind, anchor, shift in (("fault", "end", -5), ("recovered", "start", 5), ("stopped", "start", 5)):
        for mark in found:
            if mark.kind == kind:
                drawn.append(_label(mark, picture, _SHOWN[kind], anchor, shift))
    return drawn


def _label(mark: Mark, picture: Picture, text: str, anchor: str, shift: int) -> Markup:
    if anchor == "start" and mark.t > _NEAR_THE_END * picture.end:
        anchor, shift = "end", -shift  # at the right edge there is no room to its right
    return tag("text", text, x=_at(mark, picture), y=13, dx=shift, text_anchor=anchor, class_=mark.kind)


def _at(mark: Mark, picture: Picture) -> str:
    return f"{100 * mark.t / picture.end if picture.end else 0:.2f}%"
