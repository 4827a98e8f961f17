"""Several experiments on one screen: the verdict of all, a line each, and why those that did not pass did not.

It fits 80 columns. Without colour it is plain text, the same every time. Nothing is in it but what `suite.json` says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chaosrun.reports._cleaned import cleaned
from chaosrun.reports._prose import draw, prose
from chaosrun.reports._safe_text import clean
from chaosrun.reports._suite_words import (
    NOTHING,
    ended,
    label,
    lost,
    reasons_of_all,
    suite_facts,
    time_to_recover,
    took,
    why,
)
from chaosrun.scoring.suite import Suite, SuiteRun

_STYLES: Final = {"passed": "green", "failed": "red", "dirty": "red", "aborted": "magenta"}
_STATES: Final = {"skipped": "dim", "not_run": "dim", "broken": "red"}
_WIDE: Final = 90
"""From here on there is room for how long each took."""


def render_suite(suite: Suite, place: Path, *, width: int = 100, colour: bool = False) -> str:
    """The summary as text.

    Args:
        place: the page over all, or the folder, for the last line.
        colour: with ANSI colours, for a terminal.
    """
    suite = cleaned(suite)
    style = _STYLES.get(suite.verdict, "yellow")
    heading = Text.assemble((f" {suite.verdict.upper()} ", f"bold reverse {style}"), "  ", (suite.title, "bold"))
    parts: list[RenderableType] = [heading, Text(" · ".join(suite_facts(suite)), style="dim")]
    parts += [_bullet("!", reason, style) for reason in reasons_of_all(suite)]
    parts += [Text(), _runs(suite, width), *_amiss(suite), Text()]
    parts.append(Text.assemble(("Report", "bold cyan"), "  ", Text(clean(str(place)), overflow="fold")))
    return draw(Group(*parts), width, colour)


def _runs(suite: Suite, width: int) -> RenderableType:
    names = ["#", "experiment", "verdict", "time to recover", "lost: replies", "pushes"]
    justified = ["right", "left", "left", "left", "right", "right"]
    if width >= _WIDE:
        names, justified = [*names, "missed away", "took"], [*justified, "right", "right"]
    table = Table.grid(padding=(0, 2, 0, 0))
    for number, justify in enumerate(justified):
        table.add_column(justify=justify, overflow="fold", no_wrap=number != 1)  # type: ignore[arg-type]  # a literal
    table.add_row(*names, style="dim")
    for number, run in enumerate(suite.runs, 1):
        replies, pushes, away = lost(run)
        cells = [prose(time_to_recover(run)), Text(replies), Text(pushes)]
        cells += [Text(away), Text(took(run))] if width >= _WIDE else []
        for cell in cells:
            cell.stylize("dim" if cell.plain == NOTHING else "")
        table.add_row(str(number), Text(label(run, suite)), Text(ended(run), style=_style(run)), *cells)
    return table


def _style(run: SuiteRun) -> str:
    return _STYLES.get(run.verdict, "yellow") if run.verdict is not None else _STATES.get(run.state, "yellow")


def _amiss(suite: Suite) -> list[RenderableType]:
    """A line for each experiment that did not pass, with its number."""
    told = [(number, run) for number, run in enumerate(suite.runs, 1) if why(run)]
    # What was not run because all ended has been said above.
    told = [(number, run) for number, run in told if run.state != "not_run"]
    lines = [_bullet(str(number), f"{label(run, suite)}: {why(run)}", _style(run)) for number, run in told]
    return [Text(), *lines] if lines else []


def _bullet(mark: str, text: str, style: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text(mark, style=f"bold {style}"), prose(text))
    return grid
