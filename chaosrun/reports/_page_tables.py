"""The numbers of the charts as tables: bounded, with the worst value of each stretch where stretches are summed up."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

from chaosrun.charts.picture import Attempts, Fall, Heat, Losses, ObserverPicture, Rates, Ribbon, RolePicture, Waterfall
from chaosrun.reports._markup import Markup, tag
from chaosrun.reports._page_words import NO_VALUE, told
from chaosrun.scoring.words import show

_ROWS: Final = 30
_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)

Row = Sequence[str]
Cell = Callable[[int, int], str]
"""What a column says of the bins from one index up to another."""


def as_table(names: Row, rows: Iterable[Row], note: str = "", of: str = "") -> Markup:
    """A table in a frame that scrolls by itself where the screen is narrow."""
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    body = [tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest)) for first, *rest in rows]
    table = tag("table", tag("thead", head), tag("tbody", *body))
    framed = tag(
        "div", table, class_="frame", tabindex=0, role="region", aria_label=f"Table of {names[1]} by {names[0]}"
    )
    return tag(
        "details", tag("summary", f"Show{of} as table"), tag("p", note, class_="note") if note else Markup(""), framed
    )


def ribbon_table(ribbon: Ribbon, end: float) -> Markup:
    names = ("from", "planned", "usable, fewest", "usable, most", "without a session, most")
    rows = []
    for a, b in _stretches(0.0, end):
        first = max(0, bisect_right(ribbon.t, a) - 1)
        part = slice(first, max(first + 1, bisect_right(ribbon.t, b - 1e-9)))
        if ribbon.t and ribbon.t[0] < b:
            counts = [
                max(ribbon.planned[part]),
                min(ribbon.usable[part]),
                max(ribbon.usable_max[part]),
                max(ribbon.down[part]),
            ]
            rows.append((_s(a), *(f"{count:,}" for count in counts)))
    return as_table(names, rows)


def heat_table(heat: Heat) -> Markup:
    columns: list[tuple[str, Cell]] = [
        ("due", _sum(heat.due)),
        ("longest wait", _max(heat.corrected_max_ms, _ms)),
        ("longest service time", _max(heat.uncorrected_max_ms, _ms)),
        ("without a reply", _sum(heat.unanswered)),
        ("waiting at the end", _sum(heat.censored)),
        ("left out", _sum(heat.left_out)),
    ]
    return _binned(heat.start, heat.step, heat.columns, columns)


def waterfall_table(waterfalls: Sequence[Waterfall]) -> Markup:
    """The clients that came back last, and those that never did."""
    falls = [fall for waterfall in waterfalls for fall in waterfall.falls]
    last = sorted(falls, key=lambda fall: (fall.usable is None, fall.usable or 0.0), reverse=True)[:_ROWS]
    names = ("client", "lost", "tried again", "connected", "usable", "connection ended by", "attempts")
    note = f"The {len(last)} that came back last, of {sum(each.affected for each in waterfalls):,}."
    return as_table(names, [_fall(fall) for fall in last], note, " clients")


def _fall(fall: Fall) -> Row:
    times = [fall.lost, fall.reconnecting, fall.connected, fall.usable]
    return [str(fall.client), *(NO_VALUE if t is None else _s(t) for t in times), told(fall.cause), str(fall.attempts)]


def attempts_table(attempts: Attempts) -> Markup:
    columns: list[tuple[str, Cell]] = [
        ("attempts", _sum(attempts.begun)),
        ("opened", _sum(attempts.opened)),
        ("failed", _sum(attempts.refused)),
    ]
    return _binned(attempts.start, attempts.step, len(attempts.begun), columns, " attempts")


def losses_table(losses: Losses) -> Markup:
    def numbers(a: int, b: int) -> str:
        seen = [span for span in losses.sequence[a:b] if span is not None]
        return f"{seen[0][0]:,} to {seen[-1][1]:,}" if seen else NO_VALUE

    columns = [(f"{told(each.name)} ({each.of})", _sum(each.counts)) for each in losses.classes]
    if losses.channel is not None:
        columns.append((f"numbers of {losses.channel}", numbers))
    if not columns:
        return Markup("")  # nothing was lost, and nothing numbered
    return _binned(losses.start, losses.step, len(losses.sequence), columns)


def rates_table(rates: Rates) -> Markup:
    columns: list[tuple[str, Cell]] = [
        ("due/s, most", _max(rates.due, _number)),
        ("good/s, least", _min(rates.good)),
        ("good/s, most", _max(rates.good, _number)),
        ("pushes/s, most", _max(rates.pushes, _number)),
    ]
    return _binned(rates.start, rates.step, len(rates.due), columns)


def roles_table(roles: Sequence[RolePicture]) -> Markup:
    names = ("role", "CPU, mean", "CPU, most", "memory, first", "memory, most", "memory, last")
    return as_table(names, [_role(role) for role in roles])


def _role(role: RolePicture) -> Row:
    """Over the samples that there are: a role that was down has none."""
    cpu = [value for value in role.cpu_percent if value is not None]
    memory = [value for value in role.memory_bytes if value is not None]
    if not cpu or not memory:
        return [role.name, *[NO_VALUE] * 5]
    shares = (f"{sum(cpu) / len(cpu):.0f}%", f"{max(cpu):.0f}%")
    return [role.name, *shares, *(show(value, "bytes") for value in (memory[0], max(memory), memory[-1]))]


def observer_table(observer: ObserverPicture, end: float) -> Markup:
    names = ("from", "lag p99", "lag, most", "sends late, most", "CPU taken away, most")
    rows = []
    for a, b in _stretches(0.0, end):
        i, j = bisect_right(observer.t, a - 1e-9), bisect_right(observer.t, b - 1e-9)
        if i < j:
            lags = (observer.lag_p99_ms, observer.lag_max_ms, observer.lateness_max_ms)
            cells = [_max(series, _ms)(i, j) for series in lags]
            rows.append((_s(a), *cells, _max(observer.stolen_percent, lambda value: f"{value:.1f}%")(i, j)))
    return as_table(names, rows)


# ---- bins -----------------------------------------------------------------------------------------------------------


def _binned(start: float, step: float, count: int, columns: Sequence[tuple[str, Cell]], of: str = "") -> Markup:
    per_row = max(1, -(-count // _ROWS))
    rows = [
        (_s(start + i * step), *(cell(i, min(count, i + per_row)) for _, cell in columns))
        for i in range(0, count, per_row)
    ]
    return as_table(("from", *(name for name, _ in columns)), rows, of=of)


def _stretches(start: float, end: float) -> Iterable[tuple[float, float]]:
    step = next((each for each in _STEPS if (end - start) / each <= _ROWS), (end - start) / _ROWS)
    edges = [start]
    while edges[-1] < end:
        edges.append(min(end, edges[-1] + step))
    return pairwise(edges)


def _sum(counts: Sequence[int]) -> Cell:
    return lambda a, b: f"{sum(counts[a:b]):,}"


def _max(values: Sequence[float | None], words: Callable[[float], str]) -> Cell:
    def cell(a: int, b: int) -> str:
        known = [value for value in values[a:b] if value is not None]
        return words(max(known)) if known else NO_VALUE

    return cell


def _min(values: Sequence[float]) -> Cell:
    return lambda a, b: _number(min(values[a:b]))


def _s(value: float) -> str:
    return f"{value:.2f} s".replace(".00 s", " s")


def _ms(value: float) -> str:
    return show(value / 1000, "s")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
