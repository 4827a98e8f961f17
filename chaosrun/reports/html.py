"""`report.html`: the run on one page that needs nothing else. uPlot is taken from where `uplot-python` installed it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from chaosrun.reports._base import ScoredRun
from chaosrun.reports._cleaned import cleaned
from chaosrun.reports._markup import Markup, join, tag
from chaosrun.reports._page_data import data_block
from chaosrun.reports._page_figures import charts
from chaosrun.reports._page_more import details
from chaosrun.reports._page_shell import asset, document
from chaosrun.reports._page_top import first_screen, title
from chaosrun.scoring.result import Result

SCRIPTS: Final = (
    "words.js",
    "theme.js",
    "timeline.js",
    "marks.js",
    "pen.js",
    "plot.js",
    "ribbon.js",
    "heat.js",
    "waterfall.js",
    "attempts.js",
    "losses.js",
    "rates.js",
    "roles.js",
    "observer.js",
    "main.js",
)
"""In the order in which they are put together: one script, whose parts know each other."""
STYLES: Final = ("colours.css", "style.css")
_OPENING: Final = "(() => {\n'use strict';\n"
_CLOSING: Final = "\n})();\n"


def render(run: ScoredRun) -> Mapping[str, bytes]:
    """The page of a run."""
    result, picture = cleaned(run.result), cleaned(run.picture)
    body = join(
        tag("main", first_screen(result, picture), charts(picture), details(result)),
        _foot(result),
        tag("script", data_block(result, picture), type="application/json", id="data"),
    )
    charting = _OPENING + "\n".join(map(asset, SCRIPTS)) + _CLOSING
    page = document(
        title(result),
        body,
        styles=[_uplot("uPlot.min.css"), *map(asset, STYLES)],
        scripts=[_uplot("uPlot.iife.js"), charting],
    )
    return {"report.html": page}


def _uplot(name: str) -> str:
    """A file of uPlot, without importing the package around it, which brings a whole notebook along."""
    spec = find_spec("uplot")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("uPlot is not installed; install chaosrun again, or: pip install uplot-python")
    # A carriage return in a page is read as a line end, and its hash would be another.
    return (Path(spec.origin).parent / "static" / name).read_text("utf-8").replace("\r\n", "\n")


def _foot(result: Result) -> Markup:
    made = f"Made by chaosrun {result.chaosrun_version} from the journal of the run. "
    one = "One run is a demonstration, not proof: what fails 19 times in 20 can pass one (--repeat). "
    drawn = (
        f"Charts by uPlot, copyright Leon Sorokin, MIT licence, as packaged by uplot-python {version('uplot-python')}."
    )
    return tag("footer", tag("p", one), tag("p", made, drawn))
