"""The history of experiments as text: a line for each of them, or every run of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import inf
from typing import Final

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chaosrun.conditions import Difference
from chaosrun.history.trends import Accepted, History, Line, Ran, Trend
from chaosrun.reports._cleaned import cleaned
from chaosrun.reports._comparison import finite
from chaosrun.reports._prose import draw, prose
from chaosrun.reports._story import with_error
from chaosrun.scoring.words import show

WORDS: Final = {"regression": "REGRESSION", "no_regression": "no regression", "cannot_tell": "cannot tell yet"}
STYLES: Final = {"regression": "bold red", "no_regression": "green", "cannot_tell": "yellow"}
_VERDICTS: Final = {"passed": "green", "failed": "red", "dirty": "red", "aborted": "magenta"}
_BARS: Final = "▁▂▃▄▅▆▇█"
_NEVER: Final = "✕"
_NO_VALUE: Final = "·"
_MOST_DIFFERENCES: Final = 3


def to_json(history: History) -> bytes:
    """What is infinite is the text "infinite"."""
    return msgspec.json.format(msgspec.json.encode(finite(msgspec.to_builtins(history))), indent=2) + b"\n"


def render(history: History, *, runs: int, detailed: bool, width: int = 100, colour: bool = False) -> str:
    """The history as text.

    Args:
        runs: the last so many of each line are shown.
        detailed: each of them has a line of its own.
    """
    history = cleaned(history)
    parts: list[RenderableType] = []
    for line in history.lines:
        parts += [*_line(line, runs), *(_runs(trend, runs) for trend in line.trends if detailed), Text()]
    return draw(Group(*parts, *_amiss(history)), width, colour)


def _line(line: Line, runs: int) -> Iterator[RenderableType]:
    heading = Text(line.title, style="bold")
    if line.profile:
        heading.append(f"  profile {line.profile}", style="default")
    heading.append(f"  {line.fingerprint[:8]}", style="dim")
    yield heading
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=10, no_wrap=True, style="bold cyan")
    grid.add_column(ratio=1)
    last = Text.assemble(
        (line.last_verdict, _VERDICTS.get(line.last_verdict, "yellow")), f" on {day(line.last_started_at)}"
    )
    good = "none" if line.last_good is None else line.last_good
    grid.add_row("Runs", Text.assemble(f"{line.runs}, the last ", last))
    grid.add_row("Last good", Text(good, overflow="fold"))
    for trend in line.trends:
        shown = trend.runs[-runs:]
        values = [run.value for run in shown if run.value is not None]
        latest = f"  {value_told(values[-1], trend.unit)}" if values else ""
        grid.add_row(trend.name, Text.assemble(spark([run.value for run in shown]), latest))
        told = Text(WORDS[trend.verdict], style=STYLES[trend.verdict])
        since = f" since {trend.since}" if trend.since else ""
        grid.add_row("", told.append_text(prose(f"{since}: {trend.why}", "not bold default")))
        for each in trend.accepted:
            grid.add_row("Accepted", prose(accepted_told(each, trend.name)))
    if line.differs:
        grid.add_row(
            "Differs", prose(f"from the runs before it, which are a line of their own: {differing(line.differs)}")
        )
    yield grid


def _runs(trend: Trend, most: int) -> RenderableType:
    """Every run, the newest first."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row(*(Text(name, style="bold") for name in ("run", "began", "verdict", trend.name, "")))
    for run in reversed(trend.runs[-most:]):
        table.add_row(
            Text(run.place, overflow="fold"),
            Text(day(run.started_at)),
            Text(run.verdict, style=_VERDICTS.get(run.verdict, "yellow")),
            prose(run_told(run, trend.unit)),
            Text(
                "worse" if run.worse else "does not count" if not run.counts else "accepted" if run.accepted else "",
                style="red" if run.worse else "dim",
            ),
        )
    return table


def _amiss(history: History) -> Iterator[RenderableType]:
    for place, why in history.unread:
        yield Text(f"cannot be read: {place}: {why}", style="yellow", overflow="fold")
    if history.unscored:
        names = ", ".join(history.unscored[:3]) + (", ..." if len(history.unscored) > 3 else "")
        yield Text(
            f"without a result: under way, cut off (chaosrun score DIR), or never begun: {names}",
            style="yellow",
            overflow="fold",
        )


# ---- what the page tells, too ---------------------------------------------------------------------------------------


def spark(values: Sequence[float | None]) -> str:
    """A bar for each value, from 0 up to the largest; `✕` never ended, `·` is without a value."""
    most = max((value for value in values if value is not None and value != inf), default=0.0)
    return "".join(_bar(value, most) for value in values)


def _bar(value: float | None, most: float) -> str:
    if value is None:
        return _NO_VALUE
    if value == inf:
        return _NEVER
    return _BARS[min(len(_BARS) - 1, int(value / most * len(_BARS)))] if most else _BARS[0]


def day(started_at: str) -> str:
    try:
        return f"{datetime.fromisoformat(started_at):%Y-%m-%d %H:%M}"
    except ValueError:
        return started_at


def value_told(value: float, unit: str) -> str:
    return "never" if value == inf else show(value, unit)


def accepted_told(accepted: Accepted, name: str) -> str:
    """Which runs somebody accepted, when, and why."""
    return (
        f"{name} as it is since {accepted.since}, on {day(accepted.accepted_at)} with {accepted.until}: {accepted.why}"
    )


def run_told(run: Ran, unit: str) -> str:
    if run.value is None:
        return "no value"
    return "never" if run.value == inf else with_error(run.value, run.error, unit)


def differing(found: Sequence[Difference]) -> str:
    told = "; ".join(
        f"{each.name} {each.a or '(not set)'} -> {each.b or '(not set)'}" for each in found[:_MOST_DIFFERENCES]
    )
    more = len(found) - _MOST_DIFFERENCES
    return told + (f"; and {more} more" if more > 0 else "")
