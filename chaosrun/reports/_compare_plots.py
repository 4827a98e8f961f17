"""What the page of a comparison draws, without a script: the values of both sides, and how clients came back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import floor, inf, isinf, log10
from typing import Final

from chaosrun.reports._markup import Markup, join, tag
from chaosrun.scoring.contrast import Contrast, Sample
from chaosrun.scoring.result import Result
from chaosrun.scoring.words import show

_HIGH: Final = {"a": 10, "b": 26}
"""Of the rows of dots."""
_ROOM: Final = 4.0
"""Percent of the width that is kept free on either side, so that no dot is cut off."""
_SIDES: Final = ("a", "b")


def dots(number: Contrast) -> Markup:
    """A dot for each run, A above B, on an axis from 0; what never ended is a cross at its right end."""
    samples = {"a": number.a, "b": number.b}
    most = max((value for sample in samples.values() for value in sample.values if value != inf), default=0.0)
    drawn = [
        part
        for side in _SIDES
        for part in _row(samples[side], side, most, ends=inf in (*number.a.values, *number.b.values))
    ]
    said = "; ".join(f"{side.upper()}: {_told(samples[side], number.unit)}" for side in _SIDES)
    axis = tag("line", x1="0%", x2="100%", y1=35, y2=35, class_="axis")
    return tag("svg", axis, *drawn, class_="dots", width="100%", height=37, role="img", aria_label=said)


def _row(sample: Sample, side: str, most: float, *, ends: bool) -> Iterator[Markup]:
    y = _HIGH[side]
    if sample.low is not None and sample.high is not None and not isinf(sample.low):
        x1, x2 = (_percent(value, most, ends=ends) for value in (sample.low, sample.high))
        yield tag("line", x1=x1, x2=x2, y1=y, y2=y, class_=f"range {side}")
    for value in sample.values:
        x = _percent(value, most, ends=ends)
        if value == inf:
            yield tag("text", "✕", x=x, y=y + 5, text_anchor="middle", class_=f"never {side}")
        else:
            yield tag("circle", cx=x, cy=y, r=4, class_=f"dot {side}")
    if sample.median is not None:
        x = _percent(sample.median, most, ends=ends)
        yield tag("line", x1=x, x2=x, y1=y - 8, y2=y + 8, class_=f"median {side}")


def _percent(value: float, most: float, *, ends: bool) -> str:
    """Where a value stands; where some never ended, the others leave the right end to them."""
    if value == inf:
        return f"{100 - _ROOM:.2f}%"
    share = value / most if most else 0.0
    return f"{_ROOM + share * (100 - 2 * _ROOM) * (0.85 if ends else 1):.2f}%"


def _told(sample: Sample, unit: str) -> str:
    return ", ".join("never" if value == inf else show(value, unit) for value in sample.values) or "no value"


# ---- how clients came back ------------------------------------------------------------------------------------------

_WIDE: Final = 1000
_TALL: Final = 260
_TOP: Final = 8
_SHARES: Final = (0.0, 0.5, 1.0)
_NICE: Final = (1.0, 2.0, 5.0, 10.0)
_TICKS: Final = 8

Curve = Sequence[tuple[float, float]]
"""(seconds after the fault, share of the affected clients that is back), ascending."""


def returns(a: Sequence[Result], b: Sequence[Result]) -> Markup:
    """The share of the affected clients that were back over the time since the fault, a line for each run.

    A result tells when the first, 50%, 90%, 99% and all of them were back; between these a line is straight. Where some
    never came back it ends below the top. Empty: no run of either side had clients to come back.
    """
    curves = [(side, curve) for side, runs in (("a", a), ("b", b)) for run in runs if (curve := curve_of(run))]
    if not curves:
        return Markup("")
    end = 1.05 * max(t for _, curve in curves for t, _ in curve) or 1.0
    lines = [tag("path", d=_path(curve, end), class_=f"curve {side}") for side, curve in curves]
    inner = tag(
        "svg",
        *lines,
        viewBox=f"0 0 {_WIDE} {_TALL}",
        preserveAspectRatio="none",
        y=_TOP,
        width="100%",
        height=_TALL,
    )
    return tag(
        "svg",
        *map(_share, _SHARES),
        *_ticks(end),
        inner,
        class_="returns",
        width="100%",
        height=_TOP + _TALL + 22,
        role="img",
        aria_label="Share of the affected clients that are back, by the time since the fault",
    )


def curve_of(run: Result) -> Curve:
    """What a result tells of it; empty: no client was affected, or none came back."""
    back, affected = run.recovery.back_s, run.recovery.affected_clients
    if not affected or back.first is None:
        return ()
    known = [(back.first, 1 / affected), (back.p50, 0.5), (back.p90, 0.9), (back.p99, 0.99), (back.all, 1.0)]
    points = [(back.first, 0.0)]
    for t, share in known:
        if t is not None and share > points[-1][1]:
            points.append((t, share))
    return points


def _path(curve: Curve, end: float) -> str:
    return "M" + "L".join(f"{t / end * _WIDE:.1f} {(1 - share) * _TALL:.1f}" for t, share in curve)


def _share(share: float) -> Markup:
    y = round(_TOP + (1 - share) * _TALL)
    line = tag("line", x1="0%", x2="100%", y1=y, y2=y, class_="grid")
    return join(line, tag("text", f"{share:.0%}", x=2, y=y + 12 if share == 1 else y - 4, class_="tick"))


def _ticks(end: float) -> Iterator[Markup]:
    step = 10.0 ** floor(log10(end / _TICKS))
    step *= next(nice for nice in _NICE if end / (step * nice) <= _TICKS)
    for i in range(1, floor(end / step) + 1):
        x = f"{100 * i * step / end:.2f}%"
        yield tag("line", x1=x, x2=x, y1=_TOP + _TALL, y2=_TOP + _TALL + 4, class_="axis")
        yield tag("text", show(round(i * step, 6), "s"), x=x, y=_TOP + _TALL + 18, text_anchor="middle", class_="tick")
